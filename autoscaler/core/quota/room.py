"""How many more workers a namespace admits, and what keeps the next one out.

What one more worker takes does not depend on what is in use, so that the room for many that are alike is a
division, not a loop. What cannot be known errs on the side of less room: a claim without a class counts
against every class, a scope that is not known holds, and an amount that cannot be read leaves no room.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from autoscaler.core.quota.bounds import Bound, Refusal
from autoscaler.core.quota.ledger import Cost, Ledger, NamespaceLimits, Usage, Used
from autoscaler.core.quota.shape import WorkerShape


@dataclass(frozen=True, slots=True)
class Room:
    """How many more workers fit one after the other, None where nothing limits them.

    `bounds` are all the reasons why the next one does not fit, in the order of `Refusal`.
    """

    pods: int | None
    bounds: tuple[Bound, ...] = ()

    @property
    def bound(self) -> Bound | None:
        """The first reason why the next one does not fit."""
        return self.bounds[0] if self.bounds else None


@dataclass(frozen=True, slots=True)
class Excess:
    """How many workers would have to go until no quota that counts them is exceeded, and what says so."""

    pods: int
    bound: Bound | None = None


def charge(
    limits: NamespaceLimits, shape: WorkerShape, claims_missing: Collection[str]
) -> NamespaceLimits | Refusal:
    """Admit one worker that lacks the claims of these templates.

    Return the limits with all that it takes in use, or why it is refused.
    """
    cost = Ledger(limits, shape).cost(frozenset(claims_missing))
    if bounds := cost.bounds({}):
        return Refusal(bounds)
    taken: Usage = {}
    for (name, resource), quantity in cost.after({}, 1).items():
        taken.setdefault(name, {})[resource] = quantity
    quotas = (replace(quota, used={**quota.used, **taken.get(quota.name, {})}) for quota in limits.quotas)
    return replace(limits, quotas=tuple(quotas))


def room(limits: NamespaceLimits, shape: WorkerShape, places: Sequence[Collection[str]] = ()) -> Room:
    """Return how many more workers fit one after the other.

    `places` tells for each of the next ones which claims it lacks, by the names of their templates; those
    past its end lack them all. A StatefulSet that kept the claims of its next ordinals lacks none there.
    """
    ledger = Ledger(limits, shape)
    used: Used = {}
    fitting = 0
    for missing, run in groupby(map(frozenset, places)):
        cost, count = ledger.cost(missing), sum(1 for _ in run)
        fits = cost.fits(used)
        if fits is not None and fits < count:
            return _room(cost, used, fitting, fits)
        used = cost.after(used, count)
        fitting += count
    cost = ledger.cost(frozenset(claim.name for claim in shape.claims))
    fits = cost.fits(used)
    return Room(None) if fits is None else _room(cost, used, fitting, fits)


def _room(cost: Cost, used: Used, before: int, fits: int) -> Room:
    return Room(before + fits, cost.bounds(cost.after(used, fits)))


def excess(limits: NamespaceLimits, shape: WorkerShape) -> Excess:
    """Return how many workers would have to go so that no quota that counts their pods is exceeded.

    Only what their going gives back counts: neither claims, which stay, nor what the pods do not take. An
    amount that cannot be read, or is not counted yet, asks nobody to go.
    """
    most = Excess(0)
    for need in Ledger(limits, shape).cost(frozenset()).needs:
        over = (need.used({}) - need.hard).amount
        pods = int(-(-over // need.amount.amount))
        if pods > most.pods:
            most = Excess(pods, need.bound({}))
    return most
