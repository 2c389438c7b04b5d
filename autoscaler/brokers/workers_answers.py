"""What a worker's answers to remote control mean.

Answers hold the arguments of tasks, and in Airflow's a token that lives. Of each task its id and its
due time are read, the rest of the text is passed over and dropped with it.

A worker answers questions one after the other while its tasks go on: from scheduled to reserved, from
reserved to active. Asked in that order no task is missed; one that has moved on in between is seen
twice and counted where it was seen last, and so is one with an early acknowledgement, which Celery
shows as reserved while it is active.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from autoscaler.brokers.remote import slots_told

HELD = ("scheduled", "reserved", "active")
FACTS = ("stats", "active_queues")


class Garbled(Exception):
    """An answer that cannot be understood; the text says in what way, without any of it."""


class Task(msgspec.Struct, frozen=True):
    """A task that runs or waits."""

    id: str


class Scheduled(msgspec.Struct, frozen=True):
    """A task that waits for its time, or, without one, for a rate limit."""

    request: Task
    eta: str | None = None


class _Queue(msgspec.Struct, frozen=True):
    name: str


class Stats(msgspec.Struct, frozen=True):
    """The part of a worker's statistics that tells its slots."""

    pool: dict[str, Any] | None = None
    autoscaler: dict[str, Any] | None = None


DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    "scheduled": msgspec.json.Decoder(dict[str, list[Scheduled]]),
    "reserved": msgspec.json.Decoder(dict[str, list[Task]]),
    "active": msgspec.json.Decoder(dict[str, list[Task]]),
    "stats": msgspec.json.Decoder(dict[str, Stats]),
    "active_queues": msgspec.json.Decoder(dict[str, list[_Queue]]),
}


Decoders = Mapping[str, msgspec.json.Decoder[Any]]


def decode(
    command: str, body: bytes | str, content_type: str | None, decoders: Decoders = DECODERS
) -> Mapping[str, Any]:
    """Return what each node in a reply said to a command, by its decoder. Raises `Garbled`.

    Only JSON is read: unpickling what comes from a broker would run whatever somebody put there.
    """
    if content_type != "application/json":
        raise Garbled("workers answer in another form than JSON")
    try:
        told: Mapping[str, Any] = decoders[command].decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Garbled(f"workers answer to {command!r} with something else") from None
    return told


@dataclass(frozen=True, slots=True)
class Facts:
    """What seldom changes of a worker: the tasks that it runs at a time, and the queues it consumes."""

    slots: int | None
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """The tasks that a worker holds: how many run, how many wait to run, when the others are due."""

    active: int
    reserved: int
    eta: tuple[float, ...]


def holding(told: Mapping[str, Any]) -> Holding | None:
    """Return what the answers to the three questions of `HELD` add up to, None if one is missing."""
    if any(command not in told for command in HELD):
        return None
    active = {task.id for task in told["active"]}
    reserved = {task.id for task in told["reserved"]} - active
    waiting = {item.request.id: _epoch(item.eta) for item in told["scheduled"]}
    begun = active | reserved
    due = [at for task, at in waiting.items() if task not in begun]
    limited = sum(at is None for at in due)
    return Holding(len(active), len(reserved) + limited, tuple(sorted(at for at in due if at is not None)))


def facts(told: Mapping[str, Any]) -> Facts | None:
    """Return what the answers to the two questions of `FACTS` say, None if one is missing."""
    if any(command not in told for command in FACTS):
        return None
    stats = told["stats"]
    slots = slots_told({"pool": stats.pool, "autoscaler": stats.autoscaler})
    return Facts(slots, tuple(sorted({queue.name for queue in told["active_queues"]})))


def _epoch(eta: str | None) -> float | None:
    """Return a time in ISO 8601 as seconds since the epoch; one without a zone is UTC."""
    if eta is None:
        return None
    try:
        at = datetime.fromisoformat(eta)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
