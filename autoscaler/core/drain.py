"""Which workers to take out of service, which to put back, and how far the replicas may be lowered.

A StatefulSet removes its highest ordinals first and asks nobody whether they are busy. So those that
are to go are cordoned: told to take no new tasks. Replicas are lowered only past workers that are
proven idle, counted from the top: a task on a high ordinal pins what is below it, and nothing else.
When the demand comes back, those that are still there are given their queues again.

High ordinals that the demand does not need are cordoned before anybody wants to remove them, as far
as the others cover all of it: so tasks pack onto low ordinals, and the top drains by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from autoscaler.core.account import WorkerAccount
from autoscaler.core.evidence import missing_evidence
from autoscaler.core.limits import NAMED, View
from autoscaler.core.model import Cordon, Order, Quality, Step
from autoscaler.core.policy import AtDeadline
from autoscaler.core.standing import Standing, Worker, crew_of, is_ripe, overdue, standing

SPARE_WORKERS = 1
"""Workers beyond the demand that placement leaves open, so that a task finds a free slot at once."""

OBEYING_SECONDS = 10.0
"""How long a patch waits for an idle worker to obey, so that one patch can do for several."""

PROVEN = frozenset({Standing.EMPTY, Standing.IDLE})


@dataclass(frozen=True, slots=True)
class Drain:
    """What to do: the cordons to remember, what to tell workers now, and the replicas to ask for.

    `step` says why these are more than what was wanted, None when they are not. `departing` are the pods
    whose workers go by that, `ripe` those that could go as well if they said now that they are idle.
    """

    replicas: int
    cordons: tuple[Cordon, ...]
    orders: tuple[Order, ...] = ()
    step: Step | None = None
    departing: tuple[str, ...] = ()
    ripe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all stages of a drain look at.

    Workers of places from `keep` up are to go, those from `open_below` up take no new tasks.
    """

    view: View
    crew: tuple[Worker, ...]
    keep: int
    open_below: int


def drain(wanted: int, view: View) -> Drain:
    """Return how to get from the present replicas to those wanted without ending a task."""
    snapshot, current = view.snapshot, view.current
    if snapshot.cordons is None:
        why = f"which workers take no tasks because of us is not known: {snapshot.cordons_detail}"
        return _held(wanted, view, "DrainMemoryUnknown", why)
    if _waits_for_sight(wanted, view):
        return Drain(wanted, snapshot.cordons)
    crew = crew_of(snapshot)
    keep = _places_for(wanted, current, crew)
    plan = _Plan(view, crew, keep, _open_below(keep, wanted, view, crew))
    cordons, orders = _cordons(plan)
    if wanted >= current:
        return Drain(wanted, cordons, orders)
    replicas = _lowest(plan, _passable)
    reach = _lowest(plan, lambda worker, plan: _passable(worker, plan) or is_ripe(worker, view))
    going = [worker for worker in crew if worker.stays]
    return Drain(
        replicas,
        cordons,
        orders,
        _why(wanted, replicas, plan),
        departing=tuple(worker.pod.name for worker in going if worker.place >= replicas),
        ripe=tuple(worker.pod.name for worker in going if reach <= worker.place < replicas),
    )


def _held(wanted: int, view: View, reason: str, why: str) -> Drain:
    kept = max(wanted, view.current)
    step = Step("drain", kept, reason, why) if kept > wanted else None
    return Drain(kept, view.snapshot.cordons or (), step=step)


def _waits_for_sight(wanted: int, view: View) -> bool:
    """Return whether cordons stay as they are: what is seen is old, but not so old as to be unknown."""
    snapshot = view.snapshot
    old = snapshot.broker.quality is Quality.STALE or snapshot.workers_quality is not Quality.FRESH
    return old and wanted == view.current and not snapshot.closing


def _places_for(wanted: int, current: int, crew: tuple[Worker, ...]) -> int:
    """Return the replicas, no more than there are, that keep so many workers.

    A quota leaves gaps among the ordinals of a parallel set, which are no workers. Beyond the last pod
    there are no gaps: those are still to come.
    """
    taken = {worker.place for worker in crew}
    end = max(taken, default=-1) + 1
    kept = wanted
    while kept < current and sum(place < kept for place in taken) + max(0, kept - end) < wanted:
        kept += 1
    return min(kept, current)


