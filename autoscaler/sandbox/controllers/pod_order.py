"""Which pods a ReplicaSet deletes first when it has too many.

An autoscaler that wants certain pods to go can only tell so by their deletion cost, and what comes
before and after it decides too. The rules are those of ActivePodsWithRanks
(pkg/controller/controller_utils.go), in its order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cmp_to_key

from autoscaler.sandbox.controllers.set_pods import is_over, is_ready, is_terminating, ready_since
from autoscaler.sandbox.objects.deletion_cost import deletion_cost
from autoscaler.sandbox.objects.values import JSON, dig

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_NANOSECONDS = 1000  # in a microsecond


@dataclass(frozen=True, slots=True)
class Candidate:
    """What counts of a pod when some must go.

    `neighbours` are the related pods on its node, itself among them; `restarts` the most of a container
    and of a sidecar.
    """

    uid: str
    assigned: bool
    phase: int
    ready_at: datetime | None
    cost: int
    neighbours: int
    restarts: tuple[int, int]
    created_at: datetime


def deletion_order(pods: Iterable[JSON], related: Iterable[JSON], now: datetime) -> list[JSON]:
    """Return active pods, the first to be deleted first.

    `related` are the pods of all ReplicaSets of the same owner, of which the active ones count.
    """
    on_node = Counter(_node(pod) for pod in related if is_active(pod))
    pairs = [(_candidate(pod, on_node[_node(pod)]), pod) for pod in pods]
    key = cmp_to_key(_comparison(now))
    return [pod for _, pod in sorted(pairs, key=lambda pair: key(pair[0]))]


def is_active(pod: JSON) -> bool:
    """Whether a pod counts as a replica: it is neither over nor told to end."""
    return not is_over(pod) and not is_terminating(pod)


def _candidate(pod: JSON, neighbours: int) -> Candidate:
    metadata = pod["metadata"]
    return Candidate(
        uid=metadata["uid"],
        assigned=bool(_node(pod)),
        phase=_PHASES.get(dig(pod, "status", "phase"), 0),
        ready_at=ready_since(pod) if is_ready(pod) else None,
        cost=deletion_cost(metadata.get("annotations", {})) or 0,
        neighbours=neighbours,
        restarts=_restarts(pod),
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
    )


def _node(pod: JSON) -> str:
    return str(dig(pod, "spec", "nodeName") or "")


def _restarts(pod: JSON) -> tuple[int, int]:
    """Return the most restarts of a container, and of a sidecar."""
    status, spec = pod.get("status", {}), pod["spec"]
    sidecars = {
        item["name"] for item in spec.get("initContainers", ()) if item.get("restartPolicy") == "Always"
    }
    most = max((item["restartCount"] for item in status.get("containerStatuses", ())), default=0)
    beside = (item for item in status.get("initContainerStatuses", ()) if item["name"] in sidecars)
    return most, max((item["restartCount"] for item in beside), default=0)


def _comparison(now: datetime) -> Callable[[Candidate, Candidate], int]:
    """Return how two candidates compare: the first rule that tells them apart decides."""

    def compare(one: Candidate, other: Candidate) -> int:
        for first, second in zip(_plain(one), _plain(other), strict=True):
            if first != second:
                return -1 if first < second else 1
        return (
            _younger(one, other, one.ready_at, other.ready_at, now)
            or _fewer(other.restarts, one.restarts)
            or _younger(one, other, one.created_at, other.created_at, now)
        )

    return compare


def _plain(pod: Candidate) -> tuple[int, ...]:
    """Return what is simply compared: lower goes first."""
    return pod.assigned, pod.phase, pod.ready_at is not None, pod.cost, -pod.neighbours


def _younger(
    one: Candidate, other: Candidate, since: datetime | None, others: datetime | None, now: datetime
) -> int:
    """Compare two ages: the younger goes first, and at about the same age the lower uid, which is chance.

    Ages are about the same when their logarithms are (LogarithmicScaleDown), so that long-lived pods
    are not always spared in the order of their birth.
    """
    if since is None or others is None or since == others:
        return 0
    return _magnitude(now - since) - _magnitude(now - others) or (-1 if one.uid < other.uid else 1)


def _magnitude(age: timedelta) -> int:
    """Return the whole logarithm of an age to the base 2, of nanoseconds as in Go."""
    nanoseconds = age // timedelta(microseconds=1) * _NANOSECONDS
    return int(math.log2(nanoseconds)) if nanoseconds > 0 else -1


def _fewer(one: Sequence[int], other: Sequence[int]) -> int:
    return (tuple(one) > tuple(other)) - (tuple(one) < tuple(other))
