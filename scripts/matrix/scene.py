"""One set-up of the matrix: a broker, workers and tasks, what is true of them, and what is reported.

The truth comes from the tasks themselves, which write down when they begin and end, from what was
sent, and from raw counts of the broker: a task that was sent, does not wait, has not begun and is not
put off lies reserved in a worker. What is reported goes the daemon's own way, from its readers to its
demand, once a second.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kombu.entity import Queue

from autoscaler.brokers.registry import BrokerRegistry
from autoscaler.brokers.workers import Workforce
from autoscaler.cluster.scale import DryRunScaler
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.contest import Contests
from autoscaler.core.account import Hint
from autoscaler.core.demand import measure
from autoscaler.core.evidence import missing_evidence
from autoscaler.core.model import Reading, TargetRef, WorkerPod, WorkerSet, fresh, unknown
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer
from autoscaler.dry_run import ImaginedCordons
from autoscaler.reconcile import Reconciler
from autoscaler.report.fan import Reporters
from scripts.matrix.tasks import BEGUN, ENDED, GO, application

POLL_SECONDS = 1.0
LONGEST_POLLS = 40
STILL_POLLS = 5
"""A set-up is still when the truth and what is reported have not changed for so many polls."""
ETA_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Counts:
    """Tasks by where they are; `left` behind by a worker that is gone. What is not known is None."""

    ready: int | None
    reserved: int | None
    active: int | None
    eta: int | None
    left: int | None = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What the daemon makes of a set-up: counts, slots wanted, and what it says to be missing."""

    counts: Counts
    slots: int | None
    ready_at_most: int | None
    missing: tuple[str, ...]


class NoQuotas:
    """Nothing limits anybody."""

    def quarters(self, _: TargetRef) -> None:
        """Return nothing."""

    def pending(self, _: str) -> str:
        """Return that nothing is being waited for."""
        return ""


