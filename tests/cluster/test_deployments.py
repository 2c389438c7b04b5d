"""Deployments as targets: seen through their ReplicaSets, scaled, and their pods marked before.

What would mean something else where controllers are at work runs against the sandbox alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from autoscaler.cluster.client import Api, connect
from autoscaler.cluster.deletion_cost import COST, mark
from autoscaler.cluster.scale import ApiScaler
from autoscaler.cluster.view import ClusterView
from autoscaler.cluster.workloads import REVISION, Deployment, ReplicaSet, StatefulSet
from autoscaler.core.model import Decision, OutcomeKind, Quality, Step, TargetRef, WorkerSet
from autoscaler.sandbox.cluster import SandboxCluster
from tests.kube import JSON, Kube, worker_set
from tests.waiting import eventually


def deployment(name: str, replicas: int) -> JSON:
    """Return a Deployment whose pods any cluster admits, and which do nothing."""
    made = worker_set(name, replicas)
    del made["spec"]["serviceName"], made["spec"]["podManagementPolicy"]
    return made | {"kind": "Deployment"}


def path(kube: Kube, kind: str, name: str = "") -> str:
    """Return the path of objects of a kind."""
    group = "/api/v1" if kind == "pods" else "/apis/apps/v1"
    return f"{group}/namespaces/{kube.namespace}/{kind}" + (f"/{name}" if name else "")


@pytest.fixture
def seeing(api: Api, kube: Kube) -> Iterator[ClusterView]:
    """Watch the test's namespace, Deployments included."""
    watching = ClusterView(api, [kube.namespace], time.monotonic, deployments=[kube.namespace])
    watching.start()
    assert watching.wait_settled(30.0, time.monotonic)
    yield watching
    watching.stop()


def seen(view: ClusterView, kube: Kube) -> WorkerSet | None:
    """Return what is seen of Deployment `w`."""
    return view.worker_set(TargetRef(kube.namespace, "w", "Deployment")).value


def decided(kube: Kube, uid: str, current: int, wanted: int, *departing: str) -> Decision:
    """Return a decision for Deployment `w`."""
    steps = (Step("demand", wanted, "WorkWaiting", "so many"),)
    ref = TargetRef(kube.namespace, "w", "Deployment")
    return Decision(ref, 0.0, uid, current, wanted, wanted, wanted, False, 0, steps, departing=departing)  # noqa: FBT003


@pytest.mark.cluster
def test_a_deployment_is_seen_and_scaled(api: Api, kube: Kube, seeing: ClusterView):
    """Through zero and back, on the same proof as a StatefulSet; its namesake of that kind is another."""
    target = TargetRef(kube.namespace, "w", "Deployment")
    assert seeing.worker_set(target).detail == f"there is no Deployment {target}"
    kube.make_set()
    made = kube.call("POST", path(kube, "deployments"), deployment("w", 0))
    eventually(lambda: seen(seeing, kube) is not None, "it is seen")
    workers = seen(seeing, kube)
    assert workers is not None
    assert workers.uid == made["metadata"]["uid"]
    scaler = ApiScaler(api, seeing)
    for current, wanted in ((0, 2), (2, 1), (1, 0)):
        outcome = scaler.scale(decided(kube, workers.uid, current, wanted))
        assert (outcome.kind, outcome.replicas) == (OutcomeKind.APPLIED, wanted)
        scaled = seen(seeing, kube)
        assert scaled is not None
        assert scaled.replicas == wanted
    assert kube.replicas() == 0
    assert scaler.scale(decided(kube, workers.uid, 3, 1)).kind is OutcomeKind.CONFLICT
    kube.call("DELETE", path(kube, "deployments", "w"))


@pytest.mark.cluster
def test_pods_are_marked_and_that_is_read_back(api: Api, kube: Kube, seeing: ClusterView):
    """Where that fails the replicas are left as they are."""
    made = kube.call("POST", path(kube, "deployments"), deployment("w", 0))
    eventually(lambda: seen(seeing, kube) is not None, "it is seen")
    template = worker_set("w", 0)["spec"]["template"]["spec"]
    pod = {"metadata": {"name": "marked"}, "spec": template}
    kube.call("POST", path(kube, "pods"), pod)
    assert mark(api, kube.namespace, ["marked"], "autoscaler", 1_700_000_000.5) == ""
    found = kube.call("GET", path(kube, "pods", "marked"))
    assert found["metadata"]["annotations"][COST] == "-1700000000"
    outcome = ApiScaler(api, seeing).scale(decided(kube, made["metadata"]["uid"], 0, 1, "marked", "missing"))
    assert outcome.kind is OutcomeKind.FAILED
    assert "the deletion cost of pod missing could not be set" in outcome.message
    assert kube.call("GET", path(kube, "deployments", "w"))["spec"]["replicas"] == 0
    for kind, name in (("pods", "marked"), ("deployments", "w")):
        kube.call("DELETE", path(kube, kind, name))


