"""One connection to one Redis, every wait of which ends with the time of the read that it serves.

redis-py gives each step its own timeout: each address of a name, the TLS handshake, each command of
the greeting, each answer. A server that is slow at all of them would take many times what a read may
take. Here the steps share one `Budget`.

redis-py's client and pool are left out: with a single connection there is nothing to pool, and a
thousand targets' commands stay the same from tick to tick, so that packing them once and reading the
bare answers takes a quarter of the time that a `Pipeline` does (`benchmarks/read_depth.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from autoscaler.brokers.address import RedisAddress
from autoscaler.brokers.names import Names
from autoscaler.brokers.sentinel import NoMaster, Sentinels
from autoscaler.brokers.talk import Words

CLIENT_NAME = "celery-autoscaler"
GREETING: tuple[Words, ...] = (("CLIENT", "SETNAME", CLIENT_NAME), ("INFO", "cluster"))
SHORTEST_WAIT_SECONDS = 0.001
CHECKS_PER_BUDGET = 20


class Budget:
    """The time that one read may take. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds = 0.0
        self._ends = 0.0

    def start(self, seconds: float) -> None:
        """Begin anew."""
        self.seconds = seconds
        self._ends = self.clock() + seconds

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.clock() >= self._ends

    @property
    def left_seconds(self) -> float:
        """What is left, but never zero, which would tell a socket not to wait at all."""
        return max(self._ends - self.clock(), SHORTEST_WAIT_SECONDS)


class Budgeted(AbstractConnection):
    """A connection of redis-py whose timeouts are what is left of a budget."""

    budget: Budget
    host: str
    port: int

    @property
    def socket_timeout(self) -> float:
        """What redis-py gives a socket once it is connected."""
        return self.budget.left_seconds

    @socket_timeout.setter
    def socket_timeout(self, value: float | None) -> None:
        """Ignore what redis-py sets while it builds a connection."""

    @property
    def socket_connect_timeout(self) -> float:
        """What redis-py gives each address that it tries."""
        return self.budget.left_seconds

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, value: float | None) -> None:
        """Ignore what redis-py sets while it builds a connection."""

    def send_packed_command(self, command: object, check_health: bool = True) -> None:
        """Send, and wait for that and for the answers only as long as is left."""
        self.tighten()
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]  # untyped there

    def tighten(self) -> None:
        """Let the socket wait no longer than is left. Raises redis-py's TimeoutError if nothing is."""
        if self.budget.spent:
            raise redis.TimeoutError
        if self._sock is not None:
            self._sock.settimeout(self.budget.left_seconds)


class _OverTcp(Budgeted, redis.Connection):
    pass


class _OverTls(Budgeted, redis.SSLConnection):
    pass


class _OverSocket(Budgeted, redis.UnixDomainSocketConnection):
    """One over a Unix socket, with the host and port that redis-py looks for after a failure."""

    host = ""
    port = 0


class _Wire(Protocol):
    """What is used of redis-py's connections, which have no types of their own."""

    host: str
    port: int

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def can_read(self) -> bool: ...
    def pack_commands(self, commands: Iterable[Words]) -> list[bytes]: ...
    def send_packed_command(self, command: list[bytes]) -> None: ...
    def read_response(self) -> object: ...
    def tighten(self) -> None: ...


