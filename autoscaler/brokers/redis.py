"""How much waits in a Redis that Celery uses as its broker.

All targets that share a server and its credentials are read together, over one connection and in one
round trip, since a thousand separate ones would take a hundred times as long. A server that does not
answer costs one timeout, and then nothing until its next trial; the readings then are the last good
ones, with their age.

The user of the credentials needs the rights to LLEN and HLEN (in an ACL: `~* +llen +hlen`, or the
keys of the queues and of `unacked`), and to SELECT for a database other than 0. CLIENT SETNAME is
tried, and its refusal ignored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import redis

from autoscaler.breaker import Breaker, Circuit, refusal
from autoscaler.brokers.address import RedisAddress
from autoscaler.brokers.connection import Budget, Line
from autoscaler.brokers.failures import Failure, code_of, failure_of, refusal_of
from autoscaler.brokers.names import Names
from autoscaler.brokers.plan import Command, Part, plan
from autoscaler.core.model import QueueDepth, Reading, TargetRef, fresh, stale, unknown
from autoscaler.ports import DepthQuery

REMEMBERED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Known:
    """The last good value of a query, and when it was true in monotonic seconds."""

    query: DepthQuery
    depth: QueueDepth
    at: float


class RedisReader:
    """Reads queues from one Redis address. `clock` returns monotonic seconds.

    `server` is the circuit that all readers of one server share, so that it is found hanging once and
    not once for each of them. What concerns these credentials alone has a breaker of its own.

    A read takes at most the smallest `timeout_seconds` among its queries for connecting, greeting
    and all answers together, give or take a twentieth. The one step that cannot be bounded is the
    second look-up of a host's name by redis-py, which follows at once upon a successful first one.
    """

    def __init__(
        self,
        address: RedisAddress,
        clock: Callable[[], float] = time.monotonic,
        names: Names | None = None,
        server: Circuit | None = None,
    ) -> None:
        self.address = address
        self._source = str(address)
        self._clock = clock
        self._budget = Budget(clock)
        self._line = Line(address, self._budget, names or Names())
        self._server = server or Circuit()
        self._breaker = Breaker()
        self._failure: Failure | None = None
        self._plan = plan(())
        self._packed = b""
        self._known: dict[TargetRef, _Known] = {}
        self._busy = threading.Lock()
        self._closed = False

    @property
    def rejected_credentials(self) -> bool:
        """Whether the last read that reached for the server failed because it refused the credentials."""
        return self._failure is not None and self._failure.rejected_credentials

    def read(self, queries: Sequence[DepthQuery]) -> Sequence[Reading[QueueDepth]]:
        """Return one reading for each query, in order, from one round trip.

        Without an answer from the server every reading is stale, or unknown if its query never had
        one. An answer that is an error concerns only the queries that depend on it: they are unknown.
        While another thread reads, and while the server is being left alone, nothing is waited for.
        """
        if not queries:
            return ()
        if not self._busy.acquire(blocking=False):
            return self._remembered(queries, "another read is under way")
        try:
            return self._read(queries)
        finally:
            self._busy.release()

    def close(self) -> None:
        """Hang up, once a read that is under way has ended; nothing is read any more."""
        with self._busy:
            self._closed = True
            self._line.close()

    def _read(self, queries: Sequence[DepthQuery]) -> Sequence[Reading[QueueDepth]]:
        now = self._clock()
        if self._closed:
            return self._remembered(queries, "is not being read any more")
        if self._failure is not None and not self._breaker.admits(now):
            return self._remembered(queries, refusal(self._breaker, self._failure.detail, now))
        self._prepare(queries, now)
        if not self._server.admit(now):
            return self._remembered(queries, self._server.refusal(now))
        self._budget.start(min(query.broker.timeout_seconds for query in queries))
        try:
            answers = self._line.ask(self._packed, len(self._plan.commands))
        except (redis.RedisError, OSError) as error:
            failure = failure_of(error, self._budget.seconds, "SELECT")
            self._fail(failure)
            return self._remembered(queries, failure.detail)
        except BaseException:
            self._fail(Failure("could not be read", of_server=False))
            raise
        self._failure, self._breaker = None, self._breaker.succeeded()
        self._server.succeeded()
        return self._readings(answers)

    def _fail(self, failure: Failure) -> None:
        now = self._clock()
        self._failure = failure
        if failure.of_server:
            self._server.failed(now, failure.detail)
            self._breaker = self._breaker.succeeded()
        else:
            self._server.succeeded()
            self._breaker = self._breaker.failed(now)

    def _prepare(self, queries: Sequence[DepthQuery], now: float) -> None:
        """Have the plan for these queries, which seldom change from one read to the next."""
        if self._plan.queries == tuple(queries):
            return
        self._plan = plan(queries)
        self._packed = self._line.pack(self._plan.commands)
        asked = {query.target for query in queries}
        self._known = {
            target: known
            for target, known in self._known.items()
            if target in asked or now - known.at < REMEMBERED_SECONDS
        }

    def _readings(self, answers: list[object]) -> Sequence[Reading[QueueDepth]]:
        now = self._clock()
        flaws = {place for place, answer in enumerate(answers) if type(answer) is not int}
        readings: list[Reading[QueueDepth]] = []
        for query, part in zip(self._plan.queries, self._plan.parts, strict=True):
            flawed = [place for place in part.positions if place in flaws] if flaws else []
            if flawed:
                detail = _flaw(self._plan.commands[flawed[0]], answers[flawed[0]])
                readings.append(unknown(self._source, detail))
                continue
            depth = _depth(part, cast("list[int]", answers))
            self._known[query.target] = _Known(query, depth, now)
            readings.append(fresh(depth, self._source))
        return readings

    def _remembered(self, queries: Sequence[DepthQuery], detail: str) -> Sequence[Reading[QueueDepth]]:
        return [self._last(query, detail) for query in queries]

    def _last(self, query: DepthQuery, detail: str) -> Reading[QueueDepth]:
        known = self._known.get(query.target)
        if known is None or known.query != query:
            return unknown(self._source, detail)
        return stale(known.depth, self._source, self._clock() - known.at, detail)


def _depth(part: Part, counts: list[int]) -> QueueDepth:
    """Return what one query asked for, whose own answers are integers all."""
    return QueueDepth(
        ready=tuple((queue, sum([counts[place] for place in places])) for queue, places in part.queues),
        unacked=counts[part.unacked],
        unacked_shared=part.unacked_shared,
    )


def _flaw(command: Command, answer: object) -> str:
    """Return why an answer is not the integer that it ought to be."""
    name, key = command
    if not isinstance(answer, redis.ResponseError):
        return f"does not answer {name} as Redis does"
    if code_of(answer) == "WRONGTYPE":
        kind = "list" if name == "LLEN" else "hash"
        return f"has something other than a {kind} at {key!r} (WRONGTYPE)"
    return refusal_of(answer, name)
