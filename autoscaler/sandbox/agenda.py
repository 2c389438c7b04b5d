"""One thread for everything that the sandbox's controllers do, now or later.

Changes of the store arrive on whatever thread made them, processes end when they like, probes and
back-offs fall due. On one agenda they come one at a time, in order, so the controllers need no locks
among themselves. Nothing runs while nothing is due. A test leaves the thread out, moves a clock of
its own and calls `run_due`.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Call = Callable[[], None]

log = logging.getLogger(__name__)


class Timer:
    """A call on an agenda that has not been made yet."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call: Call | None = call

    @property
    def cancelled(self) -> bool:
        """Whether the call was made or called off."""
        return self._call is None

    def cancel(self) -> None:
        """Call it off; nothing happens if it was made already."""
        self._call = None

    def run(self) -> None:
        """Make the call, unless it was called off."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Agenda:
    """Calls to make, in order of time and, at the same time, of arrival.

    `monotonic` returns seconds. Calls may be added from any thread; they are made on the agenda's
    thread between `start` and `stop`, or by whoever calls `run_due`. A call that raises is logged and
    does not stop the next one.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def now(self) -> float:
        """Return the agenda's time in monotonic seconds."""
        return self._monotonic()

    def soon(self, call: Call) -> Timer:
        """Make a call as soon as those that are due have been made."""
        return self.later(0.0, call)

    def later(self, seconds: float, call: Call) -> Timer:
        """Make a call after so many seconds; after `stop` it is dropped."""
        timer = Timer(call)
        with self._changed:
            if not self._stopped:
                heapq.heappush(self._timers, (self.now() + seconds, next(self._numbers), timer))
                self._changed.notify_all()
        return timer

    @property
    def next_at(self) -> float | None:
        """When the next call falls due, in monotonic seconds; None without any."""
        with self._changed:
            while self._timers and self._timers[0][2].cancelled:
                heapq.heappop(self._timers)
            return self._timers[0][0] if self._timers else None

    def run_due(self) -> None:
        """Make every call that is due, and those that become due meanwhile, on this thread."""
        while (timer := self._take()) is not None:
            self._make(timer)

    def start(self) -> None:
        """Start the thread that makes the calls."""
        self._thread = threading.Thread(target=self._run, name="sandbox-agenda", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the call being made, drop the others and end the thread."""
        with self._changed:
            self._stopped = True
            self._timers.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (timer := self._await()) is not None:
            self._make(timer)

    def _await(self) -> Timer | None:
        """Return the next call once it is due, None once the agenda is stopped."""
        with self._changed:
            while not self._stopped:
                pause = self._timers[0][0] - self.now() if self._timers else None
                if pause is not None and pause <= 0:
                    return heapq.heappop(self._timers)[2]
                self._changed.wait(pause)
            return None

    def _take(self) -> Timer | None:
        with self._changed:
            if self._timers and self._timers[0][0] <= self.now():
                return heapq.heappop(self._timers)[2]
            return None

    @staticmethod
    def _make(timer: Timer) -> None:
        try:
            timer.run()
        except Exception:
            log.exception("a call on the sandbox's agenda failed")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between tries that double from the first to the longest, in seconds."""

    first_seconds: float
    longest_seconds: float

    def pause_seconds(self, failures: int) -> float:
        """Return the pause after so many failures in a row, counted from one."""
        return float(min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 1000)))
