"""Where a drain leads: which workers are to go, which take no new tasks, and who may be passed already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.core.limits.hpa import least_standing, stays_out
from autoscaler.core.limits.rollouts import rollout_holds
from autoscaler.core.limits.view import View
from autoscaler.core.policy import AtDeadline
from autoscaler.core.standing import Standing, Worker, crew_of, overdue, standing

SPARE_WORKERS = 1
"""Workers beyond the demand that placement leaves open, so that a task finds a free slot at once."""

OBEYING_SECONDS = 10.0
"""How long a patch waits for an idle worker to obey, so that one patch can do for several."""

PROVEN = frozenset({Standing.EMPTY, Standing.IDLE})


@dataclass(frozen=True, slots=True)
class Plan:
    """What all stages of a drain look at.

    Workers of places from `keep` up are to go, those from `open_below` up take no new tasks.
    """

    view: View
    crew: tuple[Worker, ...]
    keep: int
    open_below: int


def plan_of(wanted: int, view: View) -> Plan:
    """Return the way from the present replicas to those wanted."""
    crew = crew_of(view.snapshot)
    keep = places_for(wanted, view.current, crew)
    return Plan(view, crew, keep, open_below(keep, wanted, view, crew))


def places_for(wanted: int, current: int, crew: tuple[Worker, ...]) -> int:
    """Return the replicas, no more than there are, that keep so many workers.

    A quota leaves gaps among the ordinals of a parallel set, which are no workers. Beyond the last pod
    that stays there are no gaps: those are still to come.
    """
    taken = {worker.place for worker in crew if worker.place < current}
    end = max(taken, default=-1) + 1
    kept = wanted
    while kept < current and sum(place < kept for place in taken) + max(0, kept - end) < wanted:
        kept += 1
    return min(kept, current)


def open_below(keep: int, wanted: int, view: View, crew: tuple[Worker, ...]) -> int:
    """Return the place from which workers take no new tasks.

    That is where the surplus begins; with placement where nothing was needed for a while, less a spare
    worker. The workers below cover the whole demand, unless a limit forces fewer upon us.
    """
    snapshot, demand, current = view.snapshot, view.demand, view.current
    if demand is None:
        return keep
    rules, open_below = view.policy.drain, keep
    stay = snapshot.closing or rollout_holds(view) or view.overrides.keeps_all or stays_out(view)
    if rules.placement and not stay:
        recent = view.history.highest(snapshot.at - rules.placement_after_seconds)
        needed = max(demand.replicas, current if recent is None else recent) + len(snapshot.withheld)
        spared = max(needed + SPARE_WORKERS, view.policy.min_replicas)
        open_below = min(keep, places_for(min(spared, current), current, crew))
    if wanted < min(current, demand.replicas):
        return open_below
    withheld = frozenset(snapshot.withheld)
    able = [w.place for w in crew if w.stays and w.pod.ready and w.pod.name not in withheld]
    while open_below < current and demand.slots_per_worker * sum(p < open_below for p in able) < demand.slots:
        open_below += 1
    return open_below


def lowest(plan: Plan, passable: Callable[[Worker, Plan], bool]) -> int:
    """Return the lowest replicas that end only workers which may be passed.

    Where the next one is idle and only has to be made sure of, nothing is lowered before.
    """
    workers = {worker.place: worker for worker in plan.crew}
    lowest = plan.view.current
    if chooses_others(plan):
        return lowest
    follows = any(worker.place >= lowest for worker in plan.crew)
    for place in range(lowest - 1, plan.keep - 1, -1):
        worker = workers.get(place)
        if worker is not None and follows and may_change(worker, plan):
            return lowest
        follows = follows or worker is not None
        if worker is not None and not passable(worker, plan):
            return plan.view.current if _soon(worker, plan) else lowest
        lowest = place
    return lowest


def standing_at(replicas: int, view: View) -> int:
    """Return the replicas that may be lowered to on the way to so many: an HPA puts back what is fewer.

    At none at all it does nothing. So between there and what stands it is all of the workers or none.
    """
    return max(replicas, least_standing(view)) if replicas else 0


def chooses_others(plan: Plan) -> bool:
    """Return whether other pods might go than those that were chosen.

    A Deployment removes pods that are not Ready before any other, whatever was said of them; while it has
    pods of two templates it takes some of each.
    """
    if plan.view.snapshot.target.kind == "StatefulSet":
        return False
    return mixes_templates(plan) or not all(
        worker.pod.ready for worker in plan.crew if worker.place < plan.keep
    )


def mixes_templates(plan: Plan) -> bool:
    """Return whether some pods are to stay of a Deployment that has those of several templates."""
    if plan.view.snapshot.target.kind == "StatefulSet" or not plan.keep:
        return False
    return len({worker.pod.revision for worker in plan.crew}) > 1


def may_change(worker: Worker, plan: Plan) -> bool:
    """Return whether a worker could be at work by the time it is ended, if others are ended before it.

    Pods that are ended one after the other wait for each other's grace period: meanwhile one that runs no
    worker may start one, and a task that is kept until its time may be due.
    """
    account = worker.account
    eta = account is not None and bool(account.eta)
    return not plan.view.snapshot.workers.parallel and (eta or not worker.pod.occupied)


def passable(worker: Worker, plan: Plan) -> bool:
    """Return whether a worker may go: it is proven idle, or its deadline has passed and that is enough."""
    lower = plan.view.policy.drain.at_deadline is AtDeadline.LOWER
    return standing(worker, plan.view) in PROVEN or (lower and overdue(worker, plan.view))


def _soon(worker: Worker, plan: Plan) -> bool:
    """Return whether a worker will be proven idle within seconds, unless it takes another task."""
    stage = standing(worker, plan.view)
    since = None if worker.cordon is None else worker.cordon.since
    new = since is None or plan.view.snapshot.now - since <= OBEYING_SECONDS
    cordoned = worker.place >= plan.open_below
    return stage is Standing.SETTLING or (stage is Standing.OPEN and cordoned and new)
