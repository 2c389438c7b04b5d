"""The declarations of the settings fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import Settings
from autoscaler.config.rules import VALUE_RULES
from autoscaler.config.schema import DEFAULTS, FILE, TARGET, URL_SOURCES, Table, key_at, table_of


def tables(table: Table = FILE) -> Iterator[Table]:
    """Yield every table of the file."""
    yield table
    for key in table.keys:
        if key.table is not None:
            yield from tables(key.table)


def test_no_word_means_two_keys_of_a_table() -> None:
    """Neither as a name, nor as an alias, nor as one for a key of a table within."""
    for table in tables():
        words = Counter(name for key in table.keys for name in (key.name, *key.aliases))
        words.update(name for _, inner in table.parts() for key in inner.keys for name in key.outer_aliases)
        assert [word for word, count in words.items() if count > 1] == []


def test_every_rule_is_about_a_key_that_exists() -> None:
    """A renamed key does not leave its rule behind."""
    known = {(table.record, key.name) for table in tables() for key in table.keys}
    assert set(VALUE_RULES) <= known


def test_the_sources_of_the_url_are_keys_of_the_broker_without_a_default() -> None:
    """None of them is given unless somebody gives it."""
    defaults = {key.name: key.default for key in table_of(BrokerSettings).keys}
    assert [defaults[name] for name in URL_SOURCES] == [None] * len(URL_SOURCES)


def test_the_defaults_have_every_key_of_a_target_but_its_address() -> None:
    """Which no two targets share."""
    assert [key.name for key in TARGET.keys if key not in DEFAULTS.keys] == ["namespace", "name"]


def test_the_file_has_a_part_for_each_of_the_settings() -> None:
    """And [defaults], which are gone once they are merged."""
    assert {key.name for key in FILE.keys} == {*Settings.__dataclass_fields__, "defaults"}


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (("controller", "threads"), "threads"),
        (("targets", 3, "scale_up", "policies", 0, "value"), "value"),
        (("targets", 3), "targets"),
        (("targets", 3, "queues", 1), "queues"),
        (("controller", "zzz"), None),
        (("controller", "threads", "zzz"), None),
        (("zzz", "threads"), None),
    ],
)
def test_a_place_leads_to_its_key(place: tuple[str | int, ...], name: str | None) -> None:
    """Numbers of list items aside; an unknown word leads nowhere."""
    key = key_at(place)
    assert (key.name if key else None) == name
