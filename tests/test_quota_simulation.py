"""Targets on one quota whose controllers lag, and whose pods and quotas are seen late, each in its own way.

Whatever is drawn, nothing is asked for that admission then refuses, no worker is ended for want of room, and
the targets come to rest with all of the room in use.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import pytest

from autoscaler.config.model import TargetSettings
from autoscaler.config.scaling import ScaleDownSettings
from autoscaler.contest import Contests
from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import (
    Decision,
    Outcome,
    OutcomeKind,
    Reading,
    TargetRef,
    WorkerPod,
    WorkerSet,
    fresh,
)
from autoscaler.core.quarters import Quarters, is_exceeded
from autoscaler.core.quota import NamespaceLimits
from autoscaler.reconcile import Reconciler
from tests.builders import NOW, depth, worker
from tests.core.quota.build import quota
from tests.core.quota.build import worker as shape
from tests.fakes import Clock, FakeCluster, FakeCordons, FakeHints, FakeQuotas, FakeReporter, FakeWorkforce

STEP = 0.05
STEPS_A_TICK = 20
BUSY_STEPS, QUIET_STEPS = 600, 500
SEEDS = (*range(12), 25, 100, 229, 268)
"""Some, and some that go wrong where dips are taken for room, or others are seen as they were."""
SHAPE = shape({"cpu": "1"})


@dataclass
class Pod:
    """A pod, Ready from a time on, and gone from another one on if it ends."""

    place: int
    ready_at: float
    gone_at: float | None = None


T = TypeVar("T")


@dataclass
class Late(Generic[T]):
    """A value as it was a while ago."""

    lag: float
    told: list[tuple[float, T]] = field(default_factory=list)

    def tell(self, at: float, value: T) -> None:
        """Take note of the value at a time."""
        if not self.told or self.told[-1][1] != value:
            self.told.append((at, value))

    def at(self, now: float) -> T:
        """Return what is seen at a time; the first value from the start."""
        while len(self.told) > 1 and self.told[1][0] <= now - self.lag:
            del self.told[0]
        return self.told[0][1]


@dataclass
class Set:
    """A StatefulSet, and the work that there is for it."""

    parallel: bool
    work: int
    seen: Late[tuple[WorkerPod, ...]]
    asked: int = 0
    acts_at: float = 0.0
    pods: dict[int, Pod] = field(default_factory=dict)


class Namespace(FakeCluster, FakeQuotas, FakeWorkforce):
    """A quota of pods, and sets whose controllers take their time."""

    def __init__(self, seed: int) -> None:
        FakeCluster.__init__(self)
        FakeQuotas.__init__(self)
        FakeWorkforce.__init__(self)
        self.draw = draw = random.Random(seed)
        self.clock, self.cordons = Clock(), FakeCordons()
        self.hard: int = draw.randint(3, 12)
        self.used = 0
        self.freed_at: list[float] = []
        self.quota = Late[tuple[int, int]](draw.choice((0.0, 0.1, 0.3)))
        self.controllers_lag, self.grace = draw.choice((0.1, 0.5, 2.5)), draw.choice((0.1, 2.0))
        self.workers_of = {
            name: Set(draw.random() < 0.6, draw.randint(0, 15), Late(draw.choice((0.0, 0.1, 0.3))))
            for name in "abc"[: draw.randint(1, 3)]
        }
        self.refused: list[tuple[float, str, int]] = []
        self.trimmed: list[Decision] = []
        self.changed_at = 0.0
        targets = [self.target(name) for name in self.workers_of]
        contests = Contests(self, [target.ref for target in targets], self.clock)
        self.reconcilers = {target.name: self.reconciler(target, contests) for target in targets}
        together = draw.random() < 0.5
        self.offsets = {name: 0 if together else draw.randrange(STEPS_A_TICK) for name in self.workers_of}

    def target(self, name: str) -> TargetSettings:
        """Return a target that shrinks at once."""
        at_once = ScaleDownSettings(stabilization_window_seconds=0.0)
        priority = self.draw.choice((0, 0, 1))
        return TargetSettings(
            "data", name, ("default",), slots_per_worker=1, scale_down=at_once, quota_priority=priority
        )

    def reconciler(self, target: TargetSettings, contests: Contests) -> Reconciler:
        """Return what decides about a target of the namespace."""
        return Reconciler(
            target,
            target.policy(1.0),
            cluster=self,
            workforce=self,
            hints=FakeHints(),
            scaler=self,
            orders=self,
            cordons=self.cordons,
            contests=contests,
            reporter=FakeReporter(),
            clock=self.clock,
            wall=lambda: NOW + self.clock.now - 1000.0,
        )

    def worker_set(self, target: TargetRef) -> Reading[WorkerSet]:
        """Return what was asked for, as it is, and the pods, as they were."""
        known = self.workers_of[target.name]
        pods = known.seen.at(self.clock.now)
        return fresh(WorkerSet(f"uid-{target.name}", known.asked, pods, parallel=known.parallel), "cluster")

    def quarters(self, target: TargetRef) -> Quarters:
        """Return the quota as it was."""
        hard, used = self.quota.at(self.clock.now)
        limits = NamespaceLimits((quota({"pods": str(hard)}, {"pods": str(used)}),))
        return Quarters(limits, SHAPE, exceeded=is_exceeded(limits))

    def workers(self, target: TargetRef, pods: Sequence[WorkerPod]) -> list[tuple[str, WorkerAccount]]:
        """Return workers that are idle, and obey at once."""
        told = {c.pod for c in self.cordons.known.get(f"uid-{target.name}", ()) if not c.giving_back}
        return [worker(pod.name, cordoned=pod.name in told) for pod in pods]

    def scale(self, decision: Decision) -> Outcome:
        """Ask a controller, which acts a little later."""
        known = self.workers_of[decision.target.name]
        limited = any(step.reason == "QuotaLimited" for step in decision.steps)
        if limited and any(decision.replicas <= place < known.asked for place in known.pods):
            self.trimmed.append(decision)
        known.asked, self.changed_at = decision.replicas, self.clock.now
        known.acts_at = self.clock.now + self.draw.uniform(0, self.controllers_lag)
        return Outcome(OutcomeKind.APPLIED, decision.replicas)

    def run(self, steps: int, *, busy: bool) -> None:
        """Let time pass, and while it is busy work come and go, the quota be raised, and pods be replaced."""
        for _ in range(steps):
            if busy:
                self.happen()
            for name, known in self.workers_of.items():
                self.control(name, known)
            self.count()
            here = round(self.clock.now / STEP) % STEPS_A_TICK
            due = [name for name, offset in self.offsets.items() if offset == here]
            for name in due:
                self.reconcilers[name].bid(depth(self.workers_of[name].work))
            for name in due:
                plan = self.reconcilers[name].plan(depth(self.workers_of[name].work))
                assert plan is not None
                self.reconcilers[name].carry_out(plan, "url")
            self.clock.advance(STEP)

    def happen(self) -> None:
        """Have something happen now and then."""
        draw, known = self.draw, self.draw.choice(list(self.workers_of.values()))
        if draw.random() < 0.006:
            known.work = draw.randint(0, 15)
        if draw.random() < 0.003:
            self.hard = max(self.hard, draw.randint(3, 16))
        if draw.random() < 0.006 and known.pods:
            pod = draw.choice(list(known.pods.values()))
            pod.gone_at = pod.gone_at or self.clock.now + self.grace

    def control(self, name: str, known: Set) -> None:
        """Do what the controller of a set does, pods being counted when they are made, and a while longer."""
        now = self.clock.now
        for pod in [pod for pod in known.pods.values() if pod.gone_at is not None and pod.gone_at <= now]:
            del known.pods[pod.place]
            self.freed_at.append(now + self.draw.uniform(0, 0.6))
        if now >= known.acts_at:
            for pod in known.pods.values():
                if pod.place >= known.asked:
                    pod.gone_at = pod.gone_at or now + self.grace
            self.make(name, known)
        seen = (
            WorkerPod(
                f"{name}-{p.place}", now >= p.ready_at, p.gone_at is not None, NOW - 500.0, place=p.place
            )
            for _, p in sorted(known.pods.items())
        )
        known.seen.tell(now, tuple(seen))

    def make(self, name: str, known: Set) -> None:
        """Make the next pod that is missing, unless one below has to be Ready first."""
        now = self.clock.now
        place = next((place for place in range(known.asked) if place not in known.pods), known.asked)
        below = [pod for pod in known.pods.values() if pod.place < place]
        ready = all(pod.ready_at <= now and pod.gone_at is None for pod in below)
        if place == known.asked or not (known.parallel or ready):
            return
        if self.used < self.hard:
            self.used += 1
            known.pods[place] = Pod(place, now + self.draw.choice((0.3, 3.0)))
            return
        known.acts_at = now + 1.0
        if self.used - len(self.freed_at) >= self.hard:
            self.refused.append((now, name, place))

    def count(self) -> None:
        """Do what the quotas' controller does."""
        still = [at for at in self.freed_at if at > self.clock.now]
        self.used -= len(self.freed_at) - len(still)
        self.freed_at = still
        self.quota.tell(self.clock.now, (self.hard, self.used))


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_refused_and_nobody_ended_and_all_come_to_rest(seed: int):
    """A pod that is gone and still counted is refused to its controller, which nobody here asked for."""
    room = Namespace(seed)
    room.run(BUSY_STEPS, busy=True)
    room.run(QUIET_STEPS, busy=False)
    assert room.refused == []
    assert room.trimmed == []
    assert room.clock.now - room.changed_at > QUIET_STEPS * STEP / 5
    wanted = [known.work for known in room.workers_of.values()]
    there = [len(known.pods) for known in room.workers_of.values()]
    assert sum(there) == pytest.approx(min(room.hard, sum(min(10, work) for work in wanted)), abs=1)
