"""A look at a live target: its worker set, its budget, and the worker that runs a task."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from autoscaler.cluster.client import connect
from autoscaler.config.parse import parse
from autoscaler.core.lint import Examined
from autoscaler.examine import Unreachable, examine
from autoscaler.sandbox.api.faults import Matching
from tests.brokers.workers_app import LoadWorker, producing
from tests.kube import LABELS
from tests.service.conftest import Bench
from tests.waiting import eventually

BUDGET = {"metadata": {"name": "pdb"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": LABELS}}}
MERGE = "application/merge-patch+json"


def make_pod(bench: Bench) -> None:
    """Make the pod that a controller would make, Ready."""
    uid = bench.kube.get_set()["metadata"]["uid"]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "w", "uid": uid, "controller": True}
    pods = f"/api/v1/namespaces/{bench.kube.namespace}/pods"
    meta = {"name": "w-0", "labels": LABELS, "ownerReferences": [owner]}
    spec = {"containers": [{"name": "worker", "image": "worker"}]}
    bench.kube.call("POST", pods, {"metadata": meta, "spec": spec})
    status: dict[str, Any] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    bench.kube.call("PATCH", f"{pods}/w-0/status", {"status": status}, kind=MERGE)


def look(bench: Bench) -> Examined:
    """Look at the bench's only target."""
    config = parse(bench.config(target="broker.answer_timeout_seconds = 2").read_text())
    with closing(connect(10.0, bench.kubeconfig)) as api:
        (seen,) = examine(config, api)
    return seen


@pytest.mark.servers
def test_a_live_target(bench: Bench, tmp_path: Path):
    """Every source has its say, and no credential leaves the worker."""
    bench.kube.call("POST", f"/apis/policy/v1/namespaces/{bench.kube.namespace}/poddisruptionbudgets", BUDGET)
    make_pod(bench)
    options: dict[str, Any] = {"broker_transport_options": {"visibility_timeout": 1, "password": "hunter2"}}
    pool = ("--queues", "default", "--pool", "threads", "--concurrency", "2")
    worker = LoadWorker(bench.broker.url, "celery@w-0", *pool, **options, task_acks_late=True)
    bench.stack.callback(worker.close)
    bench.stack.enter_context(producing(bench.broker.url, tmp_path)).send(1, "default")
    eventually(lambda: "VisibilityTimeoutShort" in {one.code for one in look(bench).findings})
    seen = look(bench)
    assert [one.code for one in seen.findings] == [
        "GracePeriodShort",
        "VisibilityTimeoutShort",
        "PrefetchHoarding",
        "VisibilityTimeoutDiffers",
        "DisruptionBudget",
    ]
    assert "seen on celery@w-0" in seen.findings[1].message
    assert seen.not_known == ("whether SIGTERM reaches the worker: the command is the image's own",)
    assert "hunter2" not in json.dumps([one.message for one in seen.findings])


def test_without_rights(bench: Bench):
    """What may not be read is said to be unknown; the rest is looked at."""
    bench.server.faults.fail(403, times=1)  # the version, which proves that there is a server
    bench.server.faults.fail(403, Matching(verb="list", resource="poddisruptionbudgets.policy"))
    bench.server.faults.fail(403, Matching(verb="list", resource="pods"))
    seen = look(bench)
    assert [one.code for one in seen.findings] == ["GracePeriodShort"]
    reasons = " ".join(seen.not_known)
    assert "PodDisruptionBudgets: they cannot be read" in reasons
    assert "how long tasks run" in reasons


def test_a_cluster_that_is_away(bench: Bench):
    """Is said with its address."""
    bench.server.faults.refuse_connections()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        look(bench)
