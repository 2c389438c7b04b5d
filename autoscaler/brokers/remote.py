"""Asking workers how many tasks they run at a time, by Celery's remote control.

An inspection makes this program one more consumer at somebody else's broker, so it has to leave no
trace there. Three things of kombu's Redis transport are turned off for that. A consumer gives
messages back to their queue that have been unacknowledged for longer than its own visibility timeout
(an hour, where Airflow's workers use a day): with `ack_emulation` off it keeps away from them. A reply
queue that expires would add a key with the deadlines of its bindings: ours does not expire, and is
deleted. And a publication is repeated until the broker is back: here it is tried once.
"""

from __future__ import annotations

from collections.abc import Mapping

import redis
from kombu.exceptions import KombuError

from autoscaler.config.broker import BrokerSettings

POLL_SECONDS = 1.0
BROKER_ERRORS = (KombuError, redis.RedisError, OSError)


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
