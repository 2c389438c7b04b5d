"""Short ways to the values that tests are made of."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.account import Answer, BrokerAccount, Delivered, Hint, QueueMessages, WorkerAccount
from autoscaler.core.model import (
    Cordon,
    Decision,
    Quality,
    Reading,
    TargetRef,
    WorkerPod,
    WorkerSet,
    fresh,
)
from autoscaler.core.overrides import parse
from autoscaler.core.policy import Policy, RatePolicy, RateUnit, ScalingRules, SelectPolicy
from autoscaler.core.snapshot import Snapshot

TARGET = TargetRef("data", "worker")
NOW = 1_000_000.0
"""The time since the epoch at monotonic second 1000."""


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


def depth(
    ready: int = 0,
    unacked: int = 0,
    *,
    shared: bool = False,
    eta: tuple[float, ...] = (),
    held: Delivered | None = None,
) -> Reading[BrokerAccount]:
    """Return a fresh reading of one queue: so many ready, so many held by living workers.

    `eta` are due times of messages that lie in the queue beyond the ready ones.
    """
    if held is None:
        held = Delivered(uncounted=unacked, shared=True) if shared else Delivered((NOW - 10.0,) * unacked)
    queue = QueueMessages("default", ((0, ready + len(eta)),), eta)
    return fresh(BrokerAccount((queue,), fresh(held, "redis")), "redis")


def worker(
    pod: str,
    active: int = 0,
    reserved: int = 0,
    *,
    quality: Quality = Quality.FRESH,
    eta: tuple[float, ...] = (),
    cordoned: bool = True,
):
    """Return what a worker says, by its pod's name: it has taken no new tasks for long, unless told so."""
    fresh_one = quality is Quality.FRESH
    return pod, WorkerAccount(
        node=f"celery@{pod}",
        active=active,
        reserved=reserved,
        eta=eta,
        slots=1,
        queues=() if cordoned else ("default",),
        age_seconds=0.5,
        quality=quality,
        source="inspect",
        cordoned_seconds=100.0 if cordoned else None,
        answers=(Answer(1.5, active, reserved), Answer(0.5, active, reserved)) if fresh_one else (),
    )


def cordon(pod: str, since: float | None = None, *queues: str, giving_back: bool = False) -> Cordon:
    """Return the memory of a worker that takes no tasks because of us."""
    return Cordon(pod, queues or ("default",), NOW - 500.0, since, giving_back)


def snapshot(
    replicas: int = 0,
    reading: Reading[BrokerAccount] | None = None,
    *,
    at: float = 1000.0,
    slots: int | Reading[int] = 1,
    cluster: Quality = Quality.FRESH,
    uid: str = "uid-1",
    crew: tuple[tuple[str, WorkerAccount], ...] | None = None,
    hints: tuple[Hint, ...] = (),
    strangers: int = 0,
    cordons: tuple[Cordon, ...] | None = None,
) -> Snapshot:
    """Return a snapshot of a target at rest, its workers all proven idle, unless told otherwise."""
    members = tuple(
        WorkerPod(f"worker-{n}", ready=True, terminating=False, started_at=NOW - 500.0, place=n)
        for n in range(replicas)
    )
    return Snapshot(
        target=TARGET,
        at=at,
        now=NOW + at - 1000.0,
        workers=WorkerSet(uid, replicas, members),
        workers_quality=cluster,
        broker=depth() if reading is None else reading,
        slots=fresh(slots, "slots_per_worker") if isinstance(slots, int) else slots,
        crew=tuple(worker(pod.name) for pod in members) if crew is None else crew,
        strangers=strangers,
        hints=hints,
        cordons=tuple(cordon(pod.name) for pod in members) if cordons is None else cordons,
    )


def later(seen: Snapshot, seconds: float, replicas: int | None = None) -> Snapshot:
    """Return the same sight at a later time, with other replicas if so told."""
    workers = seen.workers if replicas is None else replace(seen.workers, replicas=replicas)
    return replace(seen, at=seen.at + seconds, now=seen.now + seconds, workers=workers)


def annotated(seen: Snapshot, **annotations: str) -> Snapshot:
    """Return the sight of a target with annotations under our prefix, such as max_replicas="3"."""
    named = {f"autoscaler/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return replace(seen, workers=replace(seen.workers, overrides=parse(named)))


def reasons(decision: Decision) -> tuple[str, ...]:
    """Return the reasons of a decision's steps, in order."""
    return tuple(step.reason for step in decision.steps)
