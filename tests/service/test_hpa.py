"""The whole daemon beside HorizontalPodAutoscalers: what it writes, what it leaves, what it restores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from autoscaler.app import Service
from autoscaler.cluster.client import connect
from autoscaler.config.parse import parse
from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.store import JSON
from tests.cluster import hpas
from tests.kube import LABELS, Kube
from tests.service.conftest import Bench
from tests.service.test_cli import call
from tests.waiting import eventually

pytestmark = pytest.mark.servers

FLOOR, OBSERVE = 'hpa = "floor"', 'hpa = "observe"'
SCALE_IN = {"scaleDown": {"stabilizationWindowSeconds": 0}}


@contextmanager
def running(bench: Bench, target: str = "", config: Path | None = None) -> Iterator[Service]:
    """Run the daemon for a while, and end it as a SIGTERM does."""
    stack, bench.stack = bench.stack, ExitStack()
    try:
        with bench.stack:
            yield bench.start(config or bench.config(target=target))
    finally:
        bench.stack = stack


def make_pods(bench: Bench, count: int) -> None:
    """Make the pods that a controller would make, Ready, of workers that never say anything."""
    uid = bench.kube.get_set()["metadata"]["uid"]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "w", "uid": uid, "controller": True}
    pods = f"/api/v1/namespaces/{bench.kube.namespace}/pods"
    for name in (f"w-{n}" for n in range(count)):
        meta = {"name": name, "labels": LABELS, "ownerReferences": [owner]}
        spec = {"containers": [{"name": "worker", "image": "worker"}]}
        bench.kube.call("POST", pods, {"metadata": meta, "spec": spec})
        status: JSON = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        bench.kube.call("PATCH", f"{pods}/{name}/status", {"status": status}, kind=hpas.MERGE)


def notes(bench: Bench) -> int:
    """Return how many minimums are remembered."""
    items = bench.kube.call("GET", "/api/v1/namespaces/default/configmaps")["items"]
    return sum(item["metadata"]["name"].startswith("celery-autoscaler-hpa-") for item in items)


def test_the_floor_goes_with_the_replicas_and_is_its_users_own_in_the_end(bench: Bench):
    """Up before them, down to zero with them, and nothing is left behind by a SIGTERM."""
    hpas.make(bench.kube)
    with running(bench, FLOOR):
        bench.push(4)
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (4, 4))
        assert notes(bench) == 1
        bench.push(3)
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (7, 7))
        bench.drain()
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (0, 1))
        bench.push(20)
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (10, 10))
    assert (hpas.least(bench.kube), hpas.get(bench.kube)["spec"]["maxReplicas"]) == (1, 10)
    assert notes(bench) == 0


def test_a_floor_above_busy_workers_is_left_and_taken_up(bench: Bench):
    """It is said at the end, and the next daemon restores it when it is told to observe."""
    hpas.make(bench.kube)
    make_pods(bench, 4)
    with capture_logs() as logs, running(bench, FLOOR):
        bench.push(4)
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (4, 4))
    assert hpas.least(bench.kube) == 4
    (left,) = [line["event"] for line in logs if "ended without restoring" in line["event"]]
    assert "HPA " in left
    assert "its own minReplicas 1" in left
    with running(bench, OBSERVE):
        eventually(lambda: hpas.least(bench.kube) == 1)
        assert bench.kube.replicas() == 4
    assert notes(bench) == 0


def left_behind(bench: Bench) -> None:
    """Have a daemon end with a floor of 4 that its user did not choose."""
    hpas.make(bench.kube)
    make_pods(bench, 4)
    with running(bench, FLOOR):
        bench.push(4)
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (4, 4))
    assert hpas.least(bench.kube) == 4


def test_of_a_target_that_is_configured_no_more_it_is_restored_at_the_start(bench: Bench):
    """Nobody else would."""
    left_behind(bench)
    path = bench.config()
    path.write_text(path.read_text().replace('name = "w"', 'name = "other"'))
    with capture_logs() as logs, running(bench, config=path):
        eventually(lambda: hpas.least(bench.kube) == 1)
    assert any("minReplicas 4 → 1, its own" in line["event"] for line in logs)
    assert notes(bench) == 0


def test_released_by_hand(bench: Bench):
    """What is left when the daemon is taken away; then there is nothing more."""
    left_behind(bench)
    words = ("release", "--config", bench.config(target=FLOOR), "--kubeconfig", bench.kubeconfig)
    status, out, errors = call(*words)
    assert (status, errors) == (0, "")
    assert out == f"HPA {bench.kube.namespace}/h: minReplicas 4 → 1, its own\n"
    assert (hpas.least(bench.kube), notes(bench)) == (1, 0)
    assert call(*words) == (0, "nothing to restore\n", "")
    assert call(*words, "--json") == (0, "[]\n", "")


def test_releasing_what_may_not_be_read(bench: Bench, tmp_path: Path):
    """Said, with exit status 2; no cluster is such a case too."""
    bench.server.faults.fail(403, times=1000)
    words = ("release", "--config", bench.config())
    status, _, errors = call(*words, "--kubeconfig", bench.kubeconfig)
    assert (status, "ConfigMaps of default" in errors) == (2, True)
    assert call(*words, "--kubeconfig", tmp_path / "nothing")[0] == 2


def test_its_users_change_is_his_own_from_then_on(bench: Bench):
    """The floor is put back where it has to be within a tick, and in the end his last word stands."""
    hpas.make(bench.kube)
    with running(bench, FLOOR):
        bench.push(4)
        eventually(lambda: hpas.least(bench.kube) == 4)
        hpas.edit(bench.kube, minReplicas=2)
        eventually(lambda: hpas.least(bench.kube) == 4)
        assert bench.kube.replicas() == 4
        hpas.edit(bench.kube, maxReplicas=6)
        bench.push(20)
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (6, 6))
    assert (hpas.least(bench.kube), hpas.get(bench.kube)["spec"]["maxReplicas"]) == (2, 6)


def test_two_are_a_conflict_that_is_stayed_out_of(bench: Bench):
    """The first gets its own minimum back, and the replicas are left alone until one is gone."""
    hpas.make(bench.kube)
    with capture_logs() as logs, running(bench, FLOOR):
        bench.push(4)
        eventually(lambda: hpas.least(bench.kube) == 4)
        hpas.make(bench.kube, "second")
        eventually(lambda: hpas.least(bench.kube) == 1)
        bench.push(3)
        bench.ticks(5)
        assert bench.kube.replicas() == 4
        hpas.delete(bench.kube, "second")
        eventually(lambda: (bench.kube.replicas(), hpas.least(bench.kube)) == (7, 7))
    told = [line["reason"] for line in logs if str(line.get("reason", "")).startswith("Hpa")]
    assert [reason for reason in told if reason in {"HpaFound", "HpaConflict"}][:2] == [
        "HpaFound",
        "HpaConflict",
    ]


def test_by_default_it_is_left_its_part(bench: Bench):
    """From zero and to it; in between nothing is written, of the HPA nothing ever."""
    hpas.make(bench.kube, maxReplicas=5)
    before = hpas.get(bench.kube)["metadata"]["resourceVersion"]
    with running(bench):
        bench.push(7)
        eventually(lambda: bench.kube.replicas() == 5)
        bench.client.ltrim("default", 0, 1)
        bench.ticks(10)
        assert bench.kube.replicas() == 5
        bench.drain()
        eventually(lambda: bench.kube.replicas() == 0)
    assert hpas.get(bench.kube)["metadata"]["resourceVersion"] == before
    assert len(bench.patches()) == 2


def test_check_tells_of_it(bench: Bench):
    """What it does, and what is the better choice."""
    hpas.make(bench.kube)
    words = ("check", "--config", bench.config(), "--kubeconfig", bench.kubeconfig)
    _, out, _ = call(*words)
    assert "advice   HpaRules: HPA h (1 to 10 on cpu) scales the target too" in out


def test_rbac_names_the_hpa_whose_minimum_is_moved(bench: Bench):
    """It asks the cluster for it; without one the right is missing, and that is said."""
    words = ("rbac", "--config", bench.config(target=FLOOR), "--kubeconfig", bench.kubeconfig)
    status, out, errors = call(*words)
    assert (status, "resourceNames: [h]" in out) == (1, False)
    assert (
        f"the HPA of {bench.kube.namespace}/w, whose minReplicas is to be moved: there is none yet" in errors
    )
    assert "not looked up, --offline" in call(*words, "--offline")[2]
    hpas.make(bench.kube)
    status, out, errors = call(*words)
    assert (status, errors) == (0, "")
    assert "  resources: [horizontalpodautoscalers]\n  resourceNames: [h]\n  verbs: [patch]\n" in out


CONFIG = """
[controller]
poll_interval_seconds = 0.1
http_host = "127.0.0.1"
http_port = 0

