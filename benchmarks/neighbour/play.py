"""One play: a StatefulSet with a user's CPU autoscaler, real workers, the daemon, and the load.

What the user has set of the autoscaler is to be there again once the daemon no longer has to do with it:
after the load it is started again, told to observe.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from autoscaler.sandbox.objects.values import JSON
from benchmarks.neighbour.load import WHOLE_SECONDS, Arrival, arrivals
from benchmarks.neighbour.timeline import AUTOSCALERS, Change, Reversal, Timeline, reversals, zeros
from benchmarks.stage.fleet import NAMESPACE, Manner, Target
from benchmarks.stage.journal import Tally
from benchmarks.stage.stage import HPA_SYNC_SECONDS, Stage, wait_for

MODES = ("none", "activate", "floor", "own", "observe")
"""What the daemon is told of the autoscaler (`hpa` of a target); with none, nothing."""

OWN_MIN, OWN_MAX = 1, 6
CPU, CPU_PERCENT = "100m", 80
WITHIN_SECONDS, WINDOW_SECONDS, GRACE_SECONDS = 60.0, 60.0, 30
"""What counts as soon, and how long both wait before they lower; the pods' grace is Kubernetes' own."""

END_SECONDS, RESTORE_SECONDS = 240.0, 45.0
WORKERS = Target("workers", "redis", late=True, prefetch=1, slots=2, most=OWN_MAX, first=OWN_MIN, cpu=CPU)


@dataclass(frozen=True, slots=True)
class Play:
    """What is played: the mode, for how many minutes, by which seed.

    Shorter than ten minutes, all that takes time in it goes faster: the load, the looks of the autoscaler,
    the windows of both.
    """

    mode: str
    minutes: float = 10.0
    seed: int = 0
    schedule: tuple[Arrival, ...] = field(default=())

    @property
    def pace(self) -> float:
        """How much of its whole length everything takes."""
        return self.minutes * 60.0 / WHOLE_SECONDS

    def arrivals(self) -> tuple[Arrival, ...]:
        """Return what arrives when."""
        return self.schedule or arrivals(self.minutes * 60.0, self.seed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a play.

    `changes` are those of the replicas, `bounds` those of the autoscaler's minReplicas and maxReplicas;
    `killed` workers outlived their grace period. `restored` says that the user's own bounds were there in
    the end, `ended` that every task and, unless the daemon observes, every worker had ended in time.
    """

    mode: str
    minutes: float
    tally: Tally
    changes: tuple[Change, ...]
    bounds: tuple[Change, ...]
    reversed_soon: tuple[Reversal, ...]
    zero_reached: int
    zero_left: int
    killed: tuple[str, ...]
    worker_seconds: float
    restored: bool
    ended: bool

    @property
    def good(self) -> bool:
        """Whether nobody undid soon what the other did, no task was hurt, and zero was reached and left."""
        peace = not self.reversed_soon and self.restored
        unhurt = not (self.tally.damaged or self.killed) and self.ended
        return peace and unhurt and (self.mode == "observe" or bool(self.zero_reached and self.zero_left))

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self) | {"good": self.good}


def play(what: Play) -> Outcome:
    """Play, and return what came of it."""
    manner = Manner(
        window_seconds=WINDOW_SECONDS * what.pace,
        grace_seconds=GRACE_SECONDS,
        hpa="" if what.mode == "none" else what.mode,
    )
    with Stage((WORKERS,), manner, hpa_sync_seconds=HPA_SYNC_SECONDS * what.pace) as stage:
        timeline = Timeline()
        stop_noting = stage.cluster.store.subscribe(timeline.note)
        stage.cluster.apply(_autoscaler(what.pace))
        stage.start_daemon()
        _send(stage, what.arrivals())
        ended = wait_for(lambda: _is_over(stage, what.mode), END_SECONDS)
        changes = timeline.changes("replicas")
        restored = _restore(stage, what.mode)
        stop_noting()
        reached, left = zeros(changes)
        return Outcome(
            mode=what.mode,
            minutes=what.minutes,
            tally=stage.tally(),
            changes=changes,
            bounds=timeline.changes("minReplicas", "maxReplicas"),
            reversed_soon=reversals(changes, WITHIN_SECONDS * what.pace),
            zero_reached=reached,
            zero_left=left,
            killed=stage.killed(),
            worker_seconds=round(stage.journal.worker_seconds(), 1),
            restored=restored,
            ended=ended,
        )


def _send(stage: Stage, schedule: tuple[Arrival, ...]) -> None:
    began = time.monotonic()
    for arrival in schedule:
        time.sleep(max(0.0, began + arrival.at - time.monotonic()))
        stage.send(WORKERS, arrival.seconds, arrival.share)


def _is_over(stage: Stage, mode: str) -> bool:
    """Whether every task has ended, and unless nobody sees to that, every worker too."""
    left = stage.journal.replicas or stage.journal.pods
    return not any(stage.unfinished().values()) and (mode == "observe" or not left)


def _restore(stage: Stage, mode: str) -> bool:
    """Let the daemon have no more to do with the autoscaler; return whether its bounds are the user's."""

    def is_own() -> bool:
        spec = stage.cluster.store.get(AUTOSCALERS, NAMESPACE, WORKERS.name)["spec"]
        return (spec["minReplicas"], spec["maxReplicas"]) == (OWN_MIN, OWN_MAX)

    stage.stop_daemon()
    if mode != "none":
        stage.manner = replace(stage.manner, hpa="observe")
        stage.start_daemon()
    restored = wait_for(is_own, RESTORE_SECONDS)
    stage.stop_daemon()
    return restored


def _autoscaler(pace: float) -> JSON:
    """Return the user's autoscaler, which lowers after as long a window as the daemon."""
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": WORKERS.name, "namespace": NAMESPACE},
        "spec": {
            "minReplicas": OWN_MIN,
            "maxReplicas": OWN_MAX,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": WORKERS.name},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": round(WINDOW_SECONDS * pace)}},
        },
    }
