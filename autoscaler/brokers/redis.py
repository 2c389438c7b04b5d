"""What waits in a Redis that Celery uses as its broker, and what it has delivered.

All targets that share a server and its credentials are read together, over one connection, since a
thousand separate ones would take a hundred times as long. The numbers come from one round trip; where they
have changed, a few more look at what the messages are. A server that does not answer costs one timeout,
and then nothing until its next trial; the readings then are the last good ones, with their age.

The user of the credentials needs the rights to LLEN and HLEN (in an ACL: `~* +llen +hlen`, or the keys of
the queues and of `unacked`), and to SELECT for a database other than 0. Each further right makes more
known (docs/redis.md): ZRANGE, HMGET, SMEMBERS and HSCAN whose the delivered messages are and since when;
LINDEX how long messages have been waiting; LRANGE with it whether they are due. CLIENT SETNAME and INFO
are tried, and their refusal ignored.
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
from autoscaler.brokers.background import Background
from autoscaler.brokers.beside import Beside
from autoscaler.brokers.connection import Budget, Line
from autoscaler.brokers.failures import OF_CLUSTER, Failure, code_of, failure_of, is_of_cluster, refusal_of
from autoscaler.brokers.found_queues import FoundQueues, Shelf, shelf_of
from autoscaler.brokers.looks import Looks
from autoscaler.brokers.names import Names
from autoscaler.brokers.plan import Command, plan
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Reading, TargetRef, fresh, stale, unknown
from autoscaler.ports import DepthQuery

REMEMBERED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Known:
    """The last good value of a query, and when it was true in monotonic seconds."""

    query: DepthQuery
    account: BrokerAccount
    at: float


class RedisReader:
    """Reads queues from one Redis address. `clock` returns monotonic seconds, `wall` those of the epoch.

    `server` is the circuit that all readers of one server share, so that it is found hanging once and
    not once for each of them. What concerns these credentials alone has a breaker of its own.
    `background` has the threads for what a read has no time for, which all readers share.

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
        *,
        wall: Callable[[], float] = time.time,
        background: Background | None = None,
    ) -> None:
        self.address = address
        self._source = str(address)
        self._clock = clock
        self._wall = wall
        self._budget = Budget(clock)
        names = names or Names()
        self._line = Line(address, self._budget, names)
        self._beside = Beside(address, clock, names, background or Background())
        self._looks = Looks(self._line, self._budget, self._beside, self._source)
        self._server = server or Circuit()
        self._breaker = Breaker()
        self._failure: Failure | None = None
        self._plan = plan(())
        self._packed = b""
        self._known: dict[TargetRef, _Known] = {}
        self._found: dict[Shelf, FoundQueues] = {}
        self._busy = threading.Lock()
        self._closed = False

    @property
    def rejected_credentials(self) -> bool:
        """Whether the last read that reached for the server failed because it refused the credentials."""
        return self._failure is not None and self._failure.rejected_credentials

    def read(self, queries: Sequence[DepthQuery]) -> Sequence[Reading[BrokerAccount]]:
        """Return one reading for each query, in order.

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

    def queues(self, query: DepthQuery) -> Reading[tuple[str, ...]]:
        """Return the queues that a query's globs stand for, and look for them when it is time to."""
        shelf, now = shelf_of(query.broker), self._clock()
        found = self._found.get(shelf)
        if found is None:
            found = self._found[shelf] = FoundQueues(shelf, self._source)
        if found.wants_background(now):
            self._beside.look(found)
        return found.matching(query.queues, now)

    def close(self) -> None:
        """Hang up, once a read that is under way has ended; nothing is read any more."""
        self._beside.close()
        with self._busy:
            self._closed = True
            self._line.close()

    def _read(self, queries: Sequence[DepthQuery]) -> Sequence[Reading[BrokerAccount]]:
        now = self._clock()
        if self._closed:
            return self._remembered(queries, "is not being read any more")
        if self._failure is not None and not self._breaker.admits(now):
            return self._remembered(queries, refusal(self._breaker, self._failure.detail, now))
        self._prepare(queries, now)
        if not self._server.admit(now):
            return self._remembered(queries, self._server.refusal(now))
        self._budget.start(min(query.broker.timeout_seconds for query in queries))
        asking, questions = self._looks.questions(now)
        expected = len(self._plan.commands)
        try:
            answers = self._line.ask(self._packed + questions, expected + len(asking))
        except (redis.RedisError, OSError) as error:
            failure = failure_of(error, self._budget.seconds, "SELECT")
            self._fail(failure)
            return self._remembered(queries, failure.detail)
        except BaseException:
            self._fail(Failure("could not be read", of_server=False))
            raise
        self._failure, self._breaker = None, self._breaker.succeeded()
        self._server.succeeded()
        counts = answers[:expected]
        if self._line.is_of_cluster or any(map(is_of_cluster, counts)):
            return [unknown(self._source, OF_CLUSTER) for _ in queries]
        self._looks.look(counts, dict(zip(asking, answers[expected:], strict=True)), now, self._wall())
        return self._readings(counts)

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
        self._looks.prepare(self._plan)
        asked = {query.target for query in queries}
        self._known = {
            target: known
            for target, known in self._known.items()
            if target in asked or now - known.at < REMEMBERED_SECONDS
        }

    def _readings(self, answers: list[object]) -> Sequence[Reading[BrokerAccount]]:
        now, wall = self._clock(), self._wall()
        flaws = {place for place, answer in enumerate(answers) if type(answer) is not int}
        readings: list[Reading[BrokerAccount]] = []
        for query, part in zip(self._plan.queries, self._plan.parts, strict=True):
            flawed = [place for place in part.positions if place in flaws] if flaws else []
            if flawed:
                detail = _flaw(self._plan.commands[flawed[0]], answers[flawed[0]])
                readings.append(unknown(self._source, detail))
                continue
            account = self._looks.account(part, cast("list[int]", answers), now, wall)
            self._known[query.target] = _Known(query, account, now)
            readings.append(fresh(account, self._source))
        return readings

    def _remembered(self, queries: Sequence[DepthQuery], detail: str) -> Sequence[Reading[BrokerAccount]]:
        return [self._last(query, detail) for query in queries]

    def _last(self, query: DepthQuery, detail: str) -> Reading[BrokerAccount]:
        known = self._known.get(query.target)
        if known is None or known.query != query:
            return unknown(self._source, detail)
        return stale(known.account, self._source, self._clock() - known.at, detail)


def _flaw(command: Command, answer: object) -> str:
    """Return why an answer is not the integer that it ought to be."""
    name, key = command
    if not isinstance(answer, redis.ResponseError):
        return f"does not answer {name} as Redis does"
    if code_of(answer) == "WRONGTYPE":
        kind = "list" if name == "LLEN" else "hash"
        return f"has something other than a {kind} at {key!r} (WRONGTYPE)"
    return refusal_of(answer, name)