class NoHints:
    """Nobody else says anything."""

    def hints(self, _: TargetRef) -> tuple[Hint, ...]:
        """Return none."""
        return ()

    def oldest_queued(self, _: TargetRef) -> Reading[float]:
        """Return nothing."""
        return unknown("nobody", "nobody was asked")


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker of a set-up: its URL, and raw counts from it by name of a queue."""

    url: str
    waiting: Callable[[str], int]
    naive: Callable[[str], int]
    settings: BrokerSettings
    application: dict[str, Any]
    suspend: Callable[[], None]
    resume: Callable[[], None]
    quorum: bool = False


class Scene:
    """A set-up at work."""

    def __init__(self, broker: Broker, queues: tuple[str, ...], folder: Path, stack: ExitStack) -> None:
        self.broker = broker
        self.folder = folder
        self.pods: dict[str, WorkerPod] = {}
        self._stack = stack
        self._queues = queues
        self._due = 0
        self._put_off = 0
        self._lost: set[str] = set()
        self._left = 0
        self._kept: Counts | None = None
        target = TargetSettings("matrix", "w", queues, broker=broker.settings)
        self._policy = target.policy(POLL_SECONDS)
        self._app = stack.enter_context(application(broker.url, broker.application))
        if broker.quorum:
            made = [Queue(queue, queue_arguments={"x-queue-type": "quorum"}) for queue in queues]
            self._app.conf.task_queues = made
        self._registry = BrokerRegistry()
        stack.callback(self._registry.close)
        self._workforce = Workforce()
        stack.callback(self._workforce.close)
        imagined = ImaginedCordons(self._workforce, time.monotonic)
        self._reconciler = Reconciler(
            target,
            self._policy,
            cluster=self,
            workforce=self._workforce,
            hints=NoHints(),
            scaler=DryRunScaler(),
            orders=imagined,
            cordons=imagined,
            contests=Contests(NoQuotas(), [target.ref], time.monotonic),
            reporter=Reporters(),
            clock=time.monotonic,
            wall=time.time,
        )
        stack.callback((folder / GO).touch)

    def send(self, tasks: int, queue: str = "", *, put_off: bool = False, priority: int = 0) -> None:
        """Send tasks, to be run now or in an hour."""
        eta = datetime.now(UTC) + timedelta(seconds=ETA_SECONDS) if put_off else None
        for _ in range(tasks):
            where = queue or self._queues[0]
            self._app.send_task("matrix.hold", (str(self.folder),), queue=where, eta=eta, priority=priority)
        if put_off:
            self._put_off += tasks
        else:
            self._due += tasks

    def worker(self, *options: str, **settings: object) -> subprocess.Popen[str]:
        """Start a worker, the pod of its name with it, and return it when it is ready."""
        pod = f"w-{len(self.pods)}"
        environment = {
            **os.environ,
            "MATRIX_BROKER": self.broker.url,
            "MATRIX_SETTINGS": json.dumps({**self.broker.application, **settings}),
        }
        command = [sys.executable, "-m", "celery", "--app", "scripts.matrix.tasks", "worker"]
        command += ["--hostname", f"celery@{pod}", "--queues", ",".join(self._queues), "--loglevel", "info"]
        worker = subprocess.Popen(
            [*command, "--without-mingle", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self._stack.callback(_end, worker)
        assert worker.stderr is not None  # noqa: S101  # it is a pipe
        if not any("ready." in line for line in worker.stderr):
            raise RuntimeError(f"the worker {pod} did not start")
        threading.Thread(target=_drain, args=(worker.stderr,), daemon=True).start()
        self.pods[pod] = WorkerPod(pod, ready=True, terminating=False, started_at=time.time())
        return worker

    def kill(self, worker: subprocess.Popen[str]) -> None:
        """Have a worker die at once, with all its children and its pod."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self._lost = self._begun() - self._ended()
        self.pods.clear()
        before = self.truth()
        self._left = before.reserved or 0

    def terminate(self, worker: subprocess.Popen[str]) -> None:
        """Tell a worker to end, as the end of its pod does."""
        worker.send_signal(signal.SIGTERM)
        self.pods = {
            name: WorkerPod(name, ready=True, terminating=True, started_at=pod.started_at)
            for name, pod in self.pods.items()
        }

    def hang(self) -> None:
        """Have the broker hang. The truth is what it was."""
        self._kept = self.truth()
        self._stack.callback(self.broker.resume)
        self.broker.suspend()

    def settle(self) -> None:
        """Return when the workers have taken what they can."""
        seen: list[Counts] = []
        for _ in range(LONGEST_POLLS):
            seen.append(self.truth())
            if len(seen) >= STILL_POLLS and len(set(seen[-STILL_POLLS:])) == 1 and seen[-1].active:
                return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"the workers took {seen[-1]}")

    def truth(self) -> Counts:
        """Return where the tasks truly are."""
        if self._kept is not None:
            return self._kept
        begun, ended = self._begun(), self._ended()
        active = len(begun - ended - self._lost)
        waiting = sum(self.broker.waiting(queue) for queue in self._queues)
        put_off_waiting = 0 if self.pods or self.broker.quorum else min(self._put_off, waiting)
        ready = waiting - put_off_waiting
        reserved = self._due - ready - len(begun - self._lost) - self._left
        return Counts(ready, reserved, active, self._put_off, self._left)

    def naive(self) -> int | None:
        """Return what the length of the first queue alone says, None where there is no answer."""
        return None if self._kept is not None else self.broker.naive(self._queues[0])

    def worker_set(self, _: TargetRef) -> Reading[WorkerSet]:
        """Return the workers as the cluster would show them."""
        return fresh(WorkerSet("uid", len(self.pods), tuple(self.pods.values())), "matrix")

    def replica_writers(self, _: TargetRef) -> tuple[Writer, ...]:
        """Return nobody: nobody else writes here."""
        return ()

    def report(self) -> Report:
        """Read, reckon and ask the workers once, as a tick of the daemon does."""
        reader = self._registry.reader(self.broker.url, self.broker.settings)
        query = replace(self._reconciler.query, look_into_lists=True)
        plan = self._reconciler.plan(reader.read([query])[0])
        assert plan is not None  # noqa: S101  # the workers are at hand
        self._reconciler.attend(self.broker.url, plan)
        self._reconciler.carry_out(plan, self.broker.url)
        snapshot, demand = plan.snapshot, measure(plan.snapshot, self._policy)
        missing = missing_evidence(snapshot, self._policy)
        if demand is None:
            return Report(Counts(None, None, None, None, None), None, None, (snapshot.broker.detail,))
        reserved, active = _crew(snapshot)
        eta = demand.later + demand.soon
        looked = snapshot.broker.value is not None and all(
            queue.eta_known for queue in snapshot.broker.value.queues
        )
        ready = demand.ready if looked else None
        counts = Counts(ready, reserved, active, eta if looked else None, demand.orphaned)
        return Report(counts, demand.slots, demand.ready, missing)

    def _begun(self) -> set[str]:
        return {path.stem for path in self.folder.glob(f"*{BEGUN}")}

    def _ended(self) -> set[str]:
        return {path.stem for path in self.folder.glob(f"*{ENDED}")}


def _crew(snapshot: Snapshot) -> tuple[int | None, int | None]:
    """Return what the workers say they have reserved and run, None where not all of them say it now."""
    accounts = [account for _, account in snapshot.crew]
    if len(accounts) < len(snapshot.workers.pods) or not all(account.is_fresh for account in accounts):
        return None, None
    reserved = [account.reserved for account in accounts]
    active = [account.active for account in accounts]
    return (
        None if None in reserved else sum(number or 0 for number in reserved),
        None if None in active else sum(number or 0 for number in active),
    )


def _drain(lines: Any) -> None:  # noqa: ANN401  # a pipe
    for _ in lines:
        continue


def _end(worker: subprocess.Popen[str]) -> None:
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
