"""Which resource of a pod or a claim counts against which resource of a quota.

The names and their rules are those of pkg/quota/v1/evaluator/core and pkg/apis/core/v1/helper.
"""

from __future__ import annotations

CPU, MEMORY, EPHEMERAL = "cpu", "memory", "ephemeral-storage"
HUGE_PAGES = "hugepages-"
REQUESTS, LIMITS = "requests.", "limits."
PODS, COUNT_PODS = "pods", "count/pods"
CLAIMS, COUNT_CLAIMS, STORAGE = "persistentvolumeclaims", "count/persistentvolumeclaims", "requests.storage"
STORAGE_CLASS = ".storageclass.storage.k8s.io/"

_DEVICE_CLASS = "deviceclass.resource.kubernetes.io/"
_COMPUTE = (CPU, MEMORY, EPHEMERAL)
_OF_PODS = frozenset(
    {PODS, COUNT_PODS, *(prefix + name for prefix in ("", REQUESTS, LIMITS) for name in _COMPUTE)}
)
MUST_BE_SPECIFIED = frozenset(prefix + name for prefix in ("", REQUESTS, LIMITS) for name in (CPU, MEMORY))
"""Where a quota has one of these, every container has to say its amount, or the pod is refused."""


def is_native(resource: str) -> bool:
    """Return whether a name is Kubernetes' own, not some vendor's."""
    return "/" not in resource or "kubernetes.io/" in resource


def is_extended(resource: str) -> bool:
    """Return whether a name is a vendor's, such as nvidia.com/gpu, of which nothing may be overcommitted."""
    return not is_native(resource) and not resource.startswith(REQUESTS)


def may_overcommit(resource: str) -> bool:
    """Return whether the limit of a resource may be above its request."""
    return is_native(resource) and not resource.startswith(HUGE_PAGES)


def is_pod_level(resource: str) -> bool:
    """Return whether a resource may be given to a pod as a whole."""
    return resource in {CPU, MEMORY} or resource.startswith(HUGE_PAGES)


def counts_pods(resource: str) -> bool:
    """Return whether pods count against a resource of a quota."""
    return (
        resource in _OF_PODS
        or resource.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES, REQUESTS + _DEVICE_CLASS))
        or (resource.startswith(REQUESTS) and not is_native(resource))
    )


def counts_claims(resource: str) -> bool:
    """Return whether claims count against a resource of a quota."""
    return resource in {CLAIMS, COUNT_CLAIMS, STORAGE} or class_of(resource) is not None


def class_of(resource: str) -> str | None:
    """Return the storage class whose claims count against a resource, None where it is no such resource."""
    name, found, counted = resource.rpartition(STORAGE_CLASS)
    return name if found and counted in {CLAIMS, STORAGE} else None


def counted_as(resource: str) -> tuple[str, ...]:
    """Return the resources of a quota that a pod's request counts against."""
    if resource in _COMPUTE or resource.startswith(HUGE_PAGES):
        return resource, REQUESTS + resource
    if is_extended(resource) or resource.startswith(_DEVICE_CLASS):
        return (REQUESTS + resource,)
    return ()


def limit_counted_as(resource: str) -> tuple[str, ...]:
    """Return the resources of a quota that a pod's limit counts against."""
    return (LIMITS + resource,) if resource in _COMPUTE else ()
