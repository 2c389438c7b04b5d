"""What a target sees of the quotas of its namespace, and of those who draw on them beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.core.allotment import Contender
from autoscaler.core.quota import NamespaceLimits, WorkerShape


@dataclass(frozen=True, slots=True)
class Quarters:
    """What limits a target's workers.

    `claims` are the names of the PersistentVolumeClaims that are there, `first_ordinal` the ordinal of the
    first pod. `exceeded` says that more of some quota is in use than it allows, as when it was lowered.
    """

    limits: NamespaceLimits
    shape: WorkerShape
    claims: frozenset[str] = frozenset()
    first_ordinal: int = 0
    exceeded: bool = False


@dataclass(frozen=True, slots=True)
class Contest:
    """A target among those that draw on the same quotas.

    `settled` says that what was asked for, and what is there, has been the same for long enough for the
    quotas to have counted it.
    """

    limits: NamespaceLimits
    exceeded: bool
    own: Contender
    rivals: tuple[Contender, ...] = ()
    settled: bool = True

    def contenders(self, wants: int) -> tuple[Contender, ...]:
        """Return all of them, this target with the replicas that it wants."""
        return replace(self.own, wants=wants), *self.rivals


def is_exceeded(limits: NamespaceLimits) -> bool:
    """Return whether more of a quota is in use than it allows."""
    return any(
        quota.used[resource] > hard
        for quota in limits.quotas
        for resource, hard in quota.hard.items()
        if resource in quota.used
    )
