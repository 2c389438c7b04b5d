"""What a HorizontalPodAutoscaler becomes where its author said nothing (pkg/apis/autoscaling/v2)."""

from __future__ import annotations

from autoscaler.sandbox.objects.values import JSON

CPU_PERCENT = 80

_POLICY_PERIOD_SECONDS = 15


def default_autoscaler(obj: JSON) -> None:
    """Complete an autoscaler in place; a behavior is completed only where there is some of it.

    How long a scale-down is stabilized is left open: the controller has a setting for it.
    """
    spec = obj["spec"]
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if (behavior := spec.get("behavior")) is not None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": _POLICY_PERIOD_SECONDS}
        pods = {"type": "Pods", "value": 4, "periodSeconds": _POLICY_PERIOD_SECONDS}
        up = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent]}
        down = {"selectPolicy": "Max", "policies": [dict(percent)]}
        behavior["scaleUp"] = up | (behavior.get("scaleUp") or {})
        behavior["scaleDown"] = down | (behavior.get("scaleDown") or {})
