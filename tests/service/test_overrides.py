"""The whole daemon obeys annotations: at once, and seen from outside."""

from __future__ import annotations

import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from autoscaler.app import Service
from autoscaler.cluster.client import connect
from autoscaler.config.parse import parse
from autoscaler.core.findings import Finding
from autoscaler.examine import examine
from tests.brokers.workers_app import LoadWorker, application, producing
from tests.service.conftest import Bench
from tests.service.test_examine import make_pod
from tests.waiting import eventually

pytestmark = pytest.mark.servers


def annotate(bench: Bench, **annotations: str | None) -> None:
    """Annotate the target as kubectl annotate does; None takes an annotation away."""
    named = {f"autoscaler/{key.replace('_', '-')}": value for key, value in annotations.items()}
    bench.kube.patch_set({"metadata": {"annotations": named}})


def metrics(service: Service) -> str:
    """Return what Prometheus is told."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as response:
        page: bytes = response.read()
    return page.decode()


def is_obeyed(bench: Bench, service: Service, override: str) -> None:
    """Wait until a tick has seen an annotation."""
    labels = f'name="w",namespace="{bench.kube.namespace}",override="{override}"'
    eventually(lambda: f"autoscaler_override{{{labels}}} 1.0" in metrics(service), "it is in force")


def test_paused_it_stays_and_resumed_it_acts_at_once(bench: Bench):
    """Up and down are held, whatever the demand, and followed again when the annotation goes."""
    service = bench.start(bench.config())
    bench.push(5)
    eventually(lambda: bench.kube.replicas() == 5)
    annotate(bench, paused="true")
    is_obeyed(bench, service, "paused")
    bench.push(2)
    bench.ticks(5)
    assert bench.kube.replicas() == 5
    bound = f'autoscaler_limited{{limit="paused",name="w",namespace="{bench.kube.namespace}"}} 1.0'
    assert bound in metrics(service)
    bench.drain()
    bench.ticks(10)
    assert bench.kube.replicas() == 5
    bench.push(9)
    bench.ticks(3)
    annotate(bench, paused=None)
    eventually(lambda: bench.kube.replicas() == 9)
    assert len(bench.patches()) == 2


def test_a_number_that_is_ordered_and_bounds(bench: Bench):
    """Each is obeyed by the next ticks, up or down, and what has expired is as if it was not there."""
    bench.start(bench.config())
    annotate(bench, paused_replicas="4")
    eventually(lambda: bench.kube.replicas() == 4)
    annotate(bench, paused_replicas="2")
    eventually(lambda: bench.kube.replicas() == 2)
    annotate(bench, paused_replicas=None, min_replicas="3")
    eventually(lambda: bench.kube.replicas() == 3)
    annotate(bench, min_replicas="7 until 2020-01-01T00:00:00Z", max_replicas="6")
    bench.push(50)
    eventually(lambda: bench.kube.replicas() == 6)
    annotate(bench, min_replicas=None, max_replicas=None)
    eventually(lambda: bench.kube.replicas() == 10)


def test_an_excluded_target_is_left_alone(bench: Bench):
    """Nothing is written, whatever somebody else does with it."""
    annotate(bench, exclude="true")
    service = bench.start(bench.config())
    is_obeyed(bench, service, "exclude")
    bench.push(5)
    bench.ticks(5)
    bench.kube.scale(2)
    bench.ticks(5)
    assert (bench.kube.replicas(), bench.patches()) == (2, [])
    annotate(bench, exclude=None)
    eventually(lambda: bench.kube.replicas() == 5)


def test_what_is_not_understood_is_told_once_and_breaks_nothing(bench: Bench):
    """By the daemon as a warning, by check as a finding."""
    annotate(bench, paused="ture", max_replicas="3", min_replicas="4 until tomorrow", pause="true")
    with capture_logs() as logs:
        bench.start(bench.config())
        bench.push(5)
        eventually(lambda: bench.kube.replicas() == 3)
        bench.ticks(5)
    told = [(line["reason"], line["event"]) for line in logs if "Override" in line.get("reason", "")]
    assert [reason for reason, _ in told] == ["OverrideBegan"] + ["OverrideIgnored"] * 3
    assert told[0][1].endswith("/w: max-replicas is 3 by annotation")
    found = {finding.code: finding.message for finding in findings(bench)}
    assert "autoscaler/max-replicas is 3 by annotation" in found["OverrideInForce"]
    for words in (
        "'ture' is neither true nor false",
        "'tomorrow' is not a time",
        "did you mean autoscaler/pa",
    ):
        assert sum(words in event for _, event in told) == 1
        assert words in found["OverrideIgnored"]


def consumed(bench: Bench, worker: LoadWorker) -> list[str] | None:
    """Return the queues that a worker says it consumes, None where it does not answer."""
    with closing(application(bench.broker.url)) as app:
        answers = app.control.inspect([worker.node], timeout=2.0, limit=1).active_queues() or {}
    queues = answers.get(worker.node)
    return None if queues is None else [queue["name"] for queue in queues]


def findings(bench: Bench) -> tuple[Finding, ...]:
    """Return what check finds at the target."""
    with closing(connect(10.0, bench.kubeconfig)) as api:
        (seen,) = examine(parse(bench.config().read_text()), api)
    return seen.findings


def test_a_worker_that_was_to_go_takes_tasks_again_when_it_is_paused(bench: Bench, tmp_path: Path):
    """A real one: ordered to zero it ends its task and takes no other; paused, it takes that as well."""
    make_pod(bench)
    bench.kube.scale(1)
    pool = ("--queues", "default", "--pool", "threads", "--concurrency", "2")
    worker = LoadWorker(bench.broker.url, "celery@w-0", *pool, worker_prefetch_multiplier=1)
    bench.stack.callback(worker.close)
    producer = bench.stack.enter_context(producing(bench.broker.url, tmp_path))
    producer.send(1, "default")
    eventually(lambda: not bench.client.llen("default"), "it runs a task")
    service = bench.start(bench.config())
    annotate(bench, max_replicas="0")
    cordoned = f'autoscaler_cordoned_workers{{name="w",namespace="{bench.kube.namespace}"}} '
    eventually(lambda: f"{cordoned}1.0" in metrics(service), "it is to go")
    eventually(lambda: consumed(bench, worker) == [], "it says that it consumes nothing")
    producer.send(1, "default")
    bench.ticks(10)
    assert (bench.client.llen("default"), bench.kube.replicas()) == (1, 1)
    annotate(bench, paused="true")
    eventually(lambda: not bench.client.llen("default"), "it takes the other task")
    eventually(lambda: f"{cordoned}0.0" in metrics(service), "nothing is remembered of it")
    assert (bench.kube.replicas(), bench.patches()) == (1, [])
