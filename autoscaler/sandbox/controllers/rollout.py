"""How many pods each ReplicaSet of a Deployment is to have next, without doing anything.

The arithmetic is that of pkg/controller/deployment: rolling.go, recreate.go and, for a change of the
number of replicas in the middle of a rollout, sync.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.sandbox.controllers.fleet import (
    DESIRED,
    MOST,
    Fleet,
    count_of,
    noted,
    size_of,
    sizes_of,
)
from autoscaler.sandbox.objects.values import JSON


@dataclass(frozen=True, slots=True)
class Resize:
    """A ReplicaSet and the size it is to have, which may be the one it has."""

    replicaset: JSON
    size: int


def is_scaled(fleet: Fleet) -> bool:
    """Whether the Deployment asks for another number than its ReplicaSets were last sized for."""
    notes = (noted(item, DESIRED) for item in fleet.active)
    return any(note is not None and note != fleet.wanted for note in notes)


def first_size(fleet: Fleet) -> int:
    """Return the size with which the ReplicaSet of a new template starts, or to which it may grow."""
    own = 0 if fleet.current is None else size_of(fleet.current)
    if not fleet.rolls:
        return fleet.wanted
    room = fleet.most - sizes_of(fleet.every)
    return own + min(room, fleet.wanted - own) if room > 0 else own


def rolled(fleet: Fleet) -> list[Resize]:
    """Return the next step of a rolling update: the new one grows, or else the old ones shrink."""
    current = fleet.current
    if current is None:
        return []
    size = size_of(current)
    target = fleet.wanted if size > fleet.wanted else first_size(fleet)
    if target != size:
        return [Resize(current, target)]
    return _shrunk(fleet, current)


def _shrunk(fleet: Fleet, current: JSON) -> list[Resize]:
    """Return the old ReplicaSets' sizes: first without what is unhealthy, then as few as may be."""
    sizes = {item["metadata"]["name"]: size_of(item) for item in fleet.old}
    missing = size_of(current) - count_of([current], "availableReplicas")
    room = sizes_of(fleet.every) - fleet.least_available - missing
    if room <= 0 or not any(sizes.values()):
        return []
    _lower(sizes, {item["metadata"]["name"]: _unhealthy(item) for item in fleet.old}, room)
    spare = count_of(fleet.every, "availableReplicas") - fleet.least_available
    _lower(sizes, dict(sizes), spare)
    resizes = [Resize(item, sizes[item["metadata"]["name"]]) for item in fleet.old]
    return [resize for resize in resizes if resize.size != size_of(resize.replicaset)]


def _unhealthy(replicaset: JSON) -> int:
    return max(0, size_of(replicaset) - count_of([replicaset], "availableReplicas"))


def _lower(sizes: dict[str, int], most: dict[str, int], total: int) -> None:
    """Lower sizes in place, each by so much at most, all by so much in total."""
    for name, size in sizes.items():
        step = max(0, min(size, most[name], total))
        sizes[name], total = size - step, total - step


def emptied(fleet: Fleet) -> list[Resize]:
    """Return the sizes of old ReplicaSets before a Deployment is recreated: none is to have pods."""
    return [Resize(item, 0) for item in fleet.old if size_of(item) > 0]


def scaled(fleet: Fleet) -> list[Resize]:
    """Return the sizes after the number of replicas has changed, which does not hasten a rollout."""
    if len(fleet.active) < 2:  # noqa: PLR2004 - one or none
        return [Resize(item, fleet.wanted) for item in (fleet.active or fleet.every[-1:])]
    if fleet.current is not None and _is_saturated(fleet, fleet.current):
        return emptied(fleet)
    return _proportional(fleet) if fleet.rolls else []


def _is_saturated(fleet: Fleet, current: JSON) -> bool:
    available = count_of([current], "availableReplicas")
    return {size_of(current), noted(current, DESIRED), available} == {fleet.wanted}


def _proportional(fleet: Fleet) -> list[Resize]:
    """Share what is to be added or taken among the ReplicaSets by their size, the largest first."""
    change = (fleet.most if fleet.wanted else 0) - sizes_of(fleet.active)
    shares = _by_size(fleet.active, newer_first=change > 0)
    left, sizes = change, []
    for item in shares:
        step = _fraction(fleet, item) if change else 0
        step = min(step, left) if change > 0 else max(step, left)
        sizes.append(size_of(item) + step)
        left -= step
    sizes[0] = max(0, sizes[0] + left)
    return [Resize(item, size) for item, size in zip(shares, sizes, strict=True)]


def _by_size(replicasets: Sequence[JSON], *, newer_first: bool) -> list[JSON]:
    by_age = sorted(
        replicasets, key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=newer_first
    )
    return sorted(by_age, key=size_of, reverse=True)


def _fraction(fleet: Fleet, replicaset: JSON) -> int:
    """Return by how much a ReplicaSet changes when it keeps its share of the whole."""
    size = size_of(replicaset)
    if fleet.wanted == 0:
        return -size
    before = noted(replicaset, MOST) or count_of([fleet.deployment], "replicas")
    return int(size * fleet.most / before + 0.5) - size if before else 0
