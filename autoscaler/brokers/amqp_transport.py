"""kombu's transport to a RabbitMQ, which hangs up on a server that refuses it.

py-amqp closes its socket when connecting fails by an error of the system. A refusal, of credentials
or of a vhost, is an error of its own kind, after which it drops the connection as it is: the socket
stays open until the garbage is collected, one more with every attempt.
"""

from __future__ import annotations

from collections.abc import Callable

from kombu.transport import pyamqp


class _Connection(pyamqp.Connection):
    """py-amqp's connection, closed when it could not be made."""

    def connect(self, callback: Callable[[], object] | None = None) -> object:
        """Connect. Raises py-amqp's errors and those of the system, with nothing left open."""
        try:
            return super().connect(callback)
        except BaseException:
            self.collect()
            raise


class AmqpTransport(pyamqp.Transport):
    """kombu's transport over such connections; give it to `kombu.Connection` as `transport`."""

    Connection = _Connection
