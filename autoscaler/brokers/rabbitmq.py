"""How much waits in a RabbitMQ that Celery uses as its broker.

All targets that share a vhost and its credentials are read together, over one connection: what waits
in each queue, and its consumers, as of now. What was delivered and not acknowledged comes from the
management API (`rabbitmq_management`), with its age; without that it is unknown, and says so.

Nothing is ever declared or taken. The user of the credentials needs to be let into the vhost, for
which an empty permission will do (`set_permissions -p VHOST USER '^$' '^$' '^$'`): RabbitMQ asks for
none to declare passively. For the management API it also needs the tag `management`.

RabbitMQ keeps one queue for all priorities (`x-max-priority`), so the priority of what waits is not
known. ETA tasks are delivered to workers at once, where they are unacknowledged until they are due, or
ripen in the queues `celery_delayed_…` (quorum queues), which are left out here: neither is seen among
what waits, and the workers' own word (`scheduled`) tells of the former. But with no worker there they
wait with the others, and cannot be told from them: `eta_known` is False then.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import amqp

from autoscaler.breaker import Breaker, Circuit, refusal
from autoscaler.brokers.amqp import Answer, Counted, Line, Refused, sayable
from autoscaler.brokers.background import Background
from autoscaler.brokers.failures import Failure
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq_account import Statistics, account, asked_for
from autoscaler.brokers.rabbitmq_address import AmqpAddress
from autoscaler.brokers.rabbitmq_failures import is_missing, rabbit_failure, refusal_of
from autoscaler.brokers.rabbitmq_management import Errands, Listing, ManagementFeed
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Reading, TargetRef, fresh, stale, unknown
from autoscaler.core.queues import matches
from autoscaler.ports import DepthQuery

MISSING_SECONDS = 5.0
LISTED_MISSING_SECONDS = 60.0
LISTING_SECONDS = 10.0
INTERVALS_FRESH = 2
NOT_YET = "was not asked for all of the queues yet, of which there are too many for one read"
NEEDS_MANAGEMENT = "queues named by a glob need the management API, which is not asked, as configured"
UNSAYABLE = Refused(0, "a name that AMQP cannot carry")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was answered about a queue, and as of which monotonic time."""

    answer: Answer
    at: float


@dataclass(frozen=True, slots=True)
class _Known:
    """The last good value of a query, and when it was true in monotonic seconds."""

    query: DepthQuery
    account: BrokerAccount
    at: float


