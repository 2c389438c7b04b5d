"""Use of quotas that is less for a moment, as when a pod is replaced: room that is not to be taken.

The pod that a rollout ends, of a target or of anybody else in the namespace, leaves room that the one in its
place needs. A quota may tell of it before the pods do. So what was in use a moment ago still counts for
whoever wants to grow. A quota that is raised gives its room at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from autoscaler.arrivals import COUNTING_SECONDS
from autoscaler.core.quantity import Quantity
from autoscaler.core.quota import NamespaceLimits, Quota


class Dips:
    """What the quotas of a namespace have lately said, by when that was seen first, in monotonic seconds."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, NamespaceLimits]] = []

    def filled(self, at: float, limits: NamespaceLimits) -> NamespaceLimits:
        """Return the limits of now with the most in use that there was within the last moment."""
        if not self._seen or self._seen[-1][1] != limits:
            self._seen.append((at, limits))
        while len(self._seen) > 1 and at - self._seen[1][0] >= COUNTING_SECONDS:
            del self._seen[0]
        if len(self._seen) == 1:
            return limits
        before = [quota for _, seen in self._seen for quota in seen.quotas]
        return replace(limits, quotas=tuple(_filled(quota, before) for quota in limits.quotas))


def _filled(now: Quota, before: list[Quota]) -> Quota:
    def uses(resource: str) -> Iterator[Quantity]:
        for quota in before:
            if quota.name == now.name and resource in quota.used:
                yield quota.used[resource]

    return replace(now, used={resource: max(uses(resource)) for resource in now.used})
