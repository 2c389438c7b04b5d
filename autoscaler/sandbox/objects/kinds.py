"""Which kinds of objects there are, and what the API says of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    `stored_as` names the resource whose objects this one shows in another form. `generations` tells
    whether changes of the spec are counted, `blind_update` and `create_by_update` whether a PUT may
    come without a resourceVersion and for an object that does not exist. `annotations_count` tells
    whether changes of annotations are counted too; those that come with a status are taken over
    uncounted. `kept` is false for what is answered and forgotten.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    generations: bool = False
    annotations_count: bool = False
    blind_update: bool = True
    create_by_update: bool = False
    returns_deleted: bool = False
    kept: bool = True
    stored_as: str = ""

    @property
    def resource(self) -> str:
        """The plural with its group, as in "statefulsets.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storage(self) -> str:
        """The resource under which the objects are kept."""
        return self.stored_as or self.resource

    @property
    def api_version(self) -> str:
        """Group and version, as in "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS: tuple[Kind, ...] = (
    Kind(
        "",
        "v1",
        "namespaces",
        "Namespace",
        "namespace",
        ("ns",),
        namespaced=False,
        subresources=("status",),
        returns_deleted=True,
    ),
    Kind(
        "",
        "v1",
        "pods",
        "Pod",
        "pod",
        ("po",),
        ("all",),
        subresources=("status", "log"),
        generations=True,
        returns_deleted=True,
    ),
    Kind("", "v1", "secrets", "Secret", "secret"),
    Kind("", "v1", "configmaps", "ConfigMap", "configmap", ("cm",)),
    Kind(
        "",
        "v1",
        "resourcequotas",
        "ResourceQuota",
        "resourcequota",
        ("quota",),
        subresources=("status",),
        returns_deleted=True,
    ),
    Kind("", "v1", "limitranges", "LimitRange", "limitrange", ("limits",)),
    Kind("", "v1", "events", "Event", "event", ("ev",), create_by_update=True),
    Kind("", "v1", "services", "Service", "service", ("svc",), ("all",), subresources=("status",)),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", "serviceaccount", ("sa",), returns_deleted=True),
    Kind(
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "persistentvolumeclaim",
        ("pvc",),
        subresources=("status",),
        returns_deleted=True,
    ),
    Kind(
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        "statefulset",
        ("sts",),
        ("all",),
        subresources=("status", "scale"),
        generations=True,
    ),
    Kind(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        "deployment",
        ("deploy",),
        ("all",),
        subresources=("status", "scale"),
        generations=True,
        annotations_count=True,
    ),
    Kind(
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        "replicaset",
        ("rs",),
        ("all",),
        subresources=("status", "scale"),
        generations=True,
    ),
    Kind("apps", "v1", "controllerrevisions", "ControllerRevision", "controllerrevision"),
    Kind(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscaler",
        ("hpa",),
        ("all",),
        subresources=("status",),
        blind_update=False,
    ),
    Kind(
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        "lease",
        blind_update=False,
        create_by_update=True,
    ),
    Kind(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "poddisruptionbudget",
        ("pdb",),
        subresources=("status",),
        generations=True,
    ),
    Kind(
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        "priorityclass",
        ("pc",),
        namespaced=False,
    ),
    Kind("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", "runtimeclass", namespaced=False),
    Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", "storageclass", ("sc",), namespaced=False),
    Kind(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        "event",
        ("ev",),
        create_by_update=True,
        stored_as="events",
    ),
    Kind(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreview",
        namespaced=False,
        kept=False,
    ),
)

_BY_RESOURCE = {kind.resource: kind for kind in KINDS}
RESOURCES = frozenset(_BY_RESOURCE)


def kind_of(resource: str) -> Kind:
    """Return the kind of a resource such as "statefulsets.apps". Raises KeyError for an unknown one."""
    return _BY_RESOURCE[resource]


def find_kind(group: str, version: str, plural: str) -> Kind | None:
    """Return the kind that a path names, None where there is no such resource."""
    kind = _BY_RESOURCE.get(f"{plural}.{group}" if group else plural)
    return kind if kind is not None and kind.version == version else None
