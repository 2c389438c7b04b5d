"""What an object shows even where nobody has set it.

Go prints the fields of a type that are not marked `omitempty`, whatever they hold. Clients see them,
and the owners of fields are computed against them, so they are written down here: a kind's empty
object, and the empty items of some lists.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON, copy

_TEMPLATE: JSON = {"metadata": {}, "spec": {"containers": None}}

_EMPTY: Mapping[str, JSON] = {
    "controllerrevisions.apps": {"revision": 0},
    "deployments.apps": {"spec": {"selector": None, "template": _TEMPLATE, "strategy": {}}, "status": {}},
    "events": {
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    "events.events.k8s.io": {
        "eventTime": None,
        "regarding": {},
        "deprecatedSource": {},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
    },
    "horizontalpodautoscalers.autoscaling": {
        "spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0},
        "status": {"desiredReplicas": 0, "currentMetrics": None},
    },
    "leases.coordination.k8s.io": {"spec": {}},
    "limitranges": {"spec": {"limits": None}},
    "namespaces": {"spec": {}, "status": {}},
    "persistentvolumeclaims": {"spec": {"resources": {}}, "status": {}},
    "poddisruptionbudgets.policy": {
        "spec": {},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    },
    "pods": {"spec": {"containers": None}, "status": {}},
    "priorityclasses.scheduling.k8s.io": {"value": 0},
    "replicasets.apps": {"spec": {"selector": None, "template": _TEMPLATE}, "status": {"replicas": 0}},
    "resourcequotas": {"spec": {}, "status": {}},
    "runtimeclasses.node.k8s.io": {"handler": ""},
    "selfsubjectaccessreviews.authorization.k8s.io": {"spec": {}, "status": {"allowed": False}},
    "services": {"spec": {}, "status": {"loadBalancer": {}}},
    "statefulsets.apps": {
        "spec": {"selector": None, "serviceName": "", "template": _TEMPLATE, "updateStrategy": {}},
        "status": {"replicas": 0, "availableReplicas": 0},
    },
    "storageclasses.storage.k8s.io": {"provisioner": ""},
}

_CONTAINER: JSON = {"name": "", "resources": {}}
_STATE: JSON = {"state": {}, "lastState": {}, "ready": False, "restartCount": 0, "image": "", "imageID": ""}
EMPTY_ITEMS: Mapping[str, Mapping[str, JSON]] = {
    "pods": {
        "conditions": {"lastProbeTime": None, "lastTransitionTime": None},
        "containerStatuses": _STATE,
        "containers": _CONTAINER,
        "initContainerStatuses": _STATE,
        "initContainers": _CONTAINER,
    },
    "statefulsets.apps": {"containers": _CONTAINER, "initContainers": _CONTAINER},
    "deployments.apps": {"containers": _CONTAINER, "initContainers": _CONTAINER},
    "replicasets.apps": {"containers": _CONTAINER, "initContainers": _CONTAINER},
}
"""By resource and field, what an item of a list shows at least."""

LEFT_OUT_AT_ZERO: Mapping[str, tuple[str, ...]] = {
    "horizontalpodautoscalers.autoscaling": ("currentReplicas",),
    "statefulsets.apps": ("currentReplicas", "observedGeneration", "readyReplicas", "updatedReplicas"),
    "deployments.apps": (
        "availableReplicas",
        "observedGeneration",
        "readyReplicas",
        "replicas",
        "unavailableReplicas",
        "updatedReplicas",
    ),
    "replicasets.apps": ("availableReplicas", "fullyLabeledReplicas", "observedGeneration", "readyReplicas"),
}
"""By resource, the counts of a status that are not shown while they are 0."""


def empty(kind: Kind) -> JSON:
    """Return the object of a kind in which nothing is set."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}} | copy(
        dict(_EMPTY.get(kind.resource, {}))
    )


def fill(value: JSON, shape: Mapping[str, object]) -> None:
    """Add to an object, in place, what its shape shows and it lacks."""
    for field, blank in shape.items():
        if value.get(field) is None:
            value[field] = copy(blank)
        elif isinstance(blank, dict) and isinstance(value[field], dict):
            fill(value[field], blank)
