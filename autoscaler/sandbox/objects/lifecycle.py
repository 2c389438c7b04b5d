"""From what somebody sent to what is stored: completed, checked, owned, counted.

Pure but for the uid and the suffix of generated names: what is there already and the time come in.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Collection
from typing import Any

from autoscaler.sandbox.objects import shapes
from autoscaler.sandbox.objects.defaults import first_status, set_defaults
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.rules import check
from autoscaler.sandbox.objects.values import JSON

Record = Callable[[JSON, JSON], None]
"""Writes the owners of fields into the second object, given what it replaces."""

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_STEM = 58  # of a generated name, which is kept to the 63 characters of a label
_KEPT = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def created(
    kind: Kind,
    obj: JSON,
    now: str,
    record: Record,
    admit: Callable[[JSON], None],
    *,
    features: Collection[str] = (),
) -> JSON:
    """Return a decoded object, changed in place, as a new one without a version.

    `admit` adds in place what plug-ins add, before the object is checked; `features` are the feature
    gates that are on. Raises `ApiError` 422 and what `admit` raises.
    """
    meta: JSON = obj["metadata"]
    for field in (*_KEPT, "managedFields"):
        meta.pop(field, None)
    if not kind.namespaced:
        meta.pop("namespace", None)
    if not meta.get("name") and meta.get("generateName"):
        suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
        meta["name"] = meta["generateName"][:_LONGEST_STEM] + suffix
    set_defaults(kind, obj)
    status = first_status(kind, obj)
    obj |= {} if status is None else {"status": status}
    record(shapes.empty(kind) | ({} if status is None else {"status": status}), obj)
    admit(obj)
    if status is not None:
        obj["status"] = first_status(kind, obj)
    check(kind, obj, features=features)
    if kind.kept:
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
    if kind.generations:
        meta["generation"] = 1
    return obj


def replaced(
    kind: Kind,
    old: JSON,
    obj: JSON,
    subresource: str,
    record: Record,
    *,
    features: Collection[str] = (),
) -> JSON:
    """Return what a decoded object, changed in place, makes of an old one: `old` where that is nothing.

    Through "status" only the status changes, through "scale" only the replicas, otherwise all but the
    status. Raises `ApiError` 422.
    """
    if subresource == "status":
        obj = old | {"metadata": _told(kind, old, obj), "status": obj.get("status", {})}
    elif subresource == "scale":
        spec = old["spec"] | {"replicas": obj["spec"].get("replicas", 0)}
        obj = old | {"metadata": dict(old["metadata"]), "spec": spec}
    else:
        _keep(kind, old, obj)
        set_defaults(kind, obj)
    check(kind, obj, old, features=features)
    record(old, obj)
    if kind.generations and _counts(kind, old, obj, subresource):
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return old if obj == old else obj


def _counts(kind: Kind, old: JSON, obj: JSON, subresource: str) -> bool:
    """Whether a change makes a new generation."""
    if kind.annotations_count and subresource != "status" and _annotations(obj) != _annotations(old):
        return True
    return bool(obj["spec"] != old["spec"])


def _told(kind: Kind, old: JSON, obj: JSON) -> JSON:
    """Return the metadata of an object whose status is written."""
    meta = dict(old["metadata"])
    if kind.annotations_count and _annotations(obj):
        meta["annotations"] = dict(_annotations(obj))
    return meta


def _annotations(obj: JSON) -> JSON:
    found: JSON = obj["metadata"].get("annotations") or {}
    return found


def _keep(kind: Kind, old: JSON, obj: JSON) -> None:
    """Take over, in place, what a write cannot change."""
    meta: dict[str, Any] = obj["metadata"]
    for field in _KEPT:
        meta.pop(field, None)
        if field in old["metadata"]:
            meta[field] = old["metadata"][field]
    if "status" in kind.subresources and "status" in old:
        obj["status"] = old["status"]
