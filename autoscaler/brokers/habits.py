"""What a target's workers say of how they are set up, asked by remote control.

A worker's configuration holds passwords, and its tasks' arguments tokens: the few values that are needed
are decoded, all the rest of an answer is passed over and dropped with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from autoscaler.brokers.address import Address, RedisAddress, parse
from autoscaler.brokers.names import Names
from autoscaler.brokers.remote import slots_told
from autoscaler.brokers.workers_answers import Stats
from autoscaler.brokers.workers_failures import reason
from autoscaler.brokers.workers_line import Answers, ControlLine
from autoscaler.config.model import TargetSettings
from autoscaler.core.habits import Habits
from autoscaler.core.model import Reading, fresh, unknown
from autoscaler.ports import BrokerUnknown

T = TypeVar("T")
WORKERS = "workers"
NODES_ASKED = 20
NAMED = 3
NOBODY = "no worker is ready to be asked"
SWITCHED_OFF = "workers are not asked: remote control is off"
IDLE = "no task runs at present"
KOMBU_VISIBILITY_SECONDS = 3600.0
"""kombu's own visibility timeout, where the transport options name none."""


class _Transport(msgspec.Struct, frozen=True):
    visibility_timeout: Any = None


class Conf(msgspec.Struct, frozen=True):
    """The part of a worker's configuration that is looked at, of whatever types it may be.

    A worker tells what differs from Celery's defaults, which are those of `celery.app.defaults`. (Those of
    all settings, which it tells too when it is told to, are not JSON: one of them is Infinity.)
    """

    task_acks_late: Any = False
    worker_prefetch_multiplier: Any = 4
    worker_disable_prefetch: Any = False
    broker_transport_options: _Transport | None = None


class Running(msgspec.Struct, frozen=True):
    """A task that runs: its id, and since when in seconds since the epoch."""

    id: str
    time_start: float | None = None


DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    "conf": msgspec.json.Decoder(dict[str, Conf]),
    "active": msgspec.json.Decoder(dict[str, list[Running]]),
    "stats": msgspec.json.Decoder(dict[str, Stats]),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What one worker said, None where it did not.

    `longest_seconds` is how long the task has run by now that has run the longest, 0 while none does.
    """

    node: str
    acks_late: bool | None = None
    prefetch_multiplier: int | None = None
    visibility_seconds: float | None = None
    fair: bool | None = None
    slots: int | None = None
    longest_seconds: float | None = None


def ask(
    habits: Habits,
    target: TargetSettings,
    url: str,
    pods: Sequence[str],
    wall: Callable[[], float] = time.time,
) -> Habits:
    """Return habits with what the workers in these pods say, the first twenty of them.

    What they say goes before what the pod template says. `wall` returns seconds since the epoch.
    """
    try:
        place = parse(url, target.broker)
    except BrokerUnknown as error:
        return unasked(habits, str(error))
    of_redis = isinstance(place, RedisAddress)
    habits = replace(habits, redelivers=fresh(of_redis, "the broker's URL"))
    if not of_redis:
        habits = replace(habits, visibility_seconds=unknown(WORKERS, ""))
    if habits.remote_control.value is False:
        return unasked(habits, SWITCHED_OFF)
    nodes = [target.worker_node.replace("{pod}", pod) for pod in pods[:NODES_ASKED]]
    if not nodes:
        return unasked(habits, NOBODY)
    try:
        answers = _answers(place, target, nodes)
    except Exception as error:  # noqa: BLE001  # whatever it was, the other targets are still looked at
        return unasked(habits, f"{place} {reason(error, target.broker.timeout_seconds)}")
    if not answers.told:
        others = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
        return unasked(habits, answers.detail or f"no answer from {', '.join(nodes[:NAMED])}{others}")
    now = wall()
    return merged(habits, [said_by(node, told, now) for node, told in sorted(answers.told.items())])


def unasked(habits: Habits, why: str) -> Habits:
    """Return habits with the reason for what neither the workers nor the pod template say."""
    missing: Reading[Any] = unknown(WORKERS, why)
    return replace(
        habits,
        acks_late=habits.acks_late if habits.acks_late.value is not None else missing,
        prefetch_multiplier=(
            habits.prefetch_multiplier if habits.prefetch_multiplier.value is not None else missing
        ),
        longest_task_seconds=missing,
        redelivers=habits.redelivers if habits.redelivers.value is not None else missing,
    )


def _answers(place: Address, target: TargetSettings, nodes: Sequence[str]) -> Answers:
    """Return what nodes answer to all questions, asked in one turn."""
    line = ControlLine(place, target.broker, Names(), clock=time.monotonic, wall=time.time)
    try:
        return line.ask(nodes, tuple(DECODERS), DECODERS)
    finally:
        line.close()


def said_by(node: str, told: Mapping[str, Any], now: float) -> Said:
    """Return what a node's answers say, `now` in seconds since the epoch."""
    conf, stats, active = told.get("conf"), told.get("stats"), told.get("active")
    said = Said(node)
    if conf is not None:
        said = replace(
            said,
            acks_late=_truth(conf.task_acks_late),
            prefetch_multiplier=1
            if conf.worker_disable_prefetch
            else _whole(conf.worker_prefetch_multiplier),
            visibility_seconds=_visibility(conf.broker_transport_options),
        )
    if stats is not None:
        slots = slots_told({"pool": stats.pool, "autoscaler": stats.autoscaler})
        said = replace(said, slots=slots, fair=_fair(stats.pool or {}))
    if active is not None:
        ages = [now - task.time_start for task in active if task.time_start is not None]
        said = replace(said, longest_seconds=max([0.0, *ages]))
    return said


