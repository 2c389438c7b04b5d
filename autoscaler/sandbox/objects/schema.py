"""What can be told of a field by its name: how lists merge, what is replaced as a whole.

The real API server reads this from its OpenAPI schema; for the kinds kept here the names suffice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoscaler.sandbox.objects.values import JSON

LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "protocol"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""The fields that tell the items of a list apart; a list that is not here is replaced as a whole."""

SETS = frozenset({"finalizers"})
"""Lists of plain values whose items have owners of their own."""

ATOMIC = frozenset(
    {
        "affinity",
        "configMapKeyRef",
        "fieldRef",
        "involvedObject",
        "nodeSelector",
        "regarding",
        "related",
        "resourceFieldRef",
        "scopeSelector",
        "secretKeyRef",
        "selector",
    }
)
"""Objects that are replaced as a whole."""

ATOMIC_ITEMS = frozenset({"imagePullSecrets", "ownerReferences"})
"""Lists whose items are replaced as a whole."""

_DEFAULT_KEYS: Mapping[str, Any] = {"protocol": "TCP"}


def item_key(field: str, item: JSON) -> JSON:
    """Return the part of a list's item that tells it from the others."""
    return {key: item.get(key, _DEFAULT_KEYS.get(key)) for key in LIST_KEYS[field]}


def is_keyed(field: str, value: object) -> bool:
    """Return whether a value is a list whose items are told apart by keys."""
    return field in LIST_KEYS and isinstance(value, list) and all(isinstance(item, dict) for item in value)
