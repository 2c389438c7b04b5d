"""No more workers than can start: the rest of the demand waits, and the decision says for what."""

from __future__ import annotations

from collections.abc import Sequence

from autoscaler.core.limits.view import NAMED, View
from autoscaler.core.model import Step, WorkerPod
from autoscaler.core.stamps import stamp
from autoscaler.core.starting import Late, Starting, starting

NAMED_REASONS = 2


def out_of_service(view: View) -> tuple[Late, ...]:
    """Return the workers that do not start for reasons of their own: they are no capacity."""
    return _starting(view).apart


def stand_ins(proposed: int, view: View) -> Step | None:
    """Make up for workers that do not start for reasons of their own."""
    apart = out_of_service(view)
    if not apart or view.demand is None or not view.demand.replicas:
        return None
    replicas = _with_others(proposed, apart)
    if replicas == proposed:
        return None
    return Step("stand_ins", replicas, "WorkersOutOfService", f"others take the place of {_told(apart)}")


def cannot_start(proposed: int, view: View) -> Step | None:
    """Ask for no more while workers that were asked for do not start; never for fewer."""
    if proposed < view.current:
        return None
    found = _starting(view)
    if not found.failing:
        return None
    most = min(proposed, view.current + found.one_more)
    message = f"{_told(found.failing)}: {_consequence(found, view)}"
    return Step("cannot_start", most, "PodsCannotStart", message)


def pod_order(proposed: int, view: View) -> Step | None:
    """Say why pods that are to go stay, where they are ended one after the other."""
    workers = view.snapshot.workers
    if workers.parallel or proposed != view.current:
        return None
    to_go = sorted(_staying(workers.pods, workers.replicas), key=lambda pod: -(pod.place or 0))
    waited_for = _waited_for(to_go, view) if to_go else ""
    if not waited_for:
        return None
    names = _listed([pod.name for pod in to_go])
    message = f"{names} to go once {waited_for} is Ready: podManagementPolicy is OrderedReady"
    return Step("pod_order", view.current, "PodsEndInOrder", message)


def _staying(pods: Sequence[WorkerPod], replicas: int) -> list[WorkerPod]:
    return [pod for pod in pods if pod.place is not None and pod.place >= replicas and not pod.terminating]


def _waited_for(to_go: Sequence[WorkerPod], view: View) -> str:
    """Return the pod that holds up the next one to go, empty where nothing does.

    That is the first of those that stay which is not Ready; then the highest itself, while one below it
    that is to go is not Ready either (processCondemned of Kubernetes' stateful_set_control.go).
    """
    snapshot = view.snapshot
    there = {pod.place: pod for pod in snapshot.workers.pods}
    for place in range(view.current):
        pod = there.get(place)
        if pod is None or not pod.ready or pod.terminating:
            return f"{snapshot.target.name}-{snapshot.workers.first_ordinal + place}"
    unready = [pod.name for pod in to_go if not pod.ready]
    return unready[0] if len(unready) > 1 and unready[0] == to_go[0].name else ""


def _starting(view: View) -> Starting:
    return starting(view.snapshot, view.history.awaited, view.policy.start_timeout_seconds)


def _with_others(wanted: int, apart: Sequence[Late]) -> int:
    """Return the replicas that keep so many workers beside those that stand apart."""
    places = {one.place for one in apart if one.place is not None}
    kept = wanted
    while kept - sum(place < kept for place in places) < wanted:
        kept += 1
    return kept + sum(one.place is None for one in apart)


def _consequence(found: Starting, view: View) -> str:
    if found.one_more:
        return "one more is asked for, to see whether that one alone cannot"
    if not view.snapshot.workers.parallel:
        return "none after it is started before (OrderedReady), so no more are asked for"
    return "more would not either, so no more are asked for"


def _told(late: Sequence[Late]) -> str:
    """Return which do not start, since when and why, those of one reason together."""
    by_reason: dict[str, list[Late]] = {}
    for one in late:
        by_reason.setdefault(one.why, []).append(one)
    groups = list(by_reason.items())
    clauses = [
        f"{_listed([one.pod for one in pods])} not started since {stamp(_first(pods))} ({why})"
        for why, pods in groups[:NAMED_REASONS]
    ]
    others = sum(len(pods) for _, pods in groups[NAMED_REASONS:])
    return ", ".join([*clauses, f"{others} more for other reasons"] if others else clauses)


def _first(late: Sequence[Late]) -> float:
    return min(one.since for one in late)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
