"""What holds of a drain in every world: some workers are busy, some silent, some start, some restart.

The world is a handful of workers with tasks of a few ticks. It obeys orders some ticks late, and removes
the highest ordinals when the replicas are lowered, whatever they do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.account import Answer, WorkerAccount
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Cordon, Decision, Quality, WorkerPod, WorkerSet, fresh
from autoscaler.core.overrides import NOTHING_ORDERED, Overrides
from autoscaler.core.policy import DrainRules, Policy
from autoscaler.core.snapshot import Snapshot
from tests.builders import NOW, TARGET, depth, policy

TICKS_TO_END = 60
"""More than the longest task, silence and start of a world, and all that comes after those."""


@dataclass
class Fellow:
    """One worker: the ticks that its task, its start and its silence go on for, and its cordon."""

    task: int = 0
    starting: int = 0
    silent: int = 0
    obeys_after: int = 0
    dead: bool = False
    born: float = NOW - 500.0
    consumes: bool = True
    pending: list[tuple[int, bool]] = field(default_factory=list)
    cordoned_for: int | None = None
    answered: list[int] = field(default_factory=list)

    def pass_time(self) -> None:
        """Let a tick pass."""
        self.task, self.starting, self.silent = (
            max(0, self.task - 1),
            max(0, self.starting - 1),
            max(0, self.silent - 1),
        )
        self.pending = [(ticks - 1, consume) for ticks, consume in self.pending]
        for ticks, consume in tuple(self.pending):
            if ticks <= 0 and self.speaks:
                self.consumes = consume
                self.pending.remove((ticks, consume))
        if not self.speaks:
            self.answered = []
            return
        self.cordoned_for = None if self.consumes else (self.cordoned_for or 0) + 1
        self.answered = [*self.answered, self.task][-2:]

    @property
    def speaks(self) -> bool:
        """Whether it answers."""
        return not (self.dead or self.starting or self.silent)

    def restart(self, at: float) -> None:
        """Begin anew, as a process does that crashed while idle."""
        self.consumes, self.pending, self.cordoned_for, self.answered, self.born = True, [], None, [], at

    def account(self) -> WorkerAccount | None:
        """Return what is known of it."""
        if not self.answered:
            return None
        ages = range(len(self.answered) - 1, -1, -1)
        return WorkerAccount(
            node="celery@w",
            active=self.answered[-1] and 1,
            reserved=0,
            eta=(),
            slots=1,
            queues=("default",) if self.consumes else (),
            age_seconds=0.0,
            quality=Quality.FRESH,
            source="inspection",
            cordoned_seconds=None if self.cordoned_for is None else float(self.cordoned_for),
            answers=tuple(
                Answer(float(age), min(task, 1), 0) for age, task in zip(ages, self.answered, strict=True)
            ),
        )


@dataclass
class World:
    """Some workers of one target, from `World.at` on, what is ordered, and the daemon's memory of them."""

    fellows: dict[int, Fellow]
    policy: Policy
    at: float = 1000.0
    ready: int = 0
    history: History = field(default_factory=lambda: History.seeded(0.0, 0))
    cordons: tuple[Cordon, ...] = ()
    replicas: int = 0
    overrides: Overrides = NOTHING_ORDERED

    def __post_init__(self) -> None:
        self.replicas = max(self.fellows, default=-1) + 1

    def snapshot(self) -> Snapshot:
        """Return what is seen of it."""
        pods = tuple(
            WorkerPod(
                f"worker-{place}",
                ready=not (fellow.dead or fellow.starting),
                terminating=False,
                started_at=None if fellow.dead else fellow.born,
                occupied=not fellow.dead,
                place=place,
            )
            for place, fellow in sorted(self.fellows.items())
        )
        crew = ((pod.name, self.fellows[pod.place or 0].account()) for pod in pods)
        return Snapshot(
            target=TARGET,
            at=self.at,
            now=NOW + self.at - 1000.0,
            workers=WorkerSet("uid", self.replicas, pods, overrides=self.overrides),
            workers_quality=Quality.FRESH,
            broker=depth(self.ready),
            slots=fresh(1, "slots_per_worker"),
            crew=tuple((name, account) for name, account in crew if account is not None),
            cordons=self.cordons,
        )

    def decide(self) -> Decision:
        """Decide, act, and return what was decided."""
        decision = decide(self.snapshot(), self.policy, self.history)
        self.history = self.history.record(decision, self.policy)
        self.cordons = decision.cordons
        for order in decision.orders:
            fellow = self.fellows[int(order.pod.rpartition("-")[2])]
            fellow.pending.append((fellow.obeys_after, order.consume))
        for place in [place for place in self.fellows if place >= decision.replicas]:
            del self.fellows[place]
        for place in range(self.replicas, decision.replicas):
            self.fellows[place] = Fellow(starting=2, born=NOW + self.at - 1000.0)
        self.replicas = decision.replicas
        return decision

    def pass_time(self) -> None:
        """Let a tick of a second pass."""
        self.at += 1.0
        for fellow in self.fellows.values():
            fellow.pass_time()

    def busy(self, replicas: int) -> list[int]:
        """Return who would be ended at work, or while nothing is known of it, at so many replicas."""
        return [
            place
            for place, fellow in self.fellows.items()
            if place >= replicas and not fellow.dead and (fellow.task or not fellow.speaks)
        ]


