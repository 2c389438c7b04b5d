"""What a target sees of the quotas of its namespace, and of those who draw on them beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.core.allotment import Contender, allot
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

    `lately` are the limits with all in use that a moment ago was: what a pod has left may be for the one in
    its place. `firm` are the replicas, of those asked for, that are not to be taken back: the quotas may have
    counted pods that are not seen yet.
    """

    limits: NamespaceLimits
    lately: NamespaceLimits
    exceeded: bool
    own: Contender
    rivals: tuple[Contender, ...] = ()
    firm: int = 0

    def contenders(self, wants: int) -> tuple[Contender, ...]:
        """Return all of them, this target with the replicas that it wants."""
        return replace(self.own, wants=wants), *self.rivals

    @property
    def admitted(self) -> int:
        """The replicas, of those asked for, that have or get their pods if all that are seen are counted."""
        own = self.own
        lacking = own.lacking(own.asked)
        if not lacking:
            return own.asked
        counted = [replace(one, uncounted=0) for one in self.contenders(own.asked)]
        return (*lacking, own.asked)[allot(self.limits, counted)[own.target].pods]


def is_exceeded(limits: NamespaceLimits) -> bool:
    """Return whether more of a quota is in use than it allows."""
    return any(
        quota.used[resource] > hard
        for quota in limits.quotas
        for resource, hard in quota.hard.items()
        if resource in quota.used
    )
