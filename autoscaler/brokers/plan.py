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

from autoscaler.brokers.unacked import UNACKED_KEY
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import DepthQuery

Command = tuple[str, str]
Layout = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """Where one query's answers are: (priority, position) of each queue's lists, and the unacked hash.

    `layout` is the prefix and the separator of its keys, `shared` says that there are other targets
    under the prefix, and `shared_queues` are the queues that some of them consume too.
    """

    queues: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
    unacked: int
    layout: Layout
    shared: bool
    shared_queues: frozenset[str]

    @property
    def positions(self) -> tuple[int, ...]:
        """All positions that the query depends on."""
        return (*(place for _, lists in self.queues for _, place in lists), self.unacked)


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands of one round trip, and which answers belong to which query, in order.

    `lists` are the positions and keys of all lists, of which `looked_into` are to be looked into;
    `unacked` has the position of each layout's hash.
    """

    queries: tuple[DepthQuery, ...]
    commands: tuple[Command, ...]
    parts: tuple[Part, ...]
    lists: tuple[tuple[int, str], ...]
    looked_into: frozenset[str]
    unacked: tuple[tuple[Layout, int], ...]


def plan(queries: Sequence[DepthQuery]) -> Plan:
    """Return the fewest commands that answer all queries."""
    places: dict[Command, int] = {}
    sharers: defaultdict[tuple[str, str | None], set[TargetRef]] = defaultdict(set)
    for query in queries:
        for queue in (None, *query.queues):
            sharers[query.broker.global_keyprefix, queue].add(query.target)

    def place(command: Command) -> int:
        return places.setdefault(command, len(places))

    def is_shared(query: DepthQuery, queue: str | None) -> bool:
        return len(sharers[query.broker.global_keyprefix, queue]) > 1

    parts = tuple(_part(query, place, is_shared) for query in queries)
    return Plan(
        queries=tuple(queries),
        commands=tuple(places),
        parts=parts,
        lists=tuple((position, key) for (name, key), position in places.items() if name == "LLEN"),
        looked_into=frozenset(
            key
            for query in queries
            if query.look_into_lists
            for queue in query.queues
            for _, key in _lists(queue, query.broker)
        ),
        unacked=tuple({part.layout: part.unacked for part in parts}.items()),
    )


def _part(
    query: DepthQuery,
    place: Callable[[Command], int],
    is_shared: Callable[[DepthQuery, str | None], bool],
) -> Part:
    broker = query.broker
    queues = tuple(
        (queue, tuple((priority, place(("LLEN", key))) for priority, key in _lists(queue, broker)))
        for queue in dict.fromkeys(query.queues)
    )
    return Part(
        queues=queues,
        unacked=place(("HLEN", broker.global_keyprefix + UNACKED_KEY)),
        layout=(broker.global_keyprefix, broker.sep),
        shared=is_shared(query, None),
        shared_queues=frozenset(queue for queue, _ in queues if is_shared(query, queue)),
    )


def _lists(queue: str, broker: BrokerSettings) -> list[tuple[int, str]]:
    """Return the priorities and keys of a queue's lists, the base key first."""
    base = broker.global_keyprefix + queue
    steps = [step for step in dict.fromkeys(broker.priority_steps) if step]
    return [(0, base), *((step, f"{base}{broker.sep}{step}") for step in steps)]
