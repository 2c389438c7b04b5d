"""The ReplicaSet controller: how many pods there are, and which of them go first."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.controllers.pod_order import deletion_order
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.deletion_cost import DELETION_COST, deletion_cost
from autoscaler.sandbox.objects.values import stamp
from tests.sandbox.fleet import SETS, FleetWorld, replicaset
from tests.sandbox.world import BEGIN, NAME, NAMESPACE, names, template

HOUR = 3600.0
NOW = BEGIN.replace(hour=12)


def a_pod(name: str, *, ready: float | None = HOUR, age: float = HOUR, **told: Any) -> dict[str, Any]:
    """Return a pod; `ready` and `age` are seconds until now, the rest as `told` says."""
    since = stamp(BEGIN.fromtimestamp(NOW.timestamp() - (ready or 0), BEGIN.tzinfo))
    condition = {"type": "Ready", "status": str(ready is not None), "lastTransitionTime": since}
    cost = {DELETION_COST: str(told["cost"])} if "cost" in told else {}
    return {
        "metadata": {
            "name": name,
            "uid": told.get("uid", name),
            "creationTimestamp": stamp(BEGIN.fromtimestamp(NOW.timestamp() - age, BEGIN.tzinfo)),
            "annotations": cost,
        },
        "spec": {"nodeName": told.get("node", "one"), "initContainers": told.get("beside", [])},
        "status": {
            "phase": told.get("phase", "Running"),
            "conditions": [condition],
            "containerStatuses": [{"name": "main", "restartCount": told.get("restarts", 0)}],
            "initContainerStatuses": [{"name": "side", "restartCount": told.get("side", 0)}],
        },
    }


SIDECAR = {"beside": [{"name": "side", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ({"node": "", "phase": "Pending", "ready": None, "cost": 9}, {"phase": "Pending", "ready": None}),
        ({"phase": "Pending", "ready": None, "cost": 9}, {"phase": "Unknown", "ready": None}),
        ({"phase": "Unknown", "ready": None, "cost": 9}, {"ready": None}),
        ({"ready": None, "cost": 9}, {"cost": -9}),
        ({"cost": -1}, {}),
        ({}, {"cost": 1, "ready": 1.0}),
        ({"cost": "x"}, {"cost": 1}),
        ({"cost": -1}, {"cost": "+7"}),
        ({"cost": -(2**31)}, {"cost": -(2**31) - 1}),
        ({"ready": 60.0, "age": HOUR}, {"ready": 600.0, "age": 600.0}),
        ({"ready": 1.0}, {"ready": 2.0}),
        ({"restarts": 2}, {"restarts": 1, "age": 1.0}),
        ({"side": 2, **SIDECAR}, {"side": 1, "age": 1.0, **SIDECAR}),
        ({"age": 60.0}, {"age": 600.0}),
        ({"ready": None, "age": 60.0}, {"ready": None, "age": 600.0}),
        ({"uid": "a", "ready": 3000.0, "restarts": 0}, {"uid": "b", "ready": 2500.0, "restarts": 9}),
        ({"uid": "a", "age": 3000.0}, {"uid": "b", "age": 2500.0}),
        ({"uid": "a", "ready": 3.0, "age": 9.0}, {"uid": "b", "ready": 4.0, "age": 9.0}),
        ({"ready": 4.0, "uid": "b"}, {"ready": 4.5, "uid": "a"}),
    ],
)
def test_the_order_of_deletion(first: dict[str, Any], last: dict[str, Any]) -> None:
    """Each rule of ActivePodsWithRanks decides before the next one, whichever way the pods come."""
    one, other = a_pod("one", **first), a_pod("other", **last)
    assert names(deletion_order([one, other], [], NOW)) == ["one", "other"]
    assert names(deletion_order([other, one], [], NOW)) == ["one", "other"]


def test_pods_on_crowded_nodes_go_first() -> None:
    """The rank is the number of active pods of all ReplicaSets of the owner on the node."""
    alone, crowded = a_pod("alone", node="two", ready=1.0), a_pod("crowded", node="one")
    over = [a_pod(f"over-{number}", node="two", phase="Failed", ready=None) for number in range(3)]
    related = [alone, crowded, a_pod("other", node="one"), *over]
    assert names(deletion_order([alone, crowded], related, NOW)) == ["crowded", "alone"]
    cheap = a_pod("cheap", node="two", cost=-1)
    assert names(deletion_order([crowded, cheap], related, NOW)) == ["cheap", "crowded"]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("+5", None),
        ("05", None),
        ("", None),
        ("2147483648", None),
        ("1.5", None),
    ],
)
def test_a_deletion_cost_is_a_plain_number(text: str, cost: int | None) -> None:
    """What is no number of 32 bits is refused by the API server, and counts as 0 where it got in."""
    assert deletion_cost({DELETION_COST: text}) == cost


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
