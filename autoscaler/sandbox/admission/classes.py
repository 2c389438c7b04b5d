"""What pods and claims get from the classes that they name, or that are the default.

A PriorityClass gives its number, a RuntimeClass its overhead, which counts against quotas; a claim
that names no StorageClass gets the default one (plugin/pkg/admission/priority, .../runtimeclass,
.../storage/storageclass/setdefault).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.sandbox.admission.claim_resources import storage_class_of
from autoscaler.sandbox.errors import ApiError, forbidden
from autoscaler.sandbox.objects.amounts import parsed
from autoscaler.sandbox.objects.kinds import kind_of
from autoscaler.sandbox.objects.values import JSON, dig

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

PRIORITIES = "priorityclasses.scheduling.k8s.io"
RUNTIMES = "runtimeclasses.node.k8s.io"
STORAGES = "storageclasses.storage.k8s.io"
_BUILT_IN = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
_PREEMPTION = "PreemptLowerPriority"


def set_priority(store: Store, resource: str, obj: JSON) -> JSON:
    """Resolve a pod's priority in place. Raises `ApiError` 403 for an unknown class or another number."""
    if resource != "pods":
        return obj
    spec = obj["spec"]
    chosen = _priority_class(store, obj)
    if spec.get("priority") not in {None, chosen["value"]}:
        raise _refused(
            obj,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority "
            f"admission controller computed {chosen['value']} from the given PriorityClass name",
        )
    policy = chosen.get("preemptionPolicy", _PREEMPTION)
    if spec.get("preemptionPolicy") not in {None, policy}:
        raise _refused(
            obj,
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod "
            f"spec; priority admission controller computed {policy} from the given PriorityClass name",
        )
    spec |= {"priority": chosen["value"], "preemptionPolicy": policy}
    return obj


def check_priority_class(store: Store, resource: str, obj: JSON) -> JSON:
    """Let in a PriorityClass unless it would be a second default. Raises `ApiError` 403."""
    if resource == PRIORITIES and obj.get("globalDefault") and (default := _default_priority(store)):
        name = default["metadata"]["name"]
        why = f"PriorityClass {name} is already marked as default. Only one default can exist"
        raise forbidden(kind_of(PRIORITIES), obj["metadata"]["name"], why)
    return obj


def set_overhead(store: Store, resource: str, obj: JSON) -> JSON:
    """Add in place what a pod's RuntimeClass takes itself. Raises `ApiError` 403 for another overhead."""
    if resource != "pods":
        return obj
    spec = obj["spec"]
    fixed = _overhead_of_class(store, obj)
    if fixed is None:
        if spec.get("overhead"):
            why = "Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise _refused(obj, f"pod rejected: {why}")
    elif spec.get("overhead") and parsed(spec["overhead"]) != parsed(fixed):
        raise _refused(obj, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    elif fixed:
        spec["overhead"] = dict(fixed)
    return obj


def set_storage_class(store: Store, resource: str, obj: JSON) -> JSON:
    """Name the default StorageClass in a claim that says nothing; "" is to say that it wants none."""
    if resource != "persistentvolumeclaims" or "storageClassName" in obj["spec"] or storage_class_of(obj):
        return obj
    defaults = [
        found["metadata"]
        for found in store.snapshot(STORAGES)[0]
        if dig(found, "metadata", "annotations", _DEFAULT_STORAGE) == "true"
    ]
    if defaults:
        newest = max(meta["creationTimestamp"] for meta in defaults)
        obj["spec"]["storageClassName"] = min(
            meta["name"] for meta in defaults if meta["creationTimestamp"] == newest
        )
    return obj


def _priority_class(store: Store, pod: JSON) -> JSON:
    """Return the class that a pod names, or the default one, whose name it gets."""
    name = pod["spec"].get("priorityClassName")
    if not name:
        default = _default_priority(store)
        if default is not None:
            pod["spec"]["priorityClassName"] = default["metadata"]["name"]
        return default or {"value": 0}
    if name in _BUILT_IN:
        return {"value": _BUILT_IN[name]}
    try:
        return store.get(PRIORITIES, "", name)
    except ApiError as error:
        raise _refused(pod, f"no PriorityClass with name {name} was found") from error


def _default_priority(store: Store) -> JSON | None:
    defaults = [found for found in store.snapshot(PRIORITIES)[0] if found.get("globalDefault")]
    return min(defaults, key=lambda found: int(found["value"]), default=None)


def _overhead_of_class(store: Store, pod: JSON) -> JSON | None:
    """Return the overhead of the class that a pod names, None where that has none."""
    name = pod["spec"].get("runtimeClassName")
    if name is None:
        return None
    try:
        found = store.get(RUNTIMES, "", name)
    except ApiError as error:
        raise _refused(pod, f'pod rejected: RuntimeClass "{name}" not found') from error
    overhead = found.get("overhead")
    return None if overhead is None else overhead.get("podFixed") or {}


def _refused(pod: JSON, why: str) -> ApiError:
    return forbidden(kind_of("pods"), pod["metadata"]["name"], why)
