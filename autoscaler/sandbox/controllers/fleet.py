"""A Deployment and its ReplicaSets, as one look sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil, floor

from autoscaler.sandbox.objects.values import JSON, dig

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A Deployment, the ReplicaSet of its template while there is one, and the older ones, oldest first."""

    deployment: JSON
    current: JSON | None
    old: tuple[JSON, ...]

    @property
    def every(self) -> tuple[JSON, ...]:
        """All ReplicaSets, the current one last."""
        return self.old if self.current is None else (*self.old, self.current)

    @property
    def active(self) -> tuple[JSON, ...]:
        """Those that are to have pods."""
        return tuple(item for item in self.every if size_of(item) > 0)

    @property
    def wanted(self) -> int:
        """How many replicas the Deployment asks for."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def rolls(self) -> bool:
        """Whether a new template replaces pods little by little (RollingUpdate)."""
        strategy = self.deployment["spec"].get("strategy", {})
        return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")

    @property
    def surge(self) -> int:
        """How many pods there may be beyond those that are asked for."""
        return self._fence[0]

    @property
    def unavailable(self) -> int:
        """How many of the pods asked for may be missing."""
        return min(self._fence[1], self.wanted)

    @property
    def most(self) -> int:
        """How many pods there may be at all."""
        return self.wanted + self.surge

    @property
    def least_available(self) -> int:
        """How many pods are to be available at all times."""
        return self.wanted - self.unavailable

    def with_set(self, changed: JSON) -> Fleet:
        """Return the fleet after one of its ReplicaSets has changed."""
        name = changed["metadata"]["name"]
        if self.current is not None and self.current["metadata"]["name"] == name:
            return replace(self, current=changed)
        old = tuple(changed if item["metadata"]["name"] == name else item for item in self.old)
        return replace(self, old=old)

    @property
    def _fence(self) -> tuple[int, int]:
        """Return surge and unavailable as numbers: not both can be 0 (ResolveFenceposts)."""
        if not self.rolls:
            return 0, 0
        rolling = dig(self.deployment, "spec", "strategy", "rollingUpdate") or {}
        surge = ceil(_share(rolling.get("maxSurge", "25%"), self.wanted))
        unavailable = floor(_share(rolling.get("maxUnavailable", "25%"), self.wanted))
        return surge, unavailable if surge or unavailable else 1


def _share(value: int | str, whole: int) -> float:
    """Return a number, or a percentage of a whole."""
    return int(value.removesuffix("%")) * whole / 100 if isinstance(value, str) else value


def size_of(replicaset: JSON) -> int:
    """Return how many pods a ReplicaSet is to have."""
    return int(replicaset["spec"].get("replicas", 1))


def sizes_of(replicasets: Iterable[JSON]) -> int:
    """Return how many pods ReplicaSets are to have together."""
    return sum(size_of(item) for item in replicasets)


def count_of(replicasets: Iterable[JSON], count: str) -> int:
    """Return a count of ReplicaSets' statuses, such as "availableReplicas", summed up."""
    return sum(dig(item, "status", count) or 0 for item in replicasets)


def noted(replicaset: JSON, annotation: str) -> int | None:
    """Return the number that an annotation of a ReplicaSet tells, None where it tells none."""
    text = (replicaset["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdecimal() else None
