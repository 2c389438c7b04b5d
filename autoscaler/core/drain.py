"""Which workers to take out of service, which to put back, and how far the replicas may be lowered.

A StatefulSet removes its highest ordinals first and asks nobody whether they are busy. So those that
are to go are cordoned: told to take no new tasks. Replicas are lowered only past workers that are
proven idle, counted from the top: a task on a high ordinal pins what is below it, and nothing else.
When the demand comes back, those that are still there are given their queues again.

High ordinals that the demand does not need are cordoned before anybody wants to remove them, as far
as the others cover all of it: so tasks pack onto low ordinals, and the top drains by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.core.account import WorkerAccount
from autoscaler.core.drain_plan import Plan, lowest, passable, plan_of, standing_at
from autoscaler.core.drain_reasons import reason
from autoscaler.core.limits.view import View
from autoscaler.core.model import Cordon, Order, Quality, Step
from autoscaler.core.standing import Worker, is_ripe


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


def drain(wanted: int, view: View) -> Drain:
    """Return how to get from the present replicas to those wanted without ending a task."""
    snapshot, current = view.snapshot, view.current
    if snapshot.cordons is None:
        return _held(wanted, view)
    if _waits_for_sight(wanted, view):
        return Drain(wanted, snapshot.cordons)
    plan = plan_of(wanted, view)
    cordons, orders = _cordons(plan)
    if view.overrides.keeps_all:
        cordons, orders = _given_back_alone(snapshot.cordons, cordons, orders)
    if snapshot.workers_quality is not Quality.FRESH:
        cordons, orders = _without_new_ones(snapshot.cordons, cordons, orders)
    if wanted >= current:
        return Drain(wanted, cordons, orders)
    replicas = standing_at(lowest(plan, passable), view)
    reach = lowest(plan, lambda worker, plan: passable(worker, plan) or is_ripe(worker, view))
    reach = standing_at(reach, view)
    going = [worker for worker in plan.crew if worker.stays]
    return Drain(
        replicas,
        cordons,
        orders,
        reason(wanted, replicas, plan),
        departing=tuple(worker.pod.name for worker in going if worker.place >= replicas),
        ripe=tuple(worker.pod.name for worker in going if reach <= worker.place < replicas),
    )


def _held(wanted: int, view: View) -> Drain:
    """Return what there is to do without the memory of cordons: to grow, and nothing else."""
    kept = max(wanted, view.current)
    message = f"which workers take no tasks because of us is not known: {view.snapshot.cordons_detail}"
    step = Step("drain", kept, "DrainMemoryUnknown", message) if kept > wanted else None
    return Drain(kept, (), step=step)


def _waits_for_sight(wanted: int, view: View) -> bool:
    """Return whether cordons stay as they are: the broker's word is old, but not so old as to be unknown.

    A broker that blinks would undo every drain otherwise.
    """
    snapshot = view.snapshot
    old = snapshot.broker.quality is Quality.STALE
    ends = snapshot.closing or view.overrides.keeps_all
    return old and wanted == view.current and not ends


def _without_new_ones(
    known: tuple[Cordon, ...], cordons: tuple[Cordon, ...], orders: tuple[Order, ...]
) -> tuple[tuple[Cordon, ...], tuple[Order, ...]]:
    """Return cordons and orders that take nothing from anybody, as whoever is not seen well may be needed."""
    back = {cordon.pod: cordon for cordon in cordons if cordon.giving_back}
    kept = tuple(back.get(cordon.pod, cordon) for cordon in known)
    return kept, tuple(order for order in orders if order.consume)


def _given_back_alone(
    known: tuple[Cordon, ...], cordons: tuple[Cordon, ...], orders: tuple[Order, ...]
) -> tuple[tuple[Cordon, ...], tuple[Order, ...]]:
    """Return cordons and orders of which none is new: nobody is to be taken out of service.

    A worker whose pod is beyond the replicas already is about to be ended, and keeps its cordon.
    """
    before = {cordon.pod for cordon in known}
    kept = tuple(cordon for cordon in cordons if cordon.pod in before)
    return kept, tuple(order for order in orders if order.consume)


def _cordons(plan: Plan) -> tuple[tuple[Cordon, ...], tuple[Order, ...]]:
    """Return the cordons to remember, and what to tell workers so that they come true."""
    cordons: list[Cordon] = []
    orders: list[Order] = []
    for worker in plan.crew:
        cordon, order = _seen_to(worker, plan)
        cordons += [cordon] if cordon is not None else []
        orders += [order] if order is not None else []
    return tuple(cordons), tuple(orders)


def _seen_to(worker: Worker, plan: Plan) -> tuple[Cordon | None, Order | None]:
    """Return the cordon of a worker, if it has one or is to have one, and what to tell it."""
    from_place = plan.open_below if plan.view.policy.remote_control else plan.keep
    if not worker.stays:
        return None, None
    if worker.place >= from_place:
        return _taken(worker, plan)
    return (None, None) if worker.cordon is None else _given_back(worker.cordon, worker.account)


def _taken(worker: Worker, plan: Plan) -> tuple[Cordon, Order | None]:
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
        returned=False,
    )
    told = cordon.queues if consumed is None else consumed
    return cordon, Order(worker.pod.name, told, consume=False) if told else None


def _given_back(cordon: Cordon, account: WorkerAccount | None) -> tuple[Cordon | None, Order | None]:
    """Return what is left of a cordon: nothing once the worker says that it consumes its queues again.

    It has to be told so once in any case: it may not have heard the cordon yet. One that may forget its
    queues is remembered for as long as it lives, and told again when it has.
    """
    told = account.queues if account is not None and cordon.giving_back else None
    if cordon.returned and told is None:
        return cordon, None
    missing = tuple(queue for queue in cordon.queues if queue not in (told or ()))
    if missing:
        again = replace(cordon, since=None, giving_back=True, returned=False)
        return again, Order(cordon.pod, missing, consume=True)
    if cordon.queues and account is not None and account.forgetful:
        return replace(cordon, since=None, returned=True), None
    return None, None
