"""A thousand streams of events on one thread, and a few more threads to connect them.

One thread listens to all sockets. Connecting takes waiting, and a server that hangs takes all that is
allowed, so it happens in a small pool; what fails is tried again at growing intervals. A stream is
there for as long as a target wants it, and what was heard outlives it for a while.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from autoscaler.breaker import Breaker, refusal
from autoscaler.brokers.address import Address
from autoscaler.brokers.heartbeats import MISSED, USUAL_SECONDS, Event, Realm, Roll, realm_of
from autoscaler.brokers.heartbeats_amqp import open_amqp
from autoscaler.brokers.heartbeats_redis import StreamLost, open_redis
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq_address import AmqpAddress
from autoscaler.brokers.workers_failures import reason
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef

DIALERS = 8
LOOK_SECONDS = 1.0
FORGET_SECONDS = 600.0
STEADY_SECONDS = 30.0


class Stream(Protocol):
    """An open stream: see `RedisStream`."""

    def fileno(self) -> int: ...  # noqa: D102  # see there
    def attend(self, realms: Collection[Realm]) -> None: ...  # noqa: D102
    def hear(self) -> list[tuple[Realm, Event]]: ...  # noqa: D102
    def look(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


Dial = Callable[[Address, float, Collection[Realm]], Stream]


@dataclass(slots=True)
class _Broker:
    """One broker, with who wants to hear what there. Its stream belongs to the listening thread."""

    place: Address
    wanted: dict[TargetRef, BrokerSettings] = field(default_factory=dict)
    rolls: dict[Realm, Roll] = field(default_factory=dict)
    stream: Stream | None = None
    opened_at: float = 0.0
    dialing: bool = False
    breaker: Breaker = field(default_factory=Breaker)
    detail: str = "is being connected to"

    def realms(self) -> frozenset[Realm]:
        return frozenset(realm_of(settings) for settings in self.wanted.values())


class Streams:
    """The events of all brokers. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, dial: Dial | None = None) -> None:
        self._clock = clock
        self._names = Names()
        self._dial = dial or self._open
        self._brokers: dict[Address, _Broker] = {}
        self._wants: dict[TargetRef, tuple[Address, BrokerSettings]] = {}
        self._changed: dict[Address, _Broker] = {}
        self._opened: list[tuple[_Broker, Stream | None, str]] = []
        self._lock = threading.Lock()
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._bell.settimeout(0)
        self._ear.settimeout(0)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._dialers = ThreadPoolExecutor(DIALERS, thread_name_prefix="dial")
        self._thread = threading.Thread(target=self._listen, name="heartbeats", daemon=True)
        self._thread.start()

    def want(self, target: TargetRef, place: Address, settings: BrokerSettings, *, on: bool) -> None:
        """Have a target's workers heard, or not any more. Costs nothing while nothing changes."""
        wish = (place, settings) if on else None
        if self._wants.get(target) == wish:
            return
        with self._lock:
            before = self._wants.pop(target, None)
            if before is not None:
                broker = self._brokers[before[0]]
                broker.wanted.pop(target, None)
                self._changed[broker.place] = broker
            if wish is not None:
                broker = self._brokers.setdefault(place, _Broker(place))
                broker.wanted[target] = settings
                broker.rolls.setdefault(realm_of(settings), Roll())
                self._wants[target] = wish
                self._changed[place] = broker
        self._ring()

    def roll(self, target: TargetRef) -> Roll | None:
        """Return the workers that were heard where a target's are, None where nobody wants to listen.

        While the stream is lost nothing is added, and what was heard grows old.
        """
        wish = self._wants.get(target)
        broker = None if wish is None else self._brokers.get(wish[0])
        return None if wish is None or broker is None else broker.rolls.get(realm_of(wish[1]))

    def listens(self, target: TargetRef) -> bool:
        """Return whether every worker that is there has had the time to be heard."""
        wish = self._wants.get(target)
        broker = None if wish is None else self._brokers.get(wish[0])
        if broker is None or broker.stream is None:
            return False
        return self._clock() - broker.opened_at >= MISSED * USUAL_SECONDS

    def detail(self, target: TargetRef) -> str:
        """Return why a target's workers are not heard, empty when they are or nobody wants it."""
        wish = self._wants.get(target)
        broker = None if wish is None else self._brokers.get(wish[0])
        if broker is None or broker.stream is not None:
            return ""
        return f"no heartbeats: {broker.place} {refusal(broker.breaker, broker.detail, self._clock())}"

    def close(self) -> None:
        """Hang up everywhere; return when the threads have ended."""
        self._closing = True
        self._ring()
        self._thread.join()
        self._dialers.shutdown(wait=True, cancel_futures=True)
        for _, stream, _ in self._opened:
            _shut(stream)
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _ring(self) -> None:
        with suppress(BlockingIOError, OSError):
            self._bell.send(b"!")

    def _listen(self) -> None:
        look_at = self._clock()
        while not self._closing:
            for key, _ in self._selector.select(LOOK_SECONDS):
                if key.data is None:
                    self._take_notice()
                else:
                    self._guarded(key.data, self._hear)
            if self._clock() >= look_at:
                look_at = self._clock() + LOOK_SECONDS
                self._look()
        for broker in tuple(self._brokers.values()):
            self._drop(broker)

    def _take_notice(self) -> None:
        """Do what was asked for since the last time."""
        with suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass
        with self._lock:
            opened, self._opened = self._opened, []
            changed, self._changed = self._changed, {}
        for broker, stream, detail in opened:
            self._settle(broker, stream, detail)
        for broker in changed.values():
            self._tend(broker)

    def _settle(self, broker: _Broker, stream: Stream | None, detail: str) -> None:
        """Listen to what was connected, or remember why it was not."""
        broker.dialing = False
        if stream is None:
            self._fail(broker, detail)
            return
        broker.stream, broker.opened_at = stream, self._clock()
        self._selector.register(stream, selectors.EVENT_READ, broker)
        self._tend(broker)

    def _tend(self, broker: _Broker) -> None:
        """Bring a broker's stream in line with what is wanted of it."""
        realms = broker.realms()
        if not realms:
            self._drop(broker)
            if not broker.dialing:
                with self._lock:
                    if not broker.wanted:
                        self._brokers.pop(broker.place, None)
        elif broker.stream is not None:
            self._guarded(broker, lambda its: its.stream.attend(realms) if its.stream else None)
        elif not broker.dialing and broker.breaker.admits(self._clock()):
            broker.dialing, broker.breaker = True, broker.breaker.tried()
            self._dialers.submit(self._connect, broker, realms)

    def _connect(self, broker: _Broker, realms: frozenset[Realm]) -> None:
        """Connect, in a thread of the pool, and leave the result to the listening one."""
        timeout = min((settings.timeout_seconds for settings in tuple(broker.wanted.values())), default=1.0)
        stream, detail = None, ""
        try:
            stream = self._dial(broker.place, timeout, realms)
        except Exception as error:  # noqa: BLE001  # whatever it was, the listening has to go on
            detail = reason(error, timeout)
        with self._lock:
            self._opened.append((broker, stream, detail))
        self._ring()

    def _open(self, place: Address, timeout_seconds: float, realms: Collection[Realm]) -> Stream:
        if isinstance(place, AmqpAddress):
            return open_amqp(place, timeout_seconds, self._names, realms)
        return open_redis(place, timeout_seconds, self._names, self._clock)

    def _hear(self, broker: _Broker) -> None:
        if broker.stream is None:
            return
        heard, now = broker.stream.hear(), self._clock()
        for realm, event in heard:
            roll = broker.rolls.get(realm)
            if roll is not None:
                roll.note(event, now)

    def _look(self) -> None:
        now = self._clock()
        with self._lock:
            brokers = tuple(self._brokers.values())
        for broker in brokers:
            if broker.stream is not None:
                self._guarded(broker, lambda its: its.stream.look() if its.stream else None)
            if broker.stream is not None and now - broker.opened_at >= STEADY_SECONDS:
                broker.breaker = broker.breaker.succeeded()
            for roll in tuple(broker.rolls.values()):
                roll.forget(now - FORGET_SECONDS)
            if broker.stream is None:
                self._tend(broker)

    def _guarded(self, broker: _Broker, work: Callable[[_Broker], object]) -> None:
        """Do something with a stream; whatever comes of it, the others are still listened to."""
        try:
            work(broker)
        except StreamLost as lost:
            self._fail(broker, str(lost))
        except Exception as error:  # noqa: BLE001  # one broken broker never stops the others
            self._fail(broker, f"sent what is not understood ({type(error).__name__})")

    def _fail(self, broker: _Broker, detail: str) -> None:
        self._drop(broker)
        broker.detail, broker.breaker = detail, broker.breaker.failed(self._clock())

    def _drop(self, broker: _Broker) -> None:
        if broker.stream is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(broker.stream)
            broker.stream.close()
            broker.stream = None


def _shut(stream: Stream | None) -> None:
    if stream is not None:
        stream.close()
