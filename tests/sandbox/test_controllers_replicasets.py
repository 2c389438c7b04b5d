"""The ReplicaSet controller: how many pods there are, and which of them go first."""

from __future__ import annotations

import pytest

from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.deletion_cost import DELETION_COST
from tests.sandbox.fleet import SETS, FleetWorld, replicaset
from tests.sandbox.world import NAME, NAMESPACE, names, template


def test_the_api_refuses_a_cost_that_is_no_number() -> None:
    """As it does in Kubernetes, for pods and for templates; what was wrong before may stay."""
    world = FleetWorld()
    world.store.create(SETS, replicaset(1))
    world.settle()
    (pod,) = world.pods()
    pod["metadata"]["annotations"] = {DELETION_COST: "dear"}
    with pytest.raises(
        ApiError, match=r'pod-deletion-cost\]: Invalid value: "dear": must be a 32bit integer'
    ):
        world.store.update("pods", pod)
    with pytest.raises(ApiError, match=r"spec\.template\.annotations"):
        world.store.create(SETS, replicaset(1, template=template(annotations={DELETION_COST: "dear"})))


def test_pods_have_names_of_chance_and_their_owner() -> None:
    """A name is the ReplicaSet's with five letters, and the owner is told."""
    world = FleetWorld()
    world.store.create(SETS, replicaset(2, template=template(annotations={"note": "x"})))
    world.settle()
    made = world.store.get(SETS, NAMESPACE, NAME)
    for pod in world.pods():
        stem, _, suffix = pod["metadata"]["name"].rpartition("-")
        assert (stem, len(suffix)) == (NAME, 5)
        assert set(suffix) <= set("bcdfghjklmnpqrstvwxz2456789")
        assert pod["metadata"]["generateName"] == f"{NAME}-"
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == (
            "ReplicaSet",
            made["metadata"]["uid"],
            True,
        )
        assert pod["metadata"]["annotations"] == {"note": "x"}
    messages = {event["message"] for event in world.events("SuccessfulCreate")}
    assert messages == {f"Created pod: {name}" for name in names(world.pods())}


def test_a_long_name_leaves_room_for_the_suffix() -> None:
    """Generated names are cut so that they fit into a label."""
    world = FleetWorld()
    made = replicaset(1)
    made["metadata"]["name"] = "x" * 70
    world.store.create(SETS, made)
    world.settle()
    assert [len(name) for name in names(world.pods())] == [63]


def test_a_pod_that_is_told_to_end_counts_no_longer() -> None:
    """Scaling down, the status drops at once; a pod that is deleted by hand is replaced at once."""
    world = FleetWorld(ending_seconds=60)
    world.store.create(SETS, replicaset(3))
    world.settle()
    world.scale_set(1)
    assert len(world.pods()) == 3
    assert world.store.get(SETS, NAMESPACE, NAME)["status"]["replicas"] == 1
    (staying,) = world.staying()
    world.store.delete("pods", NAMESPACE, staying["metadata"]["name"])
    world.settle()
    assert len(world.pods()) == 4
    assert len(world.staying()) == 1


def test_the_cheapest_pods_go() -> None:
    """Whoever sets the cost decides which pods go, even among older ones."""
    world = FleetWorld()
    world.store.create(SETS, replicaset(4))
    world.settle()
    cheap = names(world.pods())[1:3]
    for name in cheap:
        world.annotate("pods", name, {DELETION_COST: "-10"})
    world.scale_set(2)
    assert set(names(world.pods())).isdisjoint(cheap)
    messages = {event["message"] for event in world.events("SuccessfulDelete")}
    assert messages == {f"Deleted pod: {name}" for name in cheap}


def test_pods_are_available_after_their_time() -> None:
    """With minReadySeconds a pod is ready first and available later."""
    world = FleetWorld(startup_seconds=2)
    world.store.create(SETS, replicaset(2, minReadySeconds=10))
    told = []
    for seconds in (1, 1, 9, 1):
        world.advance(seconds)
        status = world.store.get(SETS, NAMESPACE, NAME)["status"]
        told.append([status.get(name, 0) for name in ("replicas", "readyReplicas", "availableReplicas")])
    assert told == [[2, 0, 0], [2, 2, 0], [2, 2, 0], [2, 2, 2]]


def test_a_refused_pod_is_told_and_tried_again() -> None:
    """A quota of 2 for 4: an Event, a condition, and the rest when there is room and the pause is over."""
    world = FleetWorld()
    world.allow_pods(2)
    world.store.create(SETS, replicaset(4))
    world.advance(1)
    assert len(world.pods()) == 2
    event = world.events("FailedCreate")[0]
    assert event["message"].startswith(f'Error creating: pods "{NAME}-')
    assert (
        "is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2"
        in event["message"]
    )
    assert event["source"] == {"component": "replicaset-controller"}
    (condition,) = world.store.get(SETS, NAMESPACE, NAME)["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "ReplicaFailure",
        "True",
        "FailedCreate",
    )
    assert f"Error creating: {condition['message']}" == event["message"]
    world.allow_pods(9)
    world.advance(2)
    assert len(world.pods()) == 4
    assert "conditions" not in world.store.get(SETS, NAMESPACE, NAME)["status"]


def test_a_refusal_ends_the_batches() -> None:
    """16 asked for in a quota of 4: 1, 2 and 4 are tried, of which 3 are refused."""
    world = FleetWorld()
    world.allow_pods(4)
    world.store.create(SETS, replicaset(16))
    world.settle()
    assert len(world.pods()) == 4
    seen = [event["involvedObject"]["resourceVersion"] for event in world.events("FailedCreate")]
    assert seen.count(seen[0]) == 3  # in the first look; those that follow try one each


def test_finished_pods_are_replaced_and_stay() -> None:
    """A pod that has failed is none of the replicas and is not deleted."""
    world = FleetWorld()
    world.store.create(SETS, replicaset(1))
    world.settle()
    (pod,) = world.pods()
    pod["status"]["phase"] = "Failed"
    world.store.update("pods", pod, subresource="status")
    world.settle()
    assert len(world.pods()) == 2
    assert world.store.get(SETS, NAMESPACE, NAME)["status"]["replicas"] == 1


def test_a_deleted_replicaset_takes_its_pods_or_leaves_them() -> None:
    """In the background; with Orphan they run on."""
    for propagation, left in (("Background", 0), ("Orphan", 2)):
        world = FleetWorld()
        world.store.create(SETS, replicaset(2))
        world.settle()
        world.store.delete(SETS, NAMESPACE, NAME, propagation=propagation)
        world.settle()
        assert len(world.pods()) == left
        assert not any(pod["metadata"].get("ownerReferences") for pod in world.pods())


def test_a_selector_cannot_change() -> None:
    """As for Deployments."""
    world = FleetWorld()
    world.store.create(SETS, replicaset(0))
    changed = world.store.get(SETS, NAMESPACE, NAME)
    changed["spec"]["selector"] = {"matchLabels": {"component": "worker", "more": "x"}}
    changed["spec"]["template"]["metadata"]["labels"]["more"] = "x"
    with pytest.raises(ApiError, match="field is immutable"):
        world.store.update(SETS, changed)


def test_parts_that_start_late_take_in_replicasets() -> None:
    """A ReplicaSet that is older than the controller is looked at all the same."""
    world = FleetWorld()
    world.stop()
    world.store.create(SETS, replicaset(1))
    world.settle()
    assert world.pods() == []
    world.start()
    world.settle()
    assert len(world.pods()) == 1
