"""What a ReplicaSet's status says of its pods, and the condition that tells of refused ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from autoscaler.sandbox.controllers.set_pods import is_ready, seconds_until_available
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.shapes import LEFT_OUT_AT_ZERO
from autoscaler.sandbox.objects.values import JSON, stamp

SETS = "replicasets.apps"
FAILURE = "ReplicaFailure"


def replica_status(replicaset: JSON, pods: Sequence[JSON], refusal: ApiError | None, now: datetime) -> JSON:
    """Return the status of a ReplicaSet that has these active pods; `refusal` is why it has no others."""
    spec = replicaset["spec"]
    labels, min_ready = spec["template"]["metadata"].get("labels", {}), spec.get("minReadySeconds", 0)
    status: JSON = {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(
            labels.items() <= pod["metadata"].get("labels", {}).items() for pod in pods
        ),
        "readyReplicas": sum(is_ready(pod) for pod in pods),
        "availableReplicas": sum(seconds_until_available(pod, min_ready, now) == 0 for pod in pods),
        "observedGeneration": replicaset["metadata"].get("generation", 0),
    }
    status = {name: count for name, count in status.items() if count or name not in LEFT_OUT_AT_ZERO[SETS]}
    conditions = _conditions(replicaset, len(pods), refusal, now)
    return status | ({"conditions": conditions} if conditions else {})


def _conditions(replicaset: JSON, count: int, refusal: ApiError | None, now: datetime) -> list[JSON]:
    """Return the conditions: the first refusal stands there until a look goes well."""
    conditions: list[JSON] = replicaset.get("status", {}).get("conditions", [])
    others = [condition for condition in conditions if condition["type"] != FAILURE]
    if refusal is None:
        return others
    if len(others) < len(conditions):
        return conditions
    reason = "FailedCreate" if count < replicaset["spec"].get("replicas", 1) else "FailedDelete"
    told = {"type": FAILURE, "status": "True", "lastTransitionTime": stamp(now)}
    return [*others, told | {"reason": reason, "message": refusal.message}]
