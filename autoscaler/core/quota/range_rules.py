"""What limit ranges refuse, once all of them have filled in their defaults.

The rules and their words are those of plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from autoscaler.core.quantity import Quantity
from autoscaler.core.quota.amounts import Amounts
from autoscaler.core.quota.bounds import Bound, BoundKind, unreadable_range
from autoscaler.core.quota.limit_range import CLAIM, CONTAINER, POD, LimitRange, LimitRangeItem
from autoscaler.core.quota.names import CPU, MEMORY
from autoscaler.core.quota.shape import (
    ClaimTemplate,
    PodShape,
    Requirements,
    container_limits,
    container_requests,
)


def refusals_of_pod(pod: PodShape, limits: LimitRange) -> Iterator[Bound]:
    """Return what a limit range has against a pod with its defaults filled in."""
    yield from (unreadable_range(limits.name, amount) for amount in limits.unreadable)
    for item in limits.of(CONTAINER):
        for container in pod.all_containers:
            yield from _refusals(limits.name, item, container.name, container.resources)
    for item in limits.of(POD):
        yield from _refusals(limits.name, item, "", _whole(pod))


def _whole(pod: PodShape) -> Requirements:
    """Return what limit ranges take a pod for: without overhead, and without huge pages of the whole."""
    level = pod.resources or Requirements()
    given = {name: q for name, q in level.requests.items() if name in {CPU, MEMORY}}
    bounded = {name: q for name, q in level.limits.items() if name in {CPU, MEMORY}}
    return Requirements(container_requests(pod) | given, container_limits(pod) | bounded)


def refusals_of_claim(claim: ClaimTemplate, limits: LimitRange) -> Iterator[Bound]:
    """Return what a limit range has against a claim, of which only the request counts."""
    yield from (unreadable_range(limits.name, amount) for amount in limits.unreadable)
    storage = {} if claim.storage is None else {"storage": claim.storage}
    for item in limits.of(CLAIM):
        yield from _refusals(limits.name, item, claim.name, Requirements(storage))


_Fault = tuple[str, Quantity | None]
"""What is wrong, and the amount that is."""


def _refusals(name: str, item: LimitRangeItem, subject: str, resources: Requirements) -> Iterator[Bound]:
    usage = f"usage per {item.type}"
    rules: tuple[tuple[Amounts, str, _Rule], ...] = (
        (item.min, f"minimum {{}} {usage}", _below),
        (item.max, f"maximum {{}} {usage}", _request_above if item.type == CLAIM else _above),
        (
            {} if item.type == CLAIM else item.max_limit_request_ratio,
            f"{{}} max limit to request ratio per {item.type}",
            _too_far_apart,
        ),
    )
    for enforced, words, broken in rules:
        for resource, bound in sorted(enforced.items()):
            fault = broken(bound, resources.requests.get(resource), resources.limits.get(resource))
            if fault is None:
                continue
            text = f"limit range {name}, {words.format(resource)} is {bound}, {fault[0]}"
            text += f" ({subject})" if subject else ""
            yield Bound(BoundKind.LIMIT_RANGE, name, resource, text, bound, None, fault[1])


def _below(least: Quantity, request: Quantity | None, limit: Quantity | None) -> _Fault | None:
    if request is None:
        return "no request is specified", None
    if request < least:
        return f"but request is {request}", request
    if limit is not None and limit < least:
        return f"but limit is {limit}", limit
    return None


def _above(most: Quantity, request: Quantity | None, limit: Quantity | None) -> _Fault | None:
    if limit is None:
        return "no limit is specified", None
    if limit > most:
        return f"but limit is {limit}", limit
    if request is not None and request > most:
        return f"but request is {request}", request
    return None


def _request_above(most: Quantity, request: Quantity | None, _limit: Quantity | None) -> _Fault | None:
    if request is None:
        return "no request is specified", None
    return (f"but request is {request}", request) if request > most else None


def _too_far_apart(ratio: Quantity, request: Quantity | None, limit: Quantity | None) -> _Fault | None:
    if request is None or not request.amount:
        return "but no request is specified or it is 0", request
    if limit is None or not limit.amount:
        return "but no limit is specified or it is 0", limit
    if limit.amount > request.amount * ratio.amount or _in_floats(limit, request) > ratio.amount * 1000:
        return f"but limit is {limit} and request {request}", limit
    return None


def _in_floats(limit: Quantity, request: Quantity) -> float:
    """Return the thousandfold ratio as Kubernetes has it up to 1.36, which at times is a little too much."""
    return float(limit.amount * 1000) / float(request.amount * 1000) * 1000


_Rule = Callable[[Quantity, Quantity | None, Quantity | None], _Fault | None]
