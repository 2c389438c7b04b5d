"""How fast and how far a target may grow and shrink, in the words of the HorizontalPodAutoscaler.

Tolerance, stabilisation windows and rate policies mean what they mean to the HorizontalPodAutoscaler
(pkg/controller/podautoscaler/horizontal.go in Kubernetes); where a zero, which an HPA never leaves by
itself, needs a rule of its own, it is said here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from autoscaler.core.limits.overrides import least_said, most_said
from autoscaler.core.limits.starting import out_of_service
from autoscaler.core.limits.view import View
from autoscaler.core.model import Step
from autoscaler.core.policy import RatePolicy, RateUnit, ScalingRules, SelectPolicy


def tolerance(proposed: int, view: View) -> Step | None:
    """Keep what is there while demand and capacity differ by no more than the tolerance."""
    demand, current = view.demand, view.current
    if demand is None or demand.slots == 0 or current in {0, proposed}:
        return None
    able = max(0, current - len(view.snapshot.withheld) - len(out_of_service(view)))
    capacity = able * demand.slots_per_worker
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
    return Step("min_replicas", least, "MinReplicas", least_said(least, view))


def max_replicas(proposed: int, view: View) -> Step | None:
    """Never more than the maximum."""
    most = view.policy.max_replicas
    if proposed <= most:
        return None
    return Step("max_replicas", most, "MaxReplicas", most_said(most, view))
