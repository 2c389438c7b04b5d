"""Settings drawn at random, within what their declarations allow, and their way back to TOML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from autoscaler.config.airflow import AirflowSettings, DatabaseSettings
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.literal import literal
from autoscaler.config.model import PrometheusSettings, Settings, TargetSettings
from autoscaler.config.schema import CONTROLLER, PROMETHEUS, TARGET, URL_SOURCES, Key, Table
from autoscaler.config.sources import SecretKey
from autoscaler.core.queues import is_closed

QUEUES = st.text(min_size=1).filter(is_closed)
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
VARIABLES = st.from_regex(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,20}", fullmatch=True)
PATHS = st.text(min_size=1).map("/".__add__).filter(lambda path: "://" not in path)
WEB = st.from_regex(r"https?://[a-z]{1,9}(:[0-9]{1,4})?(/[a-z]{0,9})?", fullmatch=True)
MOST_REPLICAS = 10_000

RULED: Mapping[tuple[type, str], st.SearchStrategy[Any]] = {
    (TargetSettings, "namespace"): LABELS,
    (TargetSettings, "name"): st.lists(LABELS, min_size=1, max_size=3).map(".".join),
    (TargetSettings, "queues"): st.lists(
        st.text(min_size=1).filter(is_closed), min_size=1, max_size=4, unique=True
    ).map(tuple),
    (TargetSettings, "quota_reserve"): st.sampled_from(((), ("10%",), ("pods: 2", "requests.cpu: 5%"))),
    (TargetSettings, "worker_node"): st.text().map("celery@{pod}".__add__),
    (BrokerSettings, "url_env"): VARIABLES,
    (BrokerSettings, "url_file"): PATHS,
    (DatabaseSettings, "url_env"): VARIABLES,
    (DatabaseSettings, "url_file"): PATHS,
    (DatabaseSettings, "template_env"): st.lists(VARIABLES, min_size=1, max_size=3).map(tuple),
    (AirflowSettings, "health_url"): WEB,
    (PrometheusSettings, "url"): WEB,
    (PrometheusSettings, "headers"): st.lists(VARIABLES.map("{}: x".format), max_size=2).map(tuple),
    (PrometheusSettings, "bearer_file"): PATHS,
    (PrometheusSettings, "ca_file"): PATHS,
    (BrokerSettings, "template_env"): st.lists(VARIABLES, min_size=1, max_size=3).map(tuple),
    (BrokerSettings, "container"): LABELS,
    (BrokerSettings, "priority_steps"): st.sets(st.integers(1, 255), max_size=5).map(
        lambda steps: (0, *sorted(steps))
    ),
    (SecretKey, "name"): LABELS,
    (SecretKey, "key"): VARIABLES,
}
"""Values for the keys that have a rule beyond a type and a range."""


def any_settings() -> st.SearchStrategy[Settings]:
    """Return a strategy for any valid configuration of up to four targets."""
    targets = st.lists(
        _record(TARGET).map(_coherent), min_size=1, max_size=4, unique_by=lambda target: target.ref
    )
    return st.builds(
        Settings,
        controller=_record(CONTROLLER),
        targets=targets.map(tuple),
        prometheus=_record(PROMETHEUS),
    )


def toml_of(drawn: Settings, spell: Callable[[Key], str] = lambda key: key.name) -> str:
    """Return settings as TOML with every key written out under the name that `spell` gives it."""
    lines = [*_lines("controller", "[controller]", CONTROLLER, drawn.controller, spell)]
    lines += _lines("prometheus", "[prometheus]", PROMETHEUS, drawn.prometheus, spell)
    for target in drawn.targets:
        lines += _lines("targets", "[[targets]]", TARGET, target, spell)
    return "\n".join(lines)


def _record(table: Table) -> st.SearchStrategy[Any]:
    return st.builds(table.record, **{key.name: _of_key(table, key) for key in table.keys})


def _of_key(table: Table, key: Key) -> st.SearchStrategy[Any]:
    address = (table.record, key.name)
    values = RULED[address] if address in RULED else _of_kind(key)
    return st.none() | values if key.default is None else values


def _of_kind(key: Key) -> st.SearchStrategy[Any]:
    if key.table is not None:
        record = _record(key.table)
        name = (lambda item: item.name) if key.table.key("name") else id
        return st.lists(record, max_size=3, unique_by=name).map(tuple) if key.many else record
    if key.choices:
        return st.sampled_from(key.choices)
    if key.kind is bool:
        return st.booleans()
    if key.kind is str and key.many:
        return st.lists(st.text(min_size=1), min_size=int(key.at_least or 0), max_size=3).map(tuple)
    if key.kind is str:
        return st.text(min_size=int(key.at_least or 0))
    least = 0 if key.at_least is None else key.at_least
    most = MOST_REPLICAS if key.at_most is None else key.at_most
    return st.integers(int(least), int(most)) if key.kind is int else st.floats(least, most)


def _coherent(target: TargetSettings) -> TargetSettings:
    """Return a target with what the rules between keys do not allow taken out."""
    least, most = sorted((target.min_replicas, target.max_replicas))
    return replace(
        target,
        min_replicas=least,
        max_replicas=most,
        scale_up=_effective(target.scale_up),
        scale_down=_effective(target.scale_down),
        broker=_located_once(target.broker),
        airflow_database=_located_once(target.airflow_database),
    )


def _located_once(located: Any) -> Any:
    given = [name for name in URL_SOURCES if getattr(located, name) is not None]
    return replace(located, **dict.fromkeys(given[1:]))


def _effective(direction: Any) -> Any:
    return replace(direction, policies=()) if direction.select_policy == "Disabled" else direction


def _lines(path: str, header: str, table: Table, record: Any, spell: Callable[[Key], str]) -> list[str]:
    lines, inner = [header], []
    for key in table.keys:
        value = getattr(record, key.name)
        if value is None:
            continue
        name = spell(key)
        if key.table is None:
            lines.append(f"{name} = {literal(value)}")
        elif key.many or key.table.whole:
            lines.append(f"{name} = {_inline(key.table, value, spell)}")
        else:
            inner += _lines(f"{path}.{name}", f"[{path}.{name}]", key.table, value, spell)
    return lines + inner


def _inline(table: Table, value: Any, spell: Callable[[Key], str]) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_inline(table, item, spell) for item in value)}]"
    given = [key for key in table.keys if getattr(value, key.name) is not None]
    keys = (f"{spell(key)} = {literal(getattr(value, key.name))}" for key in given)
    return f"{{ {', '.join(keys)} }}"
