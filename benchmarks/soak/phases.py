"""The phases of the soak: with the daemon, with a naive autoscaler, and with the daemon being killed.

All of them meet the same load. The naive one knows the unfinished tasks of each target exactly, which no
broker could tell it, and has the same window; it lowers the replicas at once, as an HPA does.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.soak.load import Arrival, arrivals
from benchmarks.soak.provoke import Provoker
from benchmarks.stage.fleet import NAMESPACE, Manner, Target
from benchmarks.stage.journal import Tally
from benchmarks.stage.stage import Stage, wait_for

SHARP = Manner()
"""Short windows for many scale-ins, and a grace period that tells who relies on it."""

NAIVE_LOOK_SECONDS = 0.5
NAIVE_PATIENCE_SECONDS = 15.0
"""How much longer than its longest task the naive one has: a task that it lost never ends."""

LONGEST_END_SECONDS = 180.0
LIFE_SECONDS = (0.5, 5.0)
"""How long a daemon lives before it is killed, once it is ready."""

LAST_BURSTS, LAST_BURST_SECONDS = 3, 12.0
"""How many tasks for each slot are sent in the end, to see whether every worker takes some."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a phase plays: for how long, by which seed, and no task longer than that; or a `schedule`."""

    targets: tuple[Target, ...]
    seconds: float
    seed: int
    longest: float
    schedule: tuple[Arrival, ...] = ()

    def arrivals(self) -> tuple[Arrival, ...]:
        """Return what arrives when."""
        return self.schedule or arrivals(self.targets, self.seconds, self.seed, self.longest)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a phase; `killed` workers outlived their grace period, `stuck` ones consume nothing."""

    phase: str
    tally: Tally
    scale_ins: int
    workers_removed: int
    killed: tuple[str, ...]
    worker_seconds: float
    cordons: int
    sent_after_cordons: int
    daemon_kills: int
    stuck: tuple[str, ...]
    remembered: tuple[str, ...]
    ended_at_zero: bool

    @property
    def good(self) -> bool:
        """Whether every task ran once, nobody was killed, and nothing is left behind."""
        nobody = not (self.killed or self.stuck or self.remembered)
        return nobody and not self.tally.damaged and self.ended_at_zero

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self) | {"good": self.good}


def drained(load: Load, manner: Manner = SHARP, *, provoking: bool = True) -> Outcome:
    """Play the load with the daemon, and with a task sent right after every cordon."""
    with Stage(load.targets, manner) as stage:
        stage.start_daemon()
        provoker = Provoker(stage)
        with provoker if provoking else nullcontext():
            _play(stage, load.arrivals(), lambda: None)
        ended = _end(stage)
        return _outcome("drained", stage, ended, provoker)


def naive(load: Load, manner: Manner = SHARP) -> Outcome:
    """Play the load with an autoscaler that lowers the replicas at once."""
    with Stage(load.targets, manner) as stage:
        scaler = _Naive(stage)
        _play(stage, load.arrivals(), scaler.look)
        ended = _end(stage, scaler.look, load.longest + NAIVE_PATIENCE_SECONDS)
        return _outcome("naive", stage, ended, Provoker(stage))


def killed(load: Load, kills: int) -> Outcome:
    """Play the load while the daemon is killed at random moments, until that has been often enough."""
    rng = random.Random(load.seed)  # noqa: S311  # a load, not a secret
    with Stage(load.targets, SHARP) as stage:
        provoker, stop = Provoker(stage), threading.Event()
        killer = threading.Thread(target=_kill, args=(stage, rng, kills, stop), name="killer")
        killer.start()
        try:
            with provoker:
                _play(stage, load.arrivals(), lambda: None)
                killer.join(LONGEST_END_SECONDS)
        finally:
            stop.set()
            killer.join()
        stuck = _stuck(stage)
        ended = _end(stage)
        return _outcome("killed", stage, ended, provoker, stuck)


def _kill(stage: Stage, rng: random.Random, kills: int, stop: threading.Event) -> None:
    """Start the daemon and kill it, again and again, and leave one that lives."""
    while stage.kills < kills and not stop.is_set():
        stage.start_daemon()
        stop.wait(rng.uniform(*LIFE_SECONDS))
        stage.kill_daemon()
    stage.start_daemon()


def _stuck(stage: Stage) -> tuple[str, ...]:
    """Return the workers that consume nothing although the demand wants all of them, for a while."""
    for target in stage.targets:
        for _ in range(LAST_BURSTS * target.slots * target.most):
            stage.send(target, LAST_BURST_SECONDS)
    wanted = sum(target.most for target in stage.targets)
    if not wait_for(lambda: stage.journal.replicas == wanted, LAST_BURST_SECONDS):
        return ("not every fleet grew to its maximum",)
    wait_for(lambda: not stage.not_consuming(), LAST_BURST_SECONDS)
    return stage.not_consuming()


def _play(stage: Stage, schedule: tuple[Arrival, ...], meanwhile: Callable[[], None]) -> None:
    began = time.monotonic()
    for arrival in schedule:
        while (left := began + arrival.at - time.monotonic()) > 0:
            meanwhile()
            time.sleep(min(left, 0.1))
        stage.send(arrival.target, arrival.seconds)


def _end(
    stage: Stage, meanwhile: Callable[[], None] = lambda: None, seconds: float = LONGEST_END_SECONDS
) -> bool:
    """Wait until every task has ended and every fleet is at zero, and return whether that came."""

    def over() -> bool:
        meanwhile()
        left = stage.journal.replicas or stage.journal.pods or stage.journal.cordons
        return not left and not any(stage.unfinished().values())

    return wait_for(over, seconds)


def _outcome(
    phase: str, stage: Stage, ended: bool, provoker: Provoker, stuck: tuple[str, ...] = ()
) -> Outcome:
    stage.stop_daemon()
    return Outcome(
        phase=phase,
        tally=stage.tally(),
        scale_ins=sum(stage.journal.scale_ins.values()),
        workers_removed=stage.journal.removed,
        killed=stage.killed(),
        worker_seconds=round(stage.journal.worker_seconds(), 1),
        cordons=provoker.cordons,
        sent_after_cordons=provoker.sent_after_cordons,
        daemon_kills=stage.kills,
        stuck=stuck,
        remembered=tuple(sorted(stage.journal.cordons)),
        ended_at_zero=ended,
    )


class _Naive:
    """An autoscaler that knows every task and asks nobody."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._proposals: dict[str, deque[tuple[float, int]]] = {t.name: deque() for t in stage.targets}
        self._looked_at = 0.0

    def look(self) -> None:
        """Scale every target to its unfinished tasks, down to the most of the last seconds."""
        now = time.monotonic()
        if now - self._looked_at < NAIVE_LOOK_SECONDS:
            return
        self._looked_at = now
        unfinished = self._stage.unfinished()
        for target in self._stage.targets:
            wanted = min(target.most, math.ceil(unfinished[target.name] / target.slots))
            past = self._proposals[target.name]
            past.append((now, wanted))
            while past[0][0] < now - self._stage.manner.window_seconds:
                past.popleft()
            self._scale(target.name, max(replicas for _, replicas in past))

    def _scale(self, name: str, replicas: int) -> None:
        found = self._stage.cluster.store.get("statefulsets.apps", NAMESPACE, name)
        if found["spec"]["replicas"] != replicas:
            self._stage.cluster.store.modify(
                "statefulsets.apps",
                NAMESPACE,
                name,
                lambda old: {**old, "spec": {**old["spec"], "replicas": replicas}},
            )