def test_its_pods_are_found_through_their_replica_sets():
    """Those of its namespace that others made, a KubernetesExecutor's among them, are none of its."""
    with SandboxCluster(runner="null", startup_seconds=0.0) as cluster:
        manifest = deployment("w", 3)
        manifest["metadata"]["namespace"] = "data"
        cluster.apply(manifest)
        template = manifest["spec"]["template"]
        metadata = {
            "name": "task-of-an-executor",
            "namespace": "data",
            "labels": {"kubernetes_executor": "True"},
        }
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        api = connect(10.0, cluster.kubeconfig)
        view = ClusterView(api, None, time.monotonic, deployments=["data"])
        view.start()
        target = TargetRef("data", "w", "Deployment")

        def pods() -> list[str]:
            workers = view.worker_set(target).value
            return [] if workers is None else [pod.name for pod in workers.pods if pod.ready]

        eventually(lambda: len(pods()) == 3, "its pods are seen")
        assert all(name.startswith("w-") for name in pods())
        workers = view.worker_set(target).value
        assert workers is not None
        eventually(lambda: not (view.worker_set(target).value or workers).updating, "the rollout is over")
        assert {pod.place for pod in workers.pods} == {None}
        view.stop()
        api.close()


@pytest.mark.parametrize(
    ("generation", "status", "paused", "updating"),
    [
        (3, {"replicas": 2, "updatedReplicas": 2}, False, False),
        (4, {"replicas": 2, "updatedReplicas": 2}, False, True),
        (3, {"replicas": 3, "updatedReplicas": 1}, False, True),
        (3, {"replicas": 3, "updatedReplicas": 1}, True, False),
        (3, {"replicas": 2, "updatedReplicas": 2, "unavailableReplicas": 1}, False, True),
        (3, {"replicas": 2, "updatedReplicas": 2, "unavailableReplicas": 1, "complete": True}, False, False),
    ],
)
def test_when_a_rollout_of_a_deployment_is_in_progress(generation, status, paused, updating):
    """By its controller's own word; once that has said that it is complete, to be scaled is none."""
    progressing = [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]
    said = status | {"observedGeneration": 3, "conditions": progressing if status.get("complete") else None}
    body = {
        "metadata": {"name": "w", "generation": generation, "annotations": {REVISION: "2"}},
        "spec": {"replicas": 2, "paused": paused},
        "status": said,
    }
    rollout = msgspec.convert(body, Deployment).rollout(())
    assert (rollout is not None) is updating
    assert rollout is None or rollout.revision == "2"


def test_why_a_deployment_makes_no_more_pods():
    """Its controller says so, which that of a StatefulSet does not."""
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota",
    }
    for status, said in (("True", "FailedCreate: exceeded quota"), ("False", "")):
        body = {"metadata": {"name": "w"}, "status": {"conditions": [failure | {"status": status}]}}
        assert msgspec.convert(body, Deployment).not_made == said
    assert msgspec.convert({"metadata": {"name": "w"}}, Deployment).not_made == ""
    assert msgspec.convert({"metadata": {"name": "w"}}, StatefulSet).not_made == ""


def test_whose_a_replica_set_is():
    """Its Deployment's, or nobody's."""
    owned = {"ownerReferences": [{"uid": "other"}, {"uid": "u", "controller": True}]}
    assert msgspec.convert({"metadata": owned}, ReplicaSet).owner == "u"
    assert msgspec.convert({"metadata": {}}, ReplicaSet).owner == ""


def test_pods_that_are_not_seen_make_the_view_an_old_one(kube: Kube, view: ClusterView):
    """The controller counts two, and a watch that hangs shows none: nothing may shrink on that."""
    kube.make_set(replicas=2)
    status = {"status": {"replicas": 2}}
    kube.call("PATCH", kube.sets("w", "status"), status, kind="application/merge-patch+json")
    target = TargetRef(kube.namespace, "w")
    eventually(lambda: view.worker_set(target).quality is Quality.STALE, "the count is seen")
    assert view.worker_set(target).detail == "0 pods are seen of the 2 that its controller has made"
