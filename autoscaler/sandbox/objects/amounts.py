"""Amounts of resources by name: what a pod, its containers and its claims ask for, added up.

The sums are those of k8s.io/component-helpers/resource (PodRequests, PodLimits). An init container
runs before the others, so only the largest counts; one that restarts always is a sidecar, which runs
beside everything that comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.objects.values import JSON, dig

Amounts = Mapping[str, Quantity]
_MILLI = Fraction(1, 1000)


def parsed(amounts: Mapping[str, str] | None) -> dict[str, Quantity]:
    """Return resource names with their quantities."""
    return {name: quantity.parse(text) for name, text in (amounts or {}).items()}


def written(amounts: Amounts) -> dict[str, str]:
    """Return amounts as they stand in an object."""
    return {name: str(amount) for name, amount in amounts.items()}


def rounded_up(amount: Quantity, unit: Fraction = _MILLI) -> Quantity:
    """Return an amount in full units: nothing is counted finer than in thousandths."""
    return Quantity(-(-amount.amount // unit) * unit, amount.notation)


def add(to: dict[str, Quantity], amounts: Amounts) -> None:
    """Add amounts in place."""
    for name, amount in amounts.items():
        to[name] = to[name] + amount if name in to else amount


def raise_to(least: Amounts, amounts: dict[str, Quantity]) -> None:
    """Raise amounts in place to what there is at least."""
    for name, amount in least.items():
        if name not in amounts or amount > amounts[name]:
            amounts[name] = amount


def of_containers(pod: JSON, side: str, *, running: bool = False) -> dict[str, Quantity]:
    """Return the sums of the containers' "requests" or "limits".

    With `running`, what the node says that a container has counts where it is more.
    """
    spec, statuses = pod["spec"], _statuses(pod) if running else {}
    together: dict[str, Quantity] = {}
    for each in spec.get("containers") or []:
        add(together, _effective(pod, each, side, statuses))
    sidecars: dict[str, Quantity] = {}
    starting: dict[str, Quantity] = {}
    for each in spec.get("initContainers") or []:
        if each.get("restartPolicy") == "Always":
            amounts = _effective(pod, each, side, statuses)
            add(together, amounts)
            add(sidecars, amounts)
            raise_to(sidecars, starting)
        else:
            amounts = parsed(dig(each, "resources", side))
            add(amounts, sidecars)
            raise_to(amounts, starting)
    raise_to(starting, together)
    return together


def _statuses(pod: JSON) -> dict[str, JSON]:
    status = pod.get("status") or {}
    both = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    return {each["name"]: each for each in both if each.get("resources") is not None}


def _effective(pod: JSON, container: JSON, side: str, statuses: Mapping[str, JSON]) -> dict[str, Quantity]:
    amounts = parsed(dig(container, "resources", side))
    status = statuses.get(container.get("name", ""))
    if status is None:
        return amounts
    granted = parsed(status["resources"].get(side))
    if _cannot_be_resized(pod):
        amounts = granted
    else:
        raise_to(granted, amounts)
    if side == "requests":
        raise_to(parsed(status.get("allocatedResources")), amounts)
    return amounts


def _cannot_be_resized(pod: JSON) -> bool:
    conditions = dig(pod, "status", "conditions") or []
    pending = [each for each in conditions if each.get("type") == "PodResizePending"]
    return bool(pending) and pending[0].get("reason") == "Infeasible"