def _open_below(keep: int, wanted: int, view: View, crew: tuple[Worker, ...]) -> int:
    """Return the place from which workers take no new tasks.

    That is where the surplus begins; with placement where nothing was needed for a while, less a spare
    worker. The workers below cover the whole demand, unless a limit forces fewer upon us.
    """
    snapshot, demand, current = view.snapshot, view.demand, view.current
    if demand is None:
        return keep
    rules, open_below = view.policy.drain, keep
    if rules.placement and not snapshot.workers.updating and not snapshot.closing:
        recent = view.history.highest(snapshot.at - rules.placement_after_seconds)
        needed = max(demand.replicas, current if recent is None else recent) + len(snapshot.withheld)
        spared = max(needed + SPARE_WORKERS, view.policy.min_replicas)
        open_below = min(keep, _places_for(min(spared, current), current, crew))
    if wanted < min(current, demand.replicas):
        return open_below
    withheld = frozenset(snapshot.withheld)
    able = [w.place for w in crew if w.stays and w.pod.ready and w.pod.name not in withheld]
    while open_below < current and demand.slots_per_worker * sum(p < open_below for p in able) < demand.slots:
        open_below += 1
    return open_below


def _cordons(plan: _Plan) -> tuple[tuple[Cordon, ...], tuple[Order, ...]]:
    """Return the cordons to remember, and what to tell workers so that they come true."""
    cordons: list[Cordon] = []
    orders: list[Order] = []
    for worker in plan.crew:
        cordon, order = _seen_to(worker, plan)
        cordons += [cordon] if cordon is not None else []
        orders += [order] if order is not None else []
    return tuple(cordons), tuple(orders)


def _seen_to(worker: Worker, plan: _Plan) -> tuple[Cordon | None, Order | None]:
    """Return the cordon of a worker, if it has one or is to have one, and what to tell it."""
    from_place = plan.open_below if plan.view.policy.remote_control else plan.keep
    if not worker.stays:
        return None, None
    if worker.place >= from_place:
        return _taken(worker, plan)
    return (None, None) if worker.cordon is None else _given_back(worker.cordon, worker.account)


def _taken(worker: Worker, plan: _Plan) -> tuple[Cordon, Order | None]:
    """Return the cordon of a worker that is to take no new tasks."""
    known = worker.cordon or Cordon(worker.pod.name)
    consumed = None if worker.account is None else worker.account.queues
    since = known.since if known.since is not None else plan.view.snapshot.now
    cordon = replace(
        known,
        queues=tuple(sorted({*known.queues, *(consumed or ())})),
        started_at=worker.pod.started_at,
        since=since if worker.place >= plan.keep else None,
        giving_back=False,
    )
    told = cordon.queues if consumed is None else consumed
    return cordon, Order(worker.pod.name, told, consume=False) if told else None


def _given_back(cordon: Cordon, account: WorkerAccount | None) -> tuple[Cordon | None, Order | None]:
    """Return what is left of a cordon: nothing once the worker says that it consumes its queues again.

    It has to be told so once in any case: it may not have heard the cordon yet.
    """
    consumed = (account.queues or ()) if account is not None and cordon.giving_back else ()
    missing = tuple(queue for queue in cordon.queues if queue not in consumed)
    if not missing:
        return None, None
    return replace(cordon, since=None, giving_back=True), Order(cordon.pod, missing, consume=True)


def _lowest(plan: _Plan, passable: Callable[[Worker, _Plan], bool]) -> int:
    """Return the lowest replicas that end only workers which may be passed.

    Where the next one is idle and only has to be made sure of, nothing is lowered before.
    """
    workers = {worker.place: worker for worker in plan.crew}
    lowest = plan.view.current
    if _chooses_others(plan):
        return lowest
    for place in range(plan.view.current - 1, plan.keep - 1, -1):
        worker = workers.get(place)
        if worker is not None and not passable(worker, plan):
            return plan.view.current if _soon(worker, plan) else lowest
        lowest = place
    return lowest


