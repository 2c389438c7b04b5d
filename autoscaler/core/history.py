"""What a target's past contributes to its next decision.

The stabilisation windows look at earlier proposals, the rate policies at earlier changes, and a step
down at how long there has been nothing to do. The memory is a value: each decision yields the next
one. After a restart it is seeded with the replicas that are there, so that a daemon which has just
come up cannot collapse a fleet that it has not watched.

Of the proposals only those are kept that a window could still return as its highest or lowest, so
the size is bounded by the number of different proposals, not by the number of ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.core.model import Decision
from autoscaler.core.others import UNWRITTEN, Others, Write
from autoscaler.core.policy import Policy
from autoscaler.core.rollouts import Rolling, rolling
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.starting import Awaited, awaited, room_for

LONGEST_HPA_WINDOW_SECONDS = 3600.0
"""The longest stabilisation window that an HPA can have."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A number of replicas (or a change of it) at a time in monotonic seconds."""

    at: float
    replicas: int


@dataclass(frozen=True, slots=True)
class History:
    """A target's memory.

    `peaks` and `troughs` are the proposals that can still be the highest and the lowest of a window,
    `changes` the changes made within the longest rate period. `idle_since` is the time from which
    every look found nothing to do, None when the last look found something or could not tell.
    `known_at` is when the demand was last known, `others` what others have written, `raised` the last time
    that they raised the replicas, and to how many. `asked` are the numbers that the metrics of an HPA asked
    for and that can still be the highest of its window. `rolling` is the rollout that was last seen in
    progress, `awaited` are pods that are missing or crash, since when.
    """

    peaks: tuple[Mark, ...]
    troughs: tuple[Mark, ...]
    observed_at: float
    changes: tuple[Mark, ...] = ()
    idle_since: float | None = None
    known_at: float = 0.0
    others: Others = UNWRITTEN
    raised: Mark | None = None
    asked: tuple[Mark, ...] = ()
    rolling: Rolling | None = None
    awaited: tuple[Awaited, ...] = ()

    @classmethod
    def seeded(cls, at: float, replicas: int) -> History:
        """Return the memory of somebody who has just arrived: the present counts as the proposal.

        It counts as what an HPA asked for, too.
        """
        mark = (Mark(at, replicas),)
        return cls(peaks=mark, troughs=mark, observed_at=at, known_at=at, others=Others(replicas), asked=mark)

    def highest(self, since: float) -> int | None:
        """Return the highest proposal made after `since`, None without any."""
        return max((mark.replicas for mark in self.peaks if mark.at > since), default=None)

    def lowest(self, since: float) -> int | None:
        """Return the lowest proposal made after `since`, None without any."""
        return min((mark.replicas for mark in self.troughs if mark.at > since), default=None)

    def added(self, since: float) -> int:
        """Return the replicas added after `since`, less those removed (negative: more removed)."""
        return sum(change.replicas for change in self.changes if change.at > since)

    def highest_asked(self, since: float) -> int:
        """Return the highest number that the metrics of an HPA asked for after `since`, 0 without any."""
        return max((mark.replicas for mark in self.asked if mark.at > since), default=0)

    def idle_seconds(self, at: float, policy: Policy) -> float:
        """Return for how long every look up to `at`, which found nothing to do, has found nothing.

        Zero when the last look was too long ago to vouch for the time between.
        """
        if self.idle_since is None or at - self.observed_at > policy.observation_gap_seconds:
            return 0.0
        return at - self.idle_since

    def blind_seconds(self, at: float) -> float:
        """Return for how long the demand has not been known."""
        return at - self.known_at

    def looked(self, snapshot: Snapshot) -> History:
        """Return the memory after a look, before anything is decided on it."""
        rollout, pods = rolling(self.rolling, snapshot), awaited(self.awaited, snapshot)
        if rollout is self.rolling and pods == self.awaited:
            return self
        return replace(self, rolling=rollout, awaited=pods)

    def record(self, decision: Decision, policy: Policy) -> History:
        """Return the memory after a decision, forgetting what no rule looks back to."""
        mark = Mark(decision.at, decision.proposal)
        oldest = decision.at - policy.horizon_seconds
        idle_since = None
        if decision.idle:
            idle_since = decision.at - self.idle_seconds(decision.at, policy)
        return replace(
            self,
            peaks=(*(m for m in self.peaks if m.replicas > mark.replicas and m.at > oldest), mark),
            troughs=(
                *(m for m in self.troughs if m.replicas < mark.replicas and m.at > oldest),
                mark,
            ),
            changes=tuple(change for change in self.changes if change.at > oldest),
            observed_at=decision.at,
            idle_since=idle_since,
            known_at=self.known_at if decision.demand_slots is None else decision.at,
            asked=self._asked(decision),
            awaited=room_for(self.awaited, decision.without_room, decision.at),
        )

    def _asked(self, decision: Decision) -> tuple[Mark, ...]:
        oldest, asks = decision.at - LONGEST_HPA_WINDOW_SECONDS, decision.hpa_asks
        lately = (mark for mark in self.asked if mark.at > oldest)
        if asks is None:
            return tuple(lately)
        return (*(mark for mark in lately if mark.replicas > asks), Mark(decision.at, asks))

    def moved(self, at: float, replicas: int) -> History:
        """Return the memory after a change of our own by `replicas` (negative: removed)."""
        others = self.others.asked(self.others.standing + replicas)
        return replace(self, changes=(*self.changes, Mark(at, replicas)), others=others)

    def overwritten(self, at: float, write: Write, policy: Policy, *, shared: bool = False) -> History:
        """Return the memory after a write by somebody else; `shared` says that an HPA may write.

        It counts as a change, so that no rate limits the way back to what there was before.
        """
        changes = (*self.changes, Mark(at, write.after - write.before))
        others = self.others.wrote(at, write, policy.manual_grace_seconds, shared=shared)
        raised = Mark(at, write.after) if write.after > write.before and not others.ours else self.raised
        return replace(self, changes=changes, others=others, raised=raised)
