"""Asking workers how many tasks they run at a time, by Celery's remote control.

An inspection makes this program one more consumer at somebody else's broker, so it has to leave no
trace there. Three things of kombu's Redis transport are turned off for that. A consumer gives
messages back to their queue that have been unacknowledged for longer than its own visibility timeout
(an hour, where Airflow's workers use a day): with `ack_emulation` off it keeps away from them. A reply
queue that expires would add a key with the deadlines of its bindings: ours does not expire, and is
deleted. And a publication is repeated until the broker is back: here it is tried once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from celery import Celery
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import KombuError
from kombu.messaging import Producer

from autoscaler.brokers.address import RedisAddress
from autoscaler.brokers.failures import failure_of
from autoscaler.brokers.names import Names
from autoscaler.brokers.workers_place import redis_of
from autoscaler.config.model import BrokerSettings

ANSWER_SECONDS = 1.0
POLL_SECONDS = 1.0
LEFTOVERS_KEPT = 8
BROKER_ERRORS = (KombuError, redis.RedisError, OSError)


class Unanswered(Exception):
    """The workers could not be asked; the text says why, without any credentials."""


class RemoteControl:
    """Asks workers over any broker. Safe to use from several threads.

    The user of the credentials needs what a worker's needs: PING, LLEN, SADD, SMEMBERS, SREM, DEL,
    MULTI and EXEC, BRPOP, and PUBLISH to the channels of the remote control.
    """

    def __init__(self, names: Names | None = None) -> None:
        self._names = names or Names()
        self._leftovers: dict[RedisAddress, deque[Queue]] = {}

    def concurrency(self, url: str, broker: BrokerSettings, nodes: Sequence[str]) -> Mapping[str, int | None]:
        """Return the tasks that each node runs at a time, None for one that does not tell.

        Nodes that have not answered within a second are left out. Raises `BrokerUnknown` for a URL
        that is not understood and `Unanswered` when the broker does not let us ask.
        """
        address = redis_of(url, broker)
        try:
            if not address.path:
                self._names.find(address.host, broker.timeout_seconds)
            replies = self._stats(address, broker, nodes)
        except BROKER_ERRORS as error:
            failure = failure_of(error, broker.timeout_seconds, "remote control")
            raise Unanswered(f"{address}: {failure.detail}") from None
        return {node: slots_told(stats) for reply in replies for node, stats in reply.items()}

    def _stats(
        self, address: RedisAddress, broker: BrokerSettings, nodes: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return the nodes' replies: what `inspect(destination=nodes).stats()` does, reply queue in hand.

        The URL is handed over explicitly, for Celery would prefer CELERY_BROKER_URL in our environment.
        """
        url, tls = address.url(), False if address.tls is None else address.tls.options()
        with Celery(broker=url, set_as_current=False) as app:
            app.conf.control_queue_expires = None
            app.conf.broker_transport_options = transport_options(broker) | address.transport_options()
            with app.connection_for_write(url, ssl=tls) as connection:
                self._clear(address, connection)
                mailbox = app.control.mailbox(connection)
                mailbox.producer_pool = _Producers(connection)
                try:
                    return mailbox.call(list(nodes), "stats", timeout=ANSWER_SECONDS) or []
                except BROKER_ERRORS:
                    self._leave(address, connection, mailbox.reply_queue)
                    raise

    def _leave(self, address: RedisAddress, connection: Connection, queue: Queue) -> None:
        """Delete a reply queue after a failure, or else remember to do it the next time."""
        self._leftovers.setdefault(address, deque(maxlen=LEFTOVERS_KEPT)).append(queue)
        try:
            self._clear(address, connection)
        except BROKER_ERRORS:
            return

    def _clear(self, address: RedisAddress, connection: Connection) -> None:
        leftovers = self._leftovers.get(address, ())
        for queue in tuple(leftovers):
            bound: Any = queue(connection.default_channel)
            bound.declare()
            bound.delete()
            self._leftovers[address].remove(queue)


class _OneTry:
    """A producer that publishes once: kombu's own, told to retry, goes on until the broker is back."""

    def __init__(self, producer: Any) -> None:  # noqa: ANN401  # kombu has no types
        self._producer = producer

    def publish(self, *arguments: object, **options: object) -> None:
        """Publish without `retry`."""
        self._producer.publish(*arguments, **options | {"retry": False})


class _Producers:
    """What a mailbox takes for a pool of producers: one on its own connection, not on a pooled one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def acquire(self) -> Iterator[_OneTry]:
        """Yield the producer."""
        make: Callable[..., Producer] = Producer
        yield _OneTry(make(self._connection.default_channel, auto_declare=False))


def transport_options(broker: BrokerSettings) -> dict[str, object]:
    """Return kombu's options: the workers' layout of keys, no patience, and hands off `unacked`.

    A blocking pop, by which replies are awaited, holds a connection for `POLL_SECONDS`.
    """
    return {
        "global_keyprefix": broker.global_keyprefix,
        "sep": broker.sep,
        "priority_steps": list(broker.priority_steps),
        "ack_emulation": False,
        "socket_connect_timeout": broker.timeout_seconds,
        "socket_timeout": broker.timeout_seconds + POLL_SECONDS,
        "retry_on_timeout": False,
        "max_retries": 0,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
        "connect_retries_timeout": broker.timeout_seconds,
    }


def slots_told(stats: object) -> int | None:
    """Return the tasks at a time that a worker's stats speak of.

    An autoscaling worker has a maximum; its pool's own number is what it has grown to by now.
    """
    if not isinstance(stats, Mapping):
        return None
    for part, key in (("autoscaler", "max"), ("pool", "max-concurrency")):
        values = stats.get(part)
        value = values.get(key) if isinstance(values, Mapping) else None
        if isinstance(value, int) and value >= 1:
            return value
    return None
