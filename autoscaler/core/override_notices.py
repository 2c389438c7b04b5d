"""Telling people that what they ordered by annotation is in force, has ended, or is not understood.

Each is told once: when it begins, when it ends, and once for each value that is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autoscaler.core.model import Notice
from autoscaler.core.overrides import Override
from autoscaler.core.policy import Policy
from autoscaler.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Heard:
    """What is in force of a target's annotations, and what of them is ignored, for which reasons."""

    in_force: tuple[Override, ...] = ()
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, snapshot: Snapshot, configured: Policy) -> Heard:
        """Return what is heard in a snapshot."""
        overrides = snapshot.overrides
        contradictions = overrides.contradictions(configured.max_replicas)
        return cls(overrides.declared, (*overrides.problems, *contradictions))

    def since(self, before: Heard) -> Iterator[Notice]:
        """Return what is new since the last time."""
        keys = {one.key for one in self.in_force}
        for ended in before.in_force:
            if ended.key not in keys:
                yield Notice("OverrideEnded", f"no longer: {ended}", warning=False)
        for begun in self.in_force:
            if begun not in before.in_force:
                yield Notice("OverrideBegan", str(begun), warning=False)
        for problem in self.problems:
            if problem not in before.problems:
                yield Notice("OverrideIgnored", problem)
