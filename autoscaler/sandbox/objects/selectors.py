"""Label and field selectors: which objects of a list a caller wants.

The grammar is that of Kubernetes: labels know equality, sets and existence, fields equality alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoscaler.sandbox.errors import bad_request
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON, dig

_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_EQUALITY = re.compile(r"^\s*([^\s=!,()]+)\s*(==|=|!=)\s*([^\s=!,()]*)\s*$")
_EXISTENCE = re.compile(r"^\s*(!?)\s*([^\s=!,()]+)\s*$")
_PARTS = re.compile(r"(?:[^,(]|\([^)]*\))+")

_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_EVENT_OBJECT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIELDS = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        *(f"involvedObject.{key}" for key in _EVENT_OBJECT),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "events.events.k8s.io": (
        *(f"regarding.{key}" for key in _EVENT_OBJECT),
        "reason",
        "reportingController",
        "type",
    ),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one key: `values` holds the allowed or, with `negated`, the refused ones.

    Without values it asks whether the key exists.
    """

    key: str
    values: frozenset[str] | None
    negated: bool = False

    def holds(self, value: str | None) -> bool:
        """Return whether a value, None for a missing key, fulfils the condition."""
        found = value is not None if self.values is None else value in self.values
        return found is not self.negated


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions on labels and on fields, all of which must hold."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def matches(self, obj: JSON) -> bool:
        """Return whether an object fulfils all the conditions."""
        if self.labels:
            labels = dig(obj, "metadata", "labels") or {}
            if not all(requirement.holds(labels.get(requirement.key)) for requirement in self.labels):
                return False
        return all(requirement.holds(_field(obj, requirement.key)) for requirement in self.fields)


def parse(kind: Kind, labels: str = "", fields: str = "") -> Selector:
    """Return the selector for two expressions. Raises `ApiError` 400 for one that cannot be read."""
    return Selector(
        tuple(_label(part) for part in _PARTS.findall(labels)),
        tuple(_parsed_field(kind, part) for part in fields.split(",") if part.strip()),
    )


def parse_object(selector: JSON) -> Selector:
    """Return the selector that a LabelSelector object, as in a StatefulSet's spec, stands for."""
    equal: Mapping[str, str] = selector.get("matchLabels") or {}
    found = [Requirement(key, frozenset((value,))) for key, value in equal.items()]
    for expression in selector.get("matchExpressions") or []:
        operator = expression["operator"]
        listed = frozenset(expression.get("values") or []) if operator in {"In", "NotIn"} else None
        found.append(Requirement(expression["key"], listed, operator in {"NotIn", "DoesNotExist"}))
    return Selector(tuple(found))


def label_text(selector: JSON) -> str:
    """Return a LabelSelector object as the one-line expression that a Scale shows."""
    equal: Mapping[str, str] = selector.get("matchLabels") or {}
    parts = [f"{key}={value}" for key, value in equal.items()]
    for expression in selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or []))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[operator]
        )
    return ",".join(sorted(parts, key=lambda part: part.lstrip("!")))


def _label(text: str) -> Requirement:
    if match := _SET.match(text):
        values = frozenset(value.strip() for value in match[3].split(","))
        return Requirement(match[1], values, match[2] == "notin")
    if match := _EQUALITY.match(text):
        return Requirement(match[1], frozenset((match[3],)), match[2] == "!=")
    if match := _EXISTENCE.match(text):
        return Requirement(match[2], None, bool(match[1]))
    raise bad_request(f"unable to parse requirement: {text.strip()!r}")


def _parsed_field(kind: Kind, text: str) -> Requirement:
    match = _EQUALITY.match(text)
    if match is None:
        raise bad_request(f"invalid selector: {text!r}; can't understand {text!r}")
    if match[1] not in (*_COMMON_FIELDS, *_FIELDS.get(kind.resource, ())):
        raise bad_request(
            f'Unable to find "{kind.api_version}, Resource={kind.plural}" that match label selector "", '
            f'field selector "{text}": field label not supported: {match[1]}'
        )
    return Requirement(match[1], frozenset((match[3],)), match[2] == "!=")


def _field(obj: JSON, path: str) -> str:
    if path == "source":
        return str(dig(obj, "source", "component") or obj.get("reportingComponent") or "")
    value: Any = dig(obj, *path.split("."))
    return "" if value is None else str(value)
