"""The status of a HorizontalPodAutoscaler while one look at it fills it in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from autoscaler.sandbox.objects.values import JSON, stamp

ABLE, ACTIVE, LIMITED, AT_ZERO = "AbleToScale", "ScalingActive", "ScalingLimited", "ScaledToZero"
NOT_MEASURED: JSON = {"type": ""}
"""What stands in the status for a metric that could not be had."""


class Draft:
    """The status that an autoscaler has had, on its way to the next one; `now` is aware UTC."""

    def __init__(self, hpa: JSON, now: datetime) -> None:
        self.status: JSON = dict(hpa["status"])
        self._conditions: list[JSON] = list(self.status.get("conditions", ()))
        self._now = stamp(now)

    def say(self, name: str, reason: str, message: str, *, holds: bool) -> None:
        """Set a condition. Its time is that of the last change between true and false."""
        status = str(holds)
        told = {"type": name, "status": status, "lastTransitionTime": self._now}
        told |= {"reason": reason, "message": message}
        for index, earlier in enumerate(self._conditions):
            if earlier["type"] == name:
                since = earlier["lastTransitionTime"] if earlier["status"] == status else self._now
                self._conditions[index] = told | {"lastTransitionTime": since}
                break
        else:
            self._conditions.append(told)
        self.status["conditions"] = list(self._conditions)

    def unsay(self, name: str) -> None:
        """Remove a condition."""
        self._conditions = [condition for condition in self._conditions if condition["type"] != name]
        self.status["conditions"] = list(self._conditions)

    def holds(self, name: str) -> bool:
        """Whether a condition is there and true."""
        return any(item["type"] == name and item["status"] == "True" for item in self._conditions)

    def count(self, current: int, desired: int, metrics: Sequence[JSON], *, rescaled: bool = False) -> None:
        """Set the replicas, the metrics and, after a rescale, its time; a current 0 is left out."""
        self.status.pop("currentReplicas", None)
        self.status |= {"currentReplicas": current} if current else {}
        self.status |= {"desiredReplicas": desired, "currentMetrics": list(metrics) or None}
        self.status |= {"lastScaleTime": self._now} if rescaled else {}

    def keep(self, current: int, metrics: Sequence[JSON]) -> None:
        """Set the current replicas and the metrics of a look that has failed."""
        self.count(current, self.status["desiredReplicas"], metrics)
