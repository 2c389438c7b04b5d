"""What drains cost: the time to a confirmed cordon, and the loop's ticks while many go on.

    python -m benchmarks.drains [--workers 20] [--targets 100] [--ticks 400] [--json]

Cordons: real Celery workers on a Redis of its own are told to take no tasks, and to take them again,
a few times; the clock runs from the order to the last worker's answer that it consumes nothing.

Ticks: targets with three workers each, which are played by another process. In the runs with drains two
workers of every second target are to go, and one of these never answers, so that no drain ends. Runs
with and without take turns, and the longest ticks of both are compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

import redis

from autoscaler.brokers.registry import BrokerRegistry
from autoscaler.brokers.workers import Workforce
from autoscaler.cluster.scale import DryRunScaler
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import ControllerSettings, PrometheusSettings, TargetSettings
from autoscaler.config.scaling import ScaleDownSettings
from autoscaler.contest import Contests
from autoscaler.core.model import Cordon, Order, Reading, TargetRef, WorkerPod, WorkerSet, fresh
from autoscaler.core.writers import Writer
from autoscaler.daemon import Daemon
from autoscaler.metrics_sources.hints import Hints
from autoscaler.reconcile import Reconciler
from autoscaler.report.fan import Reporters
from autoscaler.report.log import LogReporter, set_up
from autoscaler.report.metrics import MetricsReporter
from benchmarks.inspections import worker
from benchmarks.read_depth import redis_server
from benchmarks.stand_ins import NoQuotas
from benchmarks.tick import OneUrl

POLL_SECONDS = 0.25
WORKERS_EACH = 3
TURNS = 4
ROUNDS = 5
LIMIT_SECONDS = 2.0
LIMIT_RATIO = 1.2


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds until all cordons were confirmed; percentiles of ticks in ms, and their ratio."""

    workers: int
    cordon_seconds: tuple[float, ...]
    targets: int
    ticks: int
    p99_ms_without: float
    p99_ms_draining: float
    median_ms_without: float
    median_ms_draining: float
    ratio: float

    @property
    def good(self) -> bool:
        """Whether both limits are kept."""
        return max(self.cordon_seconds) <= LIMIT_SECONDS and self.ratio <= LIMIT_RATIO


class Crowd:
    """Implements `Cluster` and `Cordons`: every target has three workers, for good."""

    def __init__(self) -> None:
        self._cordons: dict[tuple[TargetRef, str], tuple[Cordon, ...]] = {}

    def worker_set(self, target: TargetRef) -> Reading[WorkerSet]:
        """Return a target's workers."""
        pods = tuple(
            WorkerPod(f"{target.name}-{n}", ready=True, terminating=False, started_at=1.0, place=n)
            for n in range(WORKERS_EACH)
        )
        return fresh(WorkerSet(target.name, WORKERS_EACH, pods), "benchmark")

    def replica_writers(self, _: TargetRef) -> tuple[Writer, ...]:
        """Return nobody: nobody else writes here."""
        return ()

    def recall(self, target: TargetRef, uid: str) -> Reading[tuple[Cordon, ...]]:
        """Return what was recorded."""
        return fresh(self._cordons.get((target, uid), ()), "benchmark")

    def record(self, target: TargetRef, uid: str, cordons: Sequence[Cordon]) -> str:
        """Remember it."""
        self._cordons[target, uid] = tuple(cordons)
        return ""