def merged(habits: Habits, said: Sequence[Said]) -> Habits:
    """Return habits with what workers said: of differing answers the one that there is most to say about."""
    visibility = habits.visibility_seconds
    if habits.redelivers.value:
        visibility = _chosen(((one.visibility_seconds, one.node) for one in said), min, visibility)
    hoards = ((one.prefetch_multiplier, one.node) for one in said)
    return replace(
        habits,
        remote_control=fresh(value=True, source=WORKERS),
        acks_late=_chosen(((one.acks_late, one.node) for one in said), min, habits.acks_late),
        prefetch_multiplier=_chosen(hoards, _greediest, habits.prefetch_multiplier),
        visibility_seconds=visibility,
        fair=_chosen(((one.fair, one.node) for one in said), min, habits.fair),
        slots=_chosen(((one.slots, one.node) for one in said), max, habits.slots),
        longest_task_seconds=_longest(said),
    )


def _chosen(
    told: Iterable[tuple[T | None, str]],
    choose: Callable[[list[tuple[T, str]]], tuple[T, str]],
    otherwise: Reading[T],
) -> Reading[T]:
    known = [(value, node) for value, node in told if value is not None]
    return fresh(*choose(known)) if known else otherwise


def _greediest(told: list[tuple[int, str]]) -> tuple[int, str]:
    """Return the largest multiplier; 0 is without limit."""
    return max(told, key=lambda one: (one[0] == 0, one[0]))


def _longest(said: Sequence[Said]) -> Reading[float]:
    running = [(one.longest_seconds, one.node) for one in said if one.longest_seconds is not None]
    if any(seconds > 0 for seconds, _ in running):
        return fresh(*max(running))
    return unknown(WORKERS, IDLE if running else "workers do not say what they run")


def _visibility(options: _Transport | None) -> float:
    value: object = None if options is None else options.visibility_timeout
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return KOMBU_VISIBILITY_SECONDS


def _fair(pool: Mapping[str, Any]) -> bool | None:
    """Return whether a prefork pool hands tasks to free processes alone, as its statistics tell."""
    writes = pool.get("writes")
    strategy = writes.get("strategy") if isinstance(writes, Mapping) else None
    return None if strategy is None else strategy == "fair"


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
