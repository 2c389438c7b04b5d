"""A StatefulSet's pods: how one is made from the template, and what its state means to the set."""

from __future__ import annotations

import re
from datetime import datetime

from autoscaler.sandbox.controllers.ownership import owner_reference
from autoscaler.sandbox.controllers.revisions import Revision
from autoscaler.sandbox.objects.values import JSON, copy

REVISION_LABEL = "controller-revision-hash"
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"

_NUMBERED = re.compile(r"(?P<parent>.+)-(?P<ordinal>\d+)")


def pod_of(statefulset: JSON, ordinal: int, revision: Revision) -> JSON:
    """Return the pod with this ordinal as the set creates it from a revision's template."""
    metadata, template = statefulset["metadata"], copy(revision.template)
    name = f"{metadata['name']}-{ordinal}"
    given = template.get("metadata", {})
    labels = {
        **given.get("labels", {}),
        POD_NAME_LABEL: name,
        POD_INDEX_LABEL: str(ordinal),
        REVISION_LABEL: revision.name,
    }
    body: JSON = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(statefulset)],
        },
        "spec": {**template["spec"], "hostname": name},
    }
    if given.get("annotations"):
        body["metadata"]["annotations"] = given["annotations"]
    if statefulset["spec"].get("serviceName"):
        body["spec"]["subdomain"] = statefulset["spec"]["serviceName"]
    if claims := claim_names(statefulset, ordinal):
        others = [volume for volume in body["spec"].get("volumes", []) if volume["name"] not in claims]
        body["spec"]["volumes"] = [
            *({"name": name, "persistentVolumeClaim": {"claimName": of}} for name, of in claims.items()),
            *others,
        ]
    return body


def claim_names(statefulset: JSON, ordinal: int) -> dict[str, str]:
    """Return, by the names of the set's templates for claims, the names of a pod's own claims."""
    pod = f"{statefulset['metadata']['name']}-{ordinal}"
    templates = statefulset["spec"].get("volumeClaimTemplates") or []
    names = [template["metadata"]["name"] for template in templates]
    return {name: f"{name}-{pod}" for name in names}


def ordinal_of(pod: JSON, set_name: str) -> int | None:
    """Return a pod's ordinal in a set, None when its name is not one of the set's."""
    found = _NUMBERED.fullmatch(pod["metadata"]["name"])
    if found is None or found["parent"] != set_name:
        return None
    return int(found["ordinal"])


def revision_of(pod: JSON) -> str:
    """Return the name of the revision that a pod was made from."""
    return str(pod["metadata"].get("labels", {}).get(REVISION_LABEL, ""))


def is_terminating(pod: JSON) -> bool:
    """Whether a pod was told to end."""
    return "deletionTimestamp" in pod["metadata"]


def is_over(pod: JSON) -> bool:
    """Whether a pod has failed or finished and will never run again."""
    return pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}


def is_ready(pod: JSON) -> bool:
    """Whether a pod is running and Ready, even if it was told to end."""
    return pod.get("status", {}).get("phase") == "Running" and ready_since(pod) is not None


def is_healthy(pod: JSON) -> bool:
    """Whether a pod is Ready and staying."""
    return is_ready(pod) and not is_terminating(pod)


def seconds_until_available(pod: JSON, min_ready_seconds: float, now: datetime) -> float | None:
    """Return how long a Ready pod still has to stay so to count as available, None when not Ready."""
    since = ready_since(pod)
    if since is None or not is_ready(pod):
        return None
    return max(0.0, min_ready_seconds - (now - since).total_seconds())


def ready_since(pod: JSON) -> datetime | None:
    """Return since when a pod's condition says that it is Ready, None while it does not."""
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return datetime.fromisoformat(condition["lastTransitionTime"])
    return None
