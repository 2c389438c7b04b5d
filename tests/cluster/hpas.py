"""HorizontalPodAutoscalers to test with, made and changed as their users would."""

from __future__ import annotations

from typing import Any

from tests.kube import JSON, Kube

MERGE = "application/merge-patch+json"
CPU: JSON = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


def path(kube: Kube, name: str = "") -> str:
    """Return the path of the HPAs, or of one."""
    found = f"/apis/autoscaling/v2/namespaces/{kube.namespace}/horizontalpodautoscalers"
    return f"{found}/{name}" if name else found


def make(
    kube: Kube, name: str = "h", *, target: JSON | None = None, meta: JSON | None = None, **spec: Any
) -> JSON:
    """Make an HPA of set `w` as Helm would; the keywords are fields of its spec."""
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "w", **(target or {})}
    body = {
        "metadata": {"name": name, **(meta or {})},
        "spec": {"scaleTargetRef": reference, "maxReplicas": 10, "metrics": [CPU], **spec},
    }
    return kube.call("POST", path(kube), body, {"fieldManager": "helm"})


def get(kube: Kube, name: str = "h") -> JSON:
    """Return an HPA."""
    return kube.call("GET", path(kube, name))


def least(kube: Kube, name: str = "h") -> int:
    """Return the minimum that is in force."""
    return int(get(kube, name)["spec"]["minReplicas"])


def edit(kube: Kube, name: str = "h", **spec: Any) -> JSON:
    """Change fields of its spec as its user would."""
    return kube.call("PATCH", path(kube, name), {"spec": spec}, {"fieldManager": "kubectl-edit"}, MERGE)


def measured(kube: Kube, percent: int, replicas: int, name: str = "h") -> JSON:
    """Have the controller say what it saw."""
    seen = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}}
    active = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}
    status = {"currentReplicas": replicas, "currentMetrics": [seen], "conditions": [active]}
    return kube.call("PATCH", f"{path(kube, name)}/status", {"status": status}, kind=MERGE)


def delete(kube: Kube, name: str = "h") -> None:
    """Delete an HPA."""
    kube.call("DELETE", path(kube, name))
