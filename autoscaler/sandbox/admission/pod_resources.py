"""What a pod takes of a quota: the sums of what its containers request and are limited to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.objects.values import JSON, dig

Amounts = Mapping[str, Quantity]
_COUNTED_BY_NAME_ALONE = ("cpu", "memory", "ephemeral-storage")
_OF_PODS = ("pods", "count/pods", *_COUNTED_BY_NAME_ALONE)


def parsed(amounts: Mapping[str, str] | None) -> dict[str, Quantity]:
    """Return resource names with their quantities."""
    return {name: quantity.parse(text) for name, text in (amounts or {}).items()}


def total(pod: JSON, side: str) -> Amounts:
    """Return the sums of "requests" or "limits".

    Init containers run one by one before the others, so the largest of them counts where it is more.
    """
    spec = pod["spec"]
    together = _sum(parsed(dig(each, "resources", side)) for each in spec.get("containers") or [])
    for each in spec.get("initContainers") or []:
        for name, amount in parsed(dig(each, "resources", side)).items():
            together[name] = max(amount, together.get(name, amount))
    return together


def usage(pod: JSON) -> Amounts:
    """Return what a running pod counts for, by the names that quotas use."""
    used = {"pods": quantity.parse(1), "count/pods": quantity.parse(1)}
    for name, amount in total(pod, "requests").items():
        used[f"requests.{name}"] = amount
        if name in _COUNTED_BY_NAME_ALONE:
            used[name] = amount
    used.update({f"limits.{name}": amount for name, amount in total(pod, "limits").items()})
    return used


def is_of_pods(name: str) -> bool:
    """Return whether a name that a quota uses is about pods."""
    return name in _OF_PODS or name.startswith(("requests.", "limits."))


def _sum(many: Iterable[Amounts]) -> dict[str, Quantity]:
    together: dict[str, Quantity] = {}
    for amounts in many:
        for name, amount in amounts.items():
            together[name] = together.get(name, Quantity()) + amount
    return together
