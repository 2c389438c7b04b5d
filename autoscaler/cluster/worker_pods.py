"""What a pod says of its worker, worked out once for each state of the pod and not at every look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from autoscaler.cluster.kinds import Pod
from autoscaler.cluster.unready import is_unreachable, may_await_volume, why_unready
from autoscaler.cluster.workloads import Workload
from autoscaler.core.model import TargetRef, WorkerPod

OVER = frozenset({"Succeeded", "Failed"})
"""Phases of a pod that will never run again."""

Seen = dict[str, tuple[Pod, WorkerPod]]


class WorkerPods:
    """The pods of all targets, as far as scaling cares. A pod that has not changed is the same object."""

    def __init__(self) -> None:
        self._known: dict[TargetRef, tuple[tuple[str | None, int], Seen]] = {}

    def of(
        self, target: TargetRef, found: Workload, pods: Sequence[Pod], container: str | None
    ) -> tuple[WorkerPod, ...]:
        """Return the pods of a target that are not over, `container` being the one that runs the worker."""
        key = (container, found.first_ordinal)
        known_key, before = self._known.get(target, (None, {}))
        known = before if key == known_key else {}
        seen: Seen = {}
        for pod in pods:
            if pod.status.phase in OVER:
                continue
            name = pod.metadata.name
            earlier = known.get(name)
            same = earlier is not None and earlier[0] is pod
            seen[name] = earlier if same and earlier else (pod, worker_pod(found, pod, container))
        self._known[target] = (key, seen)
        return tuple(worker for _, worker in seen.values())


def worker_pod(found: Workload, pod: Pod, container: str | None) -> WorkerPod:
    """Return what a pod of a worker set says of its worker."""
    meta, ready = pod.metadata, pod.condition("Ready")
    return WorkerPod(
        name=meta.name,
        ready=pod.ready,
        terminating=meta.deletion_timestamp is not None,
        started_at=pod.started_at(container),
        occupied=pod.occupied(container),
        place=found.place(meta.name),
        created_at=seconds(meta.creation_timestamp),
        turned_at=None if ready is None else seconds(ready.last_transition_time),
        ends_at=seconds(meta.deletion_timestamp),
        why_unready=why_unready(pod),
        restarts=sum(status.restart_count for status in pod.status.container_statuses or ()),
        unreachable=is_unreachable(pod),
        awaits_volume=may_await_volume(pod),
        revision=(meta.labels or {}).get(found.revision_label, ""),
    )


def seconds(stamp: str | None) -> float | None:
    """Return a time of the API in seconds since the epoch, None for none."""
    return datetime.fromisoformat(stamp).timestamp() if stamp else None
