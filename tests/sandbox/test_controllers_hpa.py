"""A HorizontalPodAutoscaler and its target, beside what a real 1.36 was seen to do."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.controllers.hpa import AUTOSCALERS
from autoscaler.sandbox.objects.values import copy
from autoscaler.sandbox.store import JSON
from tests.sandbox.hpa_world import NO_CPU, SETS, HpaWorld, cpu_percent
from tests.sandbox.recorded import differences, recording
from tests.sandbox.recorded_states import namespaces
from tests.sandbox.world import NAME, NAMESPACE, statefulset

GETS = ("True", "SucceededGetScale")
BLIND = ("False", "FailedGetResourceMetric")
RESCALED = ("True", "SucceededRescale")


@pytest.fixture
def blind() -> HpaWorld:
    """Return a world without metrics, as that of the recordings was."""
    return HpaWorld(measured=False)


def as_recorded(world: HpaWorld, namespace: str, name: str, replicas: int) -> None:
    """Create the recorded set and autoscaler, and let the autoscaler look for the first time."""
    namespaces(world.store)
    wanted = statefulset(replicas)
    world.store.create(SETS, wanted | {"metadata": {"name": name, "namespace": namespace}})
    world.settle()
    asked = copy(recording(35).request["body"])
    asked["metadata"] = {"name": name, "namespace": namespace}
    asked["spec"]["scaleTargetRef"]["name"] = name
    world.store.create(AUTOSCALERS, asked, manager="python-requests")
    world.advance(15.0)


def move_floor(world: HpaWorld, namespace: str, name: str, floor: int) -> None:
    """Move a recorded autoscaler's floor as it was moved."""

    def moved(old: JSON) -> JSON:
        return {**old, "spec": {**old["spec"], "minReplicas": floor}}

    world.store.modify(AUTOSCALERS, namespace, name, moved, manager="autoscaler")


