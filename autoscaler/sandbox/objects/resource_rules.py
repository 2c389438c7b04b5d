"""What an API server refuses of the resources that containers and pods ask for, in its words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.errors import Cause, forbidden_value, invalid_value, not_supported, required
from autoscaler.sandbox.objects import resource_names as names
from autoscaler.sandbox.objects.amounts import Amounts, of_containers, parsed
from autoscaler.sandbox.objects.values import JSON, dig

_NOT_NEGATIVE = "must be greater than or equal to 0"
_COMPUTE = ("cpu", "memory")


def pod_resource_causes(path: str, spec: JSON) -> Iterator[Cause]:
    """Yield what is wrong with the resources of a pod's spec that stands at `path`."""
    if spec.get("resources") is not None:
        yield from _requirement_causes(f"{path}.resources", spec["resources"], whole_pod=True)
        yield from _consistency_causes(f"{path}.resources", spec)
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or []):
            place = f"{path}.{field}[{index}].resources"
            yield from _requirement_causes(place, container.get("resources") or {}, whole_pod=False)


def name_causes(path: str, name: str) -> Iterator[Cause]:
    """Yield what keeps a name from being that of any resource."""
    complaints = list(names.name_complaints(name))
    for complaint in complaints:
        yield invalid_value(path, json.dumps(name), complaint)
    if not complaints and "/" not in name and not names.is_known(name):
        rule = "must be a standard resource type or fully qualified"
        yield invalid_value(path, json.dumps(name), rule)


def container_name_causes(path: str, name: str) -> Iterator[Cause]:
    """Yield what keeps a container from asking for a resource of this name."""
    yield from name_causes(path, name)
    if "/" not in name:
        if not names.is_of_containers(name):
            yield invalid_value(path, json.dumps(name), "must be a standard resource for containers")
    elif not names.is_native(name) and not names.is_extended(name):
        yield invalid_value(path, json.dumps(name), "doesn't follow extended resource name standard")


def amount_causes(path: str, name: str, amount: Quantity) -> Iterator[Cause]:
    """Yield what is wrong with an amount of a resource."""
    if amount.amount < 0:
        yield shown(path, amount, _NOT_NEGATIVE)
    if names.is_whole(name) and amount.amount.denominator != 1:
        yield shown(path, amount, "must be an integer")


def shown(path: str, amount: Quantity, rule: str) -> Cause:
    """Return the cause for an amount that breaks a rule."""
    return invalid_value(path, json.dumps(str(amount)), rule)


def _requirement_causes(path: str, resources: JSON, *, whole_pod: bool) -> Iterator[Cause]:
    limits, requests = parsed(resources.get("limits")), parsed(resources.get("requests"))
    for side, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in sorted(amounts.items()):
            place = f"{path}.{side}[{name}]"
            yield from _pod_name_causes(place, name) if whole_pod else container_name_causes(place, name)
            yield from amount_causes(place, name, amount)
            if side == "requests":
                yield from _request_causes(path, name, amount, limits)
            if names.is_huge_pages(name) and not _is_multiple(name, amount):
                yield shown(place, amount, f"{amount} is not positive integer multiple of {name}")
    asked = {*limits, *requests}
    if any(map(names.is_huge_pages, asked)) and not asked.intersection(_COMPUTE):
        yield forbidden_value(path, "HugePages require cpu or memory")


def _pod_name_causes(path: str, name: str) -> Iterator[Cause]:
    wrong = list(name_causes(path, name))
    yield from wrong
    if not wrong and not names.is_of_whole_pods(name):
        yield not_supported(path, json.dumps(name), ("cpu", "hugepages-", "memory"))


def _request_causes(path: str, name: str, amount: Quantity, limits: Amounts) -> Iterator[Cause]:
    limit = limits.get(name)
    if limit is None:
        if not names.may_overcommit(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif amount != limit and not names.may_overcommit(name):
        yield shown(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
    elif amount > limit:
        yield shown(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


def _is_multiple(name: str, amount: Quantity) -> bool:
    try:
        page = quantity.parse(name.removeprefix("hugepages-")).amount
    except ValueError:
        return False
    return page > 0 and page.denominator == 1 and -(-amount.amount // 1) % page == Fraction(0)


def _consistency_causes(path: str, spec: JSON) -> Iterator[Cause]:
    """Yield where the containers together, or one of them, ask for more than the pod does."""
    pod = {"spec": spec}
    requests, limits = parsed(spec["resources"].get("requests")), parsed(spec["resources"].get("limits"))
    for name, amount in sorted(of_containers(pod, "requests").items()):
        if name in requests and amount > requests[name]:
            rule = f"must be greater than or equal to aggregate container requests of {amount}"
            yield shown(f"{path}.requests[{name}]", requests[name], rule)
    for name, amount in sorted(of_containers(pod, "limits").items()):
        if names.is_huge_pages(name) and name in limits and amount > limits[name]:
            rule = f"must be greater than or equal to aggregate container limits of {amount}"
            yield shown(f"{path}.limits[{name}]", limits[name], rule)
    for index, container in enumerate(spec.get("containers") or []):
        for name, amount in sorted(parsed(dig(container, "resources", "limits")).items()):
            if name in limits and amount > limits[name]:
                place = f"{path}.containers[{index}][{name}].limits"
                yield shown(place, amount, f"must be less than or equal to pod limits of {limits[name]}")
