"""Whether those pods went that were meant to: a Deployment has the last word on that.

A miss can end a task: a worker that was busy went in place of an idle one. It cannot be undone, so it is
told.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.core.model import Decision, Notice, WorkerSet


@dataclass(frozen=True, slots=True)
class Departure:
    """One lowering of the replicas: the pods that were meant to go, and those that were meant to stay."""

    meant: frozenset[str]
    kept: frozenset[str]

    @classmethod
    def of(cls, decision: Decision, workers: WorkerSet) -> Departure:
        """Return what a decision that was carried out meant."""
        there = {pod.name for pod in workers.pods if not pod.terminating}
        meant = frozenset(decision.departing)
        return cls(meant, frozenset(there - meant))

    def missed(self, workers: WorkerSet) -> Notice | None:
        """Return the pods that go, or are gone, while one that was meant to go stays; None without any."""
        there = {pod.name for pod in workers.pods if not pod.terminating}
        gone = tuple(sorted(self.kept - there))
        if not gone or not self.meant & there:
            return None
        message = (
            f"{', '.join(gone)} went in place of pods that were proven idle: a task may have ended with them"
        )
        return Notice("OtherPodsWent", message, gone)

    def over(self, workers: WorkerSet) -> bool:
        """Return whether as many pods have gone as were meant to."""
        there = {pod.name for pod in workers.pods if not pod.terminating}
        return len((self.meant | self.kept) & there) <= len(self.kept)
