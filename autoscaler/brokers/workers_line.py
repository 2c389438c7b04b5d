"""One control connection to one broker, over which workers are asked and answer.

All questions to the workers of a call are sent before the first answer is awaited: five inspections of
Celery's own would take five turns, and each would wait anew after every reply. Here one deadline
holds for all.

Our reply queues have names that tell them apart from other people's, with the time at which they were
made, and none is used for longer than `LONGEST_LIFE_SECONDS`. On RabbitMQ they go with the connection.
On Redis they are keys, which a crash leaves behind, so whoever connects deletes those that are too old
to be in use. (Why kombu's transport is used the way it is: see `remote`.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from autoscaler.brokers.address import Address
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq_address import AmqpAddress
from autoscaler.brokers.remote import BROKER_ERRORS, transport_options
from autoscaler.brokers.workers_answers import DECODERS, Decoders, Garbled, decode
from autoscaler.config.broker import BrokerSettings

OURS = "celery-autoscaler"
LONGEST_LIFE_SECONDS = 120.0
ABANDONED_AFTER_SECONDS = 300.0
ABANDONED_AT_ONCE = 200
ROUNDS = 3
"""A call ends when no answer came for a timeout, and after this many timeouts in any case."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What nodes said, by node and command; `detail` tells of answers that were not understood."""

    told: Mapping[str, Mapping[str, Any]]
    detail: str = ""


@dataclass(slots=True)
class _Call:
    """The answers that are awaited: a ticket for each command, and from how many nodes."""

    tickets: Mapping[str, str]
    nodes: frozenset[str]
    decoders: Decoders
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: int = 0
    detail: str = ""
    answered: bool = False

    def take(self, message: Any) -> None:  # noqa: ANN401  # kombu has no types
        """Take a reply, unless it answers an earlier call."""
        command = self.tickets.get(str(message.headers.get("ticket")))
        if command is None:
            return
        self.answered = True
        try:
            told = decode(command, message.body, message.content_type, self.decoders)
        except Garbled as garbled:
            self.detail = str(garbled)
            self.missing -= 1
            return
        for node in told.keys() & self.nodes:
            self.told.setdefault(node, {})[command] = told[node]
            self.missing -= 1


