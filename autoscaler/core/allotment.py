"""Who may have how many more workers of what a namespace has room for.

Several targets, and whatever else runs there, draw on the same quotas. Each target works out what all
of them get, from the same facts and in the same order, and takes its own part: so nobody asks for a
pod that another was promised, and whoever is served stays served from tick to tick.

Pods that were asked for already come first, since their controllers make them in any case. What is left
goes by priority, and among equals one by one to whoever has got the least of what it lacks.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from autoscaler.core.model import TargetRef
from autoscaler.core.quota import Bound, NamespaceLimits, WorkerShape
from autoscaler.core.quota.ledger import Cost, Ledger, Used
from autoscaler.core.reserve import Reserve, without


@dataclass(frozen=True, slots=True)
class Contender:
    """A target as the quotas of its namespace see it.

    `places` are those that have a pod which counts, from 0 up; `asked` the replicas asked for so far,
    `wants` those that it would have without the quota. `kept_claims` are the names of the claims that are
    there, `claim_suffix` the end of a claim's name before the ordinal, `first_ordinal` that of place 0.
    `uncounted` are pods that may be too new to be counted, `leaving` those that end and are not replaced,
    whose room is about to come back.
    """

    target: TargetRef
    shape: WorkerShape
    places: frozenset[int] = frozenset()
    asked: int = 0
    wants: int = 0
    priority: int = 0
    reserves: tuple[Reserve, ...] = ()
    kept_claims: frozenset[str] = frozenset()
    first_ordinal: int = 0
    uncounted: int = 0
    leaving: int = 0

    @property
    def staying(self) -> frozenset[int]:
        """The places of pods that nobody has asked to go."""
        return frozenset(place for place in self.places if place < self.asked)

    def workers(self, below: int) -> int:
        """Return how many workers so many replicas keep: gaps below the last one that stays are none.

        That is how a drain counts them.
        """
        end = max(self.staying, default=-1) + 1
        return sum(place < below for place in self.staying) + max(0, below - end)

    def lacking(self, below: int) -> tuple[int, ...]:
        """Return the places below a number of replicas that have no pod, from the lowest up."""
        return tuple(place for place in range(below) if place not in self.places)

    def missing_claims(self, place: int) -> frozenset[str]:
        """Return the templates of the claims that are yet to be made for a place."""
        suffix = f"-{self.target.name}-{self.first_ordinal + place}"
        names = (claim.name for claim in self.shape.claims)
        return frozenset(name for name in names if f"{name}{suffix}" not in self.kept_claims)

    def seen_through(self, limits: NamespaceLimits) -> Ledger:
        """Return what its workers meet, the reserve left out."""
        return Ledger(without(limits, self.reserves), self.shape)


@dataclass(frozen=True, slots=True)
class Allotment:
    """How many of the pods that a target lacks it gets, and what keeps the next one out."""

    pods: int
    bounds: tuple[Bound, ...] = ()


@dataclass(slots=True)
class _Turn:
    """One target's place in the queue: what it may still be given, and what it has been given."""

    contender: Contender
    ledger: Ledger
    lacking: tuple[int, ...]
    got: int = 0
    bounds: tuple[Bound, ...] = ()
    costs: dict[frozenset[str], Cost] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether it lacks something that it may still get."""
        return self.got < len(self.lacking) and not self.bounds

    @property
    def key(self) -> tuple[bool, int, float, TargetRef]:
        """Who goes first: the least. Quotients of small numbers are equal just where the shares are."""
        place, contender = self.lacking[self.got], self.contender
        share = (self.got + 1) / len(self.lacking)
        return place >= contender.asked, -contender.priority, share, contender.target

    def cost(self, missing: frozenset[str]) -> Cost:
        """Return what a worker meets that lacks the claims of these templates."""
        if missing not in self.costs:
            self.costs[missing] = self.ledger.cost(missing)
        return self.costs[missing]

    def take(self, used: Used) -> Used:
        """Give it one more pod, or note why there is none, and return what is in use then."""
        cost = self.cost(self.contender.missing_claims(self.lacking[self.got]))
        if cost.fits(used) == 0:
            self.bounds = cost.bounds(used)
            return used
        self.got += 1
        return cost.after(used, 1)


def allot(limits: NamespaceLimits, contenders: Sequence[Contender]) -> dict[TargetRef, Allotment]:
    """Return what each target gets of the pods that it lacks."""
    lacking = {one.target: one.lacking(one.wants) for one in contenders}
    concerned = [one for one in contenders if lacking[one.target] or one.uncounted]
    turns = [_Turn(one, one.seen_through(limits), lacking[one.target]) for one in concerned]
    used: Used = {}
    for turn in turns:
        used = turn.cost(frozenset()).after(used, turn.contender.uncounted)
    if _all_fit(turns, used):
        return {target: Allotment(len(places)) for target, places in lacking.items()}
    queue = [(turn.key, turn) for turn in turns if turn.waits]
    heapq.heapify(queue)
    while queue:
        _, turn = queue[0]
        used = turn.take(used)
        if turn.waits:
            heapq.heapreplace(queue, (turn.key, turn))
        else:
            heapq.heappop(queue)
    got = {turn.contender.target: Allotment(turn.got, turn.bounds) for turn in turns}
    return {target: got.get(target, Allotment(0)) for target in lacking}


def _all_fit(turns: Sequence[_Turn], used: Used) -> bool:
    """Return whether nobody has to wait, which is worked out by the number, not one by one.

    With all that they lack in use nobody may see too much in use: it does not matter who is looked at first.
    """
    met: list[Cost] = []
    for turn in turns:
        for missing, count in _runs(turn):
            cost = turn.cost(missing)
            if cost.refusals:
                return False
            used = cost.after(used, count)
            met.append(cost)
    return all(need.used(used) <= need.hard for cost in met for need in cost.needs)


def _runs(turn: _Turn) -> Iterator[tuple[frozenset[str], int]]:
    if not turn.contender.shape.claims:
        if turn.lacking:
            yield frozenset(), len(turn.lacking)
        return
    for missing, run in groupby(map(turn.contender.missing_claims, turn.lacking)):
        yield missing, sum(1 for _ in run)


@dataclass(slots=True)
class _Giver:
    """One target that may have to give up workers."""

    contender: Contender
    cost: Cost
    given: int = 0

    @property
    def left(self) -> int:
        """The workers that it keeps."""
        return len(self.contender.staying) - self.given

    def concerned(self, used: Used) -> bool:
        """Return whether it takes of something of which too much is in use."""
        return self.left > 0 and any(need.used(used) > need.hard for need in self.cost.needs)


@dataclass(frozen=True, slots=True)
class Surrender:
    """How many of its workers a target is to give up, and what says so."""

    workers: int
    bounds: tuple[Bound, ...] = ()


def surrender(limits: NamespaceLimits, contenders: Sequence[Contender], target: TargetRef) -> Surrender:
    """Return what a target is to give up, so that no more of any quota is in use than it allows.

    A quota that was lowered below its use ends nobody; it is for us to give way, where a worker has
    nothing to do. Who has the lowest priority gives first, and among equals who has the most.
    """
    givers = [_Giver(one, Ledger(limits, one.shape).cost(frozenset())) for one in contenders]
    used: Used = {}
    for giver in givers:
        used = giver.cost.after(used, -giver.contender.leaving)
    own = next(giver for giver in givers if giver.contender.target == target)
    bounds = tuple(need.bound({}) for need in own.cost.needs if need.used(used) > need.hard)
    order = sorted(givers, key=lambda giver: giver.contender.target, reverse=True)
    queue = [(giver.contender.priority, -giver.left, place) for place, giver in enumerate(order)]
    heapq.heapify(queue)
    while queue:
        *_, place = queue[0]
        giver = order[place]
        if not giver.concerned(used):
            heapq.heappop(queue)
            continue
        giver.given += 1
        used = giver.cost.after(used, -1)
        heapq.heapreplace(queue, (giver.contender.priority, -giver.left, place))
    return Surrender(own.given, bounds)
