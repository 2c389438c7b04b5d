"""Telling a ReplicaSet which of its pods to remove first, as far as it listens.

It removes pods that are not Ready before those that are, and among these those of the lowest
`controller.kubernetes.io/pod-deletion-cost` first
(https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost). The cost has
to be there before the replicas are lowered, so it is read back before anything depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import Pod

COST = "controller.kubernetes.io/pod-deletion-cost"


def mark(api: Api, namespace: str, pods: Sequence[str], manager: str, now: float) -> str:
    """Have these pods removed first, and return why that is not sure, empty when it is.

    The cost is the time, in seconds since the epoch, below zero: who was marked last goes before whoever
    was marked before and has stayed.
    """
    cost = str(-int(now))
    for pod in pods:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        try:
            api.merge_patch(path, {"metadata": {"annotations": {COST: cost}}}, manager, Pod)
            found = api.get(path, Pod)
        except ApiError as error:
            return f"the deletion cost of pod {pod} could not be set: {error.message}"
        if (found.metadata.annotations or {}).get(COST) != cost:
            return f"the deletion cost of pod {pod} is not what was set"
    return ""
