"""The limits between what the demand asks for and what is done.

Each limit is a small function that returns a step where it binds and None where it does not. Their
order in `LIMITS` is the policy. Tolerance, stabilisation windows and rate policies mean what they
mean to the HorizontalPodAutoscaler (pkg/controller/podautoscaler/horizontal.go in Kubernetes);
where a zero, which an HPA never leaves by itself, needs a rule of its own, it is said here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.core.demand import Demand
from autoscaler.core.evidence import missing_evidence
from autoscaler.core.history import History
from autoscaler.core.model import Quality, Step
from autoscaler.core.policy import FallbackMode, Policy, RatePolicy, RateUnit, ScalingRules, SelectPolicy
from autoscaler.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class View:
    """All that a limit may look at."""

    snapshot: Snapshot
    policy: Policy
    history: History
    demand: Demand | None

    @property
    def current(self) -> int:
        """The replicas asked for at present."""
        return self.snapshot.workers.replicas

    @property
    def idle(self) -> bool:
        """Whether it is certain that there is nothing to do: no task, and nobody who might have one."""
        return (
            self.snapshot.broker.is_fresh
            and self.demand is not None
            and self.demand.replicas == 0
            and not missing_evidence(self.snapshot, self.policy)
        )


NAMED = 3

Limit = Callable[[int, View], Step | None]


def withheld(proposed: int, view: View) -> Step | None:
    """Make up for workers that were told by somebody else to take no tasks; they are left alone."""
    names = view.snapshot.withheld
    if not names or view.demand is None or not view.demand.replicas:
        return None
    message = f"no capacity in {', '.join(names[:NAMED])}: {len(names)} consume nothing, by another's order"
    return Step("withheld", proposed + len(names), "WorkersNotConsuming", message)


def tolerance(proposed: int, view: View) -> Step | None:
    """Keep what is there while demand and capacity differ by no more than the tolerance."""
    demand, current = view.demand, view.current
    if demand is None or demand.slots == 0 or current in {0, proposed}:
        return None
    capacity = max(0, current - len(view.snapshot.withheld)) * demand.slots_per_worker
    low = capacity * (1 - view.policy.scale_down.tolerance)
    high = capacity * (1 + view.policy.scale_up.tolerance)
    if not low <= demand.slots <= high:
        return None
    share = view.policy.scale_up if proposed > current else view.policy.scale_down
    message = f"{demand.slots} slots wanted of {capacity} differ by no more than {share.tolerance:.0%}"
    return Step("tolerance", current, "WithinTolerance", message)


def stabilization(proposed: int, view: View) -> Step | None:
    """Grow only to the least, shrink only to the most, proposed within the window of that direction."""
    at, current = view.snapshot.at, view.current
    up, down = view.policy.scale_up, view.policy.scale_down
    lowest = view.history.lowest(at - up.stabilization_window_seconds)
    highest = view.history.highest(at - down.stabilization_window_seconds)
    floor = proposed if lowest is None else min(proposed, lowest)
    ceiling = proposed if highest is None else max(proposed, highest)
    settled = min(max(current, floor), ceiling)
    if settled == proposed:
        return None
    if proposed > settled:
        window, reason, extreme = up, "ScaleUpStabilized", "lowest"
    else:
        window, reason, extreme = down, "ScaleDownStabilized", "highest"
    message = (
        f"{settled} is the {extreme} asked for, or there, "
        f"within the last {window.stabilization_window_seconds:g} s"
    )
    return Step("stabilization", settled, reason, message)


def scale_up_rate(proposed: int, view: View) -> Step | None:
    """Grow no faster than the scale-up policies allow.

    A percentage of nothing would never leave zero, so from zero it is taken of one.
    """
    rules, current = view.policy.scale_up, view.current
    if proposed <= current:
        return None

    def allowed(rate: RatePolicy) -> int:
        base = current - view.history.added(view.snapshot.at - rate.period_seconds)
        if rate.unit is RateUnit.PODS:
            return base + rate.value
        return math.ceil(max(base, 1) * (100 + rate.value) / 100)

    bounds = [allowed(rate) for rate in rules.policies]
    bound = max(current, _select(rules, proposed, current, bounds, max, min))
    if bound >= proposed:
        return None
    return Step("scale_up_rate", bound, "ScaleUpRateLimited", f"scaling up allows {bound} for now")


def scale_down_rate(proposed: int, view: View) -> Step | None:
    """Shrink no faster than the scale-down policies allow."""
    rules, current = view.policy.scale_down, view.current
    if proposed >= current:
        return None

    def allowed(rate: RatePolicy) -> int:
        base = current - view.history.added(view.snapshot.at - rate.period_seconds)
        if rate.unit is RateUnit.PODS:
            return base - rate.value
        return base * (100 - rate.value) // 100

    bounds = [allowed(rate) for rate in rules.policies]
    bound = min(current, _select(rules, proposed, current, bounds, min, max))
    if bound <= proposed:
        return None
    return Step("scale_down_rate", bound, "ScaleDownRateLimited", f"scaling down allows {bound} for now")


def _select(
    rules: ScalingRules,
    proposed: int,
    current: int,
    bounds: list[int],
    widest: Callable[[list[int]], int],
    narrowest: Callable[[list[int]], int],
) -> int:
    """Return what the chosen rate policy allows: everything where there is none to choose from."""
    if rules.select_policy is SelectPolicy.DISABLED:
        return current
    if not bounds:
        return proposed
    return widest(bounds) if rules.select_policy is SelectPolicy.MAX else narrowest(bounds)


def min_replicas(proposed: int, view: View) -> Step | None:
    """Never fewer than the minimum."""
    least = view.policy.min_replicas
    if proposed >= least:
        return None
    return Step("min_replicas", least, "MinReplicas", f"min_replicas is {least}")


def max_replicas(proposed: int, view: View) -> Step | None:
    """Never more than the maximum."""
    most = view.policy.max_replicas
    if proposed <= most:
        return None
    return Step("max_replicas", most, "MaxReplicas", f"max_replicas is {most}")


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


def rollout(proposed: int, view: View) -> Step | None:
    """Do not shrink while a rollout replaces pods: it ends and starts workers of its own."""
    if proposed >= view.current or not view.snapshot.workers.updating:
        return None
    return Step("rollout", view.current, "RolloutInProgress", "a rollout is in progress: nothing shrinks")


def last_worker(proposed: int, view: View) -> Step | None:
    """Keep one worker while something speaks against zero that no broker or worker confirms."""
    if proposed > 0 or view.current == 0:
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
    wanted = max(view.policy.min_replicas, min(wanted, view.policy.max_replicas))
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


LIMITS: tuple[Limit, ...] = (
    withheld,
    tolerance,
    stabilization,
    scale_up_rate,
    scale_down_rate,
    min_replicas,
    max_replicas,
    certainty,
    rollout,
    last_worker,
    fallback,
    closing,
)
