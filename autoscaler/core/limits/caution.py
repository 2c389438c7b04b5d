"""What speaks against doing what the demand asks for: doubt, and what goes on in the cluster."""

from __future__ import annotations

from autoscaler.core.limits.view import NAMED, View
from autoscaler.core.model import Quality, Step
from autoscaler.core.policy import FallbackMode
from autoscaler.core.snapshot import Snapshot


def withheld(proposed: int, view: View) -> Step | None:
    """Make up for workers that were told by somebody else to take no tasks; they are left alone."""
    names = view.snapshot.withheld
    if not names or view.demand is None or not view.demand.replicas:
        return None
    message = f"no capacity in {', '.join(names[:NAMED])}: {len(names)} consume nothing, by another's order"
    return Step("withheld", proposed + len(names), "WorkersNotConsuming", message)


def certainty(proposed: int, view: View) -> Step | None:
    """Do not shrink on readings that are missing or old."""
    if proposed >= view.current:
        return None
    readings = [
        f"{reading.source} is {reading.quality} ({reading.detail})"
        for reading in (view.snapshot.broker, view.snapshot.slots)
        if not reading.is_fresh
    ]
    if view.snapshot.workers_quality is not Quality.FRESH:
        readings.append(f"the view of the cluster is {view.snapshot.workers_quality}")
    if not readings:
        return None
    message = f"{'; '.join(readings)}: nothing shrinks on that"
    return Step("certainty", view.current, "ReadingsNotFresh", message)


def last_worker(proposed: int, view: View) -> Step | None:
    """Keep one worker while something speaks against zero that no broker or worker confirms."""
    if proposed > 0 or view.current == 0 or view.policy.max_replicas == 0:
        return None
    demand = view.demand
    if demand is not None and demand.later and not _eta_is_readable(view.snapshot):
        message = f"{demand.later} tasks are not due yet, and where they would wait cannot be looked into"
        return Step("last_worker", 1, "TasksNotDue", message)
    idle = view.history.idle_seconds(view.snapshot.at, view.policy)
    if idle > view.policy.hint_veto_seconds:
        return None
    for hint in view.snapshot.hints:
        if hint.tasks.is_fresh and hint.tasks.value:
            message = f"{hint.name} ({hint.tasks.source}) speaks of {hint.tasks.value} tasks"
            return Step("last_worker", 1, "HintVeto", message)
    return None


def _eta_is_readable(snapshot: Snapshot) -> bool:
    account = snapshot.broker.value
    return account is not None and all(queue.eta_known for queue in account.queues)


def fallback(proposed: int, view: View) -> Step | None:
    """Do what was asked for in case the demand is unknown for long."""
    rule = view.policy.fallback
    if view.demand is not None or rule.mode is FallbackMode.HOLD:
        return None
    blind = view.history.blind_seconds(view.snapshot.at)
    wanted = rule.replicas if rule.mode is FallbackMode.STATIC else max(proposed, rule.replicas)
    wanted = min(max(wanted, view.policy.min_replicas), view.policy.most_workers)
    if rule.mode is FallbackMode.AT_LEAST:
        wanted = max(wanted, proposed)
    if blind < rule.after_seconds or wanted == proposed:
        return None
    message = f"demand unknown for {blind:.0f} s: fallback {rule.mode} {rule.replicas}"
    return Step("fallback", wanted, "Fallback", message)


def closing(proposed: int, view: View) -> Step | None:
    """Change nothing any more when the daemon is about to end: what was taken is given back."""
    if proposed == view.current or not view.snapshot.closing:
        return None
    return Step("closing", view.current, "Closing", "the autoscaler is ending: nothing changes")
