"""The desks of all brokers: where to ask the workers of each, for as long as somebody does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor

from autoscaler.brokers.address import Address
from autoscaler.brokers.names import Names
from autoscaler.brokers.workers_desk import Control, Desk, OpenLine
from autoscaler.brokers.workers_line import ControlLine
from autoscaler.config.broker import BrokerSettings

SWEEP_SECONDS = 5.0


class Desks:
    """The desks of all brokers."""

    def __init__(
        self,
        clock: Callable[[], float],
        wall: Callable[[], float],
        open_line: OpenLine | None,
        executor: Executor,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._names = Names()
        self._open = open_line or self._control
        self._executor = executor
        self._desks: dict[Address, Desk] = {}
        self._lock = threading.Lock()
        self._swept_at = clock()

    def at(self, place: Address) -> Desk:
        """Return a broker's desk."""
        with self._lock:
            desk = self._desks.get(place)
            if desk is None:
                desk = self._desks[place] = Desk(place, self._open, self._executor, self._clock)
            return desk

    def known(self, place: Address) -> Desk | None:
        """Return a broker's desk, if it has been asked."""
        return self._desks.get(place)

    def sweep(self, now: float) -> None:
        """Close connections that are idle, every few seconds."""
        if now - self._swept_at < SWEEP_SECONDS:
            return
        with self._lock:
            self._swept_at = now
            desks = tuple(self._desks.items())
        for place, desk in desks:
            if desk.idle(now):
                with self._lock:
                    self._desks.pop(place, None)

    def close(self) -> None:
        """Drop the questions not asked yet, wait for those under way, and hang up."""
        with self._lock:
            desks = tuple(self._desks.values())
        self._executor.shutdown(wait=True, cancel_futures=True)
        for desk in desks:
            desk.close()

    def _control(self, place: Address, broker: BrokerSettings) -> Control:
        return ControlLine(place, broker, self._names, clock=self._clock, wall=self._wall)
