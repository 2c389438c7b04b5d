"""Prove on one machine that a real Airflow 3 is served from zero and back to zero.

Everything is real but the cluster: PostgreSQL, Redis, Airflow's API server, scheduler and DAG processor,
the daemon, and a worker that the sandbox starts as a process. A DAG run is triggered while there is no
worker; the time line is printed, with what Airflow's own hints said meanwhile.

    make test-airflow

It takes minutes and about 3 GB. Airflow lives in a venv of its own, for its pins are not ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import redis

from autoscaler.config.airflow import AirflowSettings, DatabaseSettings
from autoscaler.config.model import PrometheusSettings, TargetSettings
from autoscaler.metrics_sources.airflow_health import COUNTS_NOTHING
from autoscaler.metrics_sources.hints import Hints
from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.demo.journal import Journal
from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.sessions import Session, Warden, end
from tests.brokers.servers import free_port
from tests.metrics_sources.servers import Postgres, postgres_binaries

PACKAGES = (
    "apache-airflow==3.*",
    "apache-airflow-providers-celery",
    "apache-airflow-providers-postgres",
    "celery==5.6.3",  # the celery provider does not work with 5.7
    "psycopg2-binary",
    "redis",
)
NAMESPACE, NAME, QUEUE = "data", "airflow-worker", "default"
SLOTS, TASKS, TASK_SECONDS, WINDOW_SECONDS = 2, 4, 5, 10
LOOK_SECONDS = 0.25
START_SECONDS, RUN_SECONDS = 240.0, 420.0

DAG = f"""
import time
from airflow.sdk import dag, task

@dag(schedule=None)
def trial():
    @task
    def work(number):
        time.sleep({TASK_SECONDS})

    work.expand(number=list(range({TASKS})))

trial()
"""

CONFIG = f"""
[controller]
http_host = "127.0.0.1"
http_port = {{port}}

[[targets]]
namespace = "{NAMESPACE}"
name = "{NAME}"
queues = ["{QUEUE}"]
max_replicas = 2
scale_down = {{{{ stabilization_window_seconds = {WINDOW_SECONDS} }}}}
airflow = {{{{ health_url = "{{api}}", interval_seconds = 1.0 }}}}
airflow_database = {{{{ url_from = "pod-template" }}}}
"""


class TrialFailed(Exception):
    """The trial did not come to its end; the text says why."""


@dataclass
class Timeline:
    """What happened when, in seconds since the trigger."""

    began: float = field(default_factory=time.monotonic)
    events: list[tuple[float, str]] = field(default_factory=list)

    def note(self, event: str) -> None:
        """Take note of an event and say it."""
        at = time.monotonic() - self.began
        self.events.append((at, event))
        print(f"{at:8.1f} s  {event}", flush=True)


@dataclass
class Stage:
    """Everything that runs, and where its logs go."""

    airflow: Path
    folder: Path
    environment: Mapping[str, str]
    stack: contextlib.ExitStack
    warden: Warden
    api: str

    def start(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> Session:
        """Start a process that ends with the trial."""
        log: IO[bytes] = self.stack.enter_context((self.folder / f"{name}.log").open("wb"))
        session = Session(
            command,
            self.warden,
            lambda _: None,
            environment=environment or self.environment,
            folder=self.folder,
            output=log,
        )
        self.stack.callback(end, [session], 20.0)
        return session

    def ask(self, path: str, body: object = None, token: str = "") -> Any:  # noqa: ANN401  # JSON
        """Return what Airflow's API answers, None while it does not."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        request = urllib.request.Request(self.api + path, data, headers)  # noqa: S310  # our own server
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # as above
                return json.load(answer)
        except (OSError, ValueError):
            return None


