"""One connection to one RabbitMQ, by which queues are counted and never made.

A queue is counted by declaring it passively. py-amqp speaks the protocol here, with two things of
ours beneath and above it. Beneath, bytes are gathered before they are sent and before they are read,
and every wait ends with the time of the read that it serves. Above, many questions are under way at
once, for a thousand of them one by one would be a thousand round trips.

A queue that does not exist is a 404 that closes the channel, whereupon the server ignores what else
was asked on it. So queues that are known to exist share a channel, and each of the others is asked
for on one of its own.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import amqp
from amqp import spec
from amqp.exceptions import FrameSyntaxError, RecoverableConnectionError, UnexpectedFrame
from amqp.serialization import dumps, loads

from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq_address import AmqpAddress, Node

CLIENT_NAME = "celery-autoscaler"
HEARTBEAT_SECONDS = 60
SHORTEST_WAIT_SECONDS = 0.001
LONGEST_NAME_BYTES = 255
SHARED_CHANNEL = 1
CHANNELS_AT_ONCE = 32
QUESTIONS_AT_ONCE = 1000
LARGEST_FRAME_BYTES = 1 << 20
FRAME_KINDS = frozenset({1, 2, 3, 8})
NOT_AMQP = (struct.error, ValueError, LookupError, ArithmeticError, TypeError)
GREETING = b"AMQP\x00\x00\x09\x01"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a queue holds: messages that wait to be delivered, and consumers."""

    messages: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The code and the text with which the server refused to tell about a queue."""

    code: int
    text: str


Answer = Counted | Refused


class Deadline:
    """The monotonic time at which waiting ends, by its clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.at = 0.0

    @property
    def left_seconds(self) -> float:
        """What is left, but never zero, which would tell a socket not to wait at all."""
        return max(self.at - self.clock(), SHORTEST_WAIT_SECONDS)

    def check(self) -> float:
        """Return what is left. Raises TimeoutError if nothing is."""
        if self.clock() >= self.at:
            raise TimeoutError
        return self.left_seconds


class Pipe:
    """What py-amqp takes for a transport: bytes gathered in both directions."""

    def __init__(self, node: Node, address: AmqpAddress, deadline: Deadline, names: Names) -> None:
        self._node = node
        self._address = address
        self._deadline = deadline
        self._names = names
        self._out: list[bytes] = []
        self._in = bytearray()
        self.sock: socket.socket | None = None
        self.connected = False

    def connect(self) -> None:
        """Connect, over TLS if the address says so, and greet. Raises OSError."""
        host = "127.0.0.1" if self._node.host == "localhost" else self._node.host  # as kombu does
        self._names.find(host, self._deadline.check())
        self.sock = self._reach(host)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._address.tls is not None:
            secured = self._address.tls.context().wrap_socket(
                self.sock, server_hostname=self._node.host, do_handshake_on_connect=False
            )
            self.sock = secured
            secured.settimeout(self._deadline.check())
            secured.do_handshake()
        self.write(GREETING)
        self.connected = True

    def _reach(self, host: str) -> socket.socket:
        """Return a socket that is connected to one of the host's addresses."""
        failure = OSError()
        for family, kind, protocol, _, where in socket.getaddrinfo(
            host, self._node.port, type=socket.SOCK_STREAM
        ):
            reached = socket.socket(family, kind, protocol)
            try:
                reached.settimeout(self._deadline.check())
                reached.connect(where)
            except OSError as error:
                reached.close()
                failure = error
            else:
                return reached
        raise failure

    def write(self, data: bytes | memoryview) -> None:
        """Take note of what is to be sent before anything is read again."""
        self._out.append(bytes(data))

    def flush(self) -> None:
        """Send what was noted."""
        if self._out:
            data, self._out = b"".join(self._out), []
            sock = self._open()
            sock.settimeout(self._deadline.check())
            sock.sendall(data)

    def read_frame(self) -> tuple[int, int, bytes]:
        """Return the next frame's type, channel and content."""
        self.flush()
        while (frame := self.frame_at_hand()) is None:
            sock = self._open()
            sock.settimeout(self._deadline.check())
            self._take(sock.recv(1 << 16))
        return frame

    def frame_at_hand(self) -> tuple[int, int, bytes] | None:
        """Return the next frame if all of it has been read from the socket."""
        if len(self._in) < 7:  # noqa: PLR2004  # type, channel and size
            return None
        kind, channel, size = struct.unpack_from(">BHI", self._in)
        if kind not in FRAME_KINDS or size > LARGEST_FRAME_BYTES:
            raise UnexpectedFrame
        if len(self._in) < size + 8:
            return None
        if self._in[size + 7] != 0xCE:  # noqa: PLR2004  # the end of every frame
            raise FrameSyntaxError
        content = bytes(self._in[7 : size + 7])
        del self._in[: size + 8]
        return kind, channel, content

    def look(self) -> None:
        """Read what has come in the meantime. Raises OSError when the server has hung up."""
        sock = self._open()
        sock.settimeout(0.0)
        with suppress(BlockingIOError, ssl.SSLWantReadError):
            while True:
                self._take(sock.recv(1 << 16))

    def _take(self, data: bytes) -> None:
        if not data:
            raise ConnectionResetError
        self._in += data

    def _open(self) -> socket.socket:
        if self.sock is None:
            raise ConnectionResetError
        return self.sock

    @contextmanager
    def having_timeout(self, timeout: float | None) -> Iterator[None]:  # noqa: ARG002  # the deadline holds
        """Read as py-amqp does."""
        yield

    def close(self) -> None:
        """Send what is left to say, if that goes at once, and hang up."""
        sock, self.sock, self.connected = self.sock, None, False
        if sock is not None:
            with suppress(OSError):
                sock.settimeout(SHORTEST_WAIT_SECONDS)
                sock.sendall(b"".join(self._out))
            self._out = []
            sock.close()


