"""Seeing the cluster by watches."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import pytest

from autoscaler.cluster.client import Api
from autoscaler.cluster.kinds import Pod
from autoscaler.cluster.view import ClusterView
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.core.model import Quality, TargetRef, WorkerPod, WorkerSet
from autoscaler.core.overrides import NOTHING_ORDERED, Key, Overrides
from tests.kube import Kube
from tests.waiting import eventually

pytestmark = pytest.mark.cluster


def replicas(view: ClusterView, kube: Kube, name: str = "w") -> int | None:
    """Return the replicas that the view shows."""
    workers = view.worker_set(TargetRef(kube.namespace, name)).value
    return None if workers is None else workers.replicas


def test_the_life_of_a_set_is_followed(kube: Kube, view: ClusterView):
    """Made, scaled by somebody, deleted, made anew: seen without asking."""
    target = TargetRef(kube.namespace, "w")
    assert view.worker_set(target).detail == f"there is no StatefulSet {target}"
    first = kube.make_set(replicas=1)
    eventually(lambda: replicas(view, kube) == 1, "it is seen")
    kube.scale(3)
    eventually(lambda: replicas(view, kube) == 3, "the change is seen")
    kube.delete_set()
    eventually(lambda: replicas(view, kube) is None, "its deletion is seen")
    kube.make_set(replicas=0)
    eventually(lambda: replicas(view, kube) == 0, "the new one is seen")
    workers = view.worker_set(target).value
    assert workers is not None
    assert workers.uid != first["metadata"]["uid"]


def test_a_reading_from_open_watches_is_fresh(kube: Kube, view: ClusterView):
    """However long ago the last change was."""
    kube.make_set(replicas=2)
    eventually(lambda: replicas(view, kube) == 2)
    reading = view.worker_set(TargetRef(kube.namespace, "w"))
    assert (reading.quality, reading.age_seconds) == (Quality.FRESH, 0.0)


def test_declared_slots_are_read_from_the_template(kube: Kube, view: ClusterView):
    """And read again when the template changes."""

    def with_slots(made):
        made["spec"]["template"]["spec"]["containers"][0]["args"] = ["celery", "worker", "-c", "4"]

    kube.make_set(change=with_slots)
    eventually(lambda: replicas(view, kube) == 0)
    target = TargetRef(kube.namespace, "w")

    def declared() -> tuple[int | None, str]:
        workers = view.worker_set(target).value
        return (None, "") if workers is None else (workers.declared_slots, workers.declared_by)

    assert declared() == (4, "--concurrency of container worker")
    container = dict(kube.get_set()["spec"]["template"]["spec"]["containers"][0], args=["sh"])
    kube.patch_set({"spec": {"template": {"spec": {"containers": [container]}}}})
    eventually(lambda: declared() == (None, ""), "the new template is seen")


def test_annotations_are_seen_when_they_change(kube: Kube, view: ClusterView):
    """Ordered, changed, and taken back: by the watch, and worked out once for each version."""
    target = TargetRef(kube.namespace, "w")
    kube.make_set()
    eventually(lambda: replicas(view, kube) == 0)

    def seen() -> Overrides:
        workers = view.worker_set(target).value
        assert workers is not None
        return workers.overrides

    assert seen() == NOTHING_ORDERED
    kube.patch_set({"metadata": {"annotations": {"autoscaler/paused": "true", "autoscaler/pause": "true"}}})
    eventually(lambda: seen().get(Key.PAUSED) is not None, "the order is seen")
    assert len(seen().problems) == 1
    kube.patch_set({"metadata": {"annotations": {"autoscaler/paused": None, "autoscaler/max-replicas": "3"}}})
    eventually(lambda: [str(one) for one in seen().declared] == ["max-replicas is 3 by annotation"])
    kube.patch_set({"metadata": {"annotations": None}})
    eventually(lambda: seen() == NOTHING_ORDERED, "it is seen that nothing is ordered")


def test_since_when_a_worker_runs():
    """The named container's start, or that of the one that has run the longest; none while it waits."""

    def running(name: str, second: int) -> dict:
        return {"name": name, "state": {"running": {"startedAt": f"2026-11-24T06:00:{second:02}Z"}}}

    waiting = {"name": "late", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    statuses = [running("proxy", 30), waiting, running("worker", 10)]
    pod = msgspec.convert({"metadata": {"name": "w-0"}, "status": {"containerStatuses": statuses}}, Pod)
    start = datetime(2026, 11, 24, 6, tzinfo=UTC).timestamp()
    assert pod.started_at("proxy") == start + 30
    assert pod.started_at(None) == start + 10
    assert pod.started_at("late") is None
    assert (
        msgspec.convert({"metadata": {}, "status": {"containerStatuses": None}}, Pod).started_at(None) is None
    )


def test_the_whole_cluster_at_once(api: Api, kube: Kube):
    """One watch sees every namespace."""
    kube.make_set(replicas=2)
    everything = ClusterView(api, None, time.monotonic, pod_label_selector="app=autoscaler-test")
    everything.start()
    assert everything.wait_settled(30.0, time.monotonic)
    assert replicas(everything, kube) == 2
    everything.stop()


def test_nothing_is_known_before_the_first_list(api: Api, kube: Kube):
    """A view that has not begun says so, and is not synced."""
    view = ClusterView(api, [kube.namespace], time.monotonic)
    reading = view.worker_set(TargetRef(kube.namespace, "w"))
    assert (reading.quality, reading.detail) == (Quality.UNKNOWN, "not listed yet")
    assert view.trouble
    view.stop()


@pytest.mark.parametrize(
    ("phase", "states", "container", "occupied"),
    [
        ("Pending", {}, None, False),
        ("Running", {}, None, True),
        ("Unknown", {}, None, True),
        ("Pending", {"worker": {"waiting": {"reason": "ContainerCreating"}}}, None, False),
        ("Running", {"worker": {"waiting": {"reason": "CrashLoopBackOff"}}}, "worker", False),
        ("Running", {"worker": {"terminated": {"exitCode": 1}}}, None, True),
        ("Running", {"worker": {"running": {"startedAt": "2026-11-24T06:00:00Z"}}}, None, True),
        ("Running", {"worker": {"waiting": {}}, "proxy": {"terminated": {}}}, None, True),
        ("Running", {"worker": {"waiting": {}}, "proxy": {"terminated": {}}}, "worker", False),
        ("Running", {"proxy": {"waiting": {}}}, "worker", True),
    ],
)
def test_which_status_proves_that_no_worker_runs(phase, states, container, occupied):
    """It was never started, or waits for its next try; one that has ended may be started at any moment."""
    statuses = [{"name": name, "state": state} for name, state in states.items()]
    body = {"metadata": {"name": "w-0"}, "status": {"phase": phase, "containerStatuses": statuses}}
    assert msgspec.convert(body, Pod).occupied(container) is occupied


@pytest.mark.parametrize(
    ("strategy", "revision", "updating"),
    [
        ({}, "a", True),
        ({}, "b", False),
        ({"type": "RollingUpdate", "rollingUpdate": None}, "a", True),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": None}}, "a", True),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, "a", False),
        ({"type": "OnDelete"}, "a", False),
    ],
)
def test_when_a_rollout_is_in_progress(strategy, revision, updating):
    """While a pod from the partition on is not of the update's revision; never with OnDelete."""
    status = {"currentRevision": "a", "updateRevision": "b", "replicas": 1}
    spec = {"replicas": 1} | ({"updateStrategy": strategy} if strategy else {})
    found = msgspec.convert({"metadata": {"name": "w"}, "spec": spec, "status": status}, StatefulSet)
    pods = (WorkerPod("w-0", ready=True, terminating=False, place=0, revision=revision),)
    assert WorkerSet("uid", 1, pods, rollout=found.rollout(pods)).updating is updating


@pytest.mark.parametrize(
    ("pod", "start", "place"),
    [("w-0", 0, 0), ("w-12", 0, 12), ("w-5", 5, 0), ("w-x", 0, None), ("other-1", 0, None), ("w", 0, None)],
)
def test_the_place_of_a_pod(pod, start, place):
    """Its ordinal, counted from the first one of the set."""
    spec = {"ordinals": {"start": start}} if start else {}
    assert msgspec.convert({"metadata": {"name": "w"}, "spec": spec}, StatefulSet).place(pod) == place


@pytest.mark.parametrize(("policy", "parallel"), [("Parallel", True), ("OrderedReady", False), ("", False)])
def test_whether_pods_are_ended_at_once(policy, parallel):
    """The default is one after the other."""
    spec = {"podManagementPolicy": policy} if policy else {}
    assert msgspec.convert({"metadata": {"name": "w"}, "spec": spec}, StatefulSet).parallel is parallel
