"""What about a HorizontalPodAutoscaler on a target costs tasks or time, told before it does."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.core.findings import Finding, advice, risk
from autoscaler.core.habits import Habits
from autoscaler.core.hpa import Hpa, conflict, only
from autoscaler.core.policy import HpaMode

SHARING = frozenset({HpaMode.ACTIVATE, HpaMode.FLOOR})
"""The modes in which a target is shared with an HPA."""


def hpa_conflict(habits: Habits) -> Finding | None:
    """Tell of HPAs that a target cannot be shared with."""
    trouble = conflict(habits.hpas.value or ())
    if not trouble or habits.hpa_mode not in SHARING:
        return None
    return risk(
        "HpaConflict", f"{trouble}. The target is left alone for as long: take away all but one of us."
    )


def hpa_fights(habits: Habits) -> Finding | None:
    """Tell of an HPA that undoes what we do."""
    found = habits.hpas.value
    if not found or habits.hpa_mode is not HpaMode.OWN:
        return None
    named = " and ".join(map(str, found))
    return risk(
        "HpaFights",
        f"hpa is own, but {named} scales the target too: within 15 s it undoes what we do, and it lowers "
        'past busy workers. Delete it, or set hpa = "floor".',
    )


def hpa_activate(habits: Habits) -> Finding | None:
    """Tell what an HPA goes on doing where we only go to zero and come from there."""
    one = _sole(habits)
    if one is None or habits.hpa_mode is not HpaMode.ACTIVATE:
        return None
    if one.scales_to_zero:
        return advice(
            "HpaRules",
            f'{one} scales to zero itself, so with hpa = "activate" there is nothing left for us to do. Set '
            'hpa = "floor", or delete it.',
        )
    return advice(
        "HpaRules",
        f"{one} scales the target too, and knows nothing of tasks: between zero and its maximum it rules "
        '(hpa is activate), and it lowers past busy workers. With hpa = "floor" its minReplicas follows the '
        "demand, and only idle workers go.",
    )


def hpa_bounds(habits: Habits) -> Finding | None:
    """Tell of bounds of ours that are out of an HPA's reach."""
    one = _sole(habits)
    if one is None or habits.hpa_mode not in SHARING:
        return None
    told = []
    if habits.max_replicas is not None and habits.max_replicas > one.max_replicas:
        told.append(f"max_replicas {habits.max_replicas} is more than its maxReplicas {one.max_replicas}")
    if habits.max_replicas is not None and habits.max_replicas < one.own_min:
        told.append(f"max_replicas {habits.max_replicas} is less than its minReplicas {one.own_min}")
    if habits.hpa_mode is HpaMode.ACTIVATE and (habits.min_replicas or 0) > one.own_min:
        told.append(f"min_replicas {habits.min_replicas} is more than its minReplicas {one.own_min}")
    if not told:
        return None
    return advice("HpaBounds", f"{one}: {'; '.join(told)}. Its bounds hold: have both say the same.")


def hpa_inactive(habits: Habits) -> Finding | None:
    """Tell of an HPA whose metrics are missing: it keeps what there is."""
    one = _sole(habits)
    if one is None or not one.inactive or one.inactive == "ScalingDisabled":
        return None
    return advice(
        "HpaInactive",
        f"{one} computes nothing at present ({one.inactive}): between its bounds it keeps the replicas that "
        "there are. See kubectl describe hpa.",
    )


def _sole(habits: Habits) -> Hpa | None:
    return only(habits.hpas.value or ())


HPA_FINDINGS: tuple[Callable[[Habits], Finding | None], ...] = (
    hpa_conflict,
    hpa_fights,
    hpa_activate,
    hpa_bounds,
    hpa_inactive,
)
