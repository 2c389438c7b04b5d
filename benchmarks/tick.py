"""What a tick of the daemon costs with many targets on one Redis.

    python -m benchmarks.tick [--targets 1000] [--ticks 30] [--json]

The daemon, its reader of Redis, its workforce, its log and its metrics are the real ones; the
cluster is a stand-in of this process that has every target at zero, or at one idle worker that was
never heard (`--awake`). CPU time is this process', all threads; the tick's duration is on the clock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass

from autoscaler.brokers.registry import BrokerRegistry
from autoscaler.brokers.workers import Workforce
from autoscaler.cluster.scale import DryRunScaler
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import ControllerSettings, PrometheusSettings, TargetSettings
from autoscaler.contest import Contests
from autoscaler.core.model import Reading, TargetRef, WorkerPod, WorkerSet, fresh
from autoscaler.core.writers import Writer
from autoscaler.daemon import Daemon
from autoscaler.dry_run import ImaginedCordons
from autoscaler.metrics_sources.hints import Hints
from autoscaler.reconcile import Reconciler
from autoscaler.report.fan import Reporters
from autoscaler.report.log import LogReporter, set_up
from autoscaler.report.metrics import MetricsReporter
from benchmarks.read_depth import redis_server
from benchmarks.stand_ins import NoQuotas

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of a tick: of CPU on average, on the clock the median and the longest."""

    targets: int
    ticks: int
    cpu_ms: float
    median_ms: float
    longest_ms: float


class StillCluster:
    """Every target as it always was, with so many workers."""

    def __init__(self, workers: int) -> None:
        pod = WorkerPod("w-0", ready=True, terminating=False, started_at=0.0)
        self._workers = fresh(WorkerSet("uid", workers, (pod,) * workers), "benchmark")

    def worker_set(self, _: TargetRef) -> Reading[WorkerSet]:
        """Return it."""
        return self._workers

    def replica_writers(self, _: TargetRef) -> tuple[Writer, ...]:
        """Return nobody: nobody else writes here."""
        return ()


class OneUrl:
    """The same broker for all."""

    def __init__(self, url: str) -> None:
        self._url = url

    def known(self, _: TargetSettings) -> str:
        """Return its URL."""
        return self._url

    def look(self, target: TargetSettings) -> None:
        """Have nothing to look for."""

    def doubt(self, target: TargetSettings) -> None:
        """Have no doubt."""


def measure(url: str, targets: int, ticks: int, workers: int) -> Cost:
    """Return what ticks cost once everything is warm."""
    broker = BrokerSettings(timeout_seconds=30.0)
    set_up("json", "error")
    metrics = MetricsReporter(time.monotonic, dry_run=True)
    reporter = Reporters(LogReporter(), metrics)
    brokers, workforce = BrokerRegistry(), Workforce()
    imagined = ImaginedCordons(workforce, time.monotonic)
    hints = Hints(PrometheusSettings(), lambda _: "", lambda _: None)
    settings = [
        TargetSettings("bench", f"w-{n}", (f"queue-{n}",), broker=broker, remote_control=False)
        for n in range(targets)
    ]
    contests = Contests(NoQuotas(), [target.ref for target in settings], time.monotonic)
    daemon = Daemon(
        ControllerSettings(poll_interval_seconds=POLL_SECONDS),
        [
            Reconciler(
                target,
                target.policy(POLL_SECONDS),
                cluster=StillCluster(workers),
                workforce=workforce,
                hints=hints,
                scaler=DryRunScaler(),
                orders=imagined,
                cordons=imagined,
                contests=contests,
                reporter=reporter,
                clock=time.monotonic,
                wall=time.time,
            )
            for target in settings
        ],
        urls=OneUrl(url),
        brokers=brokers,
        reporter=reporter,
        clock=time.monotonic,
    )
    try:
        for _ in range(3):
            daemon.tick(30.0)
        began = time.process_time()
        seconds = [daemon.tick(30.0).seconds for _ in range(ticks)]
        cpu = time.process_time() - began
    finally:
        daemon.close()
        workforce.close()
        brokers.close()
        hints.close()
    return Cost(
        targets,
        ticks,
        round(1000 * cpu / ticks, 1),
        round(1000 * statistics.median(seconds), 1),
        round(1000 * max(seconds), 1),
    )


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--ticks", type=int, default=30)
    parser.add_argument("--awake", action="store_true", help="one worker each in place of none")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with redis_server() as url:
        cost = measure(url, options.targets, options.ticks, int(options.awake))
    if options.json:
        print(json.dumps(asdict(cost)))
        return
    for name, value in asdict(cost).items():
        print(f"{name:<12}{value:>10}")


if __name__ == "__main__":
    main()
