"""Objects as the tables that kubectl prints: the server chooses the columns and fills the cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from autoscaler.sandbox.api.ages import age, age_of
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.selectors import label_text
from autoscaler.sandbox.objects.values import JSON, dig

Cell = Callable[[JSON, datetime], str | int]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; one of priority 1 is shown to those who ask for more (`-o wide`)."""

    name: str
    cell: Cell
    type: str = "string"
    priority: int = 0

    def definition(self) -> JSON:
        """Return the column as a Table describes it."""
        form = "name" if self.name == "Name" else ""
        return {
            "name": self.name,
            "type": self.type,
            "format": form,
            "description": "",
            "priority": self.priority,
        }


def wants_table(accept: str) -> bool:
    """Return whether a client would rather have a Table than objects."""
    first = accept.partition(",")[0].replace(" ", "")
    return "as=Table" in first.split(";") and "v=v1" in first.split(";")


def table_of(kind: Kind, objects: list[JSON], version: str, now: datetime, params: Mapping[str, str]) -> JSON:
    """Return objects of one kind as a Table; `includeObject` says how much of each goes with its row."""
    columns = _COLUMNS.get(kind.resource, _GENERAL)
    included = params.get("includeObject", "Metadata")
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [
            {"cells": [column.cell(obj, now) for column in columns], "object": _included(obj, included)}
            for obj in objects
        ],
    }


def _included(obj: JSON, how: str) -> JSON | None:
    if how == "Object":
        return obj
    if how == "None":
        return None
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def _at(*path: str, default: str | int = "<none>") -> Cell:
    def cell(obj: JSON, _now: datetime) -> str | int:
        found = dig(obj, *path)
        return default if found in {None, ""} else found

    return cell


def _containers(field: str) -> Cell:
    def cell(obj: JSON, _now: datetime) -> str:
        containers = dig(obj, "spec", "template", "spec", "containers") or []
        return ",".join(container.get(field, "") for container in containers)

    return cell


def _replicas(obj: JSON, _now: datetime) -> str:
    return f"{dig(obj, 'status', 'readyReplicas') or 0}/{dig(obj, 'spec', 'replicas') or 0}"


def _ready(pod: JSON, _now: datetime) -> str:
    statuses = dig(pod, "status", "containerStatuses") or []
    return f"{sum(status['ready'] for status in statuses)}/{len(pod['spec']['containers'])}"


def _pod_status(pod: JSON, _now: datetime) -> str:
    """Return the one word that says how a pod is: why it waits or ended, before its phase."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    word = dig(pod, "status", "reason") or dig(pod, "status", "phase") or "Unknown"
    for status in dig(pod, "status", "containerStatuses") or []:
        state = status.get("state") or {}
        reason = dig(state, "waiting", "reason") or dig(state, "terminated", "reason")
        word = reason or word
    return str(word)


def _restarts(pod: JSON, now: datetime) -> str:
    statuses = dig(pod, "status", "containerStatuses") or []
    total = sum(status["restartCount"] for status in statuses)
    ended = [dig(status, "lastState", "terminated", "finishedAt") for status in statuses]
    last = max((at for at in ended if at), default="")
    return f"{total} ({age(last, now)} ago)" if total and last else str(total)


def _object(event: JSON, _now: datetime) -> str:
    about = event.get("involvedObject") or event.get("regarding") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _last_seen(event: JSON, now: datetime) -> str:
    last = (
        dig(event, "series", "lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("deprecatedLastTimestamp")
        or event.get("eventTime")
    )
    return age(last, now) if last else age_of(event, now)


def _message(event: JSON, _now: datetime) -> str:
    return str(event.get("message") or event.get("note") or "").strip()


def _target(hpa: JSON, _now: datetime) -> str:
    target = hpa["spec"]["scaleTargetRef"]
    return f"{target['kind']}/{target['name']}"


def _selector(workload: JSON, _now: datetime) -> str:
    return label_text(workload["spec"]["selector"] or {}) or "<none>"


_NAME = Column("Name", _at("metadata", "name"))
_AGE = Column("Age", age_of)
_GENERAL = (_NAME, _AGE)
_CONTAINERS = (
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
)
_SELECTOR = Column("Selector", _selector, priority=1)
_EVENT = (
    Column("Last Seen", _last_seen),
    Column("Type", _at("type", default="")),
    Column("Reason", _at("reason", default="")),
    Column("Object", _object),
    Column("Message", _message),
)
_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "deployments.apps": (
        _NAME,
        Column("Ready", _replicas),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0), "integer"),
        Column("Available", _at("status", "availableReplicas", default=0), "integer"),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    "events": _EVENT,
    "events.events.k8s.io": _EVENT,
    "horizontalpodautoscalers.autoscaling": (
        _NAME,
        Column("Reference", _target),
        Column("MinPods", _at("spec", "minReplicas")),
        Column("MaxPods", _at("spec", "maxReplicas"), "integer"),
        Column("Replicas", _at("status", "currentReplicas", default=0), "integer"),
        _AGE,
    ),
    "leases.coordination.k8s.io": (_NAME, Column("Holder", _at("spec", "holderIdentity", default="")), _AGE),
    "namespaces": (_NAME, Column("Status", _at("status", "phase", default="")), _AGE),
    "pods": (
        _NAME,
        Column("Ready", _ready),
        Column("Status", _pod_status),
        Column("Restarts", _restarts),
        _AGE,
        Column("IP", _at("status", "podIP"), priority=1),
        Column("Node", _at("spec", "nodeName"), priority=1),
    ),
    "replicasets.apps": (
        _NAME,
        Column("Desired", _at("spec", "replicas", default=0), "integer"),
        Column("Current", _at("status", "replicas", default=0), "integer"),
        Column("Ready", _at("status", "readyReplicas", default=0), "integer"),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    "statefulsets.apps": (
        _NAME,
        Column("Ready", _replicas),
        _AGE,
        *_CONTAINERS,
    ),
}
