"""What a new or changed object becomes where its author said nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from autoscaler.sandbox.objects import shapes
from autoscaler.sandbox.objects.hpa_defaults import default_autoscaler
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.pod_defaults import default_pod, default_template
from autoscaler.sandbox.objects.pod_level import default_pod_level
from autoscaler.sandbox.objects.quality import quality_of_service
from autoscaler.sandbox.objects.values import JSON


def set_defaults(kind: Kind, obj: JSON) -> None:
    """Complete a decoded object in place."""
    if complete := _DEFAULTS.get(kind.resource):
        complete(obj)


def first_status(kind: Kind, obj: JSON) -> JSON | None:
    """Return the status of a new object, None for a kind that has none."""
    if kind.resource == "pods":
        return {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
    if kind.resource == "namespaces":
        return {"phase": "Active"}
    if kind.resource == "persistentvolumeclaims":
        return {"phase": "Pending"}
    status: JSON | None = shapes.empty(kind).get("status")
    return status


def _default_stateful_set(obj: JSON) -> None:
    spec = obj["spec"]
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    strategy = spec["updateStrategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    default_template(spec["template"]["spec"])
    for claim in spec.get("volumeClaimTemplates") or []:
        claim.update({"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        claim.setdefault("status", {}).setdefault("phase", "Pending")


def _default_deployment(obj: JSON) -> None:
    spec = obj["spec"]
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec["strategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    default_template(spec["template"]["spec"])


def _default_replica_set(obj: JSON) -> None:
    obj["spec"].setdefault("replicas", 1)
    default_template(obj["spec"]["template"]["spec"])


def _default_pod(obj: JSON) -> None:
    default_pod(obj["spec"])
    default_pod_level(obj["spec"])


def _default_secret(obj: JSON) -> None:
    obj.setdefault("type", "Opaque")
    written = obj.pop("stringData", None) or {}
    if written:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in written.items()}
        obj["data"] = obj.get("data", {}) | encoded


def _default_limit_range(obj: JSON) -> None:
    """Let a container's default limit be the most, its default request the limit or the least."""
    for item in obj["spec"]["limits"] or []:
        if item.get("type") != "Container":
            continue
        limits = item.get("max", {}) | item.get("default", {})
        requests = item.get("min", {}) | limits | item.get("defaultRequest", {})
        item.update({"default": limits} if limits else {})
        item.update({"defaultRequest": requests} if requests else {})


def _default_namespace(obj: JSON) -> None:
    meta = obj["metadata"]
    meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta.get("name", "")
    obj["spec"].setdefault("finalizers", ["kubernetes"])


def _default_claim(obj: JSON) -> None:
    obj["spec"].setdefault("volumeMode", "Filesystem")


def _default_priority_class(obj: JSON) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _default_storage_class(obj: JSON) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


_DEFAULTS: Mapping[str, Callable[[JSON], None]] = {
    "deployments.apps": _default_deployment,
    "horizontalpodautoscalers.autoscaling": default_autoscaler,
    "limitranges": _default_limit_range,
    "namespaces": _default_namespace,
    "persistentvolumeclaims": _default_claim,
    "pods": _default_pod,
    "priorityclasses.scheduling.k8s.io": _default_priority_class,
    "replicasets.apps": _default_replica_set,
    "secrets": _default_secret,
    "statefulsets.apps": _default_stateful_set,
    "storageclasses.storage.k8s.io": _default_storage_class,
}
