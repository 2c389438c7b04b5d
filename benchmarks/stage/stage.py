"""What is played on: brokers, a cluster whose pods are processes, and the daemon as a process."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from celery import Celery

from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.loopback import free_port, is_ready
from autoscaler.sandbox.rabbitmq_server import RabbitServer
from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.sessions import Session, Warden, end
from benchmarks.stage.fleet import Manner, Target, configuration, worker_set
from benchmarks.stage.journal import Journal, Tally, tally
from benchmarks.stage.tasks import EVIDENCE, NAME, application

READY_SECONDS = 30.0
ANSWER_SECONDS = 1.0
HPA_SYNC_SECONDS = 15.0


class Stage:
    """Everything that one phase needs, gone without a trace when it is left.

    With `hpa_sync_seconds` the HorizontalPodAutoscalers that are put there look every so many seconds at
    the processor time of the workers' processes; without, they have no metrics.
    """

    def __init__(
        self, targets: tuple[Target, ...], manner: Manner, *, hpa_sync_seconds: float | None = None
    ) -> None:
        self.targets = targets
        self.manner = manner
        self._hpa_sync_seconds = hpa_sync_seconds
        self.journal = Journal()
        self.sent: dict[str, float] = {}
        self._sent_to: Counter[str] = Counter()
        self._ended: dict[str, set[str]] = defaultdict(set)
        self._read = 0
        self.kills = 0
        self._sending = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._daemon: Session | None = None

    def __enter__(self) -> Self:
        """Start the servers and put the worker sets there."""
        with contextlib.ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stage-")))
            self._warden = Warden(self.folder)
            stack.callback(self._warden.close)
            server = stack.enter_context(RedisServer())
            self._evidence_url = server.url_for("", server.password, database=1)
            brokers = {"redis": server.url}
            if any(target.broker == "rabbitmq" for target in self.targets):
                brokers["rabbitmq"] = stack.enter_context(RabbitServer(statistics_seconds=1.0)).url
            self.cluster = stack.enter_context(
                SandboxCluster(
                    startup_seconds=0.2,
                    folder=self.folder / "cluster",
                    patience_seconds=0.5,
                    hpa_sync_seconds=self._hpa_sync_seconds or HPA_SYNC_SECONDS,
                    pod_cpu="processes" if self._hpa_sync_seconds else None,
                )
            )
            stack.callback(self.cluster.store.subscribe(self.journal.note))
            self.evidence = stack.enter_context(contextlib.closing(redis.Redis.from_url(self._evidence_url)))
            self._apps: dict[str, Celery] = {}
            for target in self.targets:
                url = brokers[target.broker]
                self._apps[target.name] = application(url, target.celery)
                stack.callback(self._apps[target.name].close)
                self.cluster.apply(worker_set(target, self.manner, url, self._evidence_url))
            stack.callback(self.stop_daemon)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        self._stack.close()

    def send(self, target: Target, seconds: float, share: float = 0.0) -> None:
        """Send one task, which burns a share of a core for so many seconds."""
        with self._sending:
            at = time.time()
            made = self._apps[target.name].send_task(NAME, (seconds, target.name, share), queue=target.queue)
            self.sent[made.id] = at
            self._sent_to[target.name] += 1

    def tally(self) -> Tally:
        """Count what became of the tasks sent so far."""
        return tally(self.sent, self.evidence.lrange(EVIDENCE, 0, -1))

    def unfinished(self) -> dict[str, int]:
        """Return how many tasks of each target have been sent and not ended, which no broker could tell."""
        for raw in self.evidence.lrange(EVIDENCE, self._read, -1):
            self._read += 1
            line = json.loads(raw)
            if line["what"] == "ended":
                self._ended[line["target"]].add(line["id"])
        return {
            target.name: self._sent_to[target.name] - len(self._ended[target.name]) for target in self.targets
        }

    def killed(self) -> tuple[str, ...]:
        """Return the workers that outlived their grace period, and how long they had."""
        return tuple(
            f"{ending.pod} after {ending.ending_seconds:.1f} s"
            for ending in self.cluster.endings
            if ending.killed
        )

    def not_consuming(self) -> tuple[str, ...]:
        """Return the workers that answer and consume nothing."""
        apps = {target.broker: self._apps[target.name] for target in self.targets}
        found: set[str] = set()
        for app in apps.values():
            answers = app.control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
            found |= {node for node, queues in answers.items() if not queues}
        return tuple(sorted(found))

    def start_daemon(self) -> None:
        """Start the daemon as a process of its own, told of the stage's manner; wait until it is ready."""
        port = free_port()
        config = self.folder / "config.toml"
        config.write_text(configuration(self.targets, self.manner, port=port))
        environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        environment |= {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path])),
        }
        with (self.folder / "daemon.log").open("ab") as output:
            self._daemon = Session(
                [sys.executable, "-m", "autoscaler", "run", "--config", str(config)],
                self._warden,
                lambda _: None,
                environment=environment,
                folder=self.folder,
                output=output,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the daemon is not ready: {self.log()[-3000:]}")
            time.sleep(0.05)

    def stop_daemon(self) -> None:
        """Have the daemon end as Kubernetes would."""
        if self._daemon is not None:
            end([self._daemon], 20.0)
            self._daemon = None

    def kill_daemon(self) -> None:
        """End the daemon without a chance to do anything."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.join()
            self._daemon = None
            self.kills += 1

    def log(self) -> str:
        """Return what the daemon has written."""
        path = self.folder / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""


def wait_for(holds: Callable[[], object], seconds: float) -> bool:
    """Wait until something holds, and return whether it did in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
