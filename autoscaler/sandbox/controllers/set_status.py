"""What a StatefulSet's status says of its pods, field for field as Kubernetes writes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from autoscaler.sandbox.controllers.revisions import Revision
from autoscaler.sandbox.controllers.set_pods import (
    is_ready,
    is_terminating,
    revision_of,
    seconds_until_available,
)
from autoscaler.sandbox.objects.values import JSON

_LEFT_OUT_AT_ZERO = ("observedGeneration", "readyReplicas", "currentReplicas", "updatedReplicas")


def status_of(
    statefulset: JSON, current: Revision, update: Revision, pods: Sequence[JSON], now: datetime
) -> JSON:
    """Return the status of a set that has these pods.

    Pods that are ending count as replicas, and as ready while they are, but not as current or
    updated ones. An update is complete when all replicas asked for have it and are ready; the
    strategy OnDelete never completes one.
    """
    min_ready = statefulset["spec"].get("minReadySeconds", 0)
    staying = [pod for pod in pods if not is_terminating(pod)]
    status: JSON = {
        "observedGeneration": statefulset["metadata"].get("generation", 0),
        "replicas": len(pods),
        "readyReplicas": sum(is_ready(pod) for pod in pods),
        "availableReplicas": sum(seconds_until_available(pod, min_ready, now) == 0 for pod in pods),
        "currentReplicas": sum(revision_of(pod) == current.name for pod in staying),
        "updatedReplicas": sum(revision_of(pod) == update.name for pod in staying),
        "currentRevision": current.name,
        "updateRevision": update.name,
        "collisionCount": statefulset.get("status", {}).get("collisionCount", 0),
    }
    if _update_is_complete(statefulset, status):
        status["currentReplicas"] = status["updatedReplicas"]
        status["currentRevision"] = status["updateRevision"]
    return {name: value for name, value in status.items() if value or name not in _LEFT_OUT_AT_ZERO}


def _update_is_complete(statefulset: JSON, status: JSON) -> bool:
    wanted = statefulset["spec"].get("replicas", 1)
    counts = {status["updatedReplicas"], status["readyReplicas"], status["replicas"]}
    strategy = statefulset["spec"].get("updateStrategy", {}).get("type", "RollingUpdate")
    return strategy == "RollingUpdate" and counts == {wanted}
