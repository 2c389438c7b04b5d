"""Metrics from outside of the pods, and the zero that they make possible."""

from __future__ import annotations

import pytest

from autoscaler.sandbox.controllers.hpa_settings import HpaSettings
from autoscaler.sandbox.objects.hpa_rules import HPA_SCALE_TO_ZERO
from autoscaler.sandbox.store import JSON, ApiError
from tests.sandbox.hpa_world import HpaWorld, cpu_percent, queue_length

QUICK = {"scaleDown": {"stabilizationWindowSeconds": 0}}


def external(target: JSON, **metric: object) -> JSON:
    """Return a metric that belongs to nothing in the cluster."""
    return {"type": "External", "external": {"metric": {"name": "queue", **metric}, "target": target}}


def of_service(target: JSON) -> JSON:
    """Return a metric of a Service."""
    about = {"apiVersion": "v1", "kind": "Service", "name": "broker"}
    described = {"describedObject": about, "metric": {"name": "queue"}, "target": target}
    return {"type": "Object", "object": described}


IN_ALL: JSON = {"type": "Value", "value": "10"}
PER_POD: JSON = {"type": "AverageValue", "averageValue": "10"}


@pytest.mark.parametrize(
    ("metric", "replicas", "name", "shown"),
    [
        (external(IN_ALL), 7, "external metric queue(nil)", {"value": "35"}),
        (external(PER_POD), 4, "external metric queue(nil)", {"averageValue": "17500m"}),
        (of_service(IN_ALL), 7, "Service metric queue", {"value": "35"}),
        (of_service(PER_POD), 4, "external metric queue(nil)", {"averageValue": "17500m"}),
    ],
    ids=["external", "external per pod", "object", "object per pod"],
)
def test_what_a_value_asks_for(metric: JSON, replicas: int, name: str, shown: JSON) -> None:
    """In all, times the pods that are ready; or as many pods as share it."""
    world = HpaWorld()
    world.fleet(2)
    world.values["queue"] = 35.0
    world.autoscale(metrics=[metric], behavior={"scaleUp": {"policies": [_many()]}})
    world.sync()
    assert world.replicas == replicas
    assert world.event_messages("SuccessfulRescale") == [f"New size: {replicas}; reason: {name} above target"]
    (status,) = world.hpa()["status"]["currentMetrics"]
    assert status[status["type"].lower()]["current"] == shown


def _many() -> JSON:
    return {"type": "Pods", "value": 100, "periodSeconds": 15}


def test_a_value_near_its_target_changes_nothing() -> None:
    """In all as for each pod."""
    world = HpaWorld()
    world.fleet(2)
    world.values["queue"] = 10.9
    world.autoscale("all", metrics=[external(IN_ALL)])
    world.sync()
    assert world.hpa("all")["status"]["desiredReplicas"] == 2
    world.values["queue"] = 21.9
    world.bound("all", metrics=[external(PER_POD)])
    world.sync()
    assert world.hpa("all")["status"]["desiredReplicas"] == 2


@pytest.mark.parametrize(
    ("metric", "reason", "told", "error"),
    [
        (
            external(PER_POD),
            "FailedGetExternalMetric",
            "unable to get external metric test/queue/nil: no metrics returned from external metrics API",
            "failed to get queue external metric value: failed to get queue external metric: ",
        ),
        (
            external(IN_ALL, selector={"matchLabels": {"queue": "a", "b": "c"}}),
            "FailedGetExternalMetric",
            "unable to get external metric test/queue/&LabelSelector{MatchLabels:map[string]string{"
            "b: c,queue: a,},MatchExpressions:[]LabelSelectorRequirement{},}: "
            "no metrics returned from external metrics API",
            "failed to get queue external metric value: failed to get external metric queue: ",
        ),
        (
            of_service(IN_ALL),
            "FailedGetObjectMetric",
            "unable to get metric queue on Service test/broker: no metrics returned from custom metrics API",
            "failed to get object metric value: ",
        ),
    ],
    ids=["external", "external with a selector", "object"],
)
def test_a_value_that_is_missing(metric: JSON, reason: str, told: str, error: str) -> None:
    """The replicas stay, and the words are those of the real one."""
    world = HpaWorld()
    world.fleet(2)
    world.autoscale(metrics=[metric])
    world.sync()
    assert (world.replicas, world.told()["ScalingActive"]) == (2, ("False", reason))
    assert world.event_messages(reason) == [told]
    (failed,) = world.event_messages("FailedComputeMetricsReplicas")
    assert failed == f"invalid metrics (1 invalid out of 1), first error is: {error}{told}"


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (queue_length("1"), "FailedGetExternalMetric"),
        (of_service(IN_ALL), "FailedGetObjectMetric"),
        ({"type": "Pods", "pods": {"metric": {"name": "m"}, "target": PER_POD}}, "FailedGetPodsMetric"),
        (
            {
                "type": "ContainerResource",
                "containerResource": {"name": "cpu", "container": "worker", "target": PER_POD},
            },
            "FailedGetContainerResourceMetric",
        ),
    ],
    ids=["external", "object", "pods", "container"],
)
def test_metrics_without_an_api(metric: JSON, reason: str) -> None:
    """Those of the pods' own and of single containers have none here."""
    world = HpaWorld(measured=False)
    world.create(1)
    world.autoscale(metrics=[metric])
    world.sync()
    assert world.told()["ScalingActive"] == ("False", reason)
    assert "the server could not find the requested resource" in world.message("ScalingActive")


