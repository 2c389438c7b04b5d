"""From what a client sent to an object of its kind, the way that Go's decoder does it.

Wrong types, times and quantities are refused with the decoder's words, what means "not set" is
dropped, quantities get their canonical form, and the fields that are always shown are filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from autoscaler.core import quantity
from autoscaler.sandbox.objects import shapes
from autoscaler.sandbox.objects.amounts import rounded_up
from autoscaler.sandbox.objects.clock_words import wrong_time
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON, dig


class DecodeError(Exception):
    """A body that is not an object of its kind; the text is the decoder's."""


_INTEGERS: Mapping[str, tuple[str, ...]] = {
    "deployments.apps": ("replicas", "minReadySeconds", "revisionHistoryLimit"),
    "horizontalpodautoscalers.autoscaling": ("minReplicas", "maxReplicas"),
    "leases.coordination.k8s.io": ("leaseDurationSeconds", "leaseTransitions"),
    "pods": ("terminationGracePeriodSeconds", "activeDeadlineSeconds", "priority"),
    "replicasets.apps": ("replicas", "minReadySeconds"),
    "statefulsets.apps": ("replicas", "minReadySeconds", "revisionHistoryLimit"),
}
_MICRO_TIMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "events": (("eventTime",), ("series", "lastObservedTime")),
    "events.events.k8s.io": (("eventTime",), ("series", "lastObservedTime")),
    "leases.coordination.k8s.io": (("spec", "acquireTime"), ("spec", "renewTime")),
}
_TIMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "events": (("firstTimestamp",), ("lastTimestamp",)),
    "events.events.k8s.io": (("deprecatedFirstTimestamp",), ("deprecatedLastTimestamp",)),
}
_META_TIMES = (("metadata", "creationTimestamp"), ("metadata", "deletionTimestamp"))
_TEXT_MAPS = ("labels", "annotations")
_TEXTS = ("name", "namespace", "generateName", "resourceVersion", "uid")
_GO_TYPES: Mapping[type, str] = {str: "string", list: "array", dict: "object"}
_MAPS = frozenset(
    {"annotations", "binaryData", "data", "hard", "labels", "limits", "matchLabels", "nodeSelector"}
    | {"requests", "stringData", "used", "default", "defaultRequest", "max", "min", "podFixed"}
    | {"allocatedResources", "capacity", "maxLimitRequestRatio", "overhead"}
)
_OPAQUE = frozenset({"annotations", "binaryData", "data", "labels", "managedFields", "stringData"})
_QUANTITIES = frozenset(
    {"allocatedResources", "capacity", "hard", "limits", "overhead", "podFixed", "requests", "used"}
)
_LIMIT_QUANTITIES = frozenset({"default", "defaultRequest", "max", "maxLimitRequestRatio", "min"})
_NO_QUANTITIES = (("runtimeclasses.node.k8s.io", "overhead"),)
_TARGET_QUANTITIES = frozenset({"averageValue", "value"})  # of a HorizontalPodAutoscaler's metric
_QUANTITY_RULE = (
    "quantities must match the regular expression "
    r"'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_INT32 = 2**31


def decode(kind: Kind, sent: JSON) -> JSON:
    """Return a new object of a kind from what was sent. Raises `DecodeError`."""
    _check_structure(kind.kind, sent, shapes.empty(kind))
    _check_metadata(sent.get("metadata") or {})
    _check_integers(kind, sent)
    _check_times(sent, _MICRO_TIMES.get(kind.resource, ()), microseconds=True)
    _check_times(sent, (*_TIMES.get(kind.resource, ()), *_META_TIMES), microseconds=False)
    obj: JSON = _without_unset(kind.resource, "", sent)
    shapes.fill(obj, shapes.empty(kind))
    for field in shapes.LEFT_OUT_AT_ZERO.get(kind.resource, ()):
        if dig(obj, "status", field) == 0:
            del obj["status"][field]
    obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
    return obj


def go_type(value: object) -> str:
    """Return what Go's decoder calls a JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number" if isinstance(value, int) else f"number {value}"
    return _GO_TYPES.get(type(value), "null")


def _mistyped(value: object, where: str, wanted: str) -> DecodeError:
    return DecodeError(
        f"json: cannot unmarshal {go_type(value)} into Go struct field {where} of type {wanted}"
    )


def _check_structure(kind: str, value: JSON, shape: JSON, path: str = "") -> None:
    for field, blank in shape.items():
        found = value.get(field)
        if isinstance(blank, dict) and found is not None:
            if not isinstance(found, dict):
                raise _mistyped(found, f"{kind}.{path}{field}", f"v1.{kind}{field.capitalize()}")
            _check_structure(kind, found, blank, f"{path}{field}.")
    containers = value.get("containers")
    if containers is not None and "containers" in shape:
        items = containers if isinstance(containers, list) else [containers]
        for item in items:
            if not isinstance(item, dict):
                raise _mistyped(item, f"PodSpec.{path}containers", "v1.Container")


def _check_metadata(meta: JSON) -> None:
    for field in _TEXT_MAPS:
        found = meta.get(field) or {}
        values: Iterable[object] = found.values() if isinstance(found, dict) else [found]
        for value in values:
            if not isinstance(value, str) or not isinstance(found, dict):
                raise _mistyped(value, f"ObjectMeta.metadata.{field}", "string")
    for field in _TEXTS:
        if not isinstance(meta.get(field) or "", str):
            raise _mistyped(meta[field], f"ObjectMeta.metadata.{field}", "string")


def _check_integers(kind: Kind, sent: JSON) -> None:
    for field in _INTEGERS.get(kind.resource, ()):
        value = dig(sent, "spec", field)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is None or (whole and -_INT32 <= value < _INT32):
            continue
        shown = f"number {value}" if whole else go_type(value)
        raise DecodeError(
            f"json: cannot unmarshal {shown} into Go struct field {kind.kind}Spec.spec.{field} of type int32"
        )


def _check_times(sent: JSON, paths: Iterable[tuple[str, ...]], *, microseconds: bool) -> None:
    for path in paths:
        value = dig(sent, *path)
        if value is None:
            continue
        if not isinstance(value, str):
            raise _mistyped(value, ".".join(path), "string")
        if complaint := wrong_time(value, microseconds=microseconds):
            raise DecodeError(complaint)


def _without_unset(resource: str, field: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a copy without nulls, empty lists and empty maps, with canonical quantities."""
    if field in _OPAQUE:
        return dict(value) if isinstance(value, dict) else value
    if isinstance(value, list):
        blank = shapes.EMPTY_ITEMS.get(resource, {}).get(field)
        items = [_without_unset(resource, "", item) for item in value]
        for item in items:
            if blank is not None and isinstance(item, dict):
                shapes.fill(item, blank)
        return items
    if not isinstance(value, dict):
        return value
    if field == "target" and resource == "horizontalpodautoscalers.autoscaling":
        return {key: _canonical(item) if key in _TARGET_QUANTITIES else item for key, item in value.items()}
    if _has_quantities(resource, field):
        return {key: _canonical(amount) for key, amount in value.items()}
    found = ((key, _without_unset(resource, key, item)) for key, item in value.items())
    return {key: item for key, item in found if not _unset(key, item)}


def _has_quantities(resource: str, field: str) -> bool:
    if resource == "limitranges" and field in _LIMIT_QUANTITIES:
        return True
    return field in _QUANTITIES and (resource, field) not in _NO_QUANTITIES


def _unset(field: str, value: object) -> bool:
    return value is None or value == [] or (value == {} and field in _MAPS)


def _canonical(amount: object) -> str:
    if isinstance(amount, (str, int, float)) and not isinstance(amount, bool):
        try:
            return str(rounded_up(quantity.parse(amount)))
        except ValueError:
            pass
    raise DecodeError(_QUANTITY_RULE)
