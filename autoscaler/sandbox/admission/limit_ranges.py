"""LimitRanges: what containers get that say nothing of their resources, and what is too much.

The steps and sentences are those of plugin/pkg/admission/limitranger in 1.36: first every range sets
its defaults, then the object is checked, then the ranges judge it, and the first that objects tells
all that it objects to. The real server takes the ranges of a namespace in any order, here it is by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.errors import forbidden_all
from autoscaler.sandbox.objects.amounts import Amounts, of_containers, parsed
from autoscaler.sandbox.objects.kinds import kind_of
from autoscaler.sandbox.objects.values import JSON, dig

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

_ANNOTATION = "kubernetes.io/limit-ranger"
_OF_WHOLE_PODS = ("cpu", "memory")
_MOST_IN_THOUSANDTHS = (2**63 - 1) // 1000
_FIELDS = (("containers", "container"), ("initContainers", "init container"))


def default_limits(store: Store, resource: str, obj: JSON) -> JSON:
    """Give a pod's containers their defaults in place, and note in an annotation what was given."""
    if resource == "pods":
        for found in _ranges(store, obj):
            _set_defaults(obj, found["spec"].get("limits") or [])
    return obj


def check_limits(store: Store, resource: str, obj: JSON) -> JSON:
    """Let in a pod or a claim that is within range. Raises `ApiError` 403."""
    if resource not in {"pods", "persistentvolumeclaims"}:
        return obj
    for found in _ranges(store, obj):
        broken = [text for item in found["spec"].get("limits") or [] for text in _complaints(obj, item)]
        if broken:
            raise forbidden_all(kind_of(resource), obj["metadata"]["name"], broken)
    return obj


def _ranges(store: Store, obj: JSON) -> list[JSON]:
    return store.snapshot("limitranges", obj["metadata"].get("namespace", ""))[0]


def _set_defaults(pod: JSON, items: list[JSON]) -> None:
    defaults: dict[str, JSON] = {"requests": {}, "limits": {}}
    for item in items:
        if item.get("type") == "Container":
            defaults["requests"] |= item.get("defaultRequest") or {}
            defaults["limits"] |= item.get("default") or {}
    notes = []
    for field, what in _FIELDS:
        for container in pod["spec"].get(field) or []:
            resources = container["resources"]
            for side, given in defaults.items():
                missing = {name: given[name] for name in sorted(given) if name not in resources.get(side, {})}
                if missing:
                    resources[side] = resources.get(side, {}) | missing
                    notes.append(f"{', '.join(missing)} {side[:-1]} for {what} {container['name']}")
    if notes:
        note = f"LimitRanger plugin set: {'; '.join(notes)}"
        pod["metadata"].setdefault("annotations", {})[_ANNOTATION] = note


def _complaints(obj: JSON, item: JSON) -> Iterator[str]:
    kind = item.get("type")
    if obj["kind"] == "PersistentVolumeClaim":
        if kind == "PersistentVolumeClaim":
            yield from _claim_out_of_range(item, parsed(dig(obj, "spec", "resources", "requests")))
    elif kind == "Pod":
        yield from _out_of_range("Pod", item, _total(obj, "requests"), _total(obj, "limits"))
    elif kind == "Container":
        containers = [*(obj["spec"].get("containers") or []), *(obj["spec"].get("initContainers") or [])]
        for container in containers:
            resources = container["resources"]
            requests, limits = parsed(resources.get("requests")), parsed(resources.get("limits"))
            yield from _out_of_range("Container", item, requests, limits)


def _total(pod: JSON, side: str) -> Amounts:
    """Return what a pod asks for, as a whole where it says so; its overhead is none of its doing."""
    whole = parsed(dig(pod, "spec", "resources", side))
    return of_containers(pod, side) | {name: whole[name] for name in _OF_WHOLE_PODS if name in whole}


def _out_of_range(what: str, item: JSON, requests: Amounts, limits: Amounts) -> Iterator[str]:
    sides = {"request": requests, "limit": limits}
    for name, least in sorted(parsed(item.get("min")).items()):
        yield from _below(f"minimum {name} usage per {what} is {least}", sides, name, least)
    for name, most in sorted(parsed(item.get("max")).items()):
        yield from _above(
            f"maximum {name} usage per {what} is {most}", sides, name, most, ("limit", "request")
        )
    for name, most in sorted(parsed(item.get("maxLimitRequestRatio")).items()):
        yield from _too_far_apart(
            f"{name} max limit to request ratio per {what} is {most}", sides, name, most
        )


def _claim_out_of_range(item: JSON, requests: Amounts) -> Iterator[str]:
    """Yield what is wrong with a claim: it has no limits, so the most is what it may request."""
    what, sides = "PersistentVolumeClaim", {"request": requests, "limit": {}}
    for name, least in sorted(parsed(item.get("min")).items()):
        yield from _below(f"minimum {name} usage per {what} is {least}", sides, name, least)
    for name, most in sorted(parsed(item.get("max")).items()):
        yield from _above(f"maximum {name} usage per {what} is {most}", sides, name, most, ("request",))


def _below(rule: str, sides: Mapping[str, Amounts], name: str, least: Quantity) -> Iterator[str]:
    if name not in sides["request"]:
        yield f"{rule}.  No request is specified"
        return
    measured = _measured(sides, name, least)
    for side, amounts in sides.items():
        if name in amounts and measured[side] < measured["enforced"]:
            yield f"{rule}, but {side} is {amounts[name]}"
            return


def _above(
    rule: str, sides: Mapping[str, Amounts], name: str, most: Quantity, order: tuple[str, ...]
) -> Iterator[str]:
    """Yield a complaint: the first side must be there, and no side may be above."""
    if name not in sides[order[0]]:
        yield f"{rule}.  No {order[0]} is specified"
        return
    measured = _measured(sides, name, most)
    for side in order:
        if name in sides[side] and measured[side] > measured["enforced"]:
            yield f"{rule}, but {side} is {sides[side][name]}"
            return


def _too_far_apart(rule: str, sides: Mapping[str, Amounts], name: str, most: Quantity) -> Iterator[str]:
    """Yield a complaint about a limit too many times the request, divided with a float's precision."""
    measured = _measured(sides, name, most)
    for side in ("request", "limit"):
        if name not in sides[side] or not measured[side]:
            yield f"{rule}, but no {side} is specified or {side} is 0"
            return
    ratio = measured["limit"] / measured["request"]
    if ratio * 1000 > float(most.amount * 1000):
        yield f"{rule}, but provided ratio is {ratio:f}"


def _measured(sides: Mapping[str, Amounts], name: str, enforced: Quantity) -> Mapping[str, int]:
    """Return amounts in thousandths, rounded up, or in whole units where thousandths are too many."""
    amounts = {side: given.get(name, Quantity()) for side, given in sides.items()} | {"enforced": enforced}
    whole = {side: int(-(-amount.amount // 1)) for side, amount in amounts.items()}
    if max(whole.values()) > _MOST_IN_THOUSANDTHS:
        return whole
    return {side: int(-(-amount.amount * 1000 // 1)) for side, amount in amounts.items()}
