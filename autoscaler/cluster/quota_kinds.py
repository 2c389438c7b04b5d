"""What is read of quotas, limit ranges and pod templates to tell how many more workers are admitted.

Decoded from the API server's own JSON, and handed to `autoscaler.core.quota` as its values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from autoscaler.cluster.kinds import Container, Meta, PodSpec, PodTemplate, Struct
from autoscaler.core import quota
from autoscaler.core.quota.amounts import Amounts, read

Texts = dict[str, str | int | float]
"""Quantities as they stand in an object, by resource."""

OLD_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"


class Resources(Struct, frozen=True):
    """What a container, a pod or a claim asks for and is held to."""

    requests: Texts | None = None
    limits: Texts | None = None


class SizedContainer(Container, frozen=True):
    """A container, and what it takes."""

    resources: Resources | None = None
    restart_policy: str | None = None


class AffinityTerm(Struct, frozen=True):
    """Which namespaces' pods one wants to be near, or far from; its own where it says nothing."""

    namespaces: tuple[str, ...] | None = ()
    namespace_selector: dict[str, Any] | None = None

    @property
    def crosses(self) -> bool:
        """Whether it looks at other namespaces; an empty selector selects them all."""
        return bool(self.namespaces) or self.namespace_selector is not None


class WeightedTerm(Struct, frozen=True):
    """A wish of that kind."""

    pod_affinity_term: AffinityTerm = AffinityTerm()


class PodAffinity(Struct, frozen=True):
    """Demands and wishes about other pods on the same node."""

    required: tuple[AffinityTerm, ...] | None = msgspec.field(
        name="requiredDuringSchedulingIgnoredDuringExecution", default=()
    )
    preferred: tuple[WeightedTerm, ...] | None = msgspec.field(
        name="preferredDuringSchedulingIgnoredDuringExecution", default=()
    )

    @property
    def crosses(self) -> bool:
        """Whether any of them looks at other namespaces."""
        wishes = (wish.pod_affinity_term for wish in self.preferred or ())
        return any(term.crosses for term in (*(self.required or ()), *wishes))


class Affinity(Struct, frozen=True):
    """Which pods one wants to be near to, and far from."""

    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None

    @property
    def crosses(self) -> bool:
        """Whether any of it looks at other namespaces."""
        return any(part is not None and part.crosses for part in (self.pod_affinity, self.pod_anti_affinity))


class SizedPodSpec(PodSpec, frozen=True):
    """A pod template's spec, and what its pods take."""

    containers: tuple[SizedContainer, ...] | None = ()
    init_containers: tuple[SizedContainer, ...] | None = ()
    resources: Resources | None = None
    overhead: Texts | None = None
    active_deadline_seconds: int | None = None
    priority_class_name: str = ""
    affinity: Affinity | None = None


class SizedPodTemplate(PodTemplate, frozen=True):
    """What a worker's pods are made from, and what they take."""

    spec: SizedPodSpec = SizedPodSpec()


class ClaimSpec(Struct, frozen=True):
    """What a claim asks for."""

    resources: Resources | None = None
    storage_class_name: str | None = None
    volume_attributes_class_name: str | None = None


class Claim(Struct, frozen=True):
    """A template of a StatefulSet's claims."""

    metadata: Meta = Meta()
    spec: ClaimSpec = ClaimSpec()

    @property
    def storage_class(self) -> str | None:
        """The class that it names, in the old way or the new one, None where it names none."""
        return (self.metadata.annotations or {}).get(OLD_STORAGE_CLASS, self.spec.storage_class_name)


class ScopeRequirement(Struct, frozen=True):
    """One condition of a quota's scopeSelector."""

    scope_name: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = ()


class ScopeSelector(Struct, frozen=True):
    """The conditions under which a quota counts an object."""

    match_expressions: tuple[ScopeRequirement, ...] | None = ()


class QuotaSpec(Struct, frozen=True):
    """What a quota counts. Its hard is not looked at: admission goes by that of the status."""

    scopes: tuple[str, ...] | None = ()
    scope_selector: ScopeSelector | None = None


class QuotaStatus(Struct, frozen=True):
    """What a quota allows, and what of that is in use."""

    hard: Texts | None = None
    used: Texts | None = None


class ResourceQuota(Struct, frozen=True):
    """A ResourceQuota."""

    metadata: Meta
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class LimitItem(Struct, frozen=True):
    """The rules of a limit range for one type of object."""

    type: str = ""
    min: Texts | None = None
    max: Texts | None = None
    default: Texts | None = None
    default_request: Texts | None = None
    max_limit_request_ratio: Texts | None = None