class Line:
    """The connection to an address, made when it is needed and kept while it works.

    It says its name by CLIENT SETNAME and asks whether this is a node of a Redis Cluster by INFO, in the
    same breath as its first question, and does not mind when its user may not do that.
    """

    def __init__(self, address: RedisAddress, budget: Budget, names: Names) -> None:
        self._address = address
        self._budget = budget
        self._names = names
        self._connection: _Wire = _connection(address, budget)
        self._open = False
        self._sentinels = Sentinels(address, self._ask_sentinel) if address.sentinels else None
        self._greeting = self.pack(GREETING)
        self.is_of_cluster = False

    def pack(self, commands: Iterable[Words]) -> bytes:
        """Return commands as they are sent."""
        return b"".join(self._connection.pack_commands(commands))

    def ask(self, packed: bytes, answers: int) -> list[object]:
        """Return the answers to packed commands, each an integer, text or redis-py's ResponseError.

        Raises redis-py's errors and those of the system; the connection is closed then. It takes at
        most the budget and a twentieth of it, unless a name that has just been found takes longer to
        be found again.
        """
        greeting = 0 if self._still_open() else len(GREETING)
        try:
            if greeting:
                self._connect()
                packed = self._greeting + packed
            self._connection.send_packed_command([packed])
            found = self._answers(greeting + answers)
        except (ValueError, ArithmeticError, RecursionError) as error:
            # what redis-py's parser makes of bytes that Redis would not send
            self.close()
            raise redis.InvalidResponse from error
        except BaseException:
            self.close()
            raise
        if greeting:
            info = found[greeting - 1]
            self.is_of_cluster = isinstance(info, bytes) and b"cluster_enabled:1" in info
        return found[greeting:]

    def close(self) -> None:
        """Hang up, if connected; the next question connects anew."""
        self._open = False
        self._connection.disconnect()

    def _still_open(self) -> bool:
        """Return whether the connection is there: a server that restarted has closed its end."""
        if self._open:
            with suppress(redis.RedisError, OSError):
                if not self._connection.can_read() and not self._is_replaced():
                    return True
            self.close()
        return False

    def _is_replaced(self) -> bool:
        """Return whether Sentinels name another master now; without an answer the old one stands."""
        if self._sentinels is None or not self._sentinels.is_due(self._budget.clock()):
            return False
        before = self._sentinels.master
        with suppress(NoMaster, redis.AuthenticationError):
            return self._find_master(self._sentinels) != before
        return False

    def _find_master(self, sentinels: Sentinels) -> tuple[str, int]:
        return sentinels.find(self._budget.clock(), self._budget.left_seconds)

    def _ask_sentinel(self, place: tuple[str, int], seconds: float) -> object:
        """Return what one Sentinel answers; the connection to it is closed again."""
        host, port = place
        address = RedisAddress(host, port, password=self._address.sentinel_password)
        budget = Budget(self._budget.clock)
        budget.start(seconds)
        self._names.find(host, seconds)
        connection: _Wire = _connection(address, budget)
        try:
            connection.connect()
            question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.master_name)
            connection.send_packed_command(connection.pack_commands([question]))
            return connection.read_response()
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise redis.InvalidResponse from error
        finally:
            connection.disconnect()

    def _connect(self) -> None:
        if self._sentinels is not None:
            host, port = self._find_master(self._sentinels)
            self._connection.host, self._connection.port = host, port
            self._names.find(host, self._budget.left_seconds)
        elif not self._address.path:
            self._names.find(self._address.host, self._budget.left_seconds)
        self._connection.connect()
        self._open = True

    def _answers(self, count: int) -> list[object]:
        """Return that many answers, looking at the clock in between: a server may trickle them."""
        answers: list[object] = []
        clock, read = self._budget.clock, self._connection.read_response
        pause = self._budget.seconds / CHECKS_PER_BUDGET
        check_at = clock() + pause
        for _ in range(count):
            if clock() >= check_at:
                self._connection.tighten()
                check_at = clock() + pause
            try:
                answers.append(read())
            except redis.ResponseError as error:
                answers.append(error)
        return answers


def _connection(address: RedisAddress, budget: Budget) -> Budgeted:
    """Return the unconnected connection.

    RESP 2 needs no HELLO, which old servers lack; the CLIENT SETINFO of redis-py is left out since
    a user without the right to it would leave two lines in the server's ACL LOG each time.
    """
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "driver_info": None,
    }
    kind, where = _kind_of(address)
    connection = kind(**where, **options)
    connection.budget = budget
    return connection


def _kind_of(address: RedisAddress) -> tuple[Callable[..., Budgeted], dict[str, Any]]:
    if address.path:
        return _OverSocket, {"path": address.path}
    host = {"host": address.host, "port": address.port}
    if address.tls is None:
        return _OverTcp, host
    return _OverTls, host | address.tls.options()