def test_without_metrics_it_says_so_as_recorded(blind: HpaWorld) -> None:
    """The first look comes 15 s after it was made (recording 36)."""
    as_recorded(blind, "recorded", "airflow-worker", 1)
    found = blind.store.get(AUTOSCALERS, "recorded", "airflow-worker")
    (wanted,) = recording(36).body["items"]
    wanted |= {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    assert list(differences(found, wanted)) == []


def test_at_zero_it_is_disabled_as_recorded(blind: HpaWorld) -> None:
    """It also forgets the replicas that it has seen (recording 40)."""
    as_recorded(blind, "recorded", "airflow-worker", 1)
    move_floor(blind, "recorded", "airflow-worker", 2)
    found = blind.store.get(SETS, "recorded", "airflow-worker")
    found["spec"]["replicas"] = 0
    blind.store.update(SETS, found)
    blind.advance(15.0)
    found = blind.store.get(AUTOSCALERS, "recorded", "airflow-worker")
    assert list(differences(found, recording(40).body)) == []
    transitions = {item["lastTransitionTime"] for item in found["status"]["conditions"]}
    assert len(transitions) == 1  # of the first look: neither condition has turned


def test_a_raised_floor_is_followed_as_recorded(blind: HpaWorld) -> None:
    """At its next look, and not before (recording 63)."""
    as_recorded(blind, "recorded2", "w", 2)
    move_floor(blind, "recorded2", "w", 5)
    blind.advance(14.9)
    assert blind.store.get(SETS, "recorded2", "w")["spec"]["replicas"] == 2
    blind.advance(0.1)
    assert blind.store.get(SETS, "recorded2", "w")["spec"]["replicas"] == 5
    found = blind.store.get(AUTOSCALERS, "recorded2", "w")
    assert list(differences(found, recording(63).body)) == []


def test_it_writes_the_scale_as_the_controller_manager(blind: HpaWorld) -> None:
    """Through the subresource, without a time, and tells of it in an Event."""
    blind.create(2)
    blind.autoscale(minReplicas=5)
    blind.sync()
    (entry,) = [
        entry for entry in blind.set()["metadata"]["managedFields"] if entry.get("subresource") == "scale"
    ]
    assert entry == {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
        "subresource": "scale",
    }
    (event,) = blind.events("SuccessfulRescale")
    assert event["message"] == "New size: 5; reason: Current number of replicas below Spec.MinReplicas"
    assert (event["type"], event["source"]) == ("Normal", {"component": "horizontal-pod-autoscaler"})
    assert event["involvedObject"]["kind"] == "HorizontalPodAutoscaler"


def test_a_scale_below_its_floor_is_put_back(blind: HpaWorld) -> None:
    """Within 15 s."""
    blind.create(3)
    blind.autoscale(minReplicas=3)
    blind.sync()
    blind.advance(5.0)
    blind.scale(1)
    blind.advance(9.9)
    assert blind.replicas == 1
    blind.advance(0.1)
    assert blind.replicas == 3


def test_a_lowered_ceiling_removes_pods_at_its_next_look(blind: HpaWorld) -> None:
    """Whether its metrics are there or not, and without any stabilization."""
    blind.create(8)
    blind.autoscale()
    blind.sync()
    blind.bound(maxReplicas=3)
    blind.sync()
    assert blind.ordinals() == [0, 1, 2]
    assert blind.event_messages("SuccessfulRescale") == [
        "New size: 3; reason: Current number of replicas above Spec.MaxReplicas"
    ]


def test_without_metrics_it_keeps_what_is_within_its_bounds(blind: HpaWorld) -> None:
    """Whoever set it, and tells each time that it sees nothing."""
    blind.create(2)
    blind.autoscale(minReplicas=2)
    for replicas in (2, 7, 4):
        blind.scale(replicas)
        blind.sync(3)
        assert blind.replicas == replicas
    assert blind.told() == {"AbleToScale": GETS, "ScalingActive": BLIND}
    assert blind.message("ScalingActive") == f"the HPA was unable to compute the replica count: {NO_CPU}"
    (event,) = blind.events("FailedGetResourceMetric")
    assert (event["message"], event["type"], event["count"]) == (NO_CPU, "Warning", 9)
    first = f"failed to get cpu resource metric value: {NO_CPU}"
    assert blind.event_messages("FailedComputeMetricsReplicas") == [
        f"invalid metrics (1 invalid out of 1), first error is: {first}"
    ]


def test_after_a_rescale_the_next_look_tells_of_the_missing_metrics_again(blind: HpaWorld) -> None:
    """The desired replicas and the time of the rescale stay."""
    blind.create(2)
    blind.autoscale(minReplicas=5)
    blind.sync()
    scaled = blind.hpa()["status"]
    assert blind.told() == {"AbleToScale": RESCALED}
    assert (scaled["desiredReplicas"], scaled["currentReplicas"], scaled["currentMetrics"]) == (5, 2, None)
    blind.sync()
    status = blind.hpa()["status"]
    assert blind.told() == {"AbleToScale": GETS, "ScalingActive": BLIND}
    assert (status["desiredReplicas"], status["currentReplicas"]) == (5, 5)
    assert status["lastScaleTime"] == scaled["lastScaleTime"]
    assert status["currentMetrics"] == [{"type": ""}]


def test_it_leaves_zero_alone_and_comes_back() -> None:
    """However high its floor is; from one replica on it is at work again."""
    world = HpaWorld()
    world.all_cpu = 0.8
    world.fleet(3)
    world.autoscale(minReplicas=2)
    world.scale(0)
    world.sync(10)
    assert (world.replicas, world.ordinals()) == (0, [])
    assert world.told()["ScalingActive"] == ("False", "ScalingDisabled")
    assert "currentReplicas" not in world.hpa()["status"]
    world.scale(1)
    world.sync()
    assert world.replicas == 2
    world.advance(400.0)
    assert world.told()["ScalingActive"] == ("True", "ValidMetricFound")


def test_a_status_that_has_not_changed_is_not_written(blind: HpaWorld) -> None:
    """Its version stays for as long as nothing happens."""
    blind.create(2)
    blind.autoscale()
    blind.sync()
    before = blind.hpa()["metadata"]["resourceVersion"]
    blind.sync(5)
    assert blind.hpa()["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x"}, 'statefulsets.apps "x" not found'),
        (
            {"apiVersion": "apps/v1", "kind": "Worker", "name": "x"},
            'no matches for kind "Worker" in group "apps"',
        ),
        (
            {"apiVersion": "v1", "kind": "Pod", "name": "x"},
            "the server could not find the requested resource",
        ),
    ],
    ids=["no such set", "no such kind", "no scale"],
)
def test_a_target_that_is_not_there(blind: HpaWorld, reference: JSON, why: str) -> None:
    """It says so, and looks again."""
    blind.autoscale(scaleTargetRef=reference)
    blind.sync(2)
    assert blind.told() == {"AbleToScale": ("False", "FailedGetScale")}
    sentence = f"the HPA controller was unable to get the target's current scale: {why}"
    assert blind.message("AbleToScale") == sentence
    (event,) = blind.events("FailedGetScale")
    assert (event["message"], event["count"]) == (why, 2)


def test_a_target_that_comes_later_is_found(blind: HpaWorld) -> None:
    """At the next look."""
    blind.autoscale(minReplicas=2)
    blind.sync()
    blind.create(1)
    blind.sync()
    assert (blind.replicas, blind.told()) == (2, {"AbleToScale": RESCALED})