class Talk(amqp.Connection):  # type: ignore[misc]  # py-amqp has no types
    """py-amqp's connection over a pipe; what is said on a channel goes to `heard`."""

    def __init__(self, pipe: Pipe, address: AmqpAddress) -> None:
        self.pipe = pipe
        self.heard: Callable[[int, tuple[int, int], bytes], None] = _ignore
        self.open_channels: set[int] = set()
        super().__init__(
            host=str(address.nodes[0]),
            userid=address.username,
            password=address.password,
            login_method=address.login_method,
            virtual_host=address.vhost,
            heartbeat=HEARTBEAT_SECONDS,
            client_properties={"connection_name": CLIENT_NAME},
        )

    def Transport(self, *_arguments: object, **_options: object) -> Pipe:  # noqa: N802  # py-amqp's name
        """Return the pipe."""
        return self.pipe

    def on_inbound_method(
        self, channel_id: int, method_sig: tuple[int, int], payload: bytes, content: object
    ) -> None:
        """Hand on what the server says: about the connection to py-amqp, about a channel to `heard`."""
        if channel_id:
            self.heard(channel_id, method_sig, payload)
        else:
            super().on_inbound_method(channel_id, method_sig, payload, content)

    def say(self, channel: int, method: tuple[int, int], arguments: bytes = b"") -> None:
        """Note a method for a channel, to be sent with the next read."""
        self.frame_writer(1, channel, method, arguments, None)


def _ignore(channel: int, method: tuple[int, int], payload: bytes) -> None:
    """Nobody has asked anything."""


