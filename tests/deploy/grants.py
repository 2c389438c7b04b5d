"""What roles permit, taken apart into single permissions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

READING = ("get", "list", "watch")
# All that the daemon may ever be given: a verb that is not here has to be argued for here.
ALLOWED = (
    {("apps", "statefulsets", verb) for verb in READING}
    | {("", "pods", verb) for verb in READING}
    | {("apps", "statefulsets/scale", verb) for verb in ("get", "patch")}
    | {("", "secrets", "get")}
    | {("apps", kind, verb) for kind in ("deployments", "replicasets") for verb in READING}
    | {("apps", "deployments/scale", verb) for verb in ("get", "patch")}
    | {("", "pods", "patch")}
    # what limits the pods of a namespace, and which claims are there already: names and amounts, no contents
    | {("", kind, verb) for kind in ("resourcequotas", "limitranges") for verb in READING}
    | {("", "persistentvolumeclaims", verb) for verb in READING}
    | {("", "configmaps", verb) for verb in (*READING, "create", "patch", "delete")}
    # An HPA on a target undoes what is written beside it, so it has to be known of. Its minimum is moved only
    # where the configuration says so (hpa = "floor"): a patch cannot be held to one field, so it is held to
    # the names of the HPAs that scale those targets.
    | {("autoscaling", "horizontalpodautoscalers", verb) for verb in (*READING, "patch")}
    # `kubectl describe` of a target tells what was done to it and why; "patch" counts what happens again
    # instead of adding to etcd. Neither shows anything, and nothing acts on an Event.
    | {("", "events", verb) for verb in ("create", "patch")}
)
# These are never given for a whole namespace.
BY_NAME = {"statefulsets/scale", "deployments/scale", "secrets"}
# Nor are these, which could do harm where reading does none.
WRITTEN_BY_NAME = {("horizontalpodautoscalers", "patch")}
# These are given in the daemon's own namespace alone.
AT_HOME = {"configmaps"}


@dataclass(frozen=True, slots=True)
class Grant:
    """One verb on one resource; no namespace means all of them, no names any name."""

    namespace: str | None
    group: str
    resource: str
    verb: str
    names: tuple[str, ...]

    @property
    def needs_names(self) -> bool:
        """Whether it may be given for named objects alone."""
        return self.resource in BY_NAME or (self.resource, self.verb) in WRITTEN_BY_NAME

    @property
    def permission(self) -> tuple[str, str, str]:
        """What is permitted, wherever that is."""
        return self.group, self.resource, self.verb


def grants(documents: Iterable[dict[str, Any]]) -> Iterator[Grant]:
    """Yield every permission that roles and cluster roles among the documents give."""
    for document in documents:
        if document["kind"] not in ("Role", "ClusterRole"):
            continue
        for rule in document["rules"]:
            # a rule of any other shape (nonResourceURLs, say) is something to think about first
            assert rule.keys() <= {"apiGroups", "resources", "resourceNames", "verbs"}
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        names = tuple(rule.get("resourceNames", ()))
                        yield Grant(document["metadata"].get("namespace"), group, resource, verb, names)
