"""Which ReplicaSet is that of a Deployment's template, and how a new one looks."""

from __future__ import annotations

from collections.abc import Iterable

from autoscaler.sandbox.controllers.finding import key_of
from autoscaler.sandbox.controllers.fleet import DESIRED, HASH_LABEL, MOST, REVISION, Fleet, noted
from autoscaler.sandbox.controllers.ownership import controller_of, owner_reference
from autoscaler.sandbox.controllers.revisions import template_hash
from autoscaler.sandbox.controllers.rollout import first_size
from autoscaler.sandbox.objects.values import JSON, copy

_OWN_PREFIX = "deployment.kubernetes.io/"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def fleet_of(deployment: JSON, replicasets: Iterable[JSON]) -> Fleet:
    """Return a Deployment with those of the ReplicaSets that it owns."""
    uid, own = deployment["metadata"]["uid"], []
    for item in replicasets:
        owner = controller_of(item)
        if owner is not None and owner["uid"] == uid:
            own.append(item)
    own.sort(key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))
    template = _without_hash(deployment["spec"]["template"])
    matching = [item for item in own if _without_hash(item["spec"]["template"]) == template]
    current = matching[0] if matching else None
    return Fleet(deployment, current, tuple(item for item in own if item is not current))


def new_set(fleet: Fleet) -> JSON:
    """Return the ReplicaSet that a Deployment makes of its template.

    Its hash has the form of Kubernetes' and changes with the template, but it is another one: there
    it is taken of a printed Go structure.
    """
    deployment, spec = fleet.deployment, fleet.deployment["spec"]
    namespace, name = key_of(deployment)
    digest = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount", 0))
    template, selector = copy(spec["template"]), copy(spec["selector"])
    template["metadata"].setdefault("labels", {})[HASH_LABEL] = digest
    selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
    wish: JSON = {"replicas": first_size(fleet), "selector": selector, "template": template}
    if spec.get("minReadySeconds"):
        wish["minReadySeconds"] = spec["minReadySeconds"]
    made: JSON = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-{digest}",
            "namespace": namespace,
            "labels": dict(template["metadata"]["labels"]),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": wish,
    }
    return sized(renewed(made, fleet), fleet, wish["replicas"])


def renewed(replicaset: JSON, fleet: Fleet) -> JSON:
    """Return the current ReplicaSet with what it takes over from its Deployment, and its revision."""
    given = fleet.deployment["metadata"].get("annotations") or {}
    taken = {key: text for key, text in given.items() if not _is_own(key)}
    revision = max((noted(item, REVISION) or 0 for item in fleet.old), default=0) + 1
    number = {REVISION: str(max(revision, noted(replicaset, REVISION) or 0))}
    spec = dict(replicaset["spec"])
    spec.pop("minReadySeconds", None)
    if fleet.deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = fleet.deployment["spec"]["minReadySeconds"]
    return _annotated({**replicaset, "spec": spec}, taken | number)


def sized(replicaset: JSON, fleet: Fleet, size: int) -> JSON:
    """Return a ReplicaSet with a size, and with a note of what its Deployment asked for then."""
    resized = {**replicaset, "spec": {**replicaset["spec"], "replicas": size}}
    return _annotated(resized, {DESIRED: str(fleet.wanted), MOST: str(fleet.most)})


def _annotated(replicaset: JSON, more: JSON) -> JSON:
    metadata = replicaset["metadata"]
    return {**replicaset, "metadata": {**metadata, "annotations": metadata.get("annotations", {}) | more}}


def _is_own(annotation: str) -> bool:
    return annotation.startswith(_OWN_PREFIX) or annotation == _LAST_APPLIED


def _without_hash(template: JSON) -> JSON:
    metadata = template.get("metadata", {})
    labels = {key: text for key, text in metadata.get("labels", {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}
