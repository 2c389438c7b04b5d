"""Resource quotas: which of them count a pod or a claim, and as how much.

After pkg/quota/v1/evaluator/core/{pods,persistent_volume_claims}.go and checkRequest in
k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from autoscaler.core.quantity import Quantity
from autoscaler.core.quota.amounts import ONE, Amounts, rounded_up
from autoscaler.core.quota.bounds import Bound, must_specify, status_unknown
from autoscaler.core.quota.names import (
    CLAIMS,
    COUNT_CLAIMS,
    COUNT_PODS,
    MUST_BE_SPECIFIED,
    PODS,
    STORAGE,
    STORAGE_CLASS,
    counted_as,
    counts_claims,
    counts_pods,
    limit_counted_as,
)
from autoscaler.core.quota.shape import ClaimTemplate, Container, PodShape, pod_limits, pod_requests


@dataclass(frozen=True, slots=True)
class Scope:
    """One condition that an object must meet for a quota to count it.

    A plain scope of a quota is one with operator Exists. A scope or an operator that is not known here
    is taken as met: the quota counts, and growth meets it.
    """

    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()

    def selects(self, value: str) -> bool:
        """Return whether a value, empty for none, is one that the operator lets through."""
        match self.operator:
            case "In":
                return value != "" and value in self.values
            case "NotIn":
                return value == "" or value not in self.values
            case "Exists":
                return value != ""
            case "DoesNotExist":
                return value == ""
            case _:
                return True

    def holds_for_pod(self, pod: PodShape) -> bool:
        """Return whether a pod, with all its defaults, meets the condition."""
        test = _OF_PODS.get(self.name)
        if test is not None:
            return test(pod)
        if self.name == "PriorityClass":
            return self.selects(pod.priority_class)
        return self.name != "VolumeAttributesClass"

    def holds_for_claim(self, claim: ClaimTemplate) -> bool:
        """Return whether a claim meets the condition, which one about pods is never."""
        if self.name == "VolumeAttributesClass":
            return self.selects(claim.attributes_class)
        return self.name not in _OF_PODS and self.name != "PriorityClass"


_OF_PODS: dict[str, Callable[[PodShape], bool]] = {
    "Terminating": lambda pod: pod.terminating,
    "NotTerminating": lambda pod: not pod.terminating,
    "BestEffort": lambda pod: pod.best_effort,
    "NotBestEffort": lambda pod: not pod.best_effort,
    "CrossNamespacePodAffinity": lambda pod: pod.cross_namespace_affinity,
}


@dataclass(frozen=True, slots=True)
class Quota:
    """A ResourceQuota as admission sees it: hard and used are those of its status.

    One whose status has no hard yet is as none: admission lets everything past it until its controller has
    counted. `unreadable` holds, by resource, the text of what stands as hard or used and is no quantity.
    """

    name: str
    hard: Amounts = field(default_factory=dict)
    used: Amounts = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def resources(self, counts: Callable[[str], bool]) -> tuple[str, ...]:
        """Return the names of the quota's resources that count something, in order."""
        return tuple(sorted(filter(counts, {*self.hard, *self.unreadable})))

    def counts_pod(self, pod: PodShape) -> bool:
        """Return whether the quota counts a pod that has all its defaults."""
        return any(map(counts_pods, (*self.hard, *self.unreadable))) and all(
            scope.holds_for_pod(pod) for scope in self.scopes
        )

    def counts_claim(self, claim: ClaimTemplate) -> bool:
        """Return whether the quota counts a claim."""
        return any(map(counts_claims, (*self.hard, *self.unreadable))) and all(
            scope.holds_for_claim(claim) for scope in self.scopes
        )

    def uncounted(self, counts: Callable[[str], bool]) -> Iterator[Bound]:
        """Return the resources whose use is not counted yet, for which admission refuses everything."""
        for resource in self.resources(counts):
            if resource not in self.used and resource not in self.unreadable:
                yield status_unknown(self.name, resource)

    def unspecified(self, pod: PodShape) -> Iterator[Bound]:
        """Return the resources that containers of a pod must, and do not, say their amount of."""
        if pod.has_pod_level:
            return
        required = [name for name in self.resources(counts_pods) if name in MUST_BE_SPECIFIED]
        given = [(container.name, _specified(container)) for container in pod.all_containers]
        for resource in required:
            lacking = sorted({name for name, specified in given if resource not in specified})
            if lacking:
                yield must_specify(self.name, resource, lacking)


def _specified(container: Container) -> set[str]:
    return {
        *(name for resource in container.resources.requests for name in counted_as(resource)),
        *(name for resource in container.resources.limits for name in limit_counted_as(resource)),
    }


def usage_of_pod(pod: PodShape) -> dict[str, Quantity]:
    """Return what a pod that has all its defaults counts for, by resource of a quota."""
    usage = {PODS: ONE, COUNT_PODS: ONE}
    for resource, quantity in pod_requests(pod).items():
        usage |= dict.fromkeys(counted_as(resource), quantity)
    for resource, quantity in pod_limits(pod).items():
        usage |= dict.fromkeys(limit_counted_as(resource), quantity)
    return usage


def usage_of_claim(claim: ClaimTemplate, quota: Quota) -> dict[str, Quantity]:
    """Return what a claim counts for in a quota: of every class there where its own is not known."""
    usage = {CLAIMS: ONE, COUNT_CLAIMS: ONE}
    if claim.storage is not None:
        usage[STORAGE] = rounded_up(claim.storage, 1)
    for resource in quota.resources(counts_claims):
        name, found, counted = resource.rpartition(STORAGE_CLASS)
        if found and name and claim.storage_class in {name, None} and counted in usage:
            usage[resource] = usage[counted]
    return usage
