"""Hearing events at a Redis: one connection, subscribed to the channels in which kombu sends them.

kombu sends an event to the channel `/<database>.<exchange>/worker.heartbeat`, under the prefix of keys
that the workers have. A consumer of kombu's would cost a thread, or a poller, for each broker; here the
connection is a socket among a thousand others, and what arrives is taken apart by a few lines: Redis
sends arrays, integers and strings to a subscriber, nothing else.
"""

from __future__ import annotations

import ssl
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import msgspec

from autoscaler.brokers.address import RedisAddress
from autoscaler.brokers.connection import Budget, Line
from autoscaler.brokers.heartbeats import Event, Realm, events_in
from autoscaler.brokers.names import Names

CHUNK_BYTES = 1 << 16
CHUNKS_AT_ONCE = 16
LARGEST_MESSAGE_BYTES = 1 << 20
PING_AFTER_SECONDS = 15.0
LOST_AFTER_SECONDS = 45.0
WRONG = "does not send events as Redis does"


class StreamLost(Exception):
    """The stream has ended; the text continues a sentence that begins with the broker's name."""


class Incomplete(Exception):
    """More bytes are needed."""


class RedisStream:
    """The events of one Redis. All methods belong to one thread; none of them waits.

    The user of the credentials needs PSUBSCRIBE, PUNSUBSCRIBE and PING, and the right to the channels'
    pattern, which Redis compares letter by letter: `&/0.celeryev/worker.*`, the one that workers with
    gossip use themselves.
    """

    def __init__(self, line: Line, socket: Any, db: int, clock: Callable[[], float]) -> None:  # noqa: ANN401  # a TLS one is no socket by type
        self._line = line
        self._socket = socket
        self._db = db
        self._clock = clock
        self._buffer = bytearray()
        self._unsent = bytearray()
        self._realms: dict[bytes, Realm] = {}
        self._heard_at = self._pinged_at = clock()

    def fileno(self) -> int:
        """Return the socket's number, for a selector."""
        return int(self._socket.fileno())

    def attend(self, realms: Collection[Realm]) -> None:
        """Hear the events of these realms and of no others. Raises `StreamLost`."""
        wanted = {pattern(self._db, realm): realm for realm in realms}
        new, old = wanted.keys() - self._realms.keys(), self._realms.keys() - wanted.keys()
        self._realms = wanted
        if new:
            self._send("PSUBSCRIBE", *sorted(new))
        if old:
            self._send("PUNSUBSCRIBE", *sorted(old))

    def hear(self) -> list[tuple[Realm, Event]]:
        """Return the events that have arrived. Raises `StreamLost`."""
        self._receive()
        heard: list[tuple[Realm, Event]] = []
        done = 0
        view = bytes(self._buffer)
        with suppress(Incomplete):
            while done < len(view):
                reply, done = _reply(view, done)
                heard += self._events(reply)
        del self._buffer[:done]
        if len(self._buffer) > LARGEST_MESSAGE_BYTES:
            raise StreamLost(WRONG)
        return heard

    def look(self) -> None:
        """Make sure that the other end is still there; call it about once a second.

        Raises `StreamLost`.
        """
        now = self._clock()
        if self._unsent:
            self._flush()
        if now - self._heard_at >= LOST_AFTER_SECONDS:
            raise StreamLost(f"has been silent for {now - self._heard_at:.0f} s")
        if now - max(self._heard_at, self._pinged_at) >= PING_AFTER_SECONDS:
            self._pinged_at = now
            self._send("PING")

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _send(self, *words: str | bytes) -> None:
        self._unsent += self._line.pack([words])
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError:
            raise StreamLost("closed the connection") from None
        del self._unsent[:sent]

    def _receive(self) -> None:
        """Take what has arrived: all of it with TLS, whose rest a selector does not see."""
        for _ in range(CHUNKS_AT_ONCE):
            try:
                data = self._socket.recv(CHUNK_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                raise StreamLost("closed the connection") from None
            if not data:
                raise StreamLost("closed the connection")
            self._heard_at = self._clock()
            self._buffer += data

    def _events(self, reply: object) -> list[tuple[Realm, Event]]:
        match reply:
            case [b"pmessage", bytes(found), _, bytes(payload)] if found in self._realms:
                realm = self._realms[found]
                return [(realm, event) for event in _events_of(payload)]
            case Refused(code):
                raise StreamLost(f"does not allow subscribing to the workers' events ({code})")
        return []


class Refused(msgspec.Struct, frozen=True):
    """An error that Redis answered with; `code` is its first word."""

    code: str


class _Message(msgspec.Struct):
    body: str
    properties: dict[str, Any]


_message = msgspec.json.Decoder(_Message)


def _events_of(payload: bytes) -> tuple[Event, ...]:
    try:
        message = _message.decode(payload)
        if message.properties.get("body_encoding") != "base64":
            return events_in(message.body)
        return events_in(b64decode(message.body))
    except (msgspec.MsgspecError, NotBase64, ValueError):
        return ()


def pattern(db: int, realm: Realm) -> bytes:
    """Return the pattern of a realm's channels, special characters of its names escaped."""
    name = f"{realm.global_keyprefix}/{db}.{realm.exchange}/worker."
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in name).encode() + b"*"


def _reply(data: bytes, at: int) -> tuple[object, int]:
    """Return the reply that begins at a place, and the place where it ends. Raises `Incomplete`."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Incomplete
    kind, text, end = data[at : at + 1], data[at + 1 : end], end + 2
    match kind:
        case b"+":
            return text, end
        case b"-":
            word = text.partition(b" ")[0].decode("ascii", "replace")
            return Refused(word if word.isalpha() and word.isupper() else "ERR"), end
        case b":":
            return _number(text), end
        case b"$":
            return _bulk(data, end, _number(text))
        case b"*":
            items = []
            for _ in range(_number(text)):
                item, end = _reply(data, end)
                items.append(item)
            return items, end
    raise StreamLost(WRONG)


def _bulk(data: bytes, at: int, size: int) -> tuple[bytes | None, int]:
    if size < 0:
        return None, at
    end = at + size
    if size > LARGEST_MESSAGE_BYTES:
        raise StreamLost(WRONG)
    if end + 2 > len(data):
        raise Incomplete
    return data[at:end], end + 2


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise StreamLost(WRONG) from None


class _Handed(Line):
    """A line whose socket is handed over once it is connected and greeted."""

    def socket(self) -> Any:  # noqa: ANN401  # a TLS one is no socket by type
        wire: Any = self._connection
        return wire._sock  # noqa: SLF001  # redis-py has no public way to it


def open_redis(
    address: RedisAddress, timeout_seconds: float, names: Names, clock: Callable[[], float]
) -> RedisStream:
    """Connect, within about the time allowed. Raises redis-py's errors and those of the system."""
    budget = Budget(clock)
    budget.start(timeout_seconds)
    line = _Handed(address, budget, names)
    try:
        line.ask(line.pack([("PING",)]), 1)
        socket = line.socket()
        socket.settimeout(0)
    except BaseException:
        line.close()
        raise
    return RedisStream(line, socket, address.db, clock)
