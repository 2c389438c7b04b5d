"""Looking into more than a read has time for, in the background and on a connection of its own.

A look goes in small bites, each followed by a pause as long as it took, so that it takes half of a core
and of Redis at the most; and the next one begins when twice the time of the last one has passed.
The connection is there while a look is under way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

import redis

from autoscaler.brokers.address import RedisAddress
from autoscaler.brokers.background import Background
from autoscaler.brokers.connection import Budget, Line
from autoscaler.brokers.failures import failure_of
from autoscaler.brokers.names import Names
from autoscaler.brokers.talk import Talk, Words, converse

BITE_SECONDS = 5.0
FAILURE_PAUSE_SECONDS = 10.0
PAUSES = 2


class Sight(Protocol):
    """Something to look at: unacknowledged messages, or the queues there are."""

    def background_talk(self, now: float, ended: Callable[[], bool]) -> Talk:
        """Return the talk that takes it in, begun at a monotonic time; it stops soon once `ended`."""
        ...

    def trouble(self, detail: str) -> None:
        """Take note of why looking at it failed."""
        ...


class Beside:
    """Looks at what is much at one address. `clock` returns monotonic seconds."""

    def __init__(
        self, address: RedisAddress, clock: Callable[[], float], names: Names, background: Background
    ) -> None:
        self._address = address
        self._clock = clock
        self._names = names
        self._background = background
        self._from: dict[Sight, float] = {}
        self._closed = threading.Event()

    def look(self, sight: Sight) -> None:
        """Have a look when it is time for one, without waiting for it."""
        if self._clock() >= self._from.get(sight, float("-inf")) and not self._closed.is_set():
            key: Hashable = (id(self), id(sight))
            self._background.do(key, lambda ending: self._look(sight, ending))

    def forget(self, sight: Sight) -> None:
        """Take note that nobody asks for these any more."""
        self._from.pop(sight, None)

    def close(self) -> None:
        """End what is under way, soon."""
        self._closed.set()

    def _look(self, sight: Sight, ending: threading.Event) -> None:
        began = self._clock()
        budget = Budget(self._clock)
        line = Line(self._address, budget, self._names)

        def ask(questions: Sequence[Words]) -> list[object]:
            at = self._clock()
            budget.start(BITE_SECONDS)
            answers = line.ask(line.pack(questions), len(questions))
            ending.wait(self._clock() - at)
            return answers

        def ended() -> bool:
            return ending.is_set() or self._closed.is_set()

        pause = 0.0
        try:
            converse(ask, [sight.background_talk(began, ended)])
        except (redis.RedisError, OSError) as error:
            sight.trouble(failure_of(error, BITE_SECONDS, "SELECT").detail)
            pause = FAILURE_PAUSE_SECONDS
        finally:
            line.close()
            now = self._clock()
            self._from[sight] = now + max(PAUSES * (now - began), pause)
