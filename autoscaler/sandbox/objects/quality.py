"""The quality of service that a pod gets for what it asks for (pkg/apis/core/helper/qos)."""

from __future__ import annotations

from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.objects.amounts import parsed
from autoscaler.sandbox.objects.pod_defaults import containers_of
from autoscaler.sandbox.objects.values import JSON, dig

BEST_EFFORT, BURSTABLE, GUARANTEED = "BestEffort", "Burstable", "Guaranteed"
_COMPUTE = ("cpu", "memory")


def quality_of_service(spec: JSON) -> str:
    """Return the class of a pod: of what it asks for as a whole, else of what all its containers do."""
    if spec.get("resources") is not None:
        return _class_of(spec["resources"])
    found = {_class_of(container.get("resources") or {}) for container in containers_of(spec)}
    return found.pop() if len(found) == 1 else BURSTABLE if found else BEST_EFFORT


def quality_of(pod: JSON) -> str:
    """Return the class that a pod has been given."""
    return str(dig(pod, "status", "qosClass") or quality_of_service(pod["spec"]))


def _class_of(resources: JSON) -> str:
    requests, limits = parsed(resources.get("requests")), parsed(resources.get("limits"))
    sides = [(requests.get(name, Quantity()), limits.get(name, Quantity())) for name in _COMPUTE]
    if any(request != limit for request, limit in sides):
        return BURSTABLE
    given = {bool(request.amount) for request, _ in sides}
    return BURSTABLE if len(given) > 1 else GUARANTEED if given.pop() else BEST_EFFORT
