"""A CPU autoscaler in a world where the test says what the pods use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.hpa_world import HpaWorld, cpu_cores, cpu_percent
from tests.sandbox.world import template

FOUND = ("True", "ValidMetricFound")
UTILIZATION = "cpu resource utilization (percentage of request)"


@pytest.fixture
def world() -> HpaWorld:
    """Return a world with metrics."""
    return HpaWorld()


def test_it_raises_for_what_is_used_of_the_requests(world: HpaWorld) -> None:
    """And says by what, and how far it was off."""
    world.all_cpu = 1.2
    world.fleet(3)
    world.autoscale()
    world.sync()
    assert world.replicas == 5  # 120 % of three, for 80 %
    assert world.told() == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": FOUND,
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }
    sentence = f"the HPA was able to successfully calculate a replica count from {UTILIZATION}"
    assert world.message("ScalingActive") == sentence
    assert world.event_messages("SuccessfulRescale") == [f"New size: 5; reason: {UTILIZATION} above target"]
    status = world.hpa()["status"]
    assert (status["currentReplicas"], status["desiredReplicas"]) == (3, 5)
    current = {"averageUtilization": 120, "averageValue": "1200m"}
    assert status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]


def test_it_lowers_five_minutes_after_it_needed_more(world: HpaWorld) -> None:
    """Until then it says why not."""
    world.all_cpu = 0.8
    world.fleet(4)
    world.autoscale(minReplicas=2)
    world.sync()
    world.all_cpu = 0.1
    world.sync(20)
    assert world.replicas == 4
    assert world.told()["AbleToScale"] == ("True", "ScaleDownStabilized")
    world.sync()
    assert world.replicas == 2
    assert world.told() == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": FOUND,
        "ScalingLimited": ("True", "TooFewReplicas"),
    }
    assert world.event_messages("SuccessfulRescale") == ["New size: 2; reason: All metrics below target"]
    world.sync()
    assert world.told()["AbleToScale"] == ("True", "ReadyForNewScale")


def test_replicas_that_somebody_else_set_stay_for_the_window(world: HpaWorld) -> None:
    """Its first recommendation is what it has found; what others add goes at once."""
    world.all_cpu = 0.1
    world.fleet(4)
    world.autoscale()
    world.sync(10)
    world.scale(8)
    world.sync()
    assert world.replicas == 4
    world.sync(15)
    assert world.replicas == 1


def test_it_climbs_by_four_or_double_a_look(world: HpaWorld) -> None:
    """New pods count for nothing until they have been ready for a while."""
    world.all_cpu = 4.0
    world.fleet(1)
    world.autoscale(maxReplicas=20)
    seen = []
    for _ in range(5):
        world.sync()
        seen.append(world.replicas)
    assert seen == [4, 8, 16, 20, 20]
    assert world.told()["ScalingLimited"] == ("True", "TooManyReplicas")


def test_a_behavior_decides_on_the_pace(world: HpaWorld) -> None:
    """One pod a minute here."""
    world.all_cpu = 4.0
    world.fleet(1)
    pace = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    world.autoscale(behavior={"scaleUp": pace})
    seen = []
    for _ in range(9):
        world.sync()
        seen.append(world.replicas)
    assert seen == [2, 2, 2, 2, 3, 3, 3, 3, 4]
    assert world.told()["ScalingLimited"] == ("True", "ScaleUpLimit")


def test_a_tolerance_of_its_own(world: HpaWorld) -> None:
    """Five percent too much is nothing by default."""
    world.all_cpu = 0.84
    world.fleet(2)
    world.autoscale()
    world.sync()
    assert (world.replicas, world.hpa()["status"]["desiredReplicas"]) == (2, 2)
    world.bound(behavior={"scaleUp": {"tolerance": "0.01"}})
    world.sync()
    assert world.replicas == 3


def test_cores_without_requests(world: HpaWorld) -> None:
    """Their average, whatever is requested."""
    world.all_cpu = 0.5
    world.create(2)
    world.advance(400.0)
    world.autoscale(metrics=[cpu_cores("250m")])
    world.sync()
    assert world.replicas == 4
    assert world.hpa()["status"]["currentMetrics"][0]["resource"]["current"] == {"averageValue": "500m"}
    assert world.event_messages("SuccessfulRescale") == ["New size: 4; reason: cpu resource above target"]


@pytest.mark.parametrize(
    ("container", "pod", "why"),
    [
        ({}, {}, "missing request for cpu in container worker of Pod worker-0"),
        ({}, {"memory": "1Gi"}, "missing pod-level request for cpu in Pod worker-0"),
        ({"cpu": "0"}, {}, "no metrics returned matched known pods"),
    ],
    ids=["none", "none of the pod", "nothing"],
)
def test_a_share_needs_requests(
    world: HpaWorld, container: dict[str, str], pod: dict[str, str], why: str
) -> None:
    """Without them it sees nothing."""
    world.all_cpu = 0.5
    made = template({"resources": {"requests": container}}, resources={"requests": pod})
    world.create(1, template=made)
    world.advance(400.0)
    world.autoscale()
    world.sync()
    message = f"failed to get cpu utilization: {why}"
    assert world.event_messages("FailedGetResourceMetric") == [message]


@pytest.mark.parametrize(
    ("spec", "percent"),
    [
        ({"containers": [("1", "worker"), ("1", "beside")]}, 40),
        ({"containers": [("1", "worker")], "sidecar": "3"}, 20),
        ({"containers": [("1", "worker")], "pod": "8"}, 10),
    ],
    ids=["containers", "sidecar", "pod"],
)
def test_what_a_pod_requests(world: HpaWorld, spec: dict[str, Any], percent: int) -> None:
    """All its containers, sidecars too, unless the pod as a whole does."""

    def container(name: str, cpu: str) -> dict[str, object]:
        return {"name": name, "image": "i", "resources": {"requests": {"cpu": cpu}}}

    made = template()
    made["spec"]["containers"] = [container(name, cpu) for cpu, name in spec["containers"]]
    if "sidecar" in spec:
        sidecar = container("s", spec["sidecar"]) | {"restartPolicy": "Always"}
        made["spec"]["initContainers"] = [sidecar, container("once", "9")]
    if "pod" in spec:
        made["spec"]["resources"] = {"requests": {"cpu": spec["pod"]}}
    world.all_cpu = 0.8
    world.create(1, template=made)
    world.advance(400.0)
    world.autoscale()
    world.sync()
    (metric,) = world.hpa()["status"]["currentMetrics"]
    assert metric["resource"]["current"]["averageUtilization"] == percent


@pytest.mark.parametrize(
    ("cpu", "why"),
    [
        (None, "unable to get metrics for resource cpu: no metrics returned from resource metrics API"),
        (0.5, "did not receive metrics for targeted pods (pods might be unready)"),
    ],
    ids=["no values", "only new pods"],
)
def test_pods_that_have_just_started(world: HpaWorld, cpu: float | None, why: str) -> None:
    """They are not measured at first, and then do not count."""
    world.all_cpu = cpu
    world.autoscale()
    world.advance(10.0)
    world.create(2, template=template({"resources": {"requests": {"cpu": "1"}}}))
    world.advance(5.0)
    assert world.event_messages("FailedGetResourceMetric") == [f"failed to get cpu utilization: {why}"]
    assert world.replicas == 2


def test_a_pod_without_a_value_opposes_the_change(world: HpaWorld) -> None:
    """It is taken to use all that it requests where the others would go, nothing where more would come."""
    world.fleet(3)
    world.cpu = {"worker-0": 0.1, "worker-1": 0.1}
    world.autoscale(behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    world.sync()
    assert world.replicas == 2
    world.cpu = {"worker-0": 2.4}
    world.sync()
    assert world.replicas == 3  # 120 % of two


def test_memory_is_not_measured_here(world: HpaWorld) -> None:
    """Beside a processor that asks for more it changes nothing, beside one that asks for less it holds."""
    target = {"type": "Utilization", "averageUtilization": 50}
    memory = {"type": "Resource", "resource": {"name": "memory", "target": target}}
    world.all_cpu = 1.6
    world.fleet(2)
    world.autoscale(
        metrics=[memory, cpu_percent(80)], behavior={"scaleDown": {"stabilizationWindowSeconds": 0}}
    )
    world.sync()
    assert (world.replicas, world.told()["ScalingActive"]) == (4, FOUND)
    world.all_cpu = 0.8
    world.advance(405.0)
    world.all_cpu = 0.1
    world.sync()
    assert world.replicas == 4
    assert world.told()["ScalingActive"] == ("False", "FailedGetResourceMetric")
    metrics = world.hpa()["status"]["currentMetrics"]
    assert [metric["type"] for metric in metrics] == ["", "Resource"]
    why = "did not receive metrics for targeted pods (pods might be unready)"
    assert set(world.event_messages("FailedComputeMetricsReplicas")) == {
        "invalid metrics (1 invalid out of 2), first error is: failed to get memory resource metric value: "
        f"failed to get memory utilization: {why}"
    }
