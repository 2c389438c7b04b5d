"""From what AMQP and the management API say of queues to the account of one target.

AMQP's numbers are as of the read. Those of the management API lag: they are as old as the time since
it was asked, and the statistics behind them were up to five seconds old then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from autoscaler.brokers.amqp import Counted
from autoscaler.brokers.rabbitmq_management import Listing, ManagedQueue, is_delay_queue
from autoscaler.core.account import BrokerAccount, Delivered, QueueMessages
from autoscaler.core.model import Reading, fresh, stale, unknown

STATISTICS_SECONDS = 5.0
HEAD_SOURCE = "RabbitMQ's head timestamp"


def asked_for(queues: Collection[str]) -> tuple[str, ...]:
    """Return each queue of a target once, Celery's delay queues left out."""
    return tuple(queue for queue in dict.fromkeys(queues) if not is_delay_queue(queue))


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the management API has told, and until what age that counts as fresh.

    `detail` is what was wrong the last time.
    """

    listing: Listing | None
    detail: str
    source: str
    fresh_seconds: float

    def of(self, queue: str) -> ManagedQueue:
        """Return what is told of a queue."""
        return ManagedQueue() if self.listing is None else self.listing.queues.get(queue, ManagedQueue())

    def is_fresh(self, now: float) -> bool:
        """Return whether what is told may be relied on."""
        return self.listing is not None and now - self.listing.at <= self.fresh_seconds


def account(
    counts: Mapping[str, Counted | None], statistics: Statistics, now: float, *, shared: bool
) -> BrokerAccount:
    """Return the account of a target from what each of its queues holds, None for one that is not there.

    `shared` says that another target consumes one of these queues too.
    """
    there = {queue: count for queue, count in counts.items() if count is not None}
    waiting = [queue for queue, count in there.items() if count.messages]
    heads = [statistics.of(queue).head_at for queue in waiting if statistics.is_fresh(now)]
    known = [head for head in heads if head is not None]
    return BrokerAccount(
        queues=tuple(_messages(queue, count) for queue, count in counts.items()),
        delivered=_delivered(there, statistics, now, shared=shared),
        oldest_at=min(known) if known else None,
        oldest_source=HEAD_SOURCE if known else "",
        consumers=sum(count.consumers for count in there.values()),
    )


def _messages(queue: str, count: Counted | None) -> QueueMessages:
    """Return a queue's messages, into which nobody can look without taking them out."""
    waiting = 0 if count is None else count.messages
    return QueueMessages(queue, ((None, waiting),), eta_known=waiting == 0)


def _delivered(
    there: Collection[str], statistics: Statistics, now: float, *, shared: bool
) -> Reading[Delivered]:
    """Return what was delivered and not acknowledged; of a queue that is not there that is nothing."""
    if not there:
        return fresh(Delivered(), statistics.source)
    listing = statistics.listing
    if listing is None:
        return unknown(statistics.source, f"unacknowledged messages unknown: {statistics.detail}")
    numbers = {queue: statistics.of(queue).unacknowledged for queue in there}
    untold = [queue for queue, number in numbers.items() if number is None]
    if untold:
        return unknown(
            statistics.source,
            f"unacknowledged messages unknown: the management API has no statistics of {untold[0]!r} yet",
        )
    value = Delivered(uncounted=sum(number or 0 for number in numbers.values()), shared=shared)
    asked_ago = now - listing.at
    if statistics.is_fresh(now):
        return fresh(value, statistics.source, asked_ago + STATISTICS_SECONDS)
    detail = statistics.detail or "the management API has not answered since"
    return stale(value, statistics.source, asked_ago + STATISTICS_SECONDS, detail)
