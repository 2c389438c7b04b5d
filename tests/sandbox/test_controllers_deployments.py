"""The Deployment controller: which ReplicaSets there are, of which size, and what is told of them."""

from __future__ import annotations

import pytest

from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.controllers.revisions import template_hash
from autoscaler.sandbox.errors import ApiError
from tests.sandbox.client import Client
from tests.sandbox.fleet import DEPLOYMENTS, PREFIX, SETS, FleetWorld, deployment, version
from tests.sandbox.world import NAME, NAMESPACE, names


def test_a_deployment_makes_a_replicaset_and_that_its_pods() -> None:
    """Names, labels, selector, owners and annotations are those of Kubernetes."""
    world = FleetWorld()
    world.deploy(3)
    made, (replicaset,) = world.deployment(), world.sets()
    digest = template_hash(made["spec"]["template"])
    metadata, spec = replicaset["metadata"], replicaset["spec"]
    assert metadata["name"] == f"{NAME}-{digest}"
    labels = {"component": "worker", "pod-template-hash": digest}
    assert (
        metadata["labels"]
        == spec["selector"]["matchLabels"]
        == spec["template"]["metadata"]["labels"]
        == labels
    )
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Deployment", made["metadata"]["uid"], True)
    notes = {name.removeprefix(PREFIX): text for name, text in metadata["annotations"].items()}
    assert notes == {"revision": "1", "desired-replicas": "3", "max-replicas": "4"}
    assert made["metadata"]["annotations"] == {f"{PREFIX}revision": "1"}
    assert [pod["metadata"]["labels"] for pod in world.pods()] == [labels] * 3
    (event,) = world.events("ScalingReplicaSet")
    assert event["message"] == f"Scaled up replica set {metadata['name']} from 0 to 3"
    assert event["source"] == {"component": "deployment-controller"}


def test_the_status_follows_the_pods() -> None:
    """Counts of 0 are left out; both conditions change with the last pod needed."""
    world = FleetWorld(startup_seconds=5)
    world.deploy(4)
    assert world.counts() == {"replicas": 4, "updated": 4, "unavailable": 4}
    assert world.condition("Available") == ("False", "MinimumReplicasUnavailable")
    assert world.condition("Progressing") == ("True", "ReplicaSetUpdated")
    world.advance(5)
    assert world.counts() == {"replicas": 4, "updated": 4, "ready": 4, "available": 4}
    assert world.condition("Available") == ("True", "MinimumReplicasAvailable")
    assert world.condition("Progressing") == ("True", "NewReplicaSetAvailable")
    made = world.deployment()
    assert made["status"]["observedGeneration"] == made["metadata"]["generation"] == 1


def test_one_replica_is_the_default_and_none_is_complete() -> None:
    """Without a number there is one pod; with 0 there is nothing to wait for."""
    world = FleetWorld()
    made = deployment(0)
    del made["spec"]["replicas"]
    world.store.create(DEPLOYMENTS, made)
    world.settle()
    assert world.sizes() == [1]
    world.redeploy(replicas=0)
    assert world.pods() == []
    assert world.counts() == {}
    assert world.condition("Available") == ("True", "MinimumReplicasAvailable")


def test_scaling_changes_the_one_replicaset() -> None:
    """Up and down, with the note of what was asked for, without a new revision."""
    world = FleetWorld()
    world.deploy(2)
    world.redeploy(replicas=6)
    world.redeploy(replicas=1)
    assert world.sizes() == [1]
    assert world.sets()[0]["metadata"]["annotations"][f"{PREFIX}desired-replicas"] == "1"
    messages = [event["message"] for event in world.events("ScalingReplicaSet")]
    name = world.sets()[0]["metadata"]["name"]
    assert messages == [
        f"Scaled up replica set {name} from 0 to 2",
        f"Scaled up replica set {name} from 2 to 6",
        f"Scaled down replica set {name} from 6 to 1",
    ]


def test_the_cheapest_pods_of_a_deployment_go() -> None:
    """The deletion cost works through the Deployment, which is what an autoscaler needs of it."""
    world = FleetWorld()
    world.deploy(4)
    cheap = names(world.pods())[2]
    world.annotate("pods", cheap, {"controller.kubernetes.io/pod-deletion-cost": "-1"})
    world.redeploy(replicas=3)
    assert cheap not in names(world.pods())
    assert len(world.pods()) == 3


def test_pods_that_a_quota_refuses_are_told_of_in_the_status() -> None:
    """The refusal of the ReplicaSet stands in the Deployment's conditions, until there is room."""
    world = FleetWorld()
    world.allow_pods(2)
    world.deploy(5)
    world.advance(1)
    assert world.counts() == {"replicas": 2, "updated": 2, "ready": 2, "available": 2, "unavailable": 3}
    assert world.condition("ReplicaFailure") == ("True", "FailedCreate")
    assert world.condition("Available") == ("False", "MinimumReplicasUnavailable")
    world.allow_pods(9)
    world.advance(2)
    assert world.counts() == {"replicas": 5, "updated": 5, "ready": 5, "available": 5}
    assert {item["type"] for item in world.deployment()["status"]["conditions"]} == {
        "Available",
        "Progressing",
    }