class Line:
    """The connection to an address, made when it is needed and kept while it works.

    RabbitMQ closes a connection on which nothing was said for two minutes, which tells it of clients
    that are gone. Reads are more frequent than that; after a longer pause the next one connects anew.
    """

    def __init__(self, address: AmqpAddress, clock: Callable[[], float], names: Names) -> None:
        self._address = address
        self._names = names
        self._deadline = Deadline(clock)
        self._talk: Talk | None = None

    def count(
        self, queues: Sequence[str], alone: Collection[str], timeout_seconds: float
    ) -> dict[str, Answer]:
        """Return what each queue holds; those that may not exist are to be among `alone`.

        They take longer. With half of the time gone no more of them are asked for, and those are left
        out of the answer.

        Raises py-amqp's errors and those of the system; the connection is closed then.
        """
        ends = self._deadline.at = self._deadline.clock() + timeout_seconds
        try:
            talk = self._still_open() or self._connect(ends)
            return _Questions(talk, lambda: self._deadline.left_seconds < timeout_seconds / 2).ask(
                queues, alone
            )
        except OSError:
            self.close()
            raise  # before the next: a certificate that is not trusted is a ValueError too
        except NOT_AMQP as error:
            # what py-amqp makes of bytes that RabbitMQ would not send
            self.close()
            raise UnexpectedFrame from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up, if connected; the next question connects anew."""
        talk, self._talk = self._talk, None
        if talk is not None:
            with suppress(amqp.AMQPError, OSError, AttributeError):
                if talk.connected:
                    talk.send_method(spec.Connection.Close, "BsBB", (200, "", 0, 0))
            talk.pipe.close()

    def _still_open(self) -> Talk | None:
        """Return the connection unless the server has hung up, or said that it does."""
        if self._talk is None:
            return None
        try:
            self._talk.pipe.look()
            while (frame := self._talk.pipe.frame_at_hand()) is not None:
                self._talk.on_inbound_frame(frame)
        except (amqp.AMQPError, OSError):
            self.close()
        return self._talk

    def _connect(self, ends: float) -> Talk:
        """Connect to the first node that can be reached, each being given its share of the time."""
        nodes = self._address.nodes
        clock = self._deadline.clock
        for place, node in enumerate(nodes):
            self._deadline.at = clock() + max(ends - clock(), 0.0) / (len(nodes) - place)
            try:
                self._talk = self._greet(node)
                break
            except (OSError, RecoverableConnectionError):
                if node is nodes[-1]:
                    raise
        self._deadline.at = ends
        if self._talk is None:
            raise ConnectionResetError
        return self._talk

    def _greet(self, node: Node) -> Talk:
        pipe = Pipe(node, self._address, self._deadline, self._names)
        try:
            talk = Talk(pipe, self._address)
            talk.connect()
        except BaseException:
            pipe.close()
            raise
        return talk


class _Questions:
    """The questions of one read over one connection."""

    def __init__(self, talk: Talk, is_late: Callable[[], bool]) -> None:
        self._talk = talk
        self._is_late = is_late
        self._answers: dict[str, Answer] = {}
        self._asked: dict[int, deque[str]] = {}
        self._open = talk.open_channels
        self._closing: set[int] = set()
        talk.heard = self._hear

    def ask(self, queues: Sequence[str], alone: Collection[str]) -> dict[str, Answer]:
        """Return the answers."""
        together = [queue for queue in queues if queue not in alone]
        for start in range(0, len(together), QUESTIONS_AT_ONCE):
            self._ask(SHARED_CHANNEL, together[start : start + QUESTIONS_AT_ONCE])
            self._hear_out()
            if SHARED_CHANNEL not in self._open:
                break
        self._ask_apart([queue for queue in queues if queue not in self._answers])
        return self._answers

    def _ask_apart(self, queues: Sequence[str]) -> None:
        """Ask for each queue on a channel of its own, so many at a time."""
        last = min(SHARED_CHANNEL + CHANNELS_AT_ONCE, self._talk.channel_max)
        channels = range(SHARED_CHANNEL + 1, last + 1) or (SHARED_CHANNEL,)
        for start in range(0, len(queues), len(channels)):
            if start and self._is_late():
                break
            for channel, queue in zip(channels, queues[start : start + len(channels)], strict=False):
                self._ask(channel, [queue])
            self._hear_out()
        for channel in self._open - {SHARED_CHANNEL}:
            self._talk.say(channel, spec.Channel.Close, dumps("BsBB", (200, "", 0, 0)))
            self._closing.add(channel)
        self._hear_out()

    def _ask(self, channel: int, queues: Sequence[str]) -> None:
        if channel not in self._open:
            self._talk.say(channel, spec.Channel.Open, dumps("s", ("",)))
            self._open.add(channel)
        self._asked[channel] = deque(queues)
        for queue in queues:
            # ticket, queue, passive, durable, exclusive, auto-delete, no-wait, arguments
            question = dumps("BsbbbbbF", (0, queue, True, False, False, False, False, {}))
            self._talk.say(channel, spec.Queue.Declare, question)

    def _hear_out(self) -> None:
        """Listen until no question is open."""
        while self._closing or any(self._asked.values()):
            self._talk.drain_events()

    def _hear(self, channel: int, method: tuple[int, int], payload: bytes) -> None:
        asked = self._asked.get(channel)
        if method == spec.Queue.DeclareOk and asked:
            messages, consumers = struct.unpack_from(">II", payload, 5 + payload[4])
            self._answers[asked.popleft()] = Counted(messages, consumers)
        elif method == spec.Channel.Close:
            (code, text, *_), _ = loads("BsBB", payload, 4)
            self._talk.say(channel, spec.Channel.CloseOk)
            self._open.discard(channel)
            if asked:
                self._answers[asked.popleft()] = Refused(code, text)
                asked.clear()  # they are asked for again
        elif method == spec.Channel.CloseOk:
            self._open.discard(channel)
            self._closing.discard(channel)


def sayable(queue: str) -> bool:
    """Return whether a queue's name is one that AMQP can carry."""
    return len(queue.encode()) <= LONGEST_NAME_BYTES
