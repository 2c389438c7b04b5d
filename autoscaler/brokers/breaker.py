"""When to leave a server alone that does not answer.

Every wait for a hanging server is paid by the targets that share the thread with it, so one failure
is enough: the server is left alone for a pause that doubles with each further failure, and then gets
a single trial. The state is a value over monotonic seconds; whoever keeps it replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class State(StrEnum):
    """Closed: it works. Open: it is left alone. Half-open: a trial is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a server: begin with `Breaker()`.

    `pause_seconds` is the pause that the last failure began, zero without one, and `retry_at` the
    monotonic time at which it ends.
    """

    state: State = State.CLOSED
    pause_seconds: float = 0.0
    retry_at: float = 0.0

    def admits(self, at: float) -> bool:
        """Return whether the server may be tried now."""
        return self.state is State.CLOSED or (self.state is State.OPEN and at >= self.retry_at)

    def wait_seconds(self, at: float) -> float:
        """Return the time until the next trial."""
        return max(0.0, self.retry_at - at) if self.state is State.OPEN else 0.0

    def tried(self) -> Breaker:
        """Return the state while a try that was admitted is under way."""
        if self.state is State.CLOSED:
            return self
        return Breaker(State.HALF_OPEN, self.pause_seconds, self.retry_at)

    def succeeded(self) -> Breaker:
        """Return the state after an answer."""
        return Breaker()

    def failed(self, at: float) -> Breaker:
        """Return the state after a failure that became known at a time."""
        pause = min(max(FIRST_PAUSE_SECONDS, 2 * self.pause_seconds), LONGEST_PAUSE_SECONDS)
        return Breaker(State.OPEN, pause, at + pause)
