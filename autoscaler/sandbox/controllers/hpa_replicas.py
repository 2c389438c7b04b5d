"""How many replicas a metric of the pods asks for, when some of them are new, ending or not measured.

The rules are those of pkg/controller/podautoscaler/replica_calculator.go: what is not known is assumed
to oppose the change. Amounts are in thousandths, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from autoscaler.core import quantity
from autoscaler.sandbox.controllers.hpa_settings import HpaSettings
from autoscaler.sandbox.controllers.set_pods import is_over, is_terminating
from autoscaler.sandbox.objects.values import JSON, dig

Usage = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By which share a metric may be off its target, up or down, without consequence."""

    down: float
    up: float

    def covers(self, ratio: float) -> bool:
        """Whether a metric of so many times its target has no consequence."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


def tolerance_of(behavior: JSON | None, usual: float) -> Tolerance:
    """Return the tolerance that a behavior asks for, or the usual one."""
    own = [dig(behavior, direction, "tolerance") for direction in ("scaleDown", "scaleUp")]
    down, up = (usual if share is None else float(quantity.parse(share).amount) for share in own)
    return Tolerance(down, up)


@dataclass(frozen=True, slots=True)
class Groups:
    """Pods by what their metric is worth; those that end or have ended are in none of them.

    `measured` are ready and have a value, `unready` ones have none that counts, `missing` ones none.
    """

    measured: Usage
    unready: frozenset[str]
    missing: frozenset[str]


def grouped(pods: Iterable[JSON], usage: Usage, settings: HpaSettings, now: datetime, *, cpu: bool) -> Groups:
    """Return the groups of pods; for `cpu` a pod that has just started does not count either."""
    measured: dict[str, int] = {}
    unready: set[str] = set()
    missing: set[str] = set()
    for pod in pods:
        name = pod["metadata"]["name"]
        if is_terminating(pod) or is_over(pod):
            continue
        if dig(pod, "status", "phase") == "Pending":
            unready.add(name)
        elif name not in usage:
            missing.add(name)
        elif cpu and _too_new(pod, settings, now):
            unready.add(name)
        else:
            measured[name] = usage[name]
    return Groups(measured, frozenset(unready), frozenset(missing))


def proposed(
    groups: Groups,
    current: int,
    ratio_of: Callable[[Usage], float],
    assumed: Callable[[str], int],
    tolerance: Tolerance,
) -> int:
    """Return the replicas that a metric asks for; `current` where the change would be too small.

    `ratio_of` tells how many times its target some usage is, and `assumed` how much a pod without a
    value is taken to use where fewer replicas are asked for; where more are, it is taken to use nothing.
    """
    ratio, usage = ratio_of(groups.measured), dict(groups.measured)
    grows_beside_unready = bool(groups.unready) and ratio > 1.0
    if not grows_beside_unready and not groups.missing:
        return current if tolerance.covers(ratio) else ceil(ratio * len(usage))
    if ratio < 1.0:
        usage |= {name: assumed(name) for name in groups.missing}
    elif ratio > 1.0:
        usage |= dict.fromkeys(groups.missing, 0)
    if grows_beside_unready:
        usage |= dict.fromkeys(groups.unready, 0)
    second = ratio_of(usage)
    wanted = ceil(second * len(usage))
    turned = (ratio - 1.0) * (second - 1.0) < 0
    against = (wanted - current) * (second - 1.0) < 0
    return current if tolerance.covers(second) or turned or against else wanted


def _too_new(pod: JSON, settings: HpaSettings, now: datetime) -> bool:
    """Whether a pod's processor time is still that of its start."""
    ready = next((item for item in dig(pod, "status", "conditions") or () if item["type"] == "Ready"), None)
    started = dig(pod, "status", "startTime")
    if ready is None or started is None:
        return True
    began = datetime.fromisoformat(started)
    changed = datetime.fromisoformat(ready["lastTransitionTime"])
    if began + timedelta(seconds=settings.cpu_initialization_seconds) > now:
        window = timedelta(seconds=settings.metric_window_seconds)
        return bool(ready["status"] == "False" or now < changed + window)
    delay = timedelta(seconds=settings.readiness_delay_seconds)
    return bool(ready["status"] == "False" and began + delay > changed)
