"""Limit ranges, and what they give to containers that do not say what they take.

After plugin/pkg/admission/limitranger/admission.go. All limit ranges fill in first, then each of them is
checked (range_rules.py). Where several give different defaults for one resource, the API server takes
whichever it comes to first, in no order: `filled_in` returns every pod that may come of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, permutations

from autoscaler.core.quantity import Quantity
from autoscaler.core.quota.amounts import Amounts, filled
from autoscaler.core.quota.shape import Container, PodShape, Requirements

CONTAINER, POD, CLAIM = "Container", "Pod", "PersistentVolumeClaim"
_ORDERS = 24
"""At most so many orders of limit ranges that contradict each other are looked at: all of four."""


@dataclass(frozen=True, slots=True)
class LimitRangeItem:
    """The rules of a limit range for one type of object: Container, Pod or PersistentVolumeClaim."""

    type: str
    min: Amounts = field(default_factory=dict)
    max: Amounts = field(default_factory=dict)
    default: Amounts = field(default_factory=dict)
    default_request: Amounts = field(default_factory=dict)
    max_limit_request_ratio: Amounts = field(default_factory=dict)

    @property
    def defaults(self) -> Requirements:
        """What a container gets, as the API server fills it in (SetDefaults_LimitRangeItem)."""
        limits = filled(self.default, self.max)
        return Requirements(filled(filled(self.default_request, limits), self.min), limits)


@dataclass(frozen=True, slots=True)
class LimitRange:
    """A LimitRange; `unreadable` names its amounts that cannot be read, for which it refuses everything."""

    name: str
    items: tuple[LimitRangeItem, ...] = ()
    unreadable: tuple[str, ...] = ()

    def of(self, kind: str) -> Iterator[LimitRangeItem]:
        """Return the items for a type of object."""
        return (item for item in self.items if item.type == kind)

    @property
    def defaults(self) -> Requirements:
        """What a container gets; of several items the last one that says anything counts."""
        requests: dict[str, Quantity] = {}
        limits: dict[str, Quantity] = {}
        for item in self.of(CONTAINER):
            defaults = item.defaults
            requests |= defaults.requests
            limits |= defaults.limits
        return Requirements(requests, limits)


def filled_in(pod: PodShape, ranges: Sequence[LimitRange]) -> tuple[PodShape, ...]:
    """Return the pods that may come of one when limit ranges fill in their defaults: one, as a rule."""
    defaults = [given for limits in ranges if (given := limits.defaults) != Requirements()]
    if not defaults:
        return (pod,)
    orders = islice(permutations(defaults), _ORDERS) if _contradict(defaults) else [defaults]
    return tuple(_filled_in(pod, order) for order in orders)


def _contradict(defaults: Sequence[Requirements]) -> bool:
    known: dict[tuple[str, str], Quantity] = {}
    for given in defaults:
        for which, amounts in (("request", given.requests), ("limit", given.limits)):
            for name, quantity in amounts.items():
                if known.setdefault((which, name), quantity) != quantity:
                    return True
    return False


def _filled_in(pod: PodShape, order: Sequence[Requirements]) -> PodShape:
    requests: Amounts = {}
    limits: Amounts = {}
    for given in order:
        requests, limits = filled(requests, given.requests), filled(limits, given.limits)

    def of(container: Container) -> Container:
        own = container.resources
        return replace(
            container, resources=Requirements(filled(own.requests, requests), filled(own.limits, limits))
        )

    return replace(
        pod, containers=tuple(map(of, pod.containers)), init_containers=tuple(map(of, pod.init_containers))
    )
