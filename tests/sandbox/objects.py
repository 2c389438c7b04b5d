"""Objects for tests, as short as the rules allow."""

from __future__ import annotations

from typing import Any

from tests.sandbox.client import JSON

NAMESPACE = "team"
SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def namespace(name: str = NAMESPACE) -> JSON:
    """Return a namespace."""
    return {"metadata": {"name": name}}


def pod(name: str, *, labels: dict[str, str] | None = None, node: str = "", **spec: Any) -> JSON:
    """Return a pod with one container, on a node where one is named."""
    containers = [{"name": "main", "image": "worker:1", "resources": spec.pop("resources", {})}]
    placed = {"nodeName": node} if node else {}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels or {}},
        "spec": {"containers": containers} | placed | spec,
    }


def stateful_set(name: str = "w", replicas: int = 2, *, labels: dict[str, str] | None = None) -> JSON:
    """Return a worker set."""
    selected = {"set": name}
    template = {
        "metadata": {"labels": selected},
        "spec": {"containers": [{"name": "main", "image": "worker:1"}]},
    }
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels or {}},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "selector": {"matchLabels": selected},
            "template": template,
        },
    }


def quota(name: str = "team", hard: dict[str, str] | None = None, **spec: Any) -> JSON:
    """Return a quota."""
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"hard": hard or {}, **spec}}


def limit_range(*limits: JSON) -> JSON:
    """Return a limit range."""
    return {"metadata": {"name": "limits", "namespace": NAMESPACE}, "spec": {"limits": list(limits)}}


def config_map(name: str, **data: str) -> JSON:
    """Return a config map."""
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def claim(name: str, storage: str = "1Gi", **spec: Any) -> JSON:
    """Return a claim for storage."""
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": storage}},
            **spec,
        },
    }


def priority_class(name: str, value: int = 1000, **fields: Any) -> JSON:
    """Return a priority class."""
    return {"metadata": {"name": name}, "value": value, **fields}


def runtime_class(name: str, **pod_fixed: str) -> JSON:
    """Return a runtime class with its overhead, if any."""
    overhead = {"overhead": {"podFixed": pod_fixed}} if pod_fixed else {}
    return {"metadata": {"name": name}, "handler": name} | overhead
