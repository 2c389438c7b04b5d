"""A configuration file that can be read, and every kind that cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autoscaler.config.parse import ConfigInvalid, Problem
from autoscaler.config.source import MOST_BYTES, load

VALID = '[[targets]]\nnamespace = "data"\nname = "worker"\nqueues = ["größe"]\n'


def missing(path: Path) -> None:
    """Leave nothing there."""


def folder(path: Path) -> None:
    """Put a folder there."""
    path.mkdir()


def loop(path: Path) -> None:
    """Put a link to itself there, which no user can open."""
    path.symlink_to(path)


def latin(path: Path) -> None:
    """Put a text of another encoding there."""
    path.write_bytes("# größe".encode("latin-1"))


def large(path: Path) -> None:
    """Put a file there that is one byte too large."""
    path.write_bytes(b"#" * (MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("prepare", "rule"),
    [
        (missing, "does not exist"),
        (folder, "is a folder, not a file"),
        (loop, "cannot be read: Too many levels of symbolic links"),
        (latin, "is not UTF-8: byte 5 is not part of a character"),
        (large, "is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_like_any_other(
    tmp_path: Path, prepare: Callable[[Path], None], rule: str
) -> None:
    """It names the file, and says what is in the way."""
    path = tmp_path / "config.toml"
    prepare(path)
    with pytest.raises(ConfigInvalid) as raised:
        load(path)
    assert raised.value.problems == (Problem(str(path), "", rule),)
    assert str(raised.value) == f"{path}: {rule}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_is_read_as_utf8_with_or_without_a_mark(tmp_path: Path, encoding: str) -> None:
    """Some editors put a byte order mark at the start."""
    path = tmp_path / "config.toml"
    path.write_text(VALID, encoding=encoding)
    assert load(path).targets[0].queues == ("größe",)


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    """The limit itself is allowed."""
    path = tmp_path / "config.toml"
    text = VALID.encode()
    path.write_bytes(text + b"#" * (MOST_BYTES - len(text)))
    assert load(path).targets[0].name == "worker"


def test_what_is_wrong_in_a_file_is_said_with_its_path(tmp_path: Path) -> None:
    """So that it can be found among several."""
    path = tmp_path / "config.toml"
    path.write_text("controller.threads = 0\n" + VALID, encoding="utf-8")
    with pytest.raises(ConfigInvalid) as raised:
        load(path)
    assert str(raised.value) == f"{path}: controller.threads = 0: must be at least 1"
