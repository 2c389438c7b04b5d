"""Which reader reads which broker: one connection for each server and set of credentials.

A thousand targets may share one broker, or have one each, and passwords change while the daemon
runs. Readers are kept by the whole identity that a URL stands for, so that targets share a
connection exactly when they could have made the same one, and those that nobody asks for any more
are closed. All readers of one server share what is known of its health.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol
from weakref import WeakValueDictionary

from autoscaler.breaker import Circuit
from autoscaler.brokers.address import Address, RedisAddress, parse
from autoscaler.brokers.names import Names
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.model import BrokerSettings
from autoscaler.ports import DepthReader

IDLE_SECONDS = 600.0
SWEEP_SECONDS = 60.0


class Reader(DepthReader, Protocol):
    """A reader that holds a connection."""

    def close(self) -> None:
        """Hang up."""
        ...


MakeReader = Callable[[Address, Callable[[], float], Names, Circuit], Reader]
READERS: Mapping[type[Address], MakeReader] = MappingProxyType({RedisAddress: RedisReader})


@dataclass(slots=True)
class _Entry:
    reader: Reader
    urls: set[str]
    asked_at: float


class BrokerRegistry:
    """All brokers in use. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._names = Names()
        self._entries: dict[Address, _Entry] = {}
        self._by_url: dict[str, _Entry] = {}
        self._circuits: WeakValueDictionary[str, Circuit] = WeakValueDictionary()
        self._swept_at = clock()
        self._lock = threading.Lock()

    def reader(self, url: str, settings: BrokerSettings) -> DepthReader:  # noqa: ARG002  # see below
        """Return the reader for a URL, the same one for the same server and credentials.

        The settings say how keys are laid out, which is each query's affair with Redis; a transport
        that has to know them to connect finds them here. Raises `BrokerUnknown` for a URL that no
        reader understands.
        """
        now = self._clock()
        with self._lock:
            entry = self._by_url.get(url) or self._enter(url, now)
            entry.asked_at = now
            idle = self._idle(now)
        for reader in idle:
            reader.close()
        return entry.reader

    def close(self) -> None:
        """Close all readers."""
        with self._lock:
            readers = [entry.reader for entry in self._entries.values()]
            self._entries.clear()
            self._by_url.clear()
        for reader in readers:
            reader.close()

    def _enter(self, url: str, now: float) -> _Entry:
        address = parse(url)
        entry = self._entries.get(address)
        if entry is None:
            circuit = self._circuits.setdefault(address.server, Circuit())
            reader = READERS[type(address)](address, self._clock, self._names, circuit)
            entry = self._entries[address] = _Entry(reader, set(), now)
        entry.urls.add(url)
        self._by_url[url] = entry
        return entry

    def _idle(self, now: float) -> list[Reader]:
        """Forget, and return, the readers that nobody has asked for in a while."""
        if now - self._swept_at < SWEEP_SECONDS:
            return []
        self._swept_at = now
        idle = {
            address: entry for address, entry in self._entries.items() if now - entry.asked_at >= IDLE_SECONDS
        }
        for address, entry in idle.items():
            del self._entries[address]
            for url in entry.urls:
                del self._by_url[url]
        return [entry.reader for entry in idle.values()]
