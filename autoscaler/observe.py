"""Bringing everything that was seen of a target together, once, before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.config.model import TargetSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Cordon, Quality, Reading, WorkerSet, fresh, unknown
from autoscaler.core.sharing import share_of
from autoscaler.core.snapshot import Snapshot
from autoscaler.ports import Hints, Workforce

ASSUMED_SLOTS = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """One time, told twice: `at` in monotonic seconds, `now` in seconds since the epoch."""

    at: float
    now: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a target's cordons, and whether the daemon is about to end."""

    cordons: Reading[tuple[Cordon, ...]]
    closing: bool = False


@dataclass(frozen=True, slots=True)
class Sharing:
    """Of a queue that several targets consume: their weights, and this target's place among them."""

    weights: tuple[int, ...]
    place: int


def observe(
    target: TargetSettings,
    moment: Moment,
    workers: Reading[WorkerSet],
    broker: Reading[BrokerAccount],
    workforce: Workforce,
    hints: Hints,
    memory: Memory,
) -> Snapshot | None:
    """Return what there is to know of a target, None where the cluster does not show it."""
    if workers.value is None:
        return None
    return Snapshot(
        target=target.ref,
        at=moment.at,
        now=moment.now,
        workers=workers.value,
        workers_quality=workers.quality,
        broker=dated(aged(broker, target.stale_after_seconds), hints.oldest_queued(target.ref), moment.now),
        slots=slots_per_worker(target, workers.value, workforce.slots(target.ref)),
        crew=tuple(workforce.workers(target.ref, workers.value.pods)),
        crew_detail=workforce.detail(target.ref),
        strangers=workforce.strangers(target.ref).value or 0,
        hints=tuple(hints.hints(target.ref)),
        cordons=memory.cordons.value,
        cordons_detail=memory.cordons.detail,
        closing=memory.closing,
    )


def shared(reading: Reading[BrokerAccount], sharing: dict[str, Sharing]) -> Reading[BrokerAccount]:
    """Return the reading with this target's part of the queues that others consume too."""
    account = reading.value
    if account is None or not sharing:
        return reading
    queues = tuple(
        share_of(queue, sharing[queue.queue].weights, sharing[queue.queue].place)
        if queue.queue in sharing
        else queue
        for queue in account.queues
    )
    return replace(reading, value=replace(account, queues=queues))


def aged(reading: Reading[BrokerAccount], stale_after_seconds: float) -> Reading[BrokerAccount]:
    """Return the reading, unknown where it is too old to call up workers."""
    if reading.quality is Quality.STALE and reading.age_seconds > stale_after_seconds:
        return unknown(reading.source, f"{reading.detail}, for {reading.age_seconds:.0f} s")
    return reading


def dated(
    reading: Reading[BrokerAccount], oldest_queued: Reading[float], now: float
) -> Reading[BrokerAccount]:
    """Return the reading with the longer of two waits of the oldest task: the broker's, or Airflow's own.

    Whoever sees a task late takes it for younger than it is; nobody takes it for older.
    """
    account, waited = reading.value, oldest_queued.value
    if account is None or waited is None or not oldest_queued.is_fresh:
        return reading
    sent_at = now - waited - oldest_queued.age_seconds
    if not any(queue.messages for queue in account.queues) or sent_at >= (account.oldest_at or now):
        return reading
    return replace(reading, value=replace(account, oldest_at=sent_at, oldest_source=oldest_queued.source))


def slots_per_worker(target: TargetSettings, workers: WorkerSet, reported: Reading[int]) -> Reading[int]:
    """Return how many tasks a worker runs at a time, by the best source at hand.

    What is configured goes first, then what workers report or reported last, then what the pod template
    declares; one is assumed where nobody says anything.
    """
    if target.slots_per_worker is not None:
        return fresh(target.slots_per_worker, "slots_per_worker")
    if reported.value is not None:
        return reported
    if workers.declared_slots is not None:
        return fresh(workers.declared_slots, workers.declared_by)
    return fresh(ASSUMED_SLOTS, "assumed, nobody says")
