"""Events are one object in two forms, core v1 and events.k8s.io/v1.

Kept is the core form; the other one is a translation in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON

_CORE_NAMES: Mapping[str, str] = {
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedSource": "source",
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
}
_NEW_NAMES = {core: new for new, core in _CORE_NAMES.items()}
_SHOWN_EMPTY = ("reportingController", "reportingInstance")


def to_core(event: JSON) -> JSON:
    """Return an events.k8s.io/v1 Event in the form of core v1."""
    core = {_CORE_NAMES.get(field, field): value for field, value in event.items()} | {"apiVersion": "v1"}
    return {"reportingComponent": "", "reportingInstance": ""} | core


def from_core(event: JSON) -> JSON:
    """Return a core v1 Event in the form of events.k8s.io/v1."""
    new = {_NEW_NAMES.get(field, field): value for field, value in event.items()}
    kept = {field: value for field, value in new.items() if value != "" or field not in _SHOWN_EMPTY}
    return kept | {"apiVersion": "events.k8s.io/v1"}


def shown(kind: Kind, obj: JSON) -> JSON:
    """Return a stored object as its kind shows it."""
    return from_core(obj) if kind.stored_as else obj


def stored(kind: Kind, obj: JSON) -> JSON:
    """Return an object of a kind as it is stored."""
    return to_core(obj) if kind.stored_as else obj