class LimitRangeSpec(Struct, frozen=True):
    """The rules of a limit range."""

    limits: tuple[LimitItem, ...] | None = ()


class LimitRange(Struct, frozen=True):
    """A LimitRange."""

    metadata: Meta
    spec: LimitRangeSpec = LimitRangeSpec()


def namespace_limits(
    quotas: Iterable[ResourceQuota], limit_ranges: Iterable[LimitRange]
) -> quota.NamespaceLimits:
    """Return what limits a namespace, from all of its quotas and limit ranges."""
    return quota.NamespaceLimits(tuple(map(_quota, quotas)), tuple(map(_limit_range, limit_ranges)))


def _quota(seen: ResourceQuota) -> quota.Quota:
    hard, hard_unreadable = read(seen.status.hard)
    used, used_unreadable = read(seen.status.used)
    scopes = [quota.Scope(name) for name in seen.spec.scopes or ()]
    if seen.spec.scope_selector is not None:
        scopes += (
            quota.Scope(one.scope_name, one.operator, one.values or ())
            for one in seen.spec.scope_selector.match_expressions or ()
        )
    unreadable = {**used_unreadable, **hard_unreadable}
    return quota.Quota(seen.metadata.name, hard, used, tuple(scopes), unreadable)


def _limit_range(seen: LimitRange) -> quota.LimitRange:
    unreadable: list[str] = []

    def amounts(word: str, texts: Texts | None) -> Amounts:
        found, not_read = read(texts)
        unreadable.extend(f"{word} {name} {text!r}" for name, text in not_read.items())
        return found

    items = [
        quota.LimitRangeItem(
            item.type,
            min=amounts("min", item.min),
            max=amounts("max", item.max),
            default=amounts("default", item.default),
            default_request=amounts("defaultRequest", item.default_request),
            max_limit_request_ratio=amounts("maxLimitRequestRatio", item.max_limit_request_ratio),
        )
        for item in seen.spec.limits or ()
    ]
    return quota.LimitRange(seen.metadata.name, tuple(items), tuple(unreadable))


def worker_shape(
    template: SizedPodTemplate,
    claims: Iterable[Claim] = (),
    *,
    overhead: Amounts | None = None,
    default_priority_class: str = "",
    default_storage_class: str | None = None,
) -> quota.WorkerShape:
    """Return what one worker takes, from its set's pod template and volumeClaimTemplates.

    `overhead` is that of the template's RuntimeClass, where the template itself has none;
    `default_priority_class` is the PriorityClass that is the cluster's globalDefault, empty without one;
    `default_storage_class` is the cluster's, empty without one and None where it is not known.
    """
    reader = _Reader()
    spec = template.spec
    pod = quota.PodShape(
        containers=tuple(reader.container(container) for container in spec.containers or ()),
        init_containers=tuple(reader.container(container) for container in spec.init_containers or ()),
        resources=reader.requirements("the pod", spec.resources) if spec.resources is not None else None,
        overhead=reader.amounts("overhead", spec.overhead) or overhead or {},
        terminating=spec.active_deadline_seconds is not None,
        priority_class=spec.priority_class_name or default_priority_class,
        cross_namespace_affinity=spec.affinity is not None and spec.affinity.crosses,
    )
    wanted = tuple(reader.claim(claim, default_storage_class) for claim in claims)
    return quota.WorkerShape(pod, wanted, tuple(reader.unreadable))


class _Reader:
    """Reads amounts, and keeps in mind which of them it could not read."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def amounts(self, whose: str, texts: Texts | None) -> Amounts:
        found, not_read = read(texts)
        self.unreadable += (f"{whose} {name} {text!r}" for name, text in not_read.items())
        return found

    def requirements(self, whose: str, resources: Resources | None) -> quota.Requirements:
        if resources is None:
            return quota.Requirements()
        return quota.Requirements(
            self.amounts(f"{whose} requests", resources.requests),
            self.amounts(f"{whose} limits", resources.limits),
        )

    def container(self, container: SizedContainer) -> quota.Container:
        resources = self.requirements(f"container {container.name}", container.resources)
        return quota.Container(container.name, resources, sidecar=container.restart_policy == "Always")

    def claim(self, claim: Claim, default_class: str | None) -> quota.ClaimTemplate:
        resources = self.requirements(f"claim {claim.metadata.name}", claim.spec.resources)
        named = claim.storage_class
        return quota.ClaimTemplate(
            name=claim.metadata.name,
            storage=resources.requests.get("storage"),
            storage_class=default_class if named is None else named,
            attributes_class=claim.spec.volume_attributes_class_name or "",
        )
