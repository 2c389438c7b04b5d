"""LimitRanges: what containers get that say nothing of their resources, and what is too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.admission.pod_resources import Amounts, parsed, total
from autoscaler.sandbox.errors import forbidden
from autoscaler.sandbox.objects.kinds import kind_of
from autoscaler.sandbox.objects.pod_defaults import containers_of
from autoscaler.sandbox.objects.values import JSON

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store


def admit_limits(store: Store, resource: str, obj: JSON) -> JSON:
    """Give a pod's containers their defaults in place. Raises `ApiError` 403 for one out of range."""
    if resource != "pods":
        return obj
    ranges, _ = store.snapshot("limitranges", obj["metadata"].get("namespace", ""))
    items = [item for found in ranges for item in found["spec"]["limits"] or []]
    for item in items:
        if item.get("type") == "Container":
            _set_defaults(obj, item)
    broken = [complaint for item in items for complaint in _complaints(obj, item)]
    if broken:
        why = broken[0] if len(broken) == 1 else f"[{', '.join(broken)}]"
        raise forbidden(kind_of("pods"), obj["metadata"]["name"], why)
    return obj


def _set_defaults(pod: JSON, item: JSON) -> None:
    for container in containers_of(pod["spec"]):
        resources = container["resources"]
        for side, given in (("limits", item.get("default")), ("requests", item.get("defaultRequest"))):
            if given:
                resources[side] = given | resources.get(side, {})


def _complaints(pod: JSON, item: JSON) -> Iterator[str]:
    if item.get("type") == "Container":
        for container in containers_of(pod["spec"]):
            resources = container["resources"]
            requests, limits = parsed(resources.get("requests")), parsed(resources.get("limits"))
            yield from _out_of_range("Container", item, requests, limits)
    elif item.get("type") == "Pod":
        yield from _out_of_range("Pod", item, total(pod, "requests"), total(pod, "limits"))


def _out_of_range(what: str, item: JSON, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, least in sorted(parsed(item.get("min")).items()):
        rule = f"minimum {name} usage per {what} is {least}"
        yield from _first(rule, "request", {"request": requests, "limit": limits}, name, least.__gt__)
    for name, most in sorted(parsed(item.get("max")).items()):
        rule = f"maximum {name} usage per {what} is {most}"
        yield from _first(rule, "limit", {"limit": limits, "request": requests}, name, most.__lt__)


def _first(
    rule: str,
    needed: str,
    sides: Mapping[str, Amounts],
    name: str,
    breaks: Callable[[Quantity], bool],
) -> Iterator[str]:
    """Yield the first complaint: the needed side must be there, and no side may break the rule."""
    if name not in sides[needed]:
        yield f"{rule}.  No {needed} is specified"
        return
    for side, amounts in sides.items():
        if name in amounts and breaks(amounts[name]):
            yield f"{rule}, but {side} is {amounts[name]}"
            return
