"""What a reader finds out beyond the numbers: whose the messages are, whether they are due, how old they are.

The numbers come first, and stand whatever becomes of the looks: where those fail, for want of rights or
of time, the numbers are given alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import redis

from autoscaler.brokers.beside import Beside
from autoscaler.brokers.connection import Budget, Line
from autoscaler.brokers.failures import failure_of
from autoscaler.brokers.lists import Lists, Oldest
from autoscaler.brokers.plan import Layout, Part, Plan
from autoscaler.brokers.talk import Talk, Words, converse
from autoscaler.brokers.unacked import Unacked
from autoscaler.core.account import BrokerAccount, QueueMessages

PAUSE_SECONDS = 10.0


class Looks:
    """Looks into the messages of one address, over a reader's own line and within its budget."""

    def __init__(self, line: Line, budget: Budget, beside: Beside, source: str) -> None:
        self._line = line
        self._budget = budget
        self._beside = beside
        self._source = source
        self._plan: Plan | None = None
        self._lists = Lists()
        self._unacked: dict[Layout, Unacked] = {}
        self._packed: dict[Layout, bytes] = {}
        self._from = float("-inf")

    def prepare(self, plan: Plan) -> None:
        """Have an account for each layout of keys in a plan."""
        layouts = {layout for layout, _ in plan.unacked}
        for layout in self._unacked.keys() - layouts:
            self._beside.forget(self._unacked[layout])
        self._unacked = {layout: self._unacked.get(layout) or Unacked(*layout) for layout in layouts}
        self._packed = {
            layout: self._line.pack([unacked.question]) for layout, unacked in self._unacked.items()
        }
        self._plan = plan

    def questions(self, now: float) -> tuple[list[Layout], bytes]:
        """Return which layouts have a question to be asked with the numbers, and the questions as sent."""
        asking = [layout for layout, unacked in self._unacked.items() if unacked.may_ask(now)]
        return asking, b"".join([self._packed[layout] for layout in asking])

    def look(self, counts: Sequence[object], newest: dict[Layout, object], now: float, wall: float) -> None:
        """Look into what the numbers say has changed, as far as the time of the read allows."""
        assert self._plan is not None, "prepare goes first"  # noqa: S101  # for the type checker
        talks: list[Talk] = []
        told: list[Unacked] = []
        for layout, place in self._plan.unacked:
            unacked, count = self._unacked[layout], counts[place]
            talk = unacked.see(count, newest.get(layout), now) if isinstance(count, int) else None
            if talk is not None:
                talks.append(talk)
                told.append(unacked)
        lengths = {
            key: length
            for place, key in self._plan.lists
            if (length := counts[place]) and isinstance(length, int)
        }
        talk = self._lists.see(lengths, self._plan.looked_into, now, wall)
        talks += [] if talk is None else [talk]
        if talks and now >= self._from:
            self._hold(talks, told, now)
        for unacked in self._unacked.values():
            if unacked.wants_background(now):
                self._beside.look(unacked)

    def account(self, part: Part, counts: Sequence[int], now: float, wall: float) -> BrokerAccount:
        """Return what one query asked for, whose own answers are integers all."""
        assert self._plan is not None, "prepare goes first"  # noqa: S101  # for the type checker
        queues = tuple(self._queue(queue, lists, counts, wall) for queue, lists in part.queues)
        oldest = [
            found
            for _, lists in part.queues
            for _, place in lists
            if counts[place] and (found := self._oldest(place, wall)) is not None
        ]
        at, source = min(oldest, default=(None, ""))
        return BrokerAccount(
            queues=queues,
            delivered=self._unacked[part.layout].delivered(
                tuple(queue for queue, _ in part.queues),
                part.shared_queues,
                shared=part.shared,
                source=self._source,
                now=now,
                wall=wall,
            ),
            oldest_at=at,
            oldest_source=source,
        )

    def _queue(
        self, queue: str, lists: tuple[tuple[int, int], ...], counts: Sequence[int], wall: float
    ) -> QueueMessages:
        by_priority = tuple([(priority, counts[place]) for priority, place in lists])
        full = [place for _, place in lists if counts[place]]
        if not full:
            return QueueMessages(queue, by_priority)
        eta: list[float] = []
        known = True
        for place in full:
            look = self._lists.look(self._key(place), counts[place])
            if look is None:
                known = False
            else:
                eta += [due for due in look.eta if due > wall][: counts[place]]
        return QueueMessages(queue, by_priority, tuple(sorted(eta)), known)

    def _oldest(self, place: int, wall: float) -> Oldest | None:
        return self._lists.oldest(self._key(place), wall)

    def _key(self, place: int) -> str:
        assert self._plan is not None, "prepare goes first"  # noqa: S101  # for the type checker
        return self._plan.commands[place][1]

    def _hold(self, talks: Sequence[Talk], told: Sequence[Unacked], now: float) -> None:
        """Hold the talks. When they fail the numbers still stand, and for a while there are no others."""
        try:
            converse(self._ask, talks)
        except (redis.RedisError, OSError) as error:
            detail = failure_of(error, self._budget.seconds, "SELECT").detail
            for unacked in told:
                unacked.trouble(detail)
            self._from = now + PAUSE_SECONDS

    def _ask(self, questions: Sequence[Words]) -> list[object]:
        return self._line.ask(self._line.pack(questions), len(questions))
