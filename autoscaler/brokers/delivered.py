"""Delivered messages by the queue that they came from, ready to be handed to whoever asks.

There may be a hundred thousand of them, and a thousand targets that want their share each second. So they
are sorted into groups once, when they have been read, and a target's share is put together from groups.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import merge
from math import inf

from autoscaler.brokers.envelope import Route
from autoscaler.core.account import Delivered

Content = tuple[Route | None, float | None]


@dataclass(frozen=True, slots=True)
class Group:
    """The messages of one route, which came from one of `queues`: from any queue where there is none.

    `eta` holds (due time, time of delivery) of those that were not due when delivered, sorted;
    `undated` counts those of which no delivery is on record.
    """

    queues: tuple[str, ...]
    deliveries: tuple[float, ...]
    eta: tuple[tuple[float, float | None], ...]
    undated: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one target gets, which is right until the time `until`, when the next task is due."""

    delivered: Delivered
    until: float


class Shares:
    """All delivered messages under one prefix. `missing` counts those that could not be looked into."""

    def __init__(self, groups: Iterable[Group], missing: int = 0) -> None:
        self.missing = missing
        self._homeless: list[Group] = []
        self._by_queue: defaultdict[str, list[Group]] = defaultdict(list)
        self._known: dict[tuple[tuple[str, ...], frozenset[str], bool], Share] = {}
        for group in groups:
            if not group.queues:
                self._homeless.append(group)
            for queue in group.queues:
                self._by_queue[queue].append(group)

    def of(
        self, queues: tuple[str, ...], shared_queues: frozenset[str], *, shared: bool, now: float
    ) -> Delivered:
        """Return the share of a target with some queues, at a time since the epoch.

        `shared_queues` are those that other targets consume too; `shared` tells whether there are
        other targets at all under the prefix.
        """
        key = (queues, shared_queues, shared)
        known = self._known.get(key)
        if known is None or now >= known.until:
            known = self._known[key] = self._share(queues, shared_queues, shared, now)
        return known.delivered

    def _share(
        self, queues: tuple[str, ...], shared_queues: frozenset[str], shared: bool, now: float
    ) -> Share:
        groups = list(
            {id(group): group for queue in queues for group in self._by_queue.get(queue, ())}.values()
        )
        own = set(queues) - shared_queues
        doubtful = bool(self._homeless) or any(not own.issuperset(group.queues) for group in groups)
        groups += self._homeless
        due = [_due(group, now) for group in groups]
        eta = sorted(eta for group in groups for eta, _ in group.eta if eta > now)
        delivered = Delivered(
            deliveries=tuple(merge(*(times for times, _ in due))) if len(due) != 1 else tuple(due[0][0]),
            eta=tuple(eta),
            uncounted=self.missing + sum(undated for _, undated in due),
            shared=doubtful or (shared and self.missing > 0),
        )
        return Share(delivered, eta[0] if eta else inf)


def _due(group: Group, now: float) -> tuple[list[float] | tuple[float, ...], int]:
    """Return when those that are due were delivered, and how many of them have no time."""
    place = bisect_right(group.eta, (now, inf))
    if not place:
        return group.deliveries, group.undated
    times = [at for _, at in group.eta[:place] if at is not None]
    return sorted([*group.deliveries, *times]), group.undated + place - len(times)


def groups_of(
    contents: Mapping[bytes, Content],
    scores: Mapping[bytes, float],
    queues: Callable[[Route], tuple[str, ...]],
) -> list[Group]:
    """Return the groups of messages by tag; those without a score have no time of delivery."""
    deliveries: defaultdict[Route | None, list[float]] = defaultdict(list)
    etas: defaultdict[Route | None, list[tuple[float, float | None]]] = defaultdict(list)
    undated: defaultdict[Route | None, int] = defaultdict(int)
    for tag, (route, eta) in contents.items():
        at = scores.get(tag)
        if eta is not None:
            etas[route].append((eta, at))
        elif at is None:
            undated[route] += 1
        else:
            deliveries[route].append(at)
    return [
        Group(
            queues=() if route is None else queues(route),
            deliveries=tuple(sorted(deliveries.get(route, ()))),
            eta=tuple(sorted(etas.get(route, ()), key=lambda pair: pair[0])),
            undated=undated.get(route, 0),
        )
        for route in {*deliveries, *etas, *undated}
    ]