def _chooses_others(plan: _Plan) -> bool:
    """Return whether other pods might go than those that were chosen.

    A Deployment removes pods that are not Ready before any other, whatever was said of them.
    """
    if plan.view.snapshot.target.kind == "StatefulSet":
        return False
    return not all(worker.pod.ready for worker in plan.crew if worker.place < plan.keep)


def _passable(worker: Worker, plan: _Plan) -> bool:
    lower = plan.view.policy.drain.at_deadline is AtDeadline.LOWER
    return standing(worker, plan.view) in PROVEN or (lower and overdue(worker, plan.view))


def _soon(worker: Worker, plan: _Plan) -> bool:
    """Return whether a worker will be proven idle within seconds, unless it takes another task."""
    stage = standing(worker, plan.view)
    since = None if worker.cordon is None else worker.cordon.since
    new = since is None or plan.view.snapshot.now - since <= OBEYING_SECONDS
    cordoned = worker.place >= plan.open_below
    return stage is Standing.SETTLING or (stage is Standing.OPEN and cordoned and new)


def _why(wanted: int, replicas: int, plan: _Plan) -> Step | None:
    """Return the step that tells who is waited for, or who goes without proof; None when neither."""
    if replicas <= wanted:
        return _unproven(replicas, plan)
    waited_for = [
        worker
        for worker in reversed(plan.crew)
        if plan.keep <= worker.place < replicas and not _passable(worker, plan)
    ]
    if not waited_for:
        why = f"some ordinals have no pod: fewer than {replicas} replicas would keep fewer workers"
        return Step("drain", replicas, "OrdinalsMissing", why)
    late = any(overdue(worker, plan.view) for worker in waited_for)
    clauses = [f"{worker.pod.name} {_told(worker, plan)}" for worker in waited_for[:NAMED]]
    if len(waited_for) > NAMED:
        clauses.append(f"{len(waited_for) - NAMED} more are waited for")
    if not plan.view.policy.remote_control:
        clauses.append(_lacking(plan.view))
    if late:
        seconds = plan.view.policy.drain.deadline_seconds
        clauses.append(f"the deadline of {seconds:g} s has passed, and drain.at_deadline is to wait")
    message = f"draining to {wanted}: {', '.join(clauses)}"
    return Step("drain", replicas, "DrainDeadlinePassed" if late else "Draining", message)


def _told(worker: Worker, plan: _Plan) -> str:
    """Return what is known of a worker that is waited for."""
    stage, account = standing(worker, plan.view), worker.account
    if stage is Standing.BUSY and account is not None:
        return f"has {account.active} running and {account.reserved} reserved"
    if stage is Standing.OPEN and worker.place < plan.open_below:
        return "still takes tasks, as the workers below it do not cover the demand"
    return stage.value


def _lacking(view: View) -> str:
    """Return what the broker's word lacks, where it has to do."""
    missing = missing_evidence(view.snapshot, view.policy)
    window = view.policy.scale_down.stabilization_window_seconds
    needs = "; ".join(missing) if missing else f"{window:g} s without any task at the broker would show it"
    return f"workers are not asked (remote_control is off): {needs}"


def _unproven(replicas: int, plan: _Plan) -> Step | None:
    """Return the step that states the risk of lowering past workers that are not proven idle."""
    going = [worker for worker in plan.crew if worker.stays and worker.place >= replicas]
    names = [worker.pod.name for worker in going if standing(worker, plan.view) not in PROVEN]
    if names:
        seconds = plan.view.policy.drain.deadline_seconds
        why = f"{', '.join(names[:NAMED])} not idle after {seconds:g} s: left to the grace period"
        return Step("drain", replicas, "DrainDeadlineForced", why)
    if going and not plan.view.policy.remote_control:
        why = "workers are not asked (remote_control is off): what they acknowledged early relies on the "
        return Step("drain", replicas, "BrokersWordAlone", f"{why}grace period")
    return None