@contextmanager
def chorus(url: str, nodes: list[str], silent: list[str]) -> Iterator[None]:
    """Have workers played by another process."""
    command = [sys.executable, "-m", "benchmarks.chorus", url, ",".join(nodes), ",".join(silent)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "listening"
        yield
    finally:
        process.communicate()


def cordon_seconds(url: str, count: int) -> tuple[float, ...]:
    """Return how long it took each time until all workers had confirmed."""
    names = [f"w-{n}" for n in range(count)]
    target = TargetSettings("bench", "w", ("celery",), broker=BrokerSettings(timeout_seconds=5.0))
    pods = tuple(WorkerPod(name, ready=True, terminating=False, started_at=1.0) for name in names)
    found = []
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(worker(url, f"celery@{name}"))
        force = Workforce()
        stack.callback(force.close)
        force.attend(target, url, WorkerSet("uid", count, pods), urgent=True)

        def cordoned() -> int:
            return sum(a.cordoned_seconds is not None for _, a in force.workers(target.ref, pods))

        _until(lambda: len(force.workers(target.ref, pods)) == count)
        for _ in range(ROUNDS):
            began = time.monotonic()
            force.give(target, url, [Order(name, ("celery",), consume=False) for name in names])
            _until(lambda: cordoned() == count)
            found.append(round(time.monotonic() - began, 3))
            force.give(target, url, [Order(name, ("celery",), consume=True) for name in names])
            _until(lambda: cordoned() == 0)
    return tuple(found)


def tick_seconds(url: str, targets: int, ticks: int, *, draining: bool) -> list[float]:
    """Return how long ticks took, once the drains had begun."""
    crowd, metrics = Crowd(), MetricsReporter(time.monotonic, dry_run=True)
    reporter = Reporters(LogReporter(), metrics)
    brokers, workforce = BrokerRegistry(), Workforce()
    hints = Hints(PrometheusSettings(), lambda _: "", lambda _: None)
    broker = BrokerSettings(timeout_seconds=5.0)
    down = ScaleDownSettings(stabilization_window_seconds=0.0)
    daemon = Daemon(
        ControllerSettings(poll_interval_seconds=POLL_SECONDS),
        [
            Reconciler(
                target,
                target.policy(POLL_SECONDS),
                cluster=crowd,
                workforce=workforce,
                hints=hints,
                scaler=DryRunScaler(),
                orders=workforce,
                cordons=crowd,
                contests=Contests(NoQuotas(), [target.ref], time.monotonic),
                reporter=reporter,
                clock=time.monotonic,
                wall=time.time,
            )
            for n in range(targets)
            for target in [
                TargetSettings(
                    "bench",
                    f"t{n}",
                    ("one" if draining and n % 2 else "three",),
                    slots_per_worker=1,
                    broker=broker,
                    scale_down=down,
                )
            ]
        ],
        urls=OneUrl(url),
        brokers=brokers,
        reporter=reporter,
        clock=time.monotonic,
    )
    nodes = [f"celery@t{n}-{k}" for n in range(targets) for k in range(WORKERS_EACH)]
    silent = [f"celery@t{n}-{WORKERS_EACH - 1}" for n in range(targets)] if draining else ["nobody"]
    seconds = []
    try:
        with chorus(url, nodes, silent):
            for number in range(ticks + ticks // 4):
                due = time.monotonic() + POLL_SECONDS
                took = daemon.tick().seconds
                if number >= ticks // 4:
                    seconds.append(took)
                time.sleep(max(0.0, due - time.monotonic()))
    finally:
        daemon.close()
        workforce.close()
        brokers.close()
        hints.close()
    return seconds


def measure(workers: int, targets: int, ticks: int) -> Figures:
    """Return the figures."""
    set_up("json", "error")
    with redis_server() as url:
        cordons = cordon_seconds(url, workers)
    without: list[float] = []
    draining: list[float] = []
    with redis_server() as url:
        queues = redis.Redis.from_url(url)
        # Every target shares these queues with all others of its kind, in equal parts.
        queues.lpush("three", *["task"] * (WORKERS_EACH * targets))
        queues.lpush("one", *["task"] * (targets // 2))
        for _ in range(TURNS):
            without += tick_seconds(url, targets, ticks // TURNS, draining=False)
            queues.ltrim("three", 0, WORKERS_EACH * (targets - targets // 2) - 1)
            draining += tick_seconds(url, targets, ticks // TURNS, draining=True)
            queues.lpush("three", *["task"] * (WORKERS_EACH * (targets // 2)))
        queues.close()
    return Figures(
        workers,
        cordons,
        targets,
        ticks,
        p99_ms_without=_share(without, 0.99),
        p99_ms_draining=_share(draining, 0.99),
        median_ms_without=_share(without, 0.5),
        median_ms_draining=_share(draining, 0.5),
        ratio=round(_share(draining, 0.99) / _share(without, 0.99), 3),
    )


def _share(seconds: list[float], share: float) -> float:
    return round(1000 * sorted(seconds)[int(share * (len(seconds) - 1))], 2)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def main() -> int:
    """Print the figures, or JSON; the exit status says whether the limits are kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--ticks", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.workers, options.targets, options.ticks)
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        for name, value in asdict(figures).items():
            print(f"{name:<20}{value!s:>12}")
    return 0 if figures.good else 1


if __name__ == "__main__":
    sys.exit(main())