class RabbitReader:
    """Reads queues from one vhost of a RabbitMQ. `clock` returns monotonic seconds.

    `server` is the circuit that all readers of one server share; what concerns these credentials alone
    has a breaker of its own. `background` asks the management API, by the settings of the first query
    that does not forbid it.

    A read takes at most the smallest `timeout_seconds` among its queries. RabbitMQ logs an error
    whenever somebody asks for a queue that is not there. So such a queue is asked for every 5 s, or
    every 60 s while the management API says that it is not there; its zero is as old as that.
    """

    def __init__(
        self,
        address: AmqpAddress,
        clock: Callable[[], float] = time.monotonic,
        names: Names | None = None,
        server: Circuit | None = None,
        background: Errands | None = None,
    ) -> None:
        self.address = address
        self._source = str(address)
        self._clock = clock
        names = names or Names()
        self._line = Line(address, clock, names)
        self._feed = ManagementFeed(address, clock, names, background or Background())
        self._server = server or Circuit()
        self._breaker = Breaker()
        self._failure: Failure | None = None
        self._queries: tuple[DepthQuery, ...] = ()
        self._queues: dict[TargetRef, tuple[str, ...]] = {}
        self._sharers: defaultdict[str, set[TargetRef]] = defaultdict(set)
        self._seen: dict[str, _Seen] = {}
        self._known: dict[TargetRef, _Known] = {}
        self._busy = threading.Lock()
        self._closed = False

    @property
    def rejected_credentials(self) -> bool:
        """Whether the last read that reached for the server failed because it refused the credentials."""
        return self._failure is not None and self._failure.rejected_credentials

    def read(self, queries: Sequence[DepthQuery]) -> Sequence[Reading[BrokerAccount]]:
        """Return one reading for each query, in order, read together.

        Without an answer from the server every reading is stale, or unknown if its query never had
        one. A queue that cannot be counted makes the readings that depend on it unknown. While another
        thread reads, and while the server is being left alone, nothing is waited for.
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
        """Return the queues that a query's globs stand for, by the management API: AMQP lists none."""
        if not query.broker.management:
            return unknown(self._source, NEEDS_MANAGEMENT)
        self._feed.want(query.broker)
        listing, detail = self._feed.listing()
        if listing is None:
            return unknown(self._source, f"its queues are still being looked for: {detail}")
        events = f"{query.broker.event_queue_prefix}."
        found = sorted(
            name
            for name in listing.queues
            if matches(query.queues, name) and not name.endswith(".pidbox") and not name.startswith(events)
        )
        return fresh(tuple(found), self._source, self._clock() - listing.at)

    def listing(self) -> Listing | None:
        """Return all queues of the vhost as the management API told of them last, with their rates."""
        return self._feed.listing()[0]

    def close(self) -> None:
        """Hang up, once a read that is under way has ended; nothing is read any more."""
        with self._busy:
            self._closed = True
            self._feed.close()
            self._line.close()

    def _read(self, queries: Sequence[DepthQuery]) -> Sequence[Reading[BrokerAccount]]:
        now = self._clock()
        if self._closed:
            return self._remembered(queries, "is not being read any more")
        if self._failure is not None and not self._breaker.admits(now):
            return self._remembered(queries, refusal(self._breaker, self._failure.detail, now))
        self._prepare(queries)
        if not self._server.admit(now):
            return self._remembered(queries, self._server.refusal(now))
        statistics = self._statistics()
        timeout = min(query.broker.timeout_seconds for query in queries)
        try:
            self._count(now, statistics.listing, timeout)
        except (amqp.AMQPError, OSError) as error:
            failure = rabbit_failure(error, timeout)
            self._fail(failure)
            return self._remembered(queries, failure.detail)
        except BaseException:
            self._fail(Failure("could not be read", of_server=False))
            raise
        self._failure, self._breaker = None, self._breaker.succeeded()
        self._server.succeeded()
        return [self._reading(query, statistics) for query in queries]

    def _fail(self, failure: Failure) -> None:
        now = self._clock()
        self._failure = failure
        if failure.of_server:
            self._server.failed(now, failure.detail)
            self._breaker = self._breaker.succeeded()
        else:
            self._server.succeeded()
            self._breaker = self._breaker.failed(now)

    def _prepare(self, queries: Sequence[DepthQuery]) -> None:
        """Know the queues of these queries, which seldom change from one read to the next."""
        if self._queries == tuple(queries):
            return
        self._queries = tuple(queries)
        self._queues = {query.target: asked_for(query.queues) for query in queries}
        self._sharers.clear()
        for target, queues in self._queues.items():
            for queue in queues:
                self._sharers[queue].add(target)
        self._seen = {queue: seen for queue, seen in self._seen.items() if queue in self._sharers}
        self._known = {target: known for target, known in self._known.items() if target in self._queues}

    def _statistics(self) -> Statistics:
        """Return what the management API told last, and have it asked anew when that is due."""
        source = f"{self._source} management API"
        asking = [query.broker for query in self._queries if query.broker.management]
        if not asking:
            return Statistics(None, "the management API is not asked, as configured", source, 0.0)
        self._feed.want(asking[0])
        listing, detail = self._feed.listing()
        return Statistics(listing, detail, source, INTERVALS_FRESH * asking[0].management_interval_seconds)

    def _count(self, now: float, listing: Listing | None, timeout_seconds: float) -> None:
        """Ask for all queues but those that are known to be missing."""
        asked = sorted(
            (queue for queue in self._sharers if self._is_due(queue, now, listing)), key=self._seen_at
        )
        alone = {queue for queue in asked if not self._was_there(queue)}
        answers = self._line.count([queue for queue in asked if sayable(queue)], alone, timeout_seconds)
        at = self._clock()
        for queue in asked:
            if queue in answers or not sayable(queue):
                self._seen[queue] = _Seen(answers.get(queue, UNSAYABLE), at)

    def _seen_at(self, queue: str) -> float:
        seen = self._seen.get(queue)
        return -math.inf if seen is None else seen.at

    def _was_there(self, queue: str) -> bool:
        seen = self._seen.get(queue)
        return seen is not None and isinstance(seen.answer, Counted)

    def _is_due(self, queue: str, now: float, listing: Listing | None) -> bool:
        seen = self._seen.get(queue)
        if seen is None or isinstance(seen.answer, Counted):
            return True
        if listing is not None and listing.at > seen.at and is_missing(seen.answer):
            if queue in listing.queues:
                return True
            if now - listing.at < LISTING_SECONDS:
                return now - seen.at >= LISTED_MISSING_SECONDS
        return now - seen.at >= MISSING_SECONDS

    def _reading(self, query: DepthQuery, statistics: Statistics) -> Reading[BrokerAccount]:
        now = self._clock()
        counts: dict[str, Counted | None] = {}
        as_of = now
        for queue in self._queues[query.target]:
            seen = self._seen.get(queue)
            if seen is None:
                return unknown(self._source, NOT_YET)
            if isinstance(seen.answer, Refused) and not is_missing(seen.answer):
                return unknown(self._source, refusal_of(queue, seen.answer))
            counts[queue] = seen.answer if isinstance(seen.answer, Counted) else None
            as_of = min(as_of, self._as_of(queue, seen, statistics.listing))
        shared = any(len(self._sharers[queue]) > 1 for queue in counts)
        value = account(counts, statistics, now, shared=shared)
        self._known[query.target] = _Known(query, value, as_of)
        return fresh(value, self._source, now - as_of)

    def _as_of(self, queue: str, seen: _Seen, listing: Listing | None) -> float:
        """Return when what is known of a queue was true: a list without a missing one confirms it."""
        confirmed = isinstance(seen.answer, Refused) and listing is not None and queue not in listing.queues
        return max(seen.at, listing.at) if confirmed and listing is not None else seen.at

    def _remembered(self, queries: Sequence[DepthQuery], detail: str) -> Sequence[Reading[BrokerAccount]]:
        return [self._last(query, detail) for query in queries]

    def _last(self, query: DepthQuery, detail: str) -> Reading[BrokerAccount]:
        known = self._known.get(query.target)
        if known is None or known.query != query:
            return unknown(self._source, detail)
        return stale(known.account, self._source, self._clock() - known.at, detail)
