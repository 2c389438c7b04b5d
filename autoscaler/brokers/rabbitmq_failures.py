"""What went wrong with a RabbitMQ, in a sentence of ours.

AMQP gives one code to many troubles: 530 is a vhost that does not exist, one that the user may not
enter, and a limit of connections; 404 is a queue that does not exist and one that cannot be reached.
RabbitMQ tells them apart in its text alone, so here, against the habit of the house, a few of its
words are looked for. Where they are not found the code is told and nothing is taken for granted.
"""

from __future__ import annotations

import amqp
from amqp import exceptions

from autoscaler.brokers.amqp import Refused
from autoscaler.brokers.failures import Failure, failure_of

NO_QUEUE = "no queue '"
OF_THE_VHOST: tuple[tuple[str, str], ...] = (
    ("connection limit", "has reached its limit of connections for this vhost or user (NOT_ALLOWED)"),
    ("not found", "has no such vhost (NOT_ALLOWED)"),
    (
        "refused for user",
        "does not let this user into the vhost without a permission there (NOT_ALLOWED)",
    ),
)
OF_RABBITMQ: tuple[tuple[type[amqp.AMQPError], str], ...] = (
    (
        exceptions.ConnectionForced,
        "is shutting down, or was told to close connections (CONNECTION_FORCED)",
    ),
    (exceptions.ResourceError, "lacks the resources for a connection (RESOURCE_ERROR)"),
    (exceptions.InternalError, "has an error of its own (INTERNAL_ERROR)"),
)


def rabbit_failure(error: BaseException, timeout_seconds: float) -> Failure:
    """Return what an error of py-amqp or of the system means."""
    if isinstance(error, OSError):
        return failure_of(error, timeout_seconds, "")
    if isinstance(error, exceptions.AccessRefused):
        return Failure("rejected the credentials", rejected_credentials=True, of_server=False)
    if isinstance(error, exceptions.NotAllowed):
        said = error.reply_text or ""
        sentences = (sentence for words, sentence in OF_THE_VHOST if words in said)
        return Failure(next(sentences, "does not allow the connection (NOT_ALLOWED)"), of_server=False)
    for kind, sentence in OF_RABBITMQ:
        if isinstance(error, kind):
            return Failure(sentence)
    if type(error) is exceptions.ConnectionError:
        return Failure("does not offer the login method that the URL asks for", of_server=False)
    return Failure("does not answer as RabbitMQ does")


def is_missing(answer: Refused) -> bool:
    """Return whether a queue does not exist, rather than being out of reach with its node."""
    return answer.code == exceptions.NotFound.code and NO_QUEUE in answer.text


def refusal_of(queue: str, answer: Refused) -> str:
    """Return why a queue that exists, or may, was not counted."""
    if answer.code == exceptions.NotFound.code:
        return f"cannot reach the queue {queue!r}, whose node may be down (NOT_FOUND)"
    if answer.code == exceptions.ResourceLocked.code:
        return f"keeps the queue {queue!r} for another connection alone (RESOURCE_LOCKED)"
    if answer.code == exceptions.AccessRefused.code:
        return f"does not allow the queue {queue!r} to be looked at (ACCESS_REFUSED)"
    return f"answered about the queue {queue!r} with an error ({answer.code})"
