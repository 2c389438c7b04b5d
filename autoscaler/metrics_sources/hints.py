"""All hints of all targets: who is asked, how often, and what they said last.

The asking goes on in the background, on a few threads for each kind of source, so that hanging
databases hold up neither Prometheus nor a tick. A tick reads from memory.

APScheduler goes by the wall clock. Should that be set back, its jobs would wait until it has caught up;
whoever reads a hint that is long overdue therefore has it asked for at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from autoscaler.breaker import Circuit
from autoscaler.config.model import PrometheusSettings, TargetSettings
from autoscaler.core.account import Hint
from autoscaler.core.model import Reading, TargetRef, unknown
from autoscaler.metrics_sources.airflow_db import Databases
from autoscaler.metrics_sources.polls import DatabasePoll, HealthPoll, Locate, Poll, PrometheusPoll, Slots
from autoscaler.metrics_sources.prometheus import PrometheusServer

THREADS: Mapping[str, int] = {"prometheus": 1, "database": 4, "health": 4}
"""Threads for each kind of source."""

OVERDUE_INTERVALS = 4
NO_PROMETHEUS = "the configuration names no Prometheus"

JobName = tuple[str, TargetRef | None]


@dataclass(slots=True)
class _Job:
    """A poll that is made every so often. `asked_at` is the monotonic time of its last beginning.

    Its `id` is never used again: APScheduler would skip the first run of a job while the last one of
    its predecessor of that id is still under way.
    """

    id: str
    poll: Poll
    interval_seconds: float
    target: TargetSettings | None
    asked_at: float
    clock: Callable[[], float]
    nudged_at: float = field(default=0.0)

    def run(self) -> None:
        """Poll once."""
        self.asked_at = self.clock()
        self.poll.poll()

    def is_overdue(self, now: float) -> bool:
        """Whether it ought to have been made long ago."""
        return now - max(self.asked_at, self.nudged_at) > OVERDUE_INTERVALS * self.interval_seconds


class Hints:
    """Implements `Hints` of the ports.

    `locate` finds the URL of a database, `slots` returns the slots per worker of a target, None while they
    are not known. `clock` returns monotonic seconds, `wall` seconds since the epoch. Nothing is asked
    before `start`.
    """

    def __init__(
        self,
        prometheus: PrometheusSettings,
        locate: Locate,
        slots: Slots,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = prometheus
        self._locate = locate
        self._slots = slots
        self._clock = clock
        self._wall = wall
        self._databases = Databases(clock)
        self._jobs: dict[JobName, _Job] = {}
        self._targets: Mapping[TargetRef, TargetSettings] = {}
        self._prometheus: PrometheusPoll | None = None
        self._lock = threading.Lock()
        self._numbers = count()
        self._scheduler = _scheduler()

    def start(self) -> None:
        """Begin to ask."""
        self._scheduler.start()

    def watch(self, targets: Sequence[TargetSettings]) -> None:
        """Gather hints for these targets from now on, and for no others.

        Those that are the same as before keep what is known of them.
        """
        with self._lock:
            self._targets = {target.ref: target for target in targets}
            wanted = {
                (kind, target.ref): target
                for target in targets
                for kind, used in (
                    ("database", target.airflow_database.used),
                    ("health", target.airflow.health_url is not None),
                )
                if used
            }
            for name, job in list(self._jobs.items()):
                if name[1] is not None and wanted.get((name[0], name[1])) != job.target:
                    self._end(name)
            for name, target in wanted.items():
                if name not in self._jobs:
                    self._begin(name, self._poll(name[0], target), target.airflow.interval_seconds, target)
            self._watch_prometheus([target for target in targets if _asks_prometheus(target)])
        self._hang_up()

    def hints(self, target: TargetRef) -> tuple[Hint, ...]:
        """Return what is known of a target, from memory. Does not wait for anything, and never raises."""
        found: list[Hint] = []
        settings = self._targets.get(target)
        if settings is None:
            return ()
        if self._settings.url is None:
            found += _without_prometheus(settings)
        elif self._prometheus is not None:
            found += self._prometheus.hints(target)
        for kind in ("database", "health"):
            job = self._jobs.get((kind, target))
            if job is not None and isinstance(job.poll, DatabasePoll | HealthPoll):
                found += job.poll.hints()
        self._hurry(target)
        return tuple(found)

    def oldest_queued(self, target: TargetRef) -> Reading[float]:
        """Return for how many seconds a target's oldest queued task has been waiting, by the database."""
        job = self._jobs.get(("database", target))
        if job is None or not isinstance(job.poll, DatabasePoll):
            return unknown("airflow database", "it is not configured")
        return job.poll.oldest_queued()

    def close(self) -> None:
        """Stop asking; waits for what is under way, a few seconds at most."""
        with self._lock:
            for name in list(self._jobs):
                self._end(name)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._databases.close()

    def _watch_prometheus(self, targets: Sequence[TargetSettings]) -> None:
        name: JobName = ("prometheus", None)
        if self._settings.url is None:
            return
        if not targets:
            if name in self._jobs:
                self._end(name)
                self._prometheus = None
            return
        poll = self._prometheus
        if poll is None:
            server = PrometheusServer(self._settings, self._settings.url)
            poll = PrometheusPoll(server, Circuit(), self._clock, self._slots, self._settings)
            self._prometheus = poll
        poll.watch(targets)
        if name not in self._jobs:
            self._begin(name, poll, self._settings.interval_seconds)

    def _poll(self, kind: str, target: TargetSettings) -> Poll:
        if kind == "database":
            return DatabasePoll(target, self._databases, self._locate, self._clock)
        return HealthPoll(target, target.airflow.health_url or "", self._clock, self._wall)

    def _begin(self, name: JobName, poll: Poll, seconds: float, target: TargetSettings | None = None) -> None:
        job_id = f"{_text(name)} #{next(self._numbers)}"
        job = self._jobs[name] = _Job(job_id, poll, seconds, target, self._clock(), self._clock)
        self._scheduler.add_job(
            job.run,
            "interval",
            seconds=seconds,
            id=job.id,
            name=_text(name),
            executor=name[0],
            next_run_time=datetime.now(UTC),
        )

    def _end(self, name: JobName) -> None:
        job = self._jobs.pop(name)
        self._scheduler.remove_job(job.id)
        job.poll.close()

    def _hang_up(self) -> None:
        """Close the connections to databases that no target has any more."""
        polls = [job.poll for job in self._jobs.values()]
        self._databases.forget(poll.url for poll in polls if isinstance(poll, DatabasePoll) and poll.url)

    def _hurry(self, target: TargetRef) -> None:
        now = self._clock()
        for name in (("prometheus", None), ("database", target), ("health", target)):
            job = self._jobs.get(name)
            if job is not None and job.is_overdue(now):
                job.nudged_at = now
                try:
                    self._scheduler.modify_job(job.id, next_run_time=datetime.now(UTC))
                except JobLookupError:
                    continue


def _scheduler() -> BackgroundScheduler:
    # it tells of every run, and of every one that it skips
    quiet = logging.getLogger("apscheduler")
    quiet.setLevel(logging.ERROR)
    return BackgroundScheduler(
        timezone=UTC,
        daemon=True,
        executors={kind: ThreadPoolExecutor(threads) for kind, threads in THREADS.items()},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )


def _text(name: JobName) -> str:
    kind, target = name
    return kind if target is None else f"{kind} {target.kind} {target}"


def _asks_prometheus(target: TargetSettings) -> bool:
    return bool(target.hints) or target.airflow.metrics is not None


def _without_prometheus(target: TargetSettings) -> list[Hint]:
    names = [hint.name for hint in target.hints]
    if target.airflow.metrics is not None:
        names.append("airflow metrics")
    return [Hint(name, unknown("prometheus", NO_PROMETHEUS)) for name in names]