[[targets]]
namespace = "data"
name = "w"
queues = ["default"]
slots_per_worker = 1
remote_control = false
scale_down.stabilization_window_seconds = 0.5
broker = {{ url = "{url}" }}
hpa = "{mode}"
"""


def _with_a_core(made: JSON) -> None:
    made["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "1"


class Scene:
    """A cluster with an HPA that looks twice a second and finds the CPU idle, and the daemon."""

    def __init__(self, stack: ExitStack, mode: str) -> None:
        self.cluster = stack.enter_context(
            SandboxCluster(runner="null", startup_seconds=0.0, hpa_sync_seconds=0.5, pod_cpu=lambda *_: 0.1)
        )
        broker = stack.enter_context(RedisServer())
        self.client = stack.enter_context(redis.Redis.from_url(broker.url))
        admin = connect(10.0, self.cluster.kubeconfig)
        stack.callback(admin.close)
        self.kube = Kube(admin.client, "data")
        self.kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": "data"}})
        self.kube.make_set(change=_with_a_core)
        hpas.make(self.kube, behavior=SCALE_IN)
        self.seen: list[int] = []
        stack.callback(self.cluster.store.subscribe(self._note))
        api = connect(10.0, self.cluster.kubeconfig)
        stack.callback(api.close)
        service = stack.enter_context(Service(parse(CONFIG.format(url=broker.url, mode=mode)), api))
        stop = threading.Event()
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)

    def _note(self, event: Any) -> None:
        if event.resource == "statefulsets.apps" and event.previous is not None:
            before, after = (one["spec"]["replicas"] for one in (event.previous, event.object))
            self.seen += [after] if before != after else []

    def condition(self) -> str:
        """Return why the HPA computes nothing, empty where it does."""
        conditions = hpas.get(self.kube)["status"].get("conditions", [])
        return next((c["reason"] for c in conditions if c["type"] == "ScalingActive"), "")


def test_with_its_floor_at_the_replicas_it_lowers_nothing():
    """Its metrics ask for one worker all the time: four stay while there is work, and then none."""
    with ExitStack() as stack:
        scene = Scene(stack, "floor")
        scene.client.lpush("default", *["task"] * 4)
        eventually(lambda: scene.kube.replicas() == 4)
        eventually(lambda: scene.condition() == "ValidMetricFound", "it asks for one")
        scene.client.lpush("default", *["task"] * 2)
        eventually(lambda: scene.kube.replicas() == 6)
        eventually(lambda: hpas.get(scene.kube)["status"]["currentReplicas"] == 6, "it has looked")
        scene.client.delete("default")
        eventually(lambda: scene.kube.replicas() == 0)
        eventually(lambda: scene.condition() == "ScalingDisabled", "it is at rest")
        assert hpas.least(scene.kube) == 1
        scene.client.lpush("default", "task", "task")
        eventually(lambda: scene.kube.replicas() == 2)
        eventually(lambda: scene.condition() == "ValidMetricFound", "it is back")
        assert scene.seen == [4, 6, 0, 2]


def test_where_it_rules_it_lowers_and_we_see_to_zero():
    """Four from zero at once; what the HPA lowers stays; the last goes when there is nothing to do."""
    with ExitStack() as stack:
        scene = Scene(stack, "activate")
        scene.client.lpush("default", *["task"] * 4)
        eventually(lambda: scene.kube.replicas() == 1, "the HPA lowers")
        scene.client.delete("default")
        eventually(lambda: scene.kube.replicas() == 0)
        assert scene.seen == [4, 1, 0]
        assert hpas.least(scene.kube) == 1
