"""Running the demo: everything real but the cluster, which is a folder.

The daemon runs as a process of its own, exactly as it would in a cluster, and finds the sandbox's API
server through a kubeconfig. Whatever is started here ends with the demo, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis
from celery import Celery

from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.demo.evidence import Summary, Tally, quantile, runs, tally
from autoscaler.sandbox.demo.journal import DaemonLog, Journal
from autoscaler.sandbox.demo.load import Arrival, Day
from autoscaler.sandbox.demo.screen import Moment, Screen
from autoscaler.sandbox.demo.send import Sent, send, send_burst
from autoscaler.sandbox.demo.tasks import EVIDENCE_KEY, QUEUE, app
from autoscaler.sandbox.loopback import free_port, is_ready
from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.sessions import Session, Warden, end

NAMESPACE = "demo"
NAME = "worker"
SLOTS = 4
MAX_REPLICAS = 6
STARTUP_SECONDS = 2.0
QUIET_SECONDS = 6.0
LONGEST_START_SECONDS = 30.0
LONGEST_END_SECONDS = 60.0
REDRAW_SECONDS = 0.25
DAY = Day()

CONFIG = f"""
[controller]
http_host = "127.0.0.1"
http_port = {{port}}

[[targets]]
namespace = "{NAMESPACE}"
name = "{NAME}"
queues = ["{QUEUE}"]
max_replicas = {MAX_REPLICAS}
scale_down = {{{{ stabilization_window_seconds = {QUIET_SECONDS} }}}}
"""


class DemoFailed(Exception):
    """The demo could not be run; the text says why."""


@dataclass
class Stage:
    """What the demo plays on, and what has happened so far."""

    day: Day
    broker: redis.Redis
    evidence: redis.Redis
    celery: Celery
    cluster: SandboxCluster
    journal: Journal
    log: DaemonLog
    screen: Screen
    sent: list[Sent] = field(default_factory=list)
    bursts: list[float] = field(default_factory=list)
    began: float = 0.0

    def moment(self) -> Moment:
        """Return how things stand."""
        self.log.follow()
        at = time.time() - self.began
        return Moment(
            at=at,
            phase=self.day.phase(at),
            queue=int(self.broker.llen(QUEUE)),
            wanted=self.journal.replicas,
            pods=self.journal.pods,
            ready=self.journal.ready,
            sent=len(self.sent),
            done=self.tally().done,
            decision=self.log.last,
        )

    def tally(self) -> Tally:
        """Count what became of the tasks sent so far."""
        lines = self.evidence.lrange(EVIDENCE_KEY, 0, -1)
        return tally(self.sent, runs(str(line) for line in lines))

    def wait(self, until: float) -> None:
        """Show how things stand until a time in seconds since the epoch."""
        while (left := until - time.time()) > 0:
            time.sleep(min(left, REDRAW_SECONDS))
            self.screen.show(self.moment())


def demo(screen: Screen, seed: int = 0, day: Day = DAY) -> Summary:
    """Play a day and return what came of it. Raises `DemoFailed`."""
    with _stage(screen, day) as stage:
        _play(stage, day.arrivals(seed))
        return _summary(stage)


def _play(stage: Stage, arrivals: tuple[Arrival, ...]) -> None:
    stage.began = time.time()
    for arrival in arrivals:
        stage.wait(stage.began + arrival.at)
        if len(arrival.durations) > 1:
            tasks = send_burst(stage.celery, arrival.durations)
            stage.bursts.append(tasks[0].at)
            stage.sent += tasks
        else:
            stage.sent.append(send(stage.celery, arrival.durations[0]))
    deadline = time.time() + LONGEST_END_SECONDS
    while time.time() < deadline:
        moment = stage.moment()
        stage.screen.show(moment)
        if moment.done == moment.sent and not (moment.wanted or moment.pods):
            break
        time.sleep(REDRAW_SECONDS)


def _summary(stage: Stage) -> Summary:
    stage.log.follow()
    count = stage.tally()
    peak = max((change.after for change in stage.journal.changes), default=0)
    reactions = [stage.journal.reaction_seconds(at) for at in stage.bursts]
    return Summary(
        sent=len(stage.sent),
        done=count.done,
        lost=count.lost,
        duplicated=count.duplicated,
        killed=sum(ending.killed for ending in stage.cluster.endings),
        wait_p50_seconds=round(quantile(count.waits, 0.5), 3),
        wait_p95_seconds=round(quantile(count.waits, 0.95), 3),
        peak_replicas=peak,
        final_replicas=stage.journal.replicas,
        worker_seconds=round(stage.journal.worker_seconds(), 1),
        static_worker_seconds=round(peak * (time.time() - stage.began), 1),
        reaction_seconds=round(max(float("nan") if r is None else r for r in reactions), 3),
        patches=stage.log.patches(stage.began),
    )


@contextlib.contextmanager
def _stage(screen: Screen, day: Day) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="autoscaler-demo-", ignore_cleanup_errors=True)
            )
        )
        warden = Warden(folder)
        stack.callback(warden.close)
        screen.say("starting Redis and a cluster in a folder")
        server = stack.enter_context(RedisServer())
        cluster = stack.enter_context(
            SandboxCluster(startup_seconds=(STARTUP_SECONDS, STARTUP_SECONDS), runner="process")
        )
        journal = Journal(time.time)
        stack.callback(cluster.store.subscribe(journal.note))
        _furnish(cluster, server)
        screen.say("starting the daemon against it, as a process of its own")
        log = _daemon(stack, cluster, folder, warden)
        celery = stack.enter_context(contextlib.closing(_celery(server)))
        broker = _connect(stack, server.url)
        evidence = _connect(stack, _evidence_url(server))
        stack.callback(screen.close)
        yield Stage(day, broker, evidence, celery, cluster, journal, log, screen)


def _connect(stack: contextlib.ExitStack, url: str) -> redis.Redis:
    return stack.enter_context(contextlib.closing(redis.Redis.from_url(url, decode_responses=True)))


def _celery(server: RedisServer) -> Celery:
    app.conf.broker_url = server.url
    return app


def _evidence_url(server: RedisServer) -> str:
    return server.url_for("", server.password, database=1)


def _furnish(cluster: SandboxCluster, server: RedisServer) -> None:
    """Put a worker set at zero into the cluster, its broker's URL in a Secret, as the charts do."""
    labels = {"app": NAME}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "broker", "namespace": NAMESPACE},
            "stringData": {"url": server.url},
        }
    )
    worker = (
        f"exec celery -A {app_module()} worker -P threads -c {SLOTS} -n celery@$(POD_NAME) --without-mingle"
    )
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
            "spec": {
                "replicas": 0,
                "podManagementPolicy": "Parallel",
                "serviceName": NAME,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "terminationGracePeriodSeconds": 30,
                        "containers": [
                            {
                                "name": "worker",
                                "image": "demo",
                                "command": ["sh", "-c", worker],
                                "env": [
                                    {
                                        "name": "POD_NAME",
                                        "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
                                    },
                                    {
                                        "name": "CELERY_BROKER_URL",
                                        "valueFrom": {"secretKeyRef": {"name": "broker", "key": "url"}},
                                    },
                                    {"name": "EVIDENCE_URL", "value": _evidence_url(server)},
                                    {"name": "PYTHONPATH", "value": os.pathsep.join(filter(None, sys.path))},
                                ],
                            }
                        ],
                    },
                },
            },
        }
    )


def app_module() -> str:
    """Return the module that holds the Celery application."""
    return "autoscaler.sandbox.demo.tasks"


def _daemon(stack: contextlib.ExitStack, cluster: SandboxCluster, folder: Path, warden: Warden) -> DaemonLog:
    """Start the daemon and wait until it is ready."""
    port = free_port()
    config, log = folder / "config.toml", folder / "daemon.log"
    config.write_text(CONFIG.format(port=port))
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    environment |= {
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with log.open("wb") as output:
        daemon = Session(
            [sys.executable, "-m", "autoscaler", "run", "--config", str(config)],
            warden,
            lambda _: None,
            environment=environment,
            folder=folder,
            output=output,
        )
    stack.callback(end, [daemon], 10.0)
    deadline = time.monotonic() + LONGEST_START_SECONDS
    while not is_ready(port):
        if daemon.join(0) or time.monotonic() > deadline:
            raise DemoFailed(f"the daemon did not get ready:\n{log.read_text(errors='replace')}")
        time.sleep(REDRAW_SECONDS)
    return DaemonLog(log)