@pytest.fixture
def gated() -> HpaWorld:
    """Return a world in which an autoscaler may scale to zero."""
    world = HpaWorld(features={HPA_SCALE_TO_ZERO})
    world.fleet(2)
    world.values["queue"] = 20.0
    world.autoscale(minReplicas=0, metrics=[queue_length("10")], behavior=QUICK)
    world.sync()
    return world


def test_with_the_gate_it_scales_to_zero_and_back(gated: HpaWorld) -> None:
    """It remembers in a condition that the zero is its own."""
    assert gated.replicas == 2
    gated.values["queue"] = 0.0
    gated.sync()
    assert gated.replicas == 0
    assert gated.told()["ScaledToZero"] == ("True", "ScaledToZero")
    gated.sync(3)
    assert gated.told()["ScalingActive"] == ("True", "ValidMetricFound")
    gated.values["queue"] = 31.0
    gated.sync()
    assert gated.replicas == 4
    assert gated.told()["ScaledToZero"] == ("False", "NotScaledToZero")


def test_a_zero_that_somebody_else_made_stays(gated: HpaWorld) -> None:
    """Although its floor is zero."""
    gated.scale(0)
    gated.values["queue"] = 50.0
    gated.sync(3)
    assert gated.replicas == 0
    assert gated.told()["ScalingActive"] == ("False", "ScalingDisabled")


def test_a_floor_raised_at_its_own_zero_is_followed(gated: HpaWorld) -> None:
    """Even by an autoscaler that has no metric from outside any more."""
    gated.values["queue"] = 0.0
    gated.sync()
    gated.bound(minReplicas=2)
    gated.sync()
    assert gated.replicas == 2
    assert gated.event_messages("SuccessfulRescale")[-1].endswith("below Spec.MinReplicas")


def test_a_value_for_all_scales_from_zero() -> None:
    """There are no pods to multiply it with then."""
    world = HpaWorld(features={HPA_SCALE_TO_ZERO})
    world.fleet(1)
    world.values["queue"] = 0.0
    world.autoscale(minReplicas=0, metrics=[external(IN_ALL)], behavior=QUICK)
    world.sync()
    assert world.replicas == 0
    world.values["queue"] = 25.0
    world.sync()
    assert world.replicas == 3


def test_a_value_for_all_needs_pods_that_are_ready() -> None:
    """Replicas without pods are not multiplied."""
    world = HpaWorld(settings=HpaSettings())
    world.fleet(1)
    world.values["queue"] = 25.0
    world.allow_pods(0)
    world.delete_pod(0, grace_seconds=0)
    world.autoscale(metrics=[external(IN_ALL)])
    world.sync()
    assert "unable to calculate ready pods: no pods returned" in world.message("ScalingActive")


def test_without_the_gate_a_floor_of_zero_is_refused() -> None:
    """Whatever the metrics are; with it a metric from outside is needed."""
    for features, metric in (((), queue_length("1")), ({HPA_SCALE_TO_ZERO}, cpu_percent(80))):
        with pytest.raises(ApiError) as refused:
            HpaWorld(features=features).autoscale(minReplicas=0, metrics=[metric])
        assert refused.value.status == 422