def airflow_python(folder: Path) -> Path:
    """Return a Python that has Airflow, installing it first if need be."""
    python = folder / "bin" / "python"
    if not (folder / "bin" / "airflow").exists():
        print(f"installing Airflow into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def wait(holds: Callable[[], Any], what: str, seconds: float) -> Any:  # noqa: ANN401  # whatever holds
    """Return what holds as soon as it does. Raises `TrialFailed` when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(LOOK_SECONDS)
    raise TrialFailed(f"waited {seconds:.0f} s in vain for {what}")


def main() -> int:
    """Run the trial; return 0 when it went from zero and back to zero with every task done."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--airflow", type=Path, default=Path(".cache/airflow"), help="venv that holds Airflow"
    )
    parser.add_argument("--logs", type=Path, help="folder to keep the logs in")
    wanted = parser.parse_args()
    try:
        with _stage(airflow_python(wanted.airflow.absolute()), wanted.logs) as (stage, postgres, broker):
            _play(stage, postgres, broker)
    except TrialFailed as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _stage(python: Path, logs: Path | None) -> Iterator[tuple[Stage, Postgres, RedisServer]]:
    binaries = postgres_binaries()
    if binaries is None:
        raise TrialFailed("PostgreSQL's server is not installed")
    with contextlib.ExitStack() as stack:
        folder = logs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airflow-trial-")))
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        postgres = Postgres(binaries)
        stack.callback(postgres.close)
        postgres.execute("DROP TABLE task_instance")
        broker = stack.enter_context(RedisServer())
        port = free_port()
        environment = _environment(python, folder, port, postgres, broker)
        (folder / "dags").mkdir(exist_ok=True)
        (folder / "dags" / "trial.py").write_text(DAG)
        warden = Warden()
        stack.callback(warden.close)
        yield (
            Stage(python.parent / "airflow", folder, environment, stack, warden, f"http://127.0.0.1:{port}"),
            postgres,
            broker,
        )


def _environment(
    python: Path, folder: Path, port: int, postgres: Postgres, broker: RedisServer
) -> dict[str, str]:
    database = postgres.owner_url.removeprefix("postgresql://")
    secret = "a secret of this trial, long enough for its algorithm"  # noqa: S105  # gone with the trial
    settings = {
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__SECRET_KEY": secret,
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": secret,
        "CELERY__BROKER_URL": broker.url,
        "CELERY__RESULT_BACKEND": f"db+postgresql://{database}",
        "CELERY__WORKER_CONCURRENCY": str(SLOTS),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__DAGS_FOLDER": str(folder / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
        "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "OPERATORS__DEFAULT_QUEUE": QUEUE,
    }
    return {
        "AIRFLOW_HOME": str(folder / "home"),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PATH": f"{python.parent}:/usr/bin:/bin",
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
    }


def _play(stage: Stage, postgres: Postgres, broker: RedisServer) -> None:
    setup = Timeline()
    with (stage.folder / "migrate.log").open("wb") as log:
        migrated = subprocess.run(
            [stage.airflow, "db", "migrate"],
            env=dict(stage.environment),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if migrated.returncode:
        raise TrialFailed("airflow db migrate failed, see migrate.log (--logs keeps it)")
    setup.note("the database is migrated")
    for part in ("api-server", "scheduler", "dag-processor"):
        stage.start(part, str(stage.airflow), part)
    token = wait(lambda: stage.ask("/auth/token"), "Airflow's API", START_SECONDS)["access_token"]
    setup.note("Airflow's API answers")
    wait(lambda: stage.ask("/api/v2/dags/trial", token=token), "the DAG to be parsed", START_SECONDS)
    setup.note("the DAG is known")
    cluster, journal = _cluster(stage, broker)
    _daemon(stage, cluster)
    setup.note("the daemon is ready, with no worker")
    hints = _hints(stage, postgres)
    with contextlib.closing(redis.Redis.from_url(broker.url)) as queue:
        _run(stage, token, journal, queue, hints)


def _cluster(stage: Stage, broker: RedisServer) -> tuple[SandboxCluster, Journal]:
    cluster = stage.stack.enter_context(
        SandboxCluster(startup_seconds=1.0, folder=stage.folder / "cluster", patience_seconds=30.0)
    )
    journal = Journal(time.time)
    stage.stack.callback(cluster.store.subscribe(journal.note))
    labels = {"tier": "airflow", "component": "worker", "release": "airflow"}
    secret = {"name": "airflow-broker-url", "namespace": NAMESPACE}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"connection": broker.url}}
    )
    name = "AIRFLOW__CELERY__BROKER_URL"
    plain = [{"name": key, "value": value} for key, value in stage.environment.items() if key != name]
    env = [
        *plain,
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret["name"], "key": "connection"}}},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    command = f"exec {stage.airflow} celery worker --queues {QUEUE} --celery-hostname celery@$(POD_NAME)"
    container = {"name": "worker", "image": "airflow", "command": ["sh", "-c", command], "env": env}
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
                    "spec": {"terminationGracePeriodSeconds": 60, "containers": [container]},
                },
            },
        }
    )
    return cluster, journal


