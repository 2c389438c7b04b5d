"""What others have written to a target's replicas, remembered as a value.

Helm and GitOps tools put the replicas back to what somebody has once written down: that is answered from
the demand. A person who scales means it: the number is kept for a while. Whoever reverses us again and
again is not to be beaten by persistence, as each round ends workers: the number is left to it for a
while, which grows from fight to fight.

What is remembered here is lost in a restart: the first look is never taken for somebody's write. Only a
person's number that the object's record dates is kept for the rest of its time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.core.writers import NOBODY, Writer, WriterKind

FIGHT_SECONDS = 600.0
REVERSALS_ANSWERED = 3
"""So many reversals by one writer within `FIGHT_SECONDS` are answered at once; the next one is a fight."""

WRITES_TOLD = 10
"""So many writes by one writer within `FIGHT_SECONDS` are told; who writes more often is known by then."""

RECENT = 64
"""So many writes are remembered at most."""

FIRST_BACKOFF_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 900.0
QUIET_SECONDS = 1800.0
"""After so long without a reversal by it a writer is no rival any more."""


@dataclass(frozen=True, slots=True)
class Write:
    """A change of the replicas that is not ours."""

    before: int
    after: int
    writer: Writer = NOBODY


@dataclass(frozen=True, slots=True)
class Hold:
    """A person's number, kept until a monotonic second.

    The demand may not bring fewer. It may bring more unless `exact`: whoever scales up wants at least
    that, whoever scales down, or to zero, wants just that.
    """

    replicas: int
    exact: bool
    writer: Writer
    until: float


@dataclass(frozen=True, slots=True)
class Rival:
    """Somebody who has reversed us: when, how often it came to a back-off, and until when that lasts."""

    writer: Writer
    reversals: tuple[float, ...]
    fights: int = 0
    until: float = 0.0

    def again(self, at: float) -> Rival:
        """Return the rival after one more reversal."""
        reversals = (*(when for when in self.reversals if when > at - FIGHT_SECONDS), at)
        if not self.fights and len(reversals) <= REVERSALS_ANSWERED:
            return replace(self, reversals=reversals)
        seconds = min(FIRST_BACKOFF_SECONDS * 2**self.fights, LONGEST_BACKOFF_SECONDS)
        return replace(self, reversals=reversals, fights=self.fights + 1, until=at + seconds)


@dataclass(frozen=True, slots=True)
class Others:
    """The memory.

    `standing` are the replicas as they were last asked for by us, which `ours` tells, or seen as somebody
    else's. `hpa_seen_at` is when a HorizontalPodAutoscaler last wrote, `recent` are the writes within the
    last `FIGHT_SECONDS`, by their managers and times.
    """

    standing: int
    ours: bool = False
    hold: Hold | None = None
    rivals: tuple[Rival, ...] = ()
    hpa_seen_at: float | None = None
    recent: tuple[tuple[str, float], ...] = ()

    def asked(self, replicas: int) -> Others:
        """Return the memory after a write of our own."""
        return replace(self, standing=replicas, ours=True)

    def wrote(self, at: float, write: Write, grace_seconds: float, *, shared: bool = False) -> Others:
        """Return the memory after somebody's write; a person's number is kept for the grace time.

        `shared` says that a HorizontalPodAutoscaler is left its part: then it is no rival.
        """
        kind = write.writer.kind
        if kind is WriterKind.OURS:
            return self.asked(write.after)
        told = replace(self, standing=write.after, ours=False)
        if self.ours and not (shared and kind is WriterKind.HPA):
            told = replace(told, rivals=self._reversed(at, write.writer))
        if kind is WriterKind.HPA:
            told = replace(told, hpa_seen_at=at)
        if kind is WriterKind.PERSON:
            exact = write.after < write.before
            hold = Hold(write.after, exact, write.writer, at + grace_seconds)
            told = replace(told, hold=hold if grace_seconds else None)
        lately = (one for one in self.recent if one[1] > at - FIGHT_SECONDS)
        return replace(told, recent=(*lately, (write.writer.manager, at))[-RECENT:])

    def frequent(self, at: float, writer: Writer) -> bool:
        """Return whether somebody has written so often lately that one more time is no news."""
        writes = [
            when for manager, when in self.recent if manager == writer.manager and when > at - FIGHT_SECONDS
        ]
        return len(writes) > WRITES_TOLD

    def resumed(self, at: float, now: float, writer: Writer, grace_seconds: float) -> Others:
        """Return the memory of somebody who has just arrived and reads who wrote the replicas, and when.

        Whether they were raised or lowered is not known then, so they are kept just so. What the object
        was made with is no number that somebody has scaled to.
        """
        if writer.kind is not WriterKind.PERSON or writer.written_at is None or writer.created:
            return self
        left = writer.written_at + grace_seconds - now
        if left <= 0:
            return self
        return replace(
            self, hold=Hold(self.standing, exact=True, writer=writer, until=at + min(left, grace_seconds))
        )

    def kept(self, at: float) -> Hold | None:
        """Return the person's number that is still kept."""
        return self.hold if self.hold is not None and self.hold.until > at else None

    def fighting(self, at: float) -> Rival | None:
        """Return the rival to whom the number is left for the longest."""
        active = [rival for rival in self.rivals if rival.until > at]
        return max(active, key=lambda rival: rival.until, default=None)

    def _reversed(self, at: float, writer: Writer) -> tuple[Rival, ...]:
        """Return the rivals after a reversal by one of them, forgetting those that have long been quiet."""
        known = {
            rival.writer.manager: rival for rival in self.rivals if at - rival.reversals[-1] <= QUIET_SECONDS
        }
        found = known.get(writer.manager)
        known[writer.manager] = Rival(writer, (at,)) if found is None else found.again(at)
        return tuple(known.values())


UNWRITTEN = Others(0)
"""The memory of somebody who has looked at nothing yet."""
