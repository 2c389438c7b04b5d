"""Seeing the cluster by watches."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import pytest

from autoscaler.cluster.client import Api
from autoscaler.cluster.kinds import Pod
from autoscaler.cluster.view import ClusterView
from autoscaler.core.model import Quality, TargetRef
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
