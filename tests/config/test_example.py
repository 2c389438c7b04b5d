"""The example and the reference say what the settings' declarations say, all of it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.config.broker import BrokerSettings
from autoscaler.config.example import COLUMNS, example, main
from autoscaler.config.model import ControllerSettings, Settings, TargetSettings
from autoscaler.config.parse import ConfigInvalid, parse
from autoscaler.config.reference import reference
from autoscaler.config.schema import DEFAULTS, FILE, TARGET, Key, Table
from autoscaler.config.sources import SecretKey

ROOT = Path(__file__).parents[2]


def assert_parses(text: str, origin: str) -> Settings:
    """Return the settings of a TOML text that is shipped somewhere; fail with all of its problems.

    For whatever embeds a configuration of its own, such as a ConfigMap among the manifests.
    """
    try:
        return parse(text, origin)
    except ConfigInvalid as invalid:
        pytest.fail(f"{origin} holds an invalid configuration:\n{invalid}")


def keys(table: Table = FILE) -> Iterator[tuple[Table, Key]]:
    """Yield every key of the file, each with its table."""
    for key in table.keys:
        yield table, key
        if key.table is not None:
            yield from keys(key.table)


def test_the_file_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Run `python -m autoscaler.config.example > config.example.toml` after a change."""
    main([])
    assert capsys.readouterr().out == (ROOT / "config.example.toml").read_text(encoding="utf-8")


def test_the_reference_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Run `python -m autoscaler.config.example --reference > docs/configuration.md` after a change."""
    main(["--reference"])
    assert capsys.readouterr().out == (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_example_means_the_defaults() -> None:
    """Whoever starts from it starts from what the program does anyway."""
    assert assert_parses(example(), "config.example.toml") == Settings(
        ControllerSettings(),
        (
            TargetSettings("data", "airflow-worker", ("default",)),
            TargetSettings(
                "shop",
                "celery-worker",
                ("celery", "emails"),
                broker=BrokerSettings(secret=SecretKey("celery-broker", "url")),
            ),
        ),
    )


def test_every_default_is_an_active_line_of_the_example() -> None:
    """A key that has a default stands there with it, and one that has none does not."""

    def walk(table: Table, values: dict[str, object]) -> Iterator[tuple[str, bool, bool]]:
        parts = {key.name: inner for key, inner in table.parts()}
        for key in table.keys:
            if key.name in parts:
                inner = values[key.name]
                assert isinstance(inner, dict)
                yield from walk(parts[key.name], inner)
            else:
                yield key.name, key.name in values, not key.required and key.default is not None

    parsed = tomllib.loads(example())
    rows = [*walk(DEFAULTS, parsed["defaults"]), *walk(FILE.keys[0].table or FILE, parsed["controller"])]
    assert [row for row in rows if row[1] != row[2]] == []


@pytest.mark.parametrize("text", [example(), reference()], ids=["example", "reference"])
def test_every_key_with_its_other_names_occurs(text: str) -> None:
    """Nothing can be declared and left undocumented."""
    words = set(re.findall(r"[A-Za-z_]+", text))
    names = {name for _, key in keys() for name in (key.name, *key.aliases, *key.outer_aliases)}
    assert names <= words


def test_a_key_without_a_default_has_an_example() -> None:
    """There would be nothing to show of it; the keys of a whole table are shown with that table."""
    bare = [key.name for table, key in keys(TARGET) if not table.whole and key.default in {..., None}]
    shown = [key.name for table, key in keys(TARGET) if not table.whole and key.example]
    assert set(bare) <= set(shown)


@pytest.mark.parametrize("line", re.findall(r"^# [a-z_]+ = .+$", example(), re.MULTILINE))
def test_every_example_behind_a_comment_is_valid(line: str) -> None:
    """Taking away its mark turns the line into a value that is accepted in its place."""
    name = line.split()[1]
    text = re.sub(
        rf"(^{name} = .+\n)?{re.escape(line)}", line.removeprefix("# "), example(), flags=re.MULTILINE
    )
    assert line not in text
    assert len(assert_parses(text, "config.example.toml").targets) == 2


def test_the_errors_in_the_reference_are_real() -> None:
    """They are what such a file gets to hear."""
    with pytest.raises(ConfigInvalid) as raised:
        parse(
            '[[targets]]\nnamespace = "data"\nname = "airflow-worker"\nqueues = ["default"]\n'
            "max_replicas = -1\ntolerence = 0.2\n",
            "config.toml",
        )
    lines = str(raised.value).splitlines()
    assert len(lines) == 2
    assert set(lines) <= {line.strip() for line in reference().splitlines()}


def test_comments_are_wrapped() -> None:
    """The example is read in terminals and reviews."""
    assert [line for line in example().splitlines() if len(line) > COLUMNS] == []
