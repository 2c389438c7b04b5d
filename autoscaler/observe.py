"""Bringing everything that was seen of a target together, once, before anything is decided."""

from __future__ import annotations

from autoscaler.config.model import TargetSettings
from autoscaler.core.model import (
    Quality,
    QueueDepth,
    Reading,
    Snapshot,
    WorkerSet,
    fresh,
    unknown,
)

ASSUMED_SLOTS = 1


def observe(
    target: TargetSettings,
    at: float,
    workers: WorkerSet,
    workers_quality: Quality,
    depth: Reading[QueueDepth],
    reported_slots: Reading[int],
) -> Snapshot:
    """Return what there is to know of a target at a time in monotonic seconds."""
    return Snapshot(
        target=target.ref,
        at=at,
        workers=workers,
        workers_quality=workers_quality,
        depth=aged(depth, target.stale_after_seconds),
        slots=slots_per_worker(target, workers, reported_slots),
    )


def aged(depth: Reading[QueueDepth], stale_after_seconds: float) -> Reading[QueueDepth]:
    """Return the reading, unknown where it is too old to call up workers."""
    if depth.quality is Quality.STALE and depth.age_seconds > stale_after_seconds:
        return unknown(depth.source, f"{depth.detail}, for {depth.age_seconds:.0f} s")
    return depth


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
