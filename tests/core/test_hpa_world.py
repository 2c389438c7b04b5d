"""What holds in every world with an HPA in it: it looks every 15 s, and sees the CPU alone.

Without a behavior it follows the highest that its metrics asked for within 300 s, and at most doubles at
once. Pods have metrics 30 s after their start.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoscaler.core.account import Answer, WorkerAccount
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.hpa import Hpa
from autoscaler.core.model import Cordon, Decision, Quality, WorkerPod, WorkerSet, fresh
from autoscaler.core.others import Write
from autoscaler.core.policy import HpaMode
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer
from tests.builders import NOW, TARGET, depth, policy, rules

SYNC_SECONDS, WINDOW_SECONDS, METRICS_SECONDS = 15, 300, 30
BY_HPA = Writer("kube-controller-manager", subresource="scale")
QUIET_SECONDS = 120
"""More than any task and window of ours, after which nothing is left to do."""


@dataclass
class Fellow:
    """One worker: since when it is there, how long its task goes on, and since when it takes none."""

    born: int
    task: int = 0
    cordoned_at: int | None = None

    def account(self, now: int) -> WorkerAccount:
        """Return what it says."""
        busy = int(self.task > 0)
        since = None if self.cordoned_at is None else float(now - self.cordoned_at)
        return WorkerAccount(
            node="celery@w",
            active=busy,
            reserved=0,
            eta=(),
            slots=1,
            queues=("default",) if since is None else (),
            age_seconds=0.0,
            quality=Quality.FRESH,
            source="inspection",
            cordoned_seconds=since,
            answers=(Answer(1.0, busy, 0), Answer(0.0, busy, 0)),
        )


@dataclass(frozen=True)
class Change:
    """A change of the replicas: when, by how many, and whether by us.

    `for_more_work` says that the workers use more than when the HPA looked before.
    """

    at: int
    by: int
    ours: bool
    for_more_work: bool = False


@dataclass
class World:
    """A set, its workers by place, its queue of tasks by their seconds, and its HPA.

    A busy worker uses `busy_load` times what the HPA has for its target, an idle one `idle_load`.
    """

    own: int
    most: int
    busy_load: float
    idle_load: float
    mode: HpaMode
    phase: int
    now: int = 0
    replicas: int = 0
    least: int = 0
    queue: list[int] = field(default_factory=list)
    crew: dict[int, Fellow] = field(default_factory=dict)
    cordons: tuple[Cordon, ...] = ()
    asked: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    seen: tuple[float | None, int] = (None, 0)
    used_before: float = 0.0
    changes: list[Change] = field(default_factory=list)
    ended: list[Fellow] = field(default_factory=list)
    history: History = field(default_factory=lambda: History.seeded(0.0, 0))

    def __post_init__(self) -> None:
        self.least = self.own
        up, down = rules(), rules(window=20.0, tolerance=0.1)
        self.policy = replace(policy(0, 8, up, down), hpa=self.mode)

    def pass_second(self) -> None:
        """Have a second's work done."""
        self.now += 1
        for fellow in self.crew.values():
            fellow.task = max(0, fellow.task - 1)
            if self.queue and not fellow.task and fellow.cordoned_at is None and self.now - fellow.born > 2:
                fellow.task = self.queue.pop(0)
        if self.now % SYNC_SECONDS == self.phase:
            self.sync()
            self.used_before = self.used
        self.decide()

    def scale(self, replicas: int, *, ours: bool) -> None:
        """Have so many workers at once; the highest go, whatever they do."""
        if replicas != self.replicas and not ours:
            write = Write(self.replicas, replicas, BY_HPA)
            self.history = self.history.overwritten(float(self.now), write, self.policy, shared=True)
        if replicas != self.replicas:
            more = not ours and self.used > self.used_before
            self.changes.append(Change(self.now, replicas - self.replicas, ours, more))
        self.ended += [self.crew.pop(place) for place in range(replicas, self.replicas)]
        self.crew |= {place: Fellow(self.now) for place in range(self.replicas, replicas)}
        self.replicas = replicas

    @property
    def used(self) -> float:
        """What all workers use."""
        return sum(self.busy_load if fellow.task else self.idle_load for fellow in self.crew.values())

    def hpa(self) -> Hpa:
        """Return the HPA as it is seen."""
        load, replicas = self.seen
        return Hpa("h", "u", self.least, self.most, self.own, self.least != self.own, load, replicas)

    def sync(self) -> None:
        """Have the HPA look."""
        self.seen = None, self.replicas
        if self.replicas == 0:
            return
        if not self.least <= self.replicas <= self.most:
            self.scale(max(self.least, min(self.replicas, self.most)), ours=False)
            return
        measured = [f for f in self.crew.values() if self.now - f.born >= METRICS_SECONDS]
        if not measured:
            return
        used = sum(self.busy_load if f.task else self.idle_load for f in measured)
        self.seen = used / len(measured), self.replicas
        asks = self.hpa().asks(self.replicas - len(measured))
        assert asks is not None
        self.asked.append((self.now, asks))
        highest = max(n for at, n in self.asked if at >= self.now - WINDOW_SECONDS)
        ceiling = min(self.most, max(4, 2 * self.replicas))
        self.scale(max(self.least, min(highest, ceiling)), ours=False)

    def snapshot(self) -> Snapshot:
        """Return what we see."""
        pods = tuple(
            WorkerPod(f"w-{n}", ready=True, terminating=False, started_at=NOW + fellow.born, place=n)
            for n, fellow in self.crew.items()
        )
        held = sum(fellow.task > 0 for fellow in self.crew.values())
        return Snapshot(
            target=TARGET,
            at=float(self.now),
            now=NOW + self.now,
            workers=WorkerSet("uid", self.replicas, pods, hpas=fresh((self.hpa(),), "HPAs")),
            workers_quality=Quality.FRESH,
            broker=depth(len(self.queue), held),
            slots=fresh(1, "slots_per_worker"),
            crew=tuple((f"w-{n}", fellow.account(self.now)) for n, fellow in self.crew.items()),
            cordons=self.cordons,
        )

    def decide(self) -> None:
        """Decide and act at once: the floor, the orders, the replicas."""
        seen = self.snapshot()
        decision = decide(seen, self.policy, self.history)
        self.history = self.history.record(decision, self.policy)
        self.cordons = decision.cordons
        if decision.floor is not None:
            self.move(decision)
        for order in decision.orders:
            fellow = self.crew[int(order.pod.removeprefix("w-"))]
            fellow.cordoned_at = None if order.consume else fellow.cordoned_at or self.now
        if decision.replicas != decision.current:
            self.history = self.history.moved(decision.at, decision.replicas - decision.current)
            self.scale(decision.replicas, ours=True)

    def move(self, decision: Decision) -> None:
        """Move the floor, which stays within the HPA's bounds, and above all that is not to go."""
        floor = decision.floor
        assert floor is not None
        assert (floor.was, floor.own) == (self.least, self.own)
        assert self.own <= floor.to <= self.most
        assert floor.to >= min(self.most, decision.replicas)
        self.least = floor.to

    @property
    def busy_ended(self) -> int:
        """How many workers were ended with a task."""
        return sum(fellow.task > 0 for fellow in self.ended)

    def reversed_within(self, seconds: int) -> list[tuple[Change, Change]]:
        """Return the changes that the other undid within so many seconds, for no new reason."""
        return [
            (first, second)
            for first, second in zip(self.changes, self.changes[1:], strict=False)
            if first.by * second.by < 0 and second.at - first.at < seconds and first.ours != second.ours
            if not second.for_more_work
        ]


