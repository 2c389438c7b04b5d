"""Sending tasks, many of them in one transaction if need be.

Celery publishes one message at a time, so an autoscaler may look at a burst when half of it has
arrived. To see that a burst is answered by one patch it has to arrive as one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.transport import redis as kombu_redis
from kombu.utils.json import dumps

from autoscaler.sandbox.demo.tasks import work


@dataclass(frozen=True, slots=True)
class Sent:
    """A task that was sent, at a time in seconds since the epoch."""

    id: str
    at: float


class _HoldingChannel(kombu_redis.Channel):
    """A channel that keeps messages until they are all there."""

    held: list[tuple[str, str]]

    def _put(self, queue: str, message: dict[str, Any], **_: object) -> None:
        priority = self._get_message_priority(message, reverse=False)  # type: ignore[no-untyped-call]  # kombu's
        key = self._q_for_pri(queue, priority)  # type: ignore[no-untyped-call]  # kombu's
        self.held.append((key, dumps(message)))

    def push(self) -> None:
        """Put everything that was kept into the queues, in one transaction."""
        with self.conn_or_acquire() as client, client.pipeline(transaction=True) as pipeline:
            for key, message in self.held:
                pipeline.lpush(key, message)
            pipeline.execute()


class _HoldingTransport(kombu_redis.Transport):
    Channel = _HoldingChannel


def send_burst(app: Celery, durations: Sequence[float]) -> list[Sent]:
    """Send tasks that last so many seconds each, in one transaction, and return them."""
    with Connection(app.conf.broker_url, transport=_HoldingTransport) as connection:
        channel = connection.channel()
        channel.held = []
        producer = app.amqp.Producer(channel, auto_declare=False)
        ids = [work.apply_async((seconds,), producer=producer).id for seconds in durations]
        at = time.time()
        channel.push()
    return [Sent(task_id, at) for task_id in ids]


def send(app: Celery, seconds: float) -> Sent:
    """Send one task that lasts so many seconds, and return it."""
    with app.producer_or_acquire() as producer:
        at = time.time()
        return Sent(work.apply_async((seconds,), producer=producer).id, at)
