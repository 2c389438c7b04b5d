"""What one worker takes: its pod and its claims, as its set's template has them.

A template is not a pod yet. The API server fills in requests from limits when a pod is made (SetDefaults_Pod
in pkg/apis/core/v1/defaults.go), which `defaulted` does as well; a shape that has all that already stays
the same. What a pod takes in all is added up as in k8s.io/component-helpers/resource/helpers.go: init
containers set the least, those that go on running beside the others (sidecars) add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from autoscaler.core.quantity import Quantity
from autoscaler.core.quota.amounts import Amounts, add, filled, raise_to
from autoscaler.core.quota.names import CPU, HUGE_PAGES, MEMORY, is_pod_level, may_overcommit

_QOS = frozenset({CPU, MEMORY})


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requests and limits of a container, or of a pod as a whole."""

    requests: Amounts = field(default_factory=dict)
    limits: Amounts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod; `sidecar` is an init container whose restartPolicy is Always."""

    name: str
    resources: Requirements = Requirements()
    sidecar: bool = False


@dataclass(frozen=True, slots=True)
class PodShape:
    """All of a pod that quotas and limit ranges look at.

    `resources` are those of the pod as a whole, None where its spec has none. `overhead` is what the pod's
    RuntimeClass adds and `priority_class` what the cluster gives to pods that name none: neither shows in a
    template, and a caller that knows them says so here.
    """

    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    resources: Requirements | None = None
    overhead: Amounts = field(default_factory=dict)
    terminating: bool = False
    priority_class: str = ""
    cross_namespace_affinity: bool = False

    @property
    def all_containers(self) -> Iterator[Container]:
        """The containers, then the init containers."""
        yield from self.containers
        yield from self.init_containers

    @property
    def has_pod_level(self) -> bool:
        """Whether any resource is given to the pod as a whole."""
        level = self.resources
        return level is not None and any(map(is_pod_level, (*level.requests, *level.limits)))

    @property
    def best_effort(self) -> bool:
        """Whether nothing of the pod asks for, or is held to, any cpu or memory."""
        level = self.resources
        given = [c.resources for c in self.all_containers] if level is None else [level]
        return not any(
            name in _QOS and quantity.amount > 0
            for resources in given
            for name, quantity in (*resources.requests.items(), *resources.limits.items())
        )


@dataclass(frozen=True, slots=True)
class ClaimTemplate:
    """A claim that a StatefulSet makes for each of its pods, which outlives them unless it says otherwise.

    `storage` is None where the template asks for none. `storage_class` is "" for no class and None where
    that is left to the cluster's default, which is not known: the claim then counts against every class.
    """

    name: str
    storage: Quantity | None = None
    storage_class: str | None = None
    attributes_class: str = ""


@dataclass(frozen=True, slots=True)
class WorkerShape:
    """What one more worker takes: a pod, and a claim of each template that it does not have yet.

    `unreadable` names the amounts of the template that cannot be read: such a worker never fits where
    anything is limited.
    """

    pod: PodShape
    claims: tuple[ClaimTemplate, ...] = ()
    unreadable: tuple[str, ...] = ()


def defaulted(pod: PodShape) -> PodShape:
    """Return a pod with the requests that the API server takes from its limits."""

    def of(container: Container) -> Container:
        resources = container.resources
        if resources.limits.keys() <= resources.requests.keys():
            return container
        requests = filled(resources.requests, resources.limits)
        return replace(container, resources=Requirements(requests, resources.limits))

    pod = replace(
        pod,
        containers=tuple(map(of, pod.containers)),
        init_containers=tuple(map(of, pod.init_containers)),
    )
    if pod.resources is None:
        return pod
    return replace(pod, resources=_pod_level(pod, pod.resources))


def _pod_level(pod: PodShape, level: Requirements) -> Requirements:
    """Return what is given to the pod as a whole, with what its containers add to that."""
    limits = dict(level.limits)
    if level.limits or level.requests:
        huge = {name: q for name, q in container_limits(pod).items() if name.startswith(HUGE_PAGES)}
        limits |= {n: q for n, q in huge.items() if n not in level.requests and n not in limits}
    if not limits:
        return level
    requests = {
        name: quantity
        for name, quantity in container_requests(pod).items()
        if is_pod_level(name) and may_overcommit(name)
    }
    whole = {name: quantity for name, quantity in limits.items() if is_pod_level(name)}
    return Requirements(filled(level.requests, filled(requests, whole)), limits)


def container_requests(pod: PodShape) -> dict[str, Quantity]:
    """Return what the containers ask for in all."""
    return _aggregated(pod, lambda resources: resources.requests)


def container_limits(pod: PodShape) -> dict[str, Quantity]:
    """Return what the containers are held to in all."""
    return _aggregated(pod, lambda resources: resources.limits)


def _aggregated(pod: PodShape, of: Callable[[Requirements], Amounts]) -> dict[str, Quantity]:
    total: dict[str, Quantity] = {}
    for container in pod.containers:
        add(total, of(container.resources))
    least: dict[str, Quantity] = {}
    beside: dict[str, Quantity] = {}
    for container in pod.init_containers:
        during = dict(of(container.resources))
        if container.sidecar:
            add(total, during)
            add(beside, during)
            during = beside
        else:
            add(during, beside)
        raise_to(least, during)
    raise_to(total, least)
    return total


def pod_requests(pod: PodShape) -> Amounts:
    """Return what a pod asks for in all, its overhead too."""
    total = container_requests(pod)
    if pod.resources is not None:
        total |= {name: q for name, q in pod.resources.requests.items() if is_pod_level(name)}
    add(total, pod.overhead)
    return total


def pod_limits(pod: PodShape) -> Amounts:
    """Return what a pod is held to in all; overhead adds to limits that there are."""
    total = container_limits(pod)
    if pod.resources is not None:
        total |= {name: q for name, q in pod.resources.limits.items() if is_pod_level(name)}
    add(total, {name: q for name, q in pod.overhead.items() if name in total and total[name].amount})
    return total