def _daemon(stage: Stage, cluster: SandboxCluster) -> None:
    port, config = free_port(), stage.folder / "config.toml"
    config.write_text(CONFIG.format(port=port, api=stage.api))
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    stage.start(
        "daemon",
        *(sys.executable, "-m", "autoscaler", "run", "--config", str(config)),
        environment=environment,
    )

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return True
        except OSError:
            return False

    wait(ready, "the daemon", START_SECONDS)


def _hints(stage: Stage, postgres: Postgres) -> Hints:
    """Gather what Airflow itself says beside the daemon, which does the same, to tell of it."""
    target = TargetSettings(
        *(NAMESPACE, NAME, (QUEUE,)),
        airflow=AirflowSettings(health_url=stage.api, interval_seconds=1.0),
        airflow_database=DatabaseSettings(url=postgres.owner_url),
    )
    hints = Hints(PrometheusSettings(), lambda _: postgres.owner_url, lambda _: SLOTS)
    stage.stack.callback(hints.close)
    hints.start()
    hints.watch([target])
    wait(lambda: hints.hints(target.ref)[0].tasks.is_fresh, "the hint of the database", START_SECONDS)
    wait(lambda: hints.hints(target.ref)[1].tasks.detail == COUNTS_NOTHING, "Airflow's health", START_SECONDS)
    return hints


def _run(stage: Stage, token: str, journal: Journal, queue: Any, hints: Hints) -> None:  # noqa: ANN401  # untyped
    target = TargetSettings(NAMESPACE, NAME, (QUEUE,)).ref
    print("triggered:", flush=True)
    line = Timeline()
    run = stage.ask("/api/v2/dags/trial/dagRuns", {"logical_date": None}, token)
    if run is None:
        raise TrialFailed("Airflow did not accept the DAG run")
    path = f"/api/v2/dags/trial/dagRuns/{run['dag_run_id']}"

    def tasks(state: str) -> bool:
        found = stage.ask(f"{path}/taskInstances", token=token) or {"task_instances": []}
        return any(one["state"] == state for one in found["task_instances"])

    def ended() -> str:
        state = (stage.ask(path, token=token) or {}).get("state")
        return state if state in {"success", "failed"} else ""

    steps: list[tuple[str, Callable[[], Any]]] = [
        ("the first task waits in Redis", lambda: queue.llen(QUEUE) or journal.replicas),
        ("the daemon asks for workers", lambda: journal.replicas),
        ("Airflow's database says so too", lambda: hints.hints(target)[0].tasks.value),
        ("a worker pod is up", lambda: journal.ready),
        ("the first task runs", lambda: tasks("running") or tasks("success")),
        ("the DAG run has ended", ended),
        ("Airflow's database says that nothing waits", lambda: hints.hints(target)[0].tasks.value == 0),
        ("the daemon asks for zero", lambda: journal.replicas == 0),
        ("the last worker is gone", lambda: journal.pods == 0),
    ]
    for event, holds in steps:
        wait(holds, event, RUN_SECONDS)
        said = "; ".join(filter(None, (hint.explanation for hint in hints.hints(target))))
        line.note(event + (f" ({said})" if said else ""))
    peak = max(change.after for change in journal.changes)
    print(f"from 0 to {peak} and back to 0; the DAG run ended as {ended()}", flush=True)
    if ended() != "success":
        raise TrialFailed("the DAG run failed")


if __name__ == "__main__":
    sys.exit(main())
