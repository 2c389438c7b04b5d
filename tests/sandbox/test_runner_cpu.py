"""What the processes of pods use, and an autoscaler that looks at it."""

from __future__ import annotations

import os
import time

import pytest

from autoscaler.sandbox.agenda import Agenda
from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.kubelet.cpu import CpuMeter, session_seconds
from tests.sandbox.test_cluster import manifest
from tests.sandbox.world import NAME, NAMESPACE

POD = ("test", "worker-0")
HPA = "horizontalpodautoscalers.autoscaling"
BUSY = ["sh", "-c", "while :; do :; done"]


class Meter:
    """A meter whose clock and whose counters the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.used: dict[int, float] = {}
        self.sessions = {POD: 7}
        self.agenda = Agenda(lambda: self.seconds)
        self.meter = CpuMeter(self.agenda, lambda: self.sessions, 5.0, lambda: self.used)
        self.meter.start()

    def measure(self, used: float, seconds: float = 5.0) -> None:
        """Let it measure that the pod has used so much so far, and let time pass."""
        self.used = {7: used, 8: 99.0}
        self.agenda.run_due()
        self.seconds += seconds


def test_two_measurements_make_a_value() -> None:
    """It is what was used between them, of a core."""
    meter = Meter()
    assert meter.meter.cores(*POD) is None
    meter.measure(1.0)
    assert meter.meter.cores(*POD) is None
    meter.measure(3.5)
    assert meter.meter.cores(*POD) == pytest.approx(0.5)
    assert meter.meter.cores("test", "worker-1") is None


def test_only_the_last_measurements_count() -> None:
    """Four of them: what was used in three times the pause."""
    meter = Meter()
    for used in (0.0, 100.0, 101.0, 102.0, 103.0):
        meter.measure(used)
    assert meter.meter.cores(*POD) == pytest.approx(0.2)


def test_a_pod_that_has_ended_has_no_value() -> None:
    """Nor has the one that comes after it under the same name, at first."""
    meter = Meter()
    meter.measure(1.0)
    meter.measure(2.0)
    meter.sessions = {}
    assert meter.meter.cores(*POD) is None
    meter.sessions = {POD: 8}
    assert meter.meter.cores(*POD) is None


def test_processor_time_of_this_session_grows() -> None:
    """As this process uses some."""
    before, own = session_seconds()[os.getsid(0)], time.process_time()
    while time.process_time() < own + 0.1:
        sum(range(1000))
    assert session_seconds()[os.getsid(0)] >= before + 0.05


def test_pods_that_burn_are_multiplied() -> None:
    """In a sandbox with processes, one that uses all it can get, which is more than it asked for."""
    busy = manifest(1, command=BUSY, resources={"requests": {"cpu": "100m"}})
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "maxReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME},
        },
    }
    with SandboxCluster(startup_seconds=0.0, hpa_sync_seconds=0.6, pod_cpu="processes") as cluster:
        cluster.apply(busy)
        cluster.apply(autoscaler)
        assert cluster.until(lambda: len(cluster.store.list("pods", NAMESPACE)[0]) == 2)
        (rescaled,) = cluster.store.list("events", NAMESPACE, fields="reason=SuccessfulRescale")[0]
        assert "cpu resource utilization" in rescaled["message"]


def test_pods_that_only_pretend_cannot_be_measured() -> None:
    """The sandbox says so when it is started, and leaves nothing behind."""
    cluster = SandboxCluster(runner="null", pod_cpu="processes")
    with pytest.raises(ValueError, match="processes"):
        cluster.start()


def test_a_cluster_takes_its_metrics_from_outside() -> None:
    """And lets an autoscaler scale to zero where it is told to."""
    with SandboxCluster(
        runner="null",
        startup_seconds=0.0,
        hpa_sync_seconds=0.1,
        hpa_scale_to_zero=True,
        metric_value=lambda _namespace, name: {"queue": 0.0}.get(name),
    ) as cluster:
        cluster.apply(manifest(1))
        target = {"type": "AverageValue", "averageValue": "1"}
        cluster.apply(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": NAME, "namespace": NAMESPACE},
                "spec": {
                    "minReplicas": 0,
                    "maxReplicas": 2,
                    "metrics": [
                        {"type": "External", "external": {"metric": {"name": "queue"}, "target": target}}
                    ],
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME},
                    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
                },
            }
        )
        assert cluster.until(lambda: not cluster.store.list("pods", NAMESPACE)[0])
