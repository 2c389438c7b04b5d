"""Which objects a controller still has to look at, and when to try again after a failure.

The rules are those of client-go's work queue (util/workqueue), because they decide what users see:
after a refused pod the next try may come as late as the longest pause, whatever room there is by then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from autoscaler.sandbox.agenda import Agenda, Backoff, Timer
from autoscaler.sandbox.errors import ApiError

Key = TypeVar("Key", bound=Hashable)

# client-go's workqueue.DefaultControllerRateLimiter
RETRIES = Backoff(first_seconds=0.005, longest_seconds=1000.0)


class WorkQueue(Generic[Key]):
    """Keys of objects, looked at one at a time on an agenda.

    A key that waits already is not added twice. When `work` raises `ApiError` the key comes back
    after a pause that doubles with each failure in a row; one that is added meanwhile is looked at
    at once, and when that fails too it counts as one more.
    """

    def __init__(self, agenda: Agenda, work: Callable[[Key], None], backoff: Backoff) -> None:
        self._agenda = agenda
        self._work = work
        self._backoff = backoff
        self._lock = threading.Lock()
        self._waiting: set[Key] = set()
        self._delayed: dict[Key, tuple[float, Timer]] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Look at a key soon."""
        with self._lock:
            if key in self._waiting:
                return
            self._waiting.add(key)
        self._agenda.soon(lambda: self._look(key))

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at a key after so many seconds, or sooner if it is already to be looked at sooner."""
        at = self._agenda.now() + seconds
        with self._lock:
            earlier = self._delayed.get(key)
            if earlier is not None and earlier[0] <= at:
                return
            if earlier is not None:
                earlier[1].cancel()
            self._delayed[key] = (at, self._agenda.later(seconds, lambda: self._ripen(key)))

    def _ripen(self, key: Key) -> None:
        with self._lock:
            self._delayed.pop(key, None)
        self.add(key)

    def _look(self, key: Key) -> None:
        with self._lock:
            self._waiting.discard(key)
        try:
            self._work(key)
        except ApiError:
            self._failures[key] = self._failures.get(key, 0) + 1
            self.add_after(key, self._backoff.pause_seconds(self._failures[key]))
        else:
            self._failures.pop(key, None)