BURSTS = st.lists(
    st.tuples(st.integers(1, 90), st.lists(st.integers(1, 60), min_size=1, max_size=12)),
    min_size=1,
    max_size=4,
)


def lived(
    bursts: list[tuple[int, list[int]]], loads: tuple[float, float], bounds: tuple[int, int], phase: int
) -> World:
    """Return a world in which tasks came in bursts, so many seconds after each other, and all is done."""
    least, most = min(bounds), max(bounds)
    world = World(least, most, max(loads), min(loads), HpaMode.FLOOR, phase)
    for seconds, tasks in bursts:
        for _ in range(seconds):
            world.pass_second()
        world.queue += tasks
    for _ in range(1000):
        world.pass_second()
        if not world.queue and not any(fellow.task for fellow in world.crew.values()):
            break
    for _ in range(QUIET_SECONDS):
        world.pass_second()
    return world


@settings(max_examples=60, deadline=None)
@given(
    BURSTS,
    st.tuples(st.sampled_from([0.1, 0.5, 0.95, 1.5, 3.0]), st.sampled_from([0.0, 0.1, 0.3])),
    st.tuples(st.integers(1, 3), st.integers(3, 10)),
    st.integers(0, SYNC_SECONDS - 1),
)
@example([(5, [40] * 8), (60, [5, 5])], (0.5, 0.0), (1, 6), 3)
def test_in_peace_beside_an_hpa_whose_floor_follows(bursts, loads, bounds, phase):
    """Nobody undoes the other's change within a minute, nobody busy is ended, and zero is reached."""
    world = lived(bursts, loads, bounds, phase)
    assert world.busy_ended == 0
    assert world.reversed_within(60) == []
    assert (world.replicas, world.least, world.queue) == (0, world.own, [])
    assert all(change.by > 0 for change in world.changes if not change.ours)


def test_the_world_is_one_in_which_peace_is_not_for_nothing():
    """To own the target is to fight in it."""
    world = World(1, 10, 0.5, 0.0, HpaMode.OWN, 3)
    world.queue += [100] * 8
    for _ in range(300):
        world.pass_second()
    assert world.busy_ended
    assert world.reversed_within(60)


@pytest.mark.parametrize("busy_load", [0.5, 1.5])
def test_where_it_rules_between_we_only_go_to_zero_and_come_from_there(busy_load: float):
    """Straight to what is needed, and all of what is left at once."""
    world = World(1, 10, busy_load, 0.0, HpaMode.ACTIVATE, 3)
    world.queue += [30] * 6
    for _ in range(600):
        world.pass_second()
    ours = [change.by for change in world.changes if change.ours]
    assert ours[0] == 6
    assert all(by < 0 for by in ours[1:])
    assert (world.replicas, world.least) == (0, 1)