FELLOWS = st.builds(
    Fellow,
    task=st.integers(0, 12),
    starting=st.sampled_from([0, 0, 0, 4]),
    silent=st.sampled_from([0, 0, 0, 9]),
    obeys_after=st.integers(1, 3),
    dead=st.sampled_from([False, False, False, True]),
)
POLICIES = st.builds(
    lambda placement, least, most: replace(
        policy(least, most), drain=DrainRules(placement=placement, placement_after_seconds=2.0)
    ),
    st.booleans(),
    st.integers(0, 1),
    st.integers(1, 8),
)
WORLDS = st.builds(
    World,
    fellows=st.dictionaries(st.integers(0, 7), FELLOWS, min_size=1, max_size=8),
    policy=POLICIES,
    ready=st.integers(0, 3),
)
HAPPENINGS = st.lists(
    st.sampled_from(["nothing", "nothing", "daemon", "worker", "more", "less"]), max_size=25
)


def happen(world: World, what: str) -> None:
    """Let something happen to a world between two ticks."""
    idle = [fellow for fellow in world.fellows.values() if fellow.speaks and not fellow.task]
    if what == "daemon":
        world.history = History.seeded(world.at, world.replicas)
    elif what == "worker" and idle:
        idle[0].restart(NOW + world.at - 1000.0)
    elif what in {"more", "less"}:
        world.ready = max(0, world.ready + (1 if what == "more" else -1))


@given(WORLDS, HAPPENINGS)
def test_nobody_is_ended_who_is_busy_or_unknown(world, happenings):
    """Whatever happens to the world and to the daemon, no task ends with its worker."""
    for what in happenings:
        happen(world, what)
        seen, before = world.snapshot(), dict(world.fellows)
        decision = decide(seen, world.policy, world.history)
        assert world.busy(decision.replicas) == [], reasons_of(decision)
        world.decide()
        gone = [before[place] for place in before if place not in world.fellows]
        assert not any(fellow.consumes and not fellow.dead for fellow in gone)
        world.pass_time()


def reasons_of(decision: Decision) -> str:
    """Return why it was decided so, for a failing test."""
    return "; ".join(step.message for step in decision.steps)


@given(WORLDS, HAPPENINGS)
def test_nobody_is_cordoned_that_the_demand_needs(world, happenings):
    """Those who are told to stop leave slots enough for the whole demand, unless the maximum forces it."""
    for what in happenings:
        happen(world, what)
        seen = world.snapshot()
        decision = decide(seen, world.policy, world.history)
        stopped = {cordon.pod for cordon in decision.cordons if not cordon.giving_back}
        new = stopped - {cordon.pod for cordon in world.cordons if not cordon.giving_back}
        open_slots = sum(pod.ready and pod.name not in stopped for pod in seen.workers.pods)
        forced = (decision.demand_slots or 0) > world.policy.max_replicas
        assert not new or forced or open_slots >= (decision.demand_slots or 0)
        world.decide()
        world.pass_time()


@given(WORLDS, HAPPENINGS)
def test_every_drain_ends(world, happenings):
    """When tasks have ended and every worker has answered, the replicas are as wanted, and all consume.

    More replicas than that are left only where ordinals have no worker, so that fewer of them exist.
    """
    for what in happenings:
        happen(world, what)
        world.decide()
        world.pass_time()
    world.policy = replace(world.policy, drain=replace(world.policy.drain, placement=False))
    for _ in range(TICKS_TO_END):
        last = world.decide()
        world.pass_time()
    wanted = max(world.policy.min_replicas, min(world.ready, world.policy.max_replicas))
    living = sum(not fellow.dead for fellow in world.fellows.values())
    assert world.replicas == wanted or living <= wanted < world.replicas, reasons_of(last)
    assert world.cordons == ()
    assert all(fellow.consumes for fellow in world.fellows.values())


@given(WORLDS, HAPPENINGS)
def test_a_new_daemon_does_the_same_with_the_same_memory(world, happenings):
    """Deciding once more on what was remembered changes no memory and gives the same orders."""
    for what in happenings:
        happen(world, what)
        world.decide()
        world.pass_time()
    first = decide(world.snapshot(), world.policy, world.history)
    world.cordons = first.cordons
    again = decide(world.snapshot(), world.policy, world.history)
    assert again.cordons == tuple(cordon for cordon in first.cordons if not done(cordon, world))
    assert again.replicas == first.replicas


def done(cordon: Cordon, world: World) -> bool:
    """Return whether a worker that was just to be given its queues back consumes them."""
    return cordon.giving_back and world.fellows[int(cordon.pod.rpartition("-")[2])].consumes
