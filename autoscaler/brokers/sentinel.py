"""Who is the master, by what Redis Sentinels say.

Sentinels are asked one after the other, whoever answered last at first, each with its share of the
time that is left, so that one that hangs does not keep the others from being asked. They are asked
anew whenever a connection has to be made, and every few seconds beside: a master that was cut off goes
on answering, and does not know that it has been replaced.
"""

from __future__ import annotations

from collections.abc import Callable

import redis

from autoscaler.brokers.address import RedisAddress

RENEWAL_SECONDS = 5.0
ANSWER_PARTS = 2
Place = tuple[str, int]
AskOne = Callable[[Place, float], object]


class NoMaster(redis.ConnectionError):
    """No Sentinel names a master; `known` tells whether one answered at all."""

    def __init__(self, *, known: bool) -> None:
        super().__init__("no master")
        self.known = known


class Sentinels:
    """The Sentinels of an address. `ask` puts the question to one of them, within a time in seconds."""

    def __init__(self, address: RedisAddress, ask: AskOne) -> None:
        self._places = list(address.sentinels)
        self._ask = ask
        self.master: Place | None = None
        self.asked_at = float("-inf")

    def is_due(self, now: float) -> bool:
        """Return whether it is time to ask again, though the connection works."""
        return now - self.asked_at >= RENEWAL_SECONDS

    def find(self, now: float, seconds: float) -> Place:
        """Return host and port of the master. Raises `NoMaster`, and redis-py's AuthenticationError."""
        self.asked_at = now
        rejection: redis.AuthenticationError | None = None
        known = False
        for left, place in zip(range(len(self._places), 0, -1), tuple(self._places), strict=True):
            share = seconds / (left + 1)
            seconds -= share
            try:
                answer = self._ask(place, share)
            except redis.AuthenticationError as error:
                rejection = error
            except (redis.RedisError, OSError):
                pass
            else:
                known = True
                master = master_in(answer)
                if master is not None:
                    self.master = master
                    return master
            self._places.append(self._places.pop(self._places.index(place)))
        if rejection is not None and not known:
            raise rejection
        raise NoMaster(known=known)


def master_in(answer: object) -> Place | None:
    """Return the place that a Sentinel answers with, None where it knows no such master."""
    if not isinstance(answer, list) or len(answer) != ANSWER_PARTS:
        return None
    host, port = answer
    if not isinstance(host, bytes) or not isinstance(port, bytes) or not port.isdigit():
        return None
    return host.decode("utf-8", "replace"), int(port)
