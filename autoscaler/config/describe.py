"""What a configuration means, for whoever wants to see it before it is put to use.

Nothing is asked of the cluster or of a broker, and no URL of a broker is ever shown: it may hold a
password.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from autoscaler.config.broker import BrokerSettings
from autoscaler.config.literal import printable
from autoscaler.config.model import ControllerSettings, Settings, TargetSettings

NAMED_QUEUES = 3


def documented(doc: str) -> Any:  # noqa: ANN401 - a field of any type
    """Return a dataclass field with what it means, for the reference."""
    return field(metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """One target, in the order of the file."""

    namespace: str = documented("its namespace")
    name: str = documented("its name")
    kind: str = documented("its kind")
    queues: tuple[str, ...] = documented("queues whose tasks are added up")
    min_replicas: int = documented("never fewer replicas than this")
    max_replicas: int = documented("never more replicas than this")
    slots_per_worker: int | None = documented(
        "tasks that one worker runs at a time; null: its workers are asked"
    )
    broker_source: str = documented(
        "where the broker's URL comes from: pod-template, secret, env, file or url"
    )
    broker_name: str = documented("the Secret and its key, the variable or the file; empty for the others")
    scale_up_window_seconds: float = documented("stabilisation window of growing")
    scale_down_window_seconds: float = documented("stabilisation window of shrinking")
    hints: tuple[str, ...] = documented("who else is asked about its demand")


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole configuration."""

    poll_interval_seconds: float = documented("time between two looks at every target")
    dry_run: bool = documented("whether decisions are reported only, and nothing is written")
    watched_namespaces: tuple[str, ...] = documented(
        "namespaces watched one by one; empty: all of them at once"
    )
    http_address: str = documented("host:port of metrics and probes")
    targets: tuple[TargetSummary, ...] = documented("the targets, in the order of the file")


def summary(settings: Settings) -> Summary:
    """Return what a configuration means, as values: `dataclasses.asdict` makes it JSON's."""
    controller = settings.controller
    namespaces = sorted({target.namespace for target in settings.targets})
    return Summary(
        poll_interval_seconds=controller.poll_interval_seconds,
        dry_run=controller.dry_run,
        watched_namespaces=() if controller.cluster_wide else tuple(namespaces),
        http_address=_address(controller),
        targets=tuple(map(_target, settings.targets)),
    )


def describe(settings: Settings) -> str:
    """Return what a configuration means, as sentences and a table of the targets."""
    means = summary(settings)
    targets = count(len(means.targets), "target")
    watched = means.watched_namespaces
    where = f"{count(len(watched), 'namespace')}, one by one" if watched else "all namespaces at once"
    writes = "dry run, nothing is written" if means.dry_run else "decisions are carried out"
    return "\n".join(
        [
            f"{targets}, looked at every {means.poll_interval_seconds:g} s; {writes}",
            f"watches {where}; metrics and probes on {printable(means.http_address)}",
            "",
            *_table([_HEADINGS, *map(_row, means.targets)]),
        ]
    )


def _target(target: TargetSettings) -> TargetSummary:
    source, name = _broker(target.broker)
    return TargetSummary(
        namespace=target.namespace,
        name=target.name,
        kind=target.kind,
        queues=target.queues,
        min_replicas=target.min_replicas,
        max_replicas=target.max_replicas,
        slots_per_worker=target.slots_per_worker,
        broker_source=source,
        broker_name=name,
        scale_up_window_seconds=target.scale_up.stabilization_window_seconds,
        scale_down_window_seconds=target.scale_down.stabilization_window_seconds,
        hints=tuple(_hints(target)),
    )


def _hints(target: TargetSettings) -> Iterable[str]:
    if target.airflow.metrics is not None:
        yield f"airflow metrics ({target.airflow.metrics})"
    if target.airflow_database.used:
        yield "airflow database"
    if target.airflow.health_url is not None:
        yield "airflow health"
    yield from (hint.name for hint in target.hints)


def _broker(broker: BrokerSettings) -> tuple[str, str]:
    if broker.url is not None:
        return "url", ""
    if broker.secret is not None:
        return "secret", f"{broker.secret.name}/{broker.secret.key}"
    if broker.url_env is not None:
        return "env", broker.url_env
    if broker.url_file is not None:
        return "file", broker.url_file
    return "pod-template", ""


def _address(controller: ControllerSettings) -> str:
    host = f"[{controller.http_host}]" if ":" in controller.http_host else controller.http_host
    return f"{host}:{controller.http_port}"


_HEADINGS = ("TARGET", "QUEUES", "REPLICAS", "SLOTS", "BROKER", "UP WINDOW", "DOWN WINDOW", "HINTS")


def _row(target: TargetSummary) -> tuple[str, ...]:
    return (
        f"{target.namespace}/{target.name}",
        _queues(target.queues),
        f"{target.min_replicas} to {target.max_replicas}",
        "asked" if target.slots_per_worker is None else str(target.slots_per_worker),
        " ".join(filter(None, (target.broker_source, printable(target.broker_name)))),
        f"{target.scale_up_window_seconds:g} s",
        f"{target.scale_down_window_seconds:g} s",
        ", ".join(map(printable, target.hints)) or "none",
    )


def _queues(queues: tuple[str, ...]) -> str:
    named = ", ".join(printable(queue) for queue in queues[:NAMED_QUEUES])
    more = len(queues) - NAMED_QUEUES
    return f"{named} and {more} more" if more > 0 else named


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
