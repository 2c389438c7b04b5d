"""A decision that is not carried out yet, with what it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.core.account import BrokerAccount
from autoscaler.core.history import History
from autoscaler.core.limits.view import NAMED
from autoscaler.core.model import Decision, Reading, Step, stale
from autoscaler.core.policy import AtDeadline, Policy
from autoscaler.core.snapshot import Snapshot

STILL_FRESH_SECONDS = 1.0
"""How long after it a reading still counts as made now."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision with what it was made from, not yet carried out."""

    broker: Reading[BrokerAccount]
    snapshot: Snapshot
    history: History
    decision: Decision

    @property
    def writes(self) -> bool:
        """Whether carrying it out asks the cluster for something."""
        return self.decision.changes_scale or self.changes_cordons or bool(self.going)

    @property
    def changes_cordons(self) -> bool:
        """Whether other cordons are to be remembered than those that are."""
        return set(self.decision.cordons) != set(self.snapshot.cordons or ())

    @property
    def going(self) -> tuple[str, ...]:
        """The pods with a worker that it takes away, or would if that said now that it is idle."""
        return (*self.decision.departing, *self.decision.ripe)

    def without(self, answered: frozenset[str], policy: Policy) -> Plan:
        """Return the plan, which removes nobody if one who would go has not answered the last question."""
        silent = [pod for pod in self.decision.departing if pod not in answered | self._forced(policy)]
        if not silent:
            return self
        message = f"no answer to the last question from {', '.join(silent[:NAMED])}"
        step = Step("drain", self.decision.current, "LastQuestionUnanswered", message)
        steps = (*self.decision.steps, step)
        return replace(self, decision=replace(self.decision, steps=steps, departing=(), ripe=(), floor=None))

    def _forced(self, policy: Policy) -> frozenset[str]:
        """Return the pods that may go without an answer, their deadline having passed."""
        if policy.drain.at_deadline is not AtDeadline.LOWER:
            return frozenset()
        latest = self.snapshot.now - policy.drain.deadline_seconds
        cordons = self.decision.cordons
        return frozenset(c.pod for c in cordons if c.since is not None and c.since < latest)


def older(
    reading: Reading[BrokerAccount], seconds: float, allowance_seconds: float = STILL_FRESH_SECONDS
) -> Reading[BrokerAccount]:
    """Return a reading as it is after a while: one that was fresh may still call up, but not send home."""
    if reading.value is None or seconds < allowance_seconds:
        return reading
    return stale(
        reading.value, reading.source, reading.age_seconds + seconds, "read before a write that took long"
    )
