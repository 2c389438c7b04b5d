"""From the text of a configuration file to settings, or to everything that is wrong with it.

Whoever mends a configuration wants to see all of its problems at once, each with its key, its value
and the rule it breaks, and no second problem that only follows from a first. So each step works on
what the steps before found valid, and remembers what it must keep quiet about.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from autoscaler.config.check import check
from autoscaler.config.literal import may_hold_credentials
from autoscaler.config.model import Settings
from autoscaler.config.names import Names
from autoscaler.config.problem import ConfigInvalid, Fault, Problem, path_text
from autoscaler.config.rules import FILE_RULES, TARGET_RULES, Draft, has_one_url_source
from autoscaler.config.schema import CONTROLLER, PROMETHEUS, TARGET, URL_SOURCES, Key, Place, Table

__all__ = ["ConfigInvalid", "Problem", "parse"]


def parse(text: str, origin: str = "configuration") -> Settings:
    """Return the settings that a TOML text describes, with [defaults] merged into each target.

    `origin` is where the text comes from, for messages. Raises `ConfigInvalid` with every problem of
    the text.
    """
    raw, complaint = _read(text)
    if complaint:
        raise ConfigInvalid([Problem(origin, "", complaint)])
    names = Names(raw)
    checked = check(names.values)
    defaults = checked.values.get("defaults", {})
    faulty = checked.faulty | names.doubled
    targets = [
        Draft(("targets", index), own, defaults, faulty)
        for index, own in enumerate(checked.values.get("targets", ()))
    ]
    faults = dict.fromkeys(chain(names.faults, checked.faults, _broken_rules(targets, names.written, faulty)))
    if faults:
        raise ConfigInvalid(_problems(faults, names, targets), origin)
    return Settings(
        controller=_build(CONTROLLER, checked.values.get("controller", {})),
        targets=tuple(_build(TARGET, _merged(target)) for target in targets),
        prometheus=_build(PROMETHEUS, checked.values.get("prometheus", {})),
    )


def _read(text: str) -> tuple[dict[str, Any], str]:
    """Return what a TOML text holds, and what keeps it from being TOML: one of the two is empty.

    The error itself goes no further: it may quote the text, which may hold a password.
    """
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        return {}, _complaint(str(error), text)
    except RecursionError:
        return {}, "is nested too deeply"
    except ValueError:
        return {}, "is not TOML: it holds a number of more digits than can be read"


def _complaint(message: str, text: str) -> str:
    what, at, where = message.rpartition(" (at ")
    if may_hold_credentials(what):
        what = "a key is given twice, or a table after its keys"
    last_line = text.rsplit("\n", 1)[-1]
    end = f"line {text.count(chr(10)) + 1}, column {len(last_line) + 1}, the end"
    return f"is not TOML: {what}{at}{where.replace('end of document', end)}"


def _broken_rules(
    targets: Sequence[Draft], given: Mapping[Place, Place], faulty: frozenset[Place]
) -> Iterable[Fault]:
    """Yield what is wrong between keys, once everything that is wrong by itself is set aside."""
    for table in (("defaults",), *(target.place for target in targets)):
        yield from has_one_url_source(table, given)
    for target in targets:
        for target_rule in TARGET_RULES:
            yield from target_rule(target)
    if ("targets",) not in faulty:
        for file_rule in FILE_RULES:
            yield from file_rule(targets)


def _problems(faults: Iterable[Fault], names: Names, targets: Sequence[Draft]) -> Iterable[Problem]:
    """Return faults as problems in the order of the file's parts, by name, and of the targets."""
    labels = {target.place: _label(target) for target in targets}
    for fault in sorted(faults, key=_part):
        key = path_text(names.spelling(fault.place))
        yield Problem(key, fault.value, fault.rule, labels.get(fault.place[:2], ""))


def _part(fault: Fault) -> tuple[str, int]:
    """Return which part of the file a fault is in; their names happen to be in alphabetical order."""
    root, *inner = fault.place
    return str(root), inner[0] if inner and isinstance(inner[0], int) else -1


def _label(target: Draft) -> str:
    address = [target.own.get(name) for name in ("namespace", "name")]
    return "" if None in address else "/".join(map(str, address))


def _merged(target: Draft) -> dict[str, Any]:
    """Return a target's keys with those of [defaults] beneath.

    A source of a URL replaces the one of [defaults], whichever that is.
    """
    merged = {**target.defaults, **target.own}
    for key, _ in TARGET.parts():
        beneath, own = target.defaults.get(key.name, {}), target.own.get(key.name, {})
        if not own.keys().isdisjoint(URL_SOURCES):
            beneath = {name: value for name, value in beneath.items() if name not in URL_SOURCES}
        merged[key.name] = {**beneath, **own}
    return merged


def _build(table: Table, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the record of the table
    """Return a table's values as its settings, lists as tuples, the rest left to the defaults."""
    given = {key.name: _value(key, values[key.name]) for key in table.keys if key.name in values}
    return table.record(**given)


def _value(key: Key, value: Any) -> Any:  # noqa: ANN401 - of the key's own type
    if key.many:
        return tuple(_value(replace(key, many=False), item) for item in value)
    return value if key.table is None else _build(key.table, value)
