"""Stamping the messages of a Celery producer with the time at which they are sent.

Neither Celery nor Redis keeps when a task was sent, so how long the oldest one has been waiting can
only be estimated from outside. A producer that calls this once, before it sends its first task, lets
the autoscaler read it instead:

    from autoscaler.publish import stamp_messages

    stamp_messages()

Each message then has the header `autoscaler_sent_at`, in seconds since the epoch with a fraction, and the
property `timestamp`, in whole seconds, which RabbitMQ shows as the `head_message_timestamp` of a queue.
A retried task is stamped anew. Workers ignore both. Nothing but Celery is needed here, so this one file
may as well be copied into a project that does not want to depend on the autoscaler.
"""

from __future__ import annotations

import time
from collections.abc import MutableMapping

from celery.signals import before_task_publish

HEADER = "autoscaler_sent_at"
DISPATCH_UID = "autoscaler.publish"


def stamp_messages() -> None:
    """Stamp every message that this process sends from now on; calling it again changes nothing."""
    before_task_publish.connect(_stamp, weak=False, dispatch_uid=DISPATCH_UID)


def leave_messages() -> None:
    """Stamp no more messages."""
    before_task_publish.disconnect(_stamp, dispatch_uid=DISPATCH_UID)


def _stamp(
    headers: MutableMapping[str, object] | None = None,
    properties: MutableMapping[str, object] | None = None,
    **_: object,
) -> None:
    """Write the time into what is about to be sent: a signal's receiver may change both."""
    now = time.time()
    if headers is not None:
        headers[HEADER] = now
    if properties is not None:
        properties.setdefault("timestamp", int(now))
