"""Whether a pod is still valid with its defaults filled in: a template can be fine and its pods refused.

A limit range's default limit may be below what a container asks for, or its defaults may add up to more than
the pod as a whole is given. The rules are those of validateResourceRequirements and
validatePodResourceConsistency in pkg/apis/core/validation, as far as defaults can break them.
"""

from __future__ import annotations

from collections.abc import Iterator

from autoscaler.core.quota.bounds import Bound, invalid
from autoscaler.core.quota.names import CPU, HUGE_PAGES, MEMORY, may_overcommit
from autoscaler.core.quota.shape import PodShape, Requirements, container_limits, container_requests


def faults_of(pod: PodShape) -> Iterator[Bound]:
    """Return what is not valid about a pod, the same every time."""
    for container in pod.all_containers:
        yield from _apart(f"container {container.name}", container.resources)
    if pod.resources is not None:
        yield from _apart("the pod as a whole", pod.resources)
        yield from _inconsistent(pod, pod.resources)


def _apart(whose: str, resources: Requirements) -> Iterator[Bound]:
    for name, request in sorted(resources.requests.items()):
        limit = resources.limits.get(name)
        free = may_overcommit(name)
        if limit is None and not free:
            yield invalid(name, f"{whose} asks for {name}, which needs a limit", None, request)
        elif limit is not None and (request > limit or (request != limit and not free)):
            rule = "may ask for at most" if free else "must ask for just"
            yield invalid(name, f"{whose} {rule} its {name} limit {limit}, not {request}", limit, request)
    said = {**resources.limits, **resources.requests}
    if not {CPU, MEMORY} & said.keys():
        for name in sorted(name for name in said if name.startswith(HUGE_PAGES)):
            yield invalid(name, f"{whose} needs cpu or memory to have {name}", None, said[name])


def _inconsistent(pod: PodShape, whole: Requirements) -> Iterator[Bound]:
    for name, total in sorted(container_requests(pod).items()):
        given = whole.requests.get(name)
        if given is not None and total > given:
            yield invalid(name, f"its containers ask for {name} {total}, the pod for {given}", given, total)
    for name, total in sorted(container_limits(pod).items()):
        given = whole.limits.get(name)
        if name.startswith(HUGE_PAGES) and given is not None and total > given:
            yield invalid(
                name, f"its containers are held to {name} {total}, the pod to {given}", given, total
            )
    for container in pod.containers:
        for name, limit in sorted(container.resources.limits.items()):
            given = whole.limits.get(name)
            if given is not None and limit > given:
                what = f"container {container.name} is held to {name} {limit}, the pod to {given}"
                yield invalid(name, what, given, limit)
