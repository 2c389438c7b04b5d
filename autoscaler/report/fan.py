"""Several reporters as one."""

from __future__ import annotations

from autoscaler.core.model import Decision, Notice, Outcome, TargetRef
from autoscaler.core.snapshot import Snapshot
from autoscaler.ports import Reporter


class Reporters:
    """Implements `Reporter` by handing everything on to each of several."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def report(self, snapshot: Snapshot, decision: Decision, outcome: Outcome) -> None:
        """Hand on one target's tick."""
        for reporter in self._reporters:
            reporter.report(snapshot, decision, outcome)

    def unseen(self, target: TargetRef, reason: str) -> None:
        """Hand on that a target cannot be seen."""
        for reporter in self._reporters:
            reporter.unseen(target, reason)

    def notice(self, target: TargetRef, notice: Notice) -> None:
        """Hand on something that is no decision."""
        for reporter in self._reporters:
            reporter.notice(target, notice)

    def failed(self, target: TargetRef, error: BaseException) -> None:
        """Hand on that a target's tick broke."""
        for reporter in self._reporters:
            reporter.failed(target, error)
