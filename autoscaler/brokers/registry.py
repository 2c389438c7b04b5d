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
from functools import partial
from types import MappingProxyType
from typing import Protocol
from weakref import WeakValueDictionary

from autoscaler.breaker import Circuit
from autoscaler.brokers.address import Address, RedisAddress, parse
from autoscaler.brokers.background import Background
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq import RabbitReader
from autoscaler.brokers.rabbitmq_address import AmqpAddress
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.ports import DepthReader

IDLE_SECONDS = 600.0
SWEEP_SECONDS = 60.0
MANAGEMENT_THREADS = 8


class Reader(DepthReader, Protocol):
    """A reader that holds a connection."""

    def close(self) -> None:
        """Hang up."""
        ...


MakeReader = Callable[..., Reader]
READERS: Mapping[type[Address], MakeReader] = MappingProxyType(
    {RedisAddress: RedisReader, AmqpAddress: RabbitReader}
)
# what a URL is told apart by beside its text, where it does not say all by itself
Named = tuple[str, str | None, str | None]


@dataclass(slots=True)
class _Entry:
    reader: Reader
    urls: set[Named]
    asked_at: float


class BrokerRegistry:
    """All brokers in use. `clock` returns monotonic seconds, `wall` those since the epoch."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._names = Names()
        self._background = Background()
        self._management = Background(MANAGEMENT_THREADS)
        redis_reader = partial(RedisReader, wall=wall, background=self._background)
        rabbit_reader = partial(RabbitReader, background=self._management)
        self._readers: dict[type[Address], MakeReader] = {
            **READERS,
            RedisAddress: redis_reader,
            AmqpAddress: rabbit_reader,
        }
        self._entries: dict[Address, _Entry] = {}
        self._by_url: dict[Named, _Entry] = {}
        self._circuits: WeakValueDictionary[tuple[str, bool], Circuit] = WeakValueDictionary()
        self._swept_at = clock()
        self._lock = threading.Lock()

    def reader(self, url: str, settings: BrokerSettings) -> DepthReader:
        """Return the reader for a URL, the same one for the same server and credentials.

        The settings name the master for a URL of Sentinels; how they say that keys are laid out is each
        query's affair. Raises `BrokerUnknown` for a URL that no reader understands.
        """
        now = self._clock()
        named = (url, settings.master_name, settings.sentinel_password)
        with self._lock:
            entry = self._by_url.get(named) or self._enter(named, settings, now)
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
        self._background.close()
        self._management.close()

    def _enter(self, named: Named, settings: BrokerSettings, now: float) -> _Entry:
        address = parse(named[0], settings)
        entry = self._entries.get(address)
        if entry is None:
            # A TLS handshake that a plain port leaves without an answer says nothing of plain readers.
            door = (address.server, address.tls is not None)
            circuit = self._circuits.setdefault(door, Circuit())
            reader = self._readers[type(address)](address, self._clock, self._names, circuit)
            entry = self._entries[address] = _Entry(reader, set(), now)
        entry.urls.add(named)
        self._by_url[named] = entry
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
