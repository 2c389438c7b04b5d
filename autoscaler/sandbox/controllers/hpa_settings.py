"""The settings of the HorizontalPodAutoscaler controller, and where its metrics come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PodCpu = Callable[[str, str], float | None]
"""The cores that a pod uses, by its namespace and name; None while they are not known."""

MetricValue = Callable[[str, str], float | None]
"""The value of an Object or External metric, by namespace and the metric's name; None without one."""


@dataclass(frozen=True, slots=True)
class HpaSettings:
    """The flags of kube-controller-manager that begin with --horizontal-pod-autoscaler, and its metrics.

    Without `pod_cpu` and `metric_value` the cluster has no API for those metrics. Of a pod that has
    started within `cpu_initialization_seconds` a metric counts once the pod has been ready for
    `metric_window_seconds`, the time over which one is measured; of an older one that is not ready and
    was so last within `readiness_delay_seconds` of its start, it does not count.
    """

    sync_seconds: float = 15.0
    stabilization_seconds: float = 300.0
    tolerance: float = 0.1
    cpu_initialization_seconds: float = 300.0
    readiness_delay_seconds: float = 30.0
    metric_window_seconds: float = 15.0
    pod_cpu: PodCpu | None = None
    metric_value: MetricValue | None = None
