"""What an API server refuses of claims for storage and of priority classes, in its words."""

from __future__ import annotations

from collections.abc import Iterator

from autoscaler.sandbox.errors import Cause, forbidden_value, required
from autoscaler.sandbox.objects.amounts import parsed
from autoscaler.sandbox.objects.resource_rules import amount_causes, shown
from autoscaler.sandbox.objects.values import JSON, dig

_HIGHEST_PRIORITY = 10**9


def claim_causes(obj: JSON, _old: JSON | None) -> Iterator[Cause]:
    """Yield what is wrong with a PersistentVolumeClaim."""
    if not obj["spec"].get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    path = "spec.resources[storage]"
    asked = parsed(dig(obj, "spec", "resources", "requests")).get("storage")
    if asked is None:
        yield required(path)
    elif asked.amount <= 0:
        yield shown(path, asked, "must be greater than zero")
    else:
        yield from amount_causes(path, "storage", asked)


def priority_class_causes(obj: JSON, _old: JSON | None) -> Iterator[Cause]:
    """Yield what is wrong with a PriorityClass."""
    if obj["value"] > _HIGHEST_PRIORITY:
        rule = f"maximum allowed value of a user defined priority is {_HIGHEST_PRIORITY}"
        yield forbidden_value("value", rule)


def runtime_class_causes(obj: JSON, _old: JSON | None) -> Iterator[Cause]:
    """Yield what is wrong with a RuntimeClass."""
    if not obj["handler"]:
        yield required("handler")