def test_a_deployment_is_a_target_too(blind: HpaWorld) -> None:
    """Its pods come and go by the bounds of its autoscaler."""
    blind.deploy(1)
    blind.autoscale(kind="Deployment", minReplicas=3)
    blind.sync()
    assert blind.deployment()["spec"]["replicas"] == 3
    assert len(blind.pods()) == 3


def test_a_write_that_is_refused_is_told(blind: HpaWorld) -> None:
    """The next look tries again."""
    blind.create(1)
    blind.autoscale(minReplicas=2)
    refused = blind.set()
    refused["spec"]["selector"] = {"matchLabels": {"component": "other"}}
    blind.store.load(SETS, refused)
    blind.sync()
    assert blind.told()["AbleToScale"] == ("False", "FailedUpdateScale")
    (message,) = blind.event_messages("FailedRescale")
    reason = "Current number of replicas below Spec.MinReplicas"
    assert message.startswith(f"New size: 2; reason: {reason}; error: StatefulSet.apps")
    assert "lastScaleTime" not in blind.hpa()["status"]


def test_two_autoscalers_of_one_target_see_no_metrics() -> None:
    """From when the second has looked; both keep what is within both their bounds."""
    world = HpaWorld()
    world.all_cpu = 0.8
    world.fleet(2)
    world.autoscale("first", metrics=[cpu_percent(80)])
    world.advance(1.0)
    world.autoscale("second", metrics=[cpu_percent(20)])
    world.sync(2)
    told = (
        "pods by selector component=worker are controlled by multiple HPAs: "
        f"[{NAMESPACE}/first {NAMESPACE}/second]"
    )
    for name in ("first", "second"):
        assert world.told(name)["ScalingActive"] == ("False", "AmbiguousSelector")
        assert world.message("ScalingActive", name) == told
        assert world.hpa(name)["status"]["currentMetrics"] is None
    assert set(world.event_messages("AmbiguousSelector")) == {told}
    assert set(world.event_messages("FailedComputeMetricsReplicas")) == {told}
    assert world.replicas == 2


def test_two_autoscalers_that_disagree_about_the_bounds_fight() -> None:
    """Bounds need no metrics: each puts back what the other has set."""
    world = HpaWorld(measured=False)
    world.create(2)
    world.autoscale("low", maxReplicas=2)
    world.advance(1.0)
    world.autoscale("high", minReplicas=4)
    world.advance(15.0)
    assert world.replicas == 4
    world.advance(14.0)
    assert world.replicas == 2
    world.advance(1.0)
    assert world.replicas == 4


def test_the_last_autoscaler_of_a_target_is_alone_again() -> None:
    """Once the other one is deleted."""
    world = HpaWorld()
    world.all_cpu = 0.8
    world.fleet(2)
    world.autoscale("first")
    world.autoscale("second")
    world.sync(2)
    assert world.told("first")["ScalingActive"][1] == "AmbiguousSelector"
    world.store.delete(AUTOSCALERS, NAMESPACE, "second")
    world.sync()
    assert world.told("first")["ScalingActive"] == ("True", "ValidMetricFound")


def test_a_deleted_autoscaler_does_nothing_more(blind: HpaWorld) -> None:
    """Nor is anything left to be done."""
    blind.create(1)
    blind.autoscale(minReplicas=2)
    blind.store.delete(AUTOSCALERS, NAMESPACE, NAME)
    blind.sync(2)
    assert blind.replicas == 1
    assert blind.agenda.next_at is None


def test_autoscalers_that_were_there_before_are_looked_after(blind: HpaWorld) -> None:
    """And none any more once the controller has stopped."""
    blind.hpas.stop()
    blind.create(1)
    blind.autoscale(minReplicas=2)
    blind.hpas.start()
    blind.sync()
    assert blind.replicas == 2
    blind.hpas.stop()
    blind.autoscale("late", minReplicas=3)
    blind.sync(2)
    assert blind.replicas == 2


def test_somebody_who_writes_meanwhile_is_not_overwritten(blind: HpaWorld) -> None:
    """The status waits for the next look, the replicas do not."""
    blind.create(1)
    blind.autoscale(minReplicas=2)
    ceilings = iter((9,))

    def interfere(change: Any) -> None:
        if change.resource == SETS and change.object["spec"]["replicas"] == 2:
            for ceiling in ceilings:
                blind.bound(maxReplicas=ceiling)

    blind.store.subscribe(interfere)
    blind.sync()
    assert (blind.replicas, blind.hpa()["spec"]["maxReplicas"]) == (2, 9)
    assert blind.told() == {}
    assert len(blind.events("FailedUpdateStatus")) == 1
    blind.sync()
    assert blind.told()["AbleToScale"] == GETS
