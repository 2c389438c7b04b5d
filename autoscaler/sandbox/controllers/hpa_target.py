"""The target of a HorizontalPodAutoscaler, seen through its scale."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.sandbox.controllers.ownership import MANAGER
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.kinds import KINDS
from autoscaler.sandbox.objects.selectors import label_text
from autoscaler.sandbox.objects.values import JSON, dig
from autoscaler.sandbox.store import Store


@dataclass(frozen=True, slots=True)
class Target:
    """A workload: the replicas asked for, those existing, and the selector of its pods as one line."""

    resource: str
    namespace: str
    name: str
    replicas: int
    existing: int
    selector: str

    def pods(self, store: Store) -> tuple[JSON, ...]:
        """Return the pods that the selector finds, whoever made them."""
        return tuple(store.list("pods", self.namespace, labels=self.selector)[0])


def find_target(store: Store, hpa: JSON) -> Target:
    """Return what an autoscaler's scaleTargetRef names. Raises `ApiError` 404."""
    reference, namespace = hpa["spec"]["scaleTargetRef"], hpa["metadata"]["namespace"]
    resource = _resource_of(reference)
    obj = store.get(resource, namespace, reference["name"])
    return Target(
        resource=resource,
        namespace=namespace,
        name=reference["name"],
        replicas=obj["spec"].get("replicas", 0),
        existing=dig(obj, "status", "replicas") or 0,
        selector=label_text(obj["spec"]["selector"] or {}),
    )


def set_replicas(store: Store, target: Target, replicas: int) -> None:
    """Ask for so many replicas, whatever has changed since the target was seen. Raises `ApiError`.

    The real one sends the same number again when it meets a conflict.
    """

    def asked(old: JSON) -> JSON:
        return {**old, "spec": {**old["spec"], "replicas": replicas}}

    store.modify(target.resource, target.namespace, target.name, asked, manager=MANAGER, subresource="scale")


def _resource_of(reference: JSON) -> str:
    group = reference.get("apiVersion", "").rpartition("/")[0]
    for kind in KINDS:
        if (kind.group, kind.kind) == (group, reference["kind"]):
            if "scale" in kind.subresources:
                return kind.resource
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
    raise ApiError(404, "NotFound", f'no matches for kind "{reference["kind"]}" in group "{group}"')
