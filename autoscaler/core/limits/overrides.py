"""What people order by annotation, as limits: they come after all that is decided by itself.

The bounds by annotation take the place of the configured ones before any limit looks at them, so that
whatever keeps within the bounds keeps within these. No annotation goes beyond the configured maximum:
who may annotate a worker set may not be who answers for what it costs.
"""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.limits.view import View
from autoscaler.core.model import Step
from autoscaler.core.overrides import Key, Override, Overrides
from autoscaler.core.policy import Fallback, Policy


def bounded(policy: Policy, overrides: Overrides) -> Policy:
    """Return a policy with the bounds that are ordered; the maximum goes before the minimum.

    A number that is ordered is both bounds, and takes the place of one to fall back to.
    """
    pinned = overrides.get(Key.PAUSED_REPLICAS)
    if pinned is not None:
        goal = min(pinned.replicas, policy.max_replicas)
        return replace(policy, min_replicas=goal, max_replicas=goal, fallback=Fallback())
    least, most = overrides.get(Key.MIN_REPLICAS), overrides.get(Key.MAX_REPLICAS)
    if least is None and most is None:
        return policy
    highest = policy.max_replicas if most is None else min(most.replicas, policy.max_replicas)
    lowest = policy.min_replicas if least is None else least.replicas
    return replace(policy, min_replicas=min(lowest, highest), max_replicas=highest)


def least_said(least: int, view: View) -> str:
    """Return who says that there are never fewer replicas: an annotation, or the configuration."""
    ordered, most = view.overrides.get(Key.MIN_REPLICAS), view.overrides.get(Key.MAX_REPLICAS)
    if ordered is not None:
        return _capped(ordered, least)
    return str(most) if most is not None and most.replicas == least else f"min_replicas is {least}"


def most_said(most: int, view: View) -> str:
    """Return who says that there are never more replicas: an annotation, or the configuration."""
    ordered = view.overrides.get(Key.MAX_REPLICAS)
    return str(ordered) if ordered is not None and ordered.replicas == most else f"max_replicas is {most}"


def _capped(ordered: Override, replicas: int) -> str:
    return str(ordered) if ordered.replicas == replicas else f"{ordered}, but the maximum is {replicas}"


def paused_replicas(_: int, view: View) -> Step | None:
    """Go to the number that is ordered, whatever the demand."""
    ordered = view.overrides.get(Key.PAUSED_REPLICAS)
    if ordered is None:
        return None
    goal = view.policy.max_replicas
    return Step("paused_replicas", goal, "PausedAtReplicas", _capped(ordered, goal))


def scale_in_paused(proposed: int, view: View) -> Step | None:
    """Do not shrink."""
    ordered = view.overrides.get(Key.PAUSED_SCALE_IN)
    if ordered is None or proposed >= view.current:
        return None
    return Step("scale_in_paused", view.current, "ScaleInPaused", f"{ordered}: nothing shrinks")


def paused(_: int, view: View) -> Step | None:
    """Stay at what is there, unless another number is ordered."""
    ordered = view.overrides.get(Key.PAUSED)
    if ordered is None or view.overrides.get(Key.PAUSED_REPLICAS) is not None:
        return None
    return Step("paused", view.current, "Paused", f"{ordered}: it stays at {view.current}")


def excluded(_: int, view: View) -> Step | None:
    """Leave the target alone."""
    ordered = view.overrides.get(Key.EXCLUDE)
    if ordered is None:
        return None
    return Step("excluded", view.current, "Excluded", f"excluded {ordered.source}: it is left alone")