def test_a_deleted_deployment_takes_all_with_it() -> None:
    """ReplicaSets go, and their pods with the grace they have."""
    world = FleetWorld(ending_seconds=5)
    world.deploy(2)
    world.redeploy(template=version(2))
    world.advance(10)
    world.store.delete(DEPLOYMENTS, NAMESPACE, NAME)
    world.settle()
    assert world.sets() == []
    assert len(world.pods()) == 2
    assert world.staying() == []
    world.advance(5)
    assert world.pods() == []


def test_orphaned_replicasets_run_on_and_give_way_by_name() -> None:
    """They are not adopted here, so the next Deployment counts a collision and takes another name."""
    world = FleetWorld()
    world.deploy(2)
    world.store.delete(DEPLOYMENTS, NAMESPACE, NAME, propagation="Orphan")
    world.settle()
    assert len(world.pods()) == 2
    world.deploy(1)
    world.advance(1)
    assert world.deployment()["status"]["collisionCount"] == 1
    assert len(world.pods()) == 3
    assert world.counts()["ready"] == 1


def test_a_deployment_that_is_being_deleted_only_reports() -> None:
    """While a finalizer holds it."""
    world = FleetWorld()
    made = deployment(2)
    made["metadata"]["finalizers"] = ["example.org/hold"]
    world.store.create(DEPLOYMENTS, made)
    world.settle()
    world.store.delete(DEPLOYMENTS, NAMESPACE, NAME)
    world.redeploy(replicas=5)
    assert world.sizes() == [2]
    assert world.deployment()["status"]["observedGeneration"] == world.deployment()["metadata"]["generation"]


def test_annotations_of_a_deployment_are_a_new_generation_and_reach_its_replicaset() -> None:
    """So notes that an autoscaler leaves at a Deployment are seen as changes, unlike a StatefulSet's."""
    world = FleetWorld()
    world.deploy(1)
    world.annotate(DEPLOYMENTS, NAME, {"autoscaler/note": "x"})
    made = world.deployment()
    assert made["metadata"]["generation"] == made["status"]["observedGeneration"] == 2
    (replicaset,) = world.sets()
    assert replicaset["metadata"]["annotations"]["autoscaler/note"] == "x"
    assert replicaset["metadata"]["generation"] == 1


def test_a_selector_cannot_change() -> None:
    """A Deployment keeps the pods that it has."""
    world = FleetWorld()
    world.deploy(0)
    changed = world.deployment()
    changed["spec"]["selector"] = {"matchLabels": {"other": "x"}}
    changed["spec"]["template"]["metadata"]["labels"] = {"other": "x"}
    with pytest.raises(ApiError, match=r"spec\.selector: Invalid value: .* field is immutable"):
        world.store.update(DEPLOYMENTS, changed)


def test_foreign_replicasets_are_left_alone() -> None:
    """One that matches and belongs to nobody is neither counted nor sized."""
    world = FleetWorld()
    foreign = deployment(1)
    foreign["metadata"]["name"] = "foreign"
    world.store.create(SETS, foreign)
    world.deploy(2)
    assert world.counts()["replicas"] == 2
    world.redeploy(replicas=0)
    assert len(world.pods()) == 1


def test_parts_that_start_late_take_in_deployments() -> None:
    """A Deployment that is older than the controller is looked at all the same."""
    world = FleetWorld()
    world.stop()
    world.deploy(2)
    assert world.pods() == []
    world.start()
    world.settle()
    assert world.counts()["available"] == 2


@pytest.mark.parametrize("plural", ["deployments", "replicasets"])
def test_the_scale_subresource(plural: str) -> None:
    """An autoscaler reads the number and the selector there, and changes the number."""
    world = FleetWorld()
    world.deploy(2)
    name = NAME if plural == "deployments" else world.sets()[0]["metadata"]["name"]
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/{plural}/{name}"
    selector = "component=worker" + (f",pod-template-hash={name.rpartition('-')[2]}" if name != NAME else "")
    with ApiServer(world.store) as server:
        client = Client(server.url)
        before = client.get(f"{path}/scale")
        client.patch(f"{path}/scale", {"spec": {"replicas": 3}})
        after = client.get(path)
    assert before["kind"] == "Scale"
    assert (before["spec"], before["status"]) == ({"replicas": 2}, {"replicas": 2, "selector": selector})
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (3, 2)
    world.settle()
    assert len(world.pods()) == (3 if plural == "deployments" else 2)


def test_tables_show_how_far_a_deployment_is() -> None:
    """As kubectl prints them."""
    world = FleetWorld()
    world.deploy(2)
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    with ApiServer(world.store) as server:
        rows = [
            Client(server.url).request("GET", f"/apis/apps/v1/{plural}", accept=table).body["rows"]
            for plural in ("deployments", "replicasets")
        ]
    (deployed,), (replicated,) = ([row["cells"] for row in found] for found in rows)
    assert deployed[:4] == [NAME, "2/2", 2, 2]
    assert deployed[5:] == ["worker", "celery", "component=worker"]
    assert replicated[1:4] == [2, 2, 2]
