"""What went wrong with remote control or events, at a Redis or at a RabbitMQ, in a sentence of ours."""

from __future__ import annotations

import redis
from amqp import exceptions as amqp
from kombu.exceptions import KombuError

from autoscaler.brokers.failures import failure_of

OF_AMQP: tuple[tuple[type[amqp.AMQPError], str], ...] = (
    (amqp.NotAllowed, "has no such virtual host, or does not allow it"),
    (amqp.AccessRefused, "refuses access"),
    (amqp.PreconditionFailed, "has an exchange of that name and another kind"),
    (amqp.ConnectionForced, "closed the connection"),
)


def reason(error: BaseException, timeout_seconds: float) -> str:
    """Return what an error means; it continues a sentence that begins with the broker's name."""
    link: BaseException | None = error
    while link is not None:
        for kind, sentence in OF_AMQP:
            if isinstance(link, kind):
                return sentence
        link = link.__cause__
    if isinstance(error, KombuError | redis.RedisError | OSError):
        return failure_of(error, timeout_seconds, "remote control and events").detail
    return f"could not be used ({type(error).__name__})"
