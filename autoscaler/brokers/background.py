"""Work on a broker that takes longer than a read may, done beside the reads.

A few threads serve all brokers. They start when there is something to do, and end when there is not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

THREADS = 2
CLOSING_SECONDS = 5.0
Job = Callable[[threading.Event], None]


class Background:
    """Does jobs in the order in which they came, `at_once` of them at a time. Safe to use from any thread.

    A job is given an event that is set when it ought to end early. It must not raise: what it meets
    is for itself to remember.
    """

    def __init__(self, at_once: int = THREADS) -> None:
        self._at_once = at_once
        self._waiting: OrderedDict[Hashable, Job] = OrderedDict()
        self._under_way: set[Hashable] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def do(self, key: Hashable, job: Job) -> None:
        """Have a job done, unless one by that key is waiting or under way."""
        with self._lock:
            if self._closing.is_set() or key in self._waiting or key in self._under_way:
                return
            self._waiting[key] = job
            if len(self._threads) < self._at_once:
                thread = threading.Thread(target=self._work, name="broker-background", daemon=True)
                self._threads.add(thread)
                thread.start()

    @property
    def threads(self) -> int:
        """Threads that there are at the moment."""
        with self._lock:
            return len(self._threads)

    def close(self) -> None:
        """Drop what waits, and let what is under way end."""
        self._closing.set()
        with self._lock:
            self._waiting.clear()
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(CLOSING_SECONDS)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads.discard(threading.current_thread())
                    return
                key, job = self._waiting.popitem(last=False)
                self._under_way.add(key)
            try:
                job(self._closing)
            finally:
                with self._lock:
                    self._under_way.discard(key)
