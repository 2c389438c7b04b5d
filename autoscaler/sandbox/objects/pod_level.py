"""What a pod asks for as a whole, where it says only a part of it (pkg/apis/core/v1/defaults.go)."""

from __future__ import annotations

from autoscaler.sandbox.objects.amounts import of_containers
from autoscaler.sandbox.objects.resource_names import is_huge_pages, is_of_whole_pods
from autoscaler.sandbox.objects.values import JSON


def default_pod_level(spec: JSON) -> None:
    """Complete a pod's own resources in place, once those of its containers are complete.

    Huge pages that containers are limited to become a limit of the pod. With limits, what is not
    requested is what the containers request together, else the limit.
    """
    resources = spec.get("resources") or {}
    if not resources.get("limits") and not resources.get("requests"):
        return
    pod = {"spec": spec}
    requests, limits = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
    for name, amount in of_containers(pod, "limits").items():
        if is_huge_pages(name) and name not in requests:
            limits.setdefault(name, str(amount))
    if limits:
        for name, amount in of_containers(pod, "requests").items():
            if is_of_whole_pods(name) and not is_huge_pages(name):
                requests.setdefault(name, str(amount))
        for name, text in limits.items():
            if is_of_whole_pods(name):
                requests.setdefault(name, text)
    spec["resources"] = resources | {
        side: given for side, given in (("limits", limits), ("requests", requests)) if given
    }
