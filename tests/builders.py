"""Short ways to the values that tests are made of."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.model import (
    Decision,
    Quality,
    QueueDepth,
    Reading,
    Snapshot,
    TargetRef,
    WorkerPod,
    WorkerSet,
    fresh,
)
from autoscaler.core.policy import Policy, RatePolicy, RateUnit, ScalingRules, SelectPolicy

TARGET = TargetRef("data", "worker")


def rules(
    window: float = 0.0,
    tolerance: float = 0.0,
    select: SelectPolicy = SelectPolicy.MAX,
    rates: tuple[RatePolicy, ...] = (),
) -> ScalingRules:
    """Return the rules of one direction, which limit nothing unless told to."""
    return ScalingRules(window, tolerance, select, rates)


def pods(value: int, period_seconds: float = 60.0) -> RatePolicy:
    """Return a rate policy in pods."""
    return RatePolicy(RateUnit.PODS, value, period_seconds)


def percent(value: int, period_seconds: float = 60.0) -> RatePolicy:
    """Return a rate policy in percent."""
    return RatePolicy(RateUnit.PERCENT, value, period_seconds)


def policy(
    least: int = 0, most: int = 100, up: ScalingRules | None = None, down: ScalingRules | None = None
) -> Policy:
    """Return a policy with no limit but the bounds, unless told otherwise."""
    return Policy(least, most, up or rules(), down or rules())


def depth(ready: int = 0, unacked: int = 0, *, shared: bool = False) -> Reading[QueueDepth]:
    """Return a fresh reading of one queue."""
    return fresh(QueueDepth((("default", ready),), unacked, shared), "redis")


def snapshot(
    replicas: int = 0,
    reading: Reading[QueueDepth] | None = None,
    *,
    at: float = 1000.0,
    slots: int | Reading[int] = 1,
    cluster: Quality = Quality.FRESH,
    uid: str = "uid-1",
) -> Snapshot:
    """Return a snapshot of a target at rest, unless told otherwise."""
    members = tuple(WorkerPod(f"worker-{n}", ready=True, terminating=False) for n in range(replicas))
    return Snapshot(
        target=TARGET,
        at=at,
        workers=WorkerSet(uid, replicas, members),
        workers_quality=cluster,
        depth=depth() if reading is None else reading,
        slots=fresh(slots, "slots_per_worker") if isinstance(slots, int) else slots,
    )


def later(seen: Snapshot, seconds: float, replicas: int | None = None) -> Snapshot:
    """Return the same sight at a later time, with other replicas if so told."""
    workers = seen.workers if replicas is None else replace(seen.workers, replicas=replicas)
    return replace(seen, at=seen.at + seconds, workers=workers)


def reasons(decision: Decision) -> tuple[str, ...]:
    """Return the reasons of a decision's steps, in order."""
    return tuple(step.reason for step in decision.steps)
