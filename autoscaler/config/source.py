"""Where the configuration comes from: a file, such as a mounted ConfigMap has.

Whatever keeps the file from being read is a problem of the configuration like any other, so that
whoever starts the daemon, or reloads its settings, has one kind of failure to deal with.
"""

from __future__ import annotations

from pathlib import Path

from autoscaler.config.model import Settings
from autoscaler.config.parse import parse
from autoscaler.config.problem import ConfigInvalid, Problem

MOST_BYTES = 1024 * 1024
"""The size up to which a file is read: what a ConfigMap holds at most."""


def load(path: Path) -> Settings:
    """Return the settings that a file holds. Raises `ConfigInvalid` for whatever is wrong with it."""
    text, complaint = _read(path)
    if complaint:
        raise ConfigInvalid([Problem(str(path), "", complaint)])
    return parse(text, str(path))


def _read(path: Path) -> tuple[str, str]:
    """Return the text of a file, and why there is none: one of the two is empty."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return "", "does not exist"
    except IsADirectoryError:
        return "", "is a folder, not a file"
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    if len(content) > MOST_BYTES:
        return "", f"is larger than {MOST_BYTES} bytes"
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        return "", f"is not UTF-8: byte {error.start + 1} is not part of a character"