class ControlLine:
    """The connection, made with the first call. For one thread at a time.

    Raises kombu's errors, redis-py's and those of the system, after which it has to be closed.
    `clock` returns monotonic seconds, `wall` seconds since the epoch.
    """

    def __init__(
        self,
        place: Address,
        broker: BrokerSettings,
        names: Names,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.layout = layout_of(broker)
        self._place = place
        self._broker = broker
        self._names = names
        self._clock = clock
        self._wall = wall
        self._connection: Connection | None = None
        self._opened_at = 0.0
        self._call: _Call | None = None

    @property
    def worn(self) -> bool:
        """Whether the reply queue is so old that a new one has to be made."""
        return self._connection is not None and self._clock() - self._opened_at >= LONGEST_LIFE_SECONDS

    def tell(self, nodes: Sequence[str], command: str, arguments: Mapping[str, str]) -> None:
        """Have nodes do something, before anything that they are told or asked later."""
        if self._connection is None:
            self._open()
        self._publish("", command, nodes, arguments)

    def ask(
        self,
        nodes: Sequence[str],
        commands: Sequence[str],
        decoders: Decoders = DECODERS,
    ) -> Answers:
        """Return the nodes' answers to some commands, as far as they came in time."""
        if not nodes:
            raise ValueError("nobody to ask")
        if self._connection is None:
            self._open()
        call = _Call({str(uuid4()): command for command in commands}, frozenset(nodes), decoders)
        call.missing = len(nodes) * len(commands)
        self._call = call
        try:
            for ticket, command in call.tickets.items():
                self._publish(ticket, command, nodes)
            self._collect(call)
        finally:
            self._call = None
        return Answers(call.told, call.detail)

    def close(self) -> None:
        """Delete the reply queue and hang up, as far as the broker lets us."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(*BROKER_ERRORS, *connection.channel_errors):
            if not isinstance(self._place, AmqpAddress):
                self._queue(connection.default_channel).delete()
        with suppress(*BROKER_ERRORS):
            connection.release()

    def _open(self) -> None:
        place, seconds = self._place, self._broker.timeout_seconds
        if isinstance(place, AmqpAddress):
            self._names.find(place.host, seconds)
            options: dict[str, object] = {"read_timeout": seconds, "write_timeout": seconds}
            tls = place.ssl()
        else:
            if not place.path:
                self._names.find(place.host, seconds)
            options = transport_options(self._broker) | place.transport_options()
            tls = False if place.tls is None else place.tls.options()
        self._connection = Connection(
            place.url(),
            ssl=tls,
            connect_timeout=seconds,
            heartbeat=0,
            transport_options=options,
        )
        self._oid = f"{OURS}.{int(self._wall())}.{uuid4()}"
        self._opened_at = self._clock()
        channel: Any = self._connection.connection and self._connection.default_channel
        self._channel = channel
        self._listen(channel)

    def _listen(self, channel: Any) -> None:  # noqa: ANN401  # kombu has no types
        if not isinstance(self._place, AmqpAddress):
            self._delete_abandoned(channel)
        make: Callable[..., Any] = Consumer
        self._consumer = make(channel, [self._queue()], on_message=self._take, no_ack=True, auto_declare=True)
        self._consumer.consume()
        producer: Callable[..., Any] = Producer
        self._producer = producer(channel, auto_declare=False)
        self._pidbox = Exchange(
            f"{self._broker.control_exchange}.pidbox", "fanout", durable=False, delivery_mode="transient"
        )

    def _delete_abandoned(self, channel: Any) -> None:  # noqa: ANN401  # kombu has no types
        """Have kombu delete what a crash left behind: it deletes the bindings only of what it declared."""
        for name in abandoned(channel, self._reply_exchange, self._wall() - ABANDONED_AFTER_SECONDS):
            queue = self._queue(channel, name.removesuffix(f".{self._reply_exchange}"))
            queue.declare()
            queue.delete()

    @property
    def _reply_exchange(self) -> str:
        return f"reply.{self._broker.control_exchange}.pidbox"

    def _queue(self, channel: Any = None, oid: str = "") -> Any:  # noqa: ANN401  # kombu has no types
        oid = oid or self._oid
        exchange = Exchange(self._reply_exchange, "direct", durable=False, delivery_mode="transient")
        make: Callable[..., Any] = Queue
        queue = make(
            f"{oid}.{self._reply_exchange}",
            exchange=exchange,
            routing_key=oid,
            durable=False,
            exclusive=True,
            auto_delete=True,
        )
        return queue if channel is None else queue(channel)

    def _publish(
        self, ticket: str, command: str, nodes: Sequence[str], arguments: Mapping[str, str] | None = None
    ) -> None:
        """Send a command, to be answered where it has a ticket."""
        reply_to = {"exchange": self._reply_exchange, "routing_key": self._oid}
        question = {
            "method": command,
            "arguments": dict(arguments or {}),
            "destination": list(nodes),
            "pattern": None,
            "matcher": None,
            "ticket": ticket or None,
            "reply_to": reply_to if ticket else None,
        }
        self._producer.publish(
            question,
            exchange=self._pidbox.name,
            declare=[self._pidbox],
            headers={"clock": 1, "expires": 0},
            serializer="json",
            retry=False,
        )

    def _collect(self, call: _Call) -> None:
        assert self._connection is not None  # noqa: S101  # for the type's sake
        patience = self._broker.answer_timeout_seconds
        ends = self._clock() + ROUNDS * patience
        waits_until = self._clock() + patience
        while call.missing > 0:
            left = min(waits_until, ends) - self._clock()
            if left <= 0:
                return
            call.answered = False
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                return
            if call.answered:
                waits_until = self._clock() + patience

    def _take(self, message: Any) -> None:  # noqa: ANN401  # kombu has no types
        if self._call is not None:
            self._call.take(message)


Layout = tuple[object, ...]


def layout_of(broker: BrokerSettings) -> Layout:
    """Return what a control connection has to know of a target's broker."""
    return (
        broker.global_keyprefix,
        broker.sep,
        broker.priority_steps,
        broker.control_exchange,
        broker.timeout_seconds,
        broker.answer_timeout_seconds,
    )


def abandoned(channel: Any, exchange: str, before: float) -> list[str]:  # noqa: ANN401  # kombu has no types
    """Return the names of our own reply queues at a Redis that were made before a time since the epoch.

    They are found among the bindings of the exchange of replies, no more than a few hundred at once.
    """
    with channel.conn_or_acquire() as client:
        bindings = client.smembers(channel.keyprefix_queue % exchange)
    names = (member.decode("utf-8", "replace").rpartition(channel.sep)[2] for member in bindings)
    return [name for name in names if _made_at(name, before) < before][:ABANDONED_AT_ONCE]


def _made_at(name: str, otherwise: float) -> float:
    """Return when one of our reply queues was made; for a queue that is not ours the other time."""
    ours, _, rest = name.partition(".")
    stamp = rest.partition(".")[0]
    return float(stamp) if ours == OURS and stamp.isascii() and stamp.isdecimal() else otherwise
