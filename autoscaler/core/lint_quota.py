"""What of the quotas of a namespace keeps a target small, told before it has work for more."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.core.findings import Finding, advice
from autoscaler.core.habits import Habits
from autoscaler.core.quota import BoundKind


def quota_room(habits: Habits) -> Finding | None:
    """Tell of quotas that have no room for as many workers as the target may have."""
    room, most = habits.room.value, habits.max_replicas
    if room is None or room.pods is None or most is None or room.pods >= most:
        return None
    words = "; ".join(bound.text for bound in room.bounds)
    if any(bound.kind not in {BoundKind.QUOTA, BoundKind.STATUS_UNKNOWN} for bound in room.bounds):
        return advice("PodNotAdmitted", f"{words}: no more workers of this template are admitted.")
    return advice(
        "QuotaBelowMaxReplicas",
        f"max_replicas is {most}, and at present the namespace has room for {room.pods} workers in all: "
        f"{words} by then. Raise the quota, or lower max_replicas. See docs/quota.md.",
    )


QUOTA_FINDINGS: tuple[Callable[[Habits], Finding | None], ...] = (quota_room,)
