"""When to leave a server alone that does not answer.

Every wait for a hanging server is paid by the targets that share the thread with it, so one failure
is enough: the server is left alone for a pause that doubles with each further failure, and then gets
a single trial. The state is a value over monotonic seconds (`Breaker`); all that reach for one server,
by whatever database and credentials, share a `Circuit` that keeps it.
"""

from __future__ import annotations

import threading
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


class Circuit:
    """The breaker of one server. Safe to use from several threads."""

    def __init__(self) -> None:
        self._breaker = Breaker()
        self._detail = ""
        self._lock = threading.Lock()

    def admit(self, at: float) -> bool:
        """Return whether to try the server now; whoever is admitted has to tell what came of it."""
        with self._lock:
            if not self._breaker.admits(at):
                return False
            self._breaker = self._breaker.tried()
            return True

    def succeeded(self) -> None:
        """Take note that the server answered."""
        with self._lock:
            self._breaker = self._breaker.succeeded()

    def failed(self, at: float, detail: str) -> None:
        """Take note that the server did not answer; tries that began together fail as one."""
        with self._lock:
            self._detail = detail
            if self._breaker.state is not State.OPEN:
                self._breaker = self._breaker.failed(at)

    def refusal(self, at: float) -> str:
        """Return why nobody is admitted."""
        with self._lock:
            return refusal(self._breaker, self._detail, at)


def refusal(breaker: Breaker, detail: str, at: float) -> str:
    """Return a failure's detail, and when the next try is."""
    if breaker.state is State.HALF_OPEN:
        return f"{detail}; another try is under way"
    return f"{detail}; next try in {breaker.wait_seconds(at):.0f} s"
