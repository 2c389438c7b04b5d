"""The configuration file as a tree of tables and keys, read off the settings' own declarations.

Whoever checks a file, writes the example or prints the reference walks this tree, so that none of
them has a list of keys of its own that could fall behind `config.model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from autoscaler.config.model import ControllerSettings, PrometheusSettings, Settings, TargetSettings

Place = tuple[str | int, ...]
"""Where a value stands in the file, by the keys' own names: ("targets", 2, "broker", "url")."""

UNSET: Any = ...
"""No value: neither in the file nor by default."""

URL_SOURCES = ("url", "url_env", "url_file", "secret", "url_from")
"""The keys of a broker or a database that say where its URL comes from; at most one of them is given."""

LOCATED = ("broker", "airflow_database")
"""The tables of a target that have such keys."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key of a table.

    `kind` is the type of its value or, for a list, of each item; `table` what that value consists of
    when it is itself a table. `default` is `UNSET` for a required key. The rest is what
    `config.model.setting` was told.
    """

    name: str
    kind: type
    doc: str
    many: bool = False
    table: Table | None = None
    default: Any = UNSET
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    outer_aliases: tuple[str, ...] = ()
    example: str = ""
    secret: bool = False

    @property
    def required(self) -> bool:
        """Whether there is no default to fall back on."""
        return self.default is UNSET


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table of the file and the dataclass that it becomes.

    A `whole` table is given with all its required keys or not at all, and replaces the one of
    [defaults]; any other is merged with it key by key.
    """

    record: type
    keys: tuple[Key, ...]
    whole: bool = False

    def key(self, name: str | int) -> Key | None:
        """Return the key of that very name."""
        return next((key for key in self.keys if key.name == name), None)

    def parts(self) -> Iterator[tuple[Key, Table]]:
        """Yield the keys whose values are tables that merge, each with its table."""
        for key in self.keys:
            if key.table is not None and not key.table.whole and not key.many:
                yield key, key.table


@cache
def words(table: Table) -> dict[str, tuple[str, ...]]:
    """Return every word that names a key in this table, with the path from here to that key."""
    found: dict[str, tuple[str, ...]] = {}
    for key in table.keys:
        found |= dict.fromkeys((key.name, *key.aliases), (key.name,))
    for part, inner in table.parts():
        for key in inner.keys:
            found |= dict.fromkeys(key.outer_aliases, (part.name, key.name))
    return found


def key_at(place: Place) -> Key | None:
    """Return the key at a place of the file, or whose list the place is in; None for an unknown one."""
    table: Table | None = FILE
    found = None
    for word in place:
        if isinstance(word, int):
            continue
        found = table.key(word) if table is not None else None
        if found is None:
            return None
        table = found.table
    return found


def table_at(place: Place) -> Table:
    """Return the table at a place which is known to be one."""
    key = key_at(place)
    if key is None or key.table is None:
        return FILE
    return key.table


def table_of(record: type) -> Table:
    """Return the table that a settings dataclass declares."""
    hints = get_type_hints(record)
    keys = tuple(_key(field, hints[field.name]) for field in fields(record))
    return Table(record, keys, whole=any(key.required for key in keys))


def _key(field: Field[Any], hint: Any) -> Key:  # noqa: ANN401 - a type of any form
    if get_origin(hint) in {Union, UnionType}:
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    many = get_origin(hint) is tuple
    kind: type = get_args(hint)[0] if many else hint
    table = table_of(kind) if hasattr(kind, "__dataclass_fields__") else None
    return Key(field.name, kind, many=many, table=table, default=_default(field), **field.metadata)


def _default(field: Field[Any]) -> Any:  # noqa: ANN401 - of the field's own type
    if field.default_factory is not MISSING:
        return field.default_factory()
    return UNSET if field.default is MISSING else field.default


CONTROLLER = table_of(ControllerSettings)
PROMETHEUS = table_of(PrometheusSettings)
TARGET = replace(table_of(TargetSettings), whole=False)
DEFAULTS = replace(TARGET, keys=tuple(key for key in TARGET.keys if key.name not in {"namespace", "name"}))
FILE = Table(
    Settings,
    (
        Key("controller", dict, "the daemon itself", table=CONTROLLER),
        Key("defaults", dict, "any key of a target except namespace and name", table=DEFAULTS),
        Key("prometheus", dict, "the Prometheus that hints are read from", table=PROMETHEUS),
        Key("targets", dict, "one for each worker StatefulSet", table=TARGET, many=True),
    ),
)
