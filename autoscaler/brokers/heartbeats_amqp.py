"""Hearing events at a RabbitMQ: a queue of our own that goes with the connection.

The queue is exclusive, so that the server deletes it whenever the connection ends, for whatever
reason. The exchange is declared as workers declare it: a daemon may be there before the first of them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any
from uuid import uuid4

from kombu.connection import Connection
from kombu.exceptions import KombuError

from autoscaler.brokers.heartbeats import Event, Realm, events_in
from autoscaler.brokers.heartbeats_redis import StreamLost
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq_address import AmqpAddress

HEARTBEAT_SECONDS = 30
MESSAGES_AT_ONCE = 1000
ENDED = "closed the connection"


class AmqpStream:
    """The events of one RabbitMQ virtual host. All methods belong to one thread."""

    def __init__(self, connection: Connection, realms: Collection[Realm]) -> None:
        self._connection = connection
        self._wire: Any = connection.connection
        self._realms = frozenset(realms)
        self._events: list[tuple[Realm, Event]] = []
        for realm in self._realms:
            self._consume(realm)
        self._transport: Any = self._wire.transport

    def fileno(self) -> int:
        """Return the socket's number, for a selector."""
        return int(self._transport.sock.fileno())

    def attend(self, realms: Collection[Realm]) -> None:
        """Raise `StreamLost` where these are not the realms that it was opened for."""
        if frozenset(realms) != self._realms:
            raise StreamLost("is connected to anew, for events of others")

    def hear(self) -> list[tuple[Realm, Event]]:
        """Return the events that have arrived, all of them, since some may be in no socket any more.

        Raises `StreamLost`.
        """
        with suppress(TimeoutError):
            for _ in range(MESSAGES_AT_ONCE):
                self._guarded(self._wire.drain_events, 0)
        heard, self._events = self._events, []
        return heard

    def look(self) -> None:
        """Send a heartbeat of AMQP's own when it is due, and miss the server's. Raises `StreamLost`."""
        self._guarded(self._wire.heartbeat_tick)

    def close(self) -> None:
        """Hang up, without the server's leave, which could be waited for."""
        with suppress(KombuError, OSError):
            self._wire.collect()

    def _guarded(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except TimeoutError:
            raise
        except (*self._connection.connection_errors, *self._connection.channel_errors, OSError):
            raise StreamLost(ENDED) from None

    def _consume(self, realm: Realm) -> None:
        channel: Any = self._wire.channel()
        channel.exchange_declare(realm.exchange, "topic", durable=True, auto_delete=False)
        queue = f"{realm.queue_prefix}.autoscaler-{uuid4()}"
        channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments={"x-message-ttl": 5000})
        channel.queue_bind(queue, realm.exchange, "worker.#")

        def take(message: Any) -> None:  # noqa: ANN401  # py-amqp has no types
            self._events += [(realm, event) for event in events_in(message.body)]

        channel.basic_consume(queue, no_ack=True, callback=take)


def open_amqp(
    place: AmqpAddress, timeout_seconds: float, names: Names, realms: Collection[Realm]
) -> AmqpStream:
    """Connect and subscribe. Raises kombu's errors and those of the system."""
    names.find(place.host, timeout_seconds)
    connection = Connection(
        place.url(),
        ssl=place.ssl(),
        connect_timeout=timeout_seconds,
        heartbeat=HEARTBEAT_SECONDS,
        transport_options={"read_timeout": timeout_seconds, "write_timeout": timeout_seconds},
    )
    try:
        return AmqpStream(connection, realms)
    except BaseException:
        with suppress(KombuError, OSError, socket.timeout):
            connection.collect(timeout_seconds)
        raise
