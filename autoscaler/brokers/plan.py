"""From queues to the commands that count them, each key once however many targets ask for it.

What kombu's Redis transport keeps for a queue (`kombu.transport.redis`, `Channel._q_for_pri`): the
list `<queue>` for the priority step 0, the list `<queue><sep><step>` for every other step, and for
all queues together the hash `unacked`; `global_keyprefix` comes before every key. Redis has no key
for an empty list, and answers 0 for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoscaler.config.model import BrokerSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import DepthQuery

UNACKED_KEY = "unacked"
Command = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """Where one query's answers are: the positions of each queue's lists, and of the unacked hash."""

    queues: tuple[tuple[str, tuple[int, ...]], ...]
    unacked: int
    unacked_shared: bool

    @property
    def positions(self) -> tuple[int, ...]:
        """All positions that the query depends on."""
        return (*(place for _, places in self.queues for place in places), self.unacked)


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands of one round trip, and which answers belong to which query, in order."""

    queries: tuple[DepthQuery, ...]
    commands: tuple[Command, ...]
    parts: tuple[Part, ...]


def plan(queries: Sequence[DepthQuery]) -> Plan:
    """Return the fewest commands that answer all queries."""
    places: dict[Command, int] = {}
    sharers: defaultdict[str, set[TargetRef]] = defaultdict(set)
    for query in queries:
        sharers[query.broker.global_keyprefix].add(query.target)

    def place(command: Command) -> int:
        return places.setdefault(command, len(places))

    parts = tuple(
        _part(query, place, shared=len(sharers[query.broker.global_keyprefix]) > 1) for query in queries
    )
    return Plan(tuple(queries), tuple(places), parts)


def _part(query: DepthQuery, place: Callable[[Command], int], *, shared: bool) -> Part:
    return Part(
        queues=tuple(
            (queue, tuple(place(("LLEN", key)) for key in _lists(queue, query.broker)))
            for queue in dict.fromkeys(query.queues)
        ),
        unacked=place(("HLEN", query.broker.global_keyprefix + UNACKED_KEY)),
        unacked_shared=shared,
    )


def _lists(queue: str, broker: BrokerSettings) -> list[str]:
    """Return the keys of a queue's lists, the base key first."""
    base = broker.global_keyprefix + queue
    return [base, *(f"{base}{broker.sep}{step}" for step in dict.fromkeys(broker.priority_steps) if step)]
