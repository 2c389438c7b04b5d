"""Which pods and claims a quota with scopes counts: those for which all of them hold.

Other objects have no scopes, so that a quota with scopes never counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from autoscaler.sandbox.admission.claim_resources import volume_classes_of
from autoscaler.sandbox.objects.quality import BEST_EFFORT, quality_of
from autoscaler.sandbox.objects.values import JSON, dig


def counts(quota: JSON, resource: str, obj: JSON) -> bool:
    """Return whether all the scopes of a quota hold for an object; without scopes it counts them all."""
    return all(_holds(requirement, resource, obj) for requirement in _requirements(quota["spec"]))


def has_deadline(pod: JSON) -> bool:
    """Whether a pod ends by itself, which is what the scope Terminating means."""
    return pod["spec"].get("activeDeadlineSeconds") is not None


def _requirements(spec: JSON) -> Iterator[JSON]:
    for scope in spec.get("scopes") or []:
        yield {"scopeName": scope, "operator": "Exists"}
    yield from dig(spec, "scopeSelector", "matchExpressions") or []


def _holds(requirement: JSON, resource: str, obj: JSON) -> bool:
    scope = requirement.get("scopeName", "")
    if resource == "pods" and scope == "PriorityClass":
        name = obj["spec"].get("priorityClassName")
        return _matches(requirement, {name} if name else set())
    if resource == "pods":
        return _OF_PODS.get(scope, _never)(obj)
    if resource == "persistentvolumeclaims" and scope == "VolumeAttributesClass":
        return _matches(requirement, volume_classes_of(obj))
    return False


def _matches(requirement: JSON, found: Collection[str]) -> bool:
    """Return whether one of the names that an object has is one that is asked for."""
    operator, values = requirement.get("operator"), requirement.get("values") or []
    if operator == "Exists":
        return bool(found)
    if operator == "DoesNotExist":
        return not found
    if operator == "In":
        return any(name in values for name in found)
    return not found or any(name not in values for name in found)


def _reaches_other_namespaces(pod: JSON) -> bool:
    for side in ("podAffinity", "podAntiAffinity"):
        affinity = dig(pod, "spec", "affinity", side) or {}
        terms = list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or [])
        weighted = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or []
        terms += [each.get("podAffinityTerm") or {} for each in weighted]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def _never(_pod: JSON) -> bool:
    return False


_OF_PODS: Mapping[str, Callable[[JSON], bool]] = {
    "BestEffort": lambda pod: quality_of(pod) == BEST_EFFORT,
    "CrossNamespacePodAffinity": _reaches_other_namespaces,
    "NotBestEffort": lambda pod: quality_of(pod) != BEST_EFFORT,
    "NotTerminating": lambda pod: not has_deadline(pod),
    "Terminating": has_deadline,
}
