"""Which HPAs scale a target, and what they say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autoscaler.cluster import hpas as cluster
from autoscaler.cluster.client import Api, connect
from autoscaler.cluster.hpa_kinds import HorizontalPodAutoscaler
from autoscaler.cluster.hpas import ClusterHpas
from autoscaler.core.model import Quality, TargetRef, fresh, unknown
from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.cluster import hpas
from tests.kube import Kube
from tests.waiting import eventually

RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.fixture
def seen(api: Api, kube: Kube) -> Iterator[ClusterHpas]:
    """Watch the test's namespace."""
    watching = ClusterHpas(api, [kube.namespace], time.monotonic)
    watching.start()
    assert watching.wait_settled(30.0, time.monotonic)
    yield watching
    watching.stop()


def names(seen: ClusterHpas, kube: Kube, kind: str = "StatefulSet", name: str = "w") -> list[str]:
    """Return the names of the HPAs of a target."""
    return [one.name for one in seen.on(TargetRef(kube.namespace, name, kind)).value or ()]


@pytest.mark.cluster
def test_found_by_what_they_scale(kube: Kube, seen: ClusterHpas):
    """Group, kind and name have to be the target's; the version of the group does not matter."""
    assert seen.on(TargetRef(kube.namespace, "w")).quality is Quality.FRESH
    hpas.make(kube, "right")
    hpas.make(kube, "older", target={"apiVersion": "apps/v1beta2"})
    hpas.make(kube, "group", target={"apiVersion": "example.com/v1"})
    hpas.make(kube, "kind", target={"kind": "Deployment"})
    hpas.make(kube, "name", target={"name": "other"})
    eventually(lambda: names(seen, kube, name="other") == ["name"], "the watch tells")
    assert names(seen, kube) == ["older", "right"]
    assert names(seen, kube, kind="Deployment") == ["kind"]
    hpas.delete(kube, "older")
    eventually(lambda: names(seen, kube) == ["right"], "the watch tells")


@pytest.mark.cluster
def test_what_one_says(api: Api, kube: Kube, seen: ClusterHpas):
    """Its bounds, its metrics, its window, and what it saw when it last looked."""
    hpas.make(kube, minReplicas=2, behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})
    hpas.measured(kube, 40, 6)
    target = TargetRef(kube.namespace, "w")
    eventually(lambda: any(one.replicas for one in seen.on(target).value or ()), "the watch tells")
    (one,) = seen.on(target).value or ()
    assert str(one) == "HPA h (2 to 10 on cpu)"
    assert (one.load, one.replicas, one.asks(0)) == (0.5, 6, 3)
    assert (one.window_seconds, one.tolerance, one.inactive, one.floored) == (60.0, 0.1, "", False)
    assert cluster.on(api, target).value == (one,)


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("name", "meta"),
    [
        ("keda-hpa-w", {}),
        ("w", {"labels": {"app.kubernetes.io/managed-by": "keda-operator"}}),
        (
            "w",
            {
                "ownerReferences": [
                    {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "w", "uid": "some-uid"}
                ]
            },
        ),
        ("w", {"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
    ],
    ids=["name", "label", "owner", "none"],
)
def test_kedas(api: Api, kube: Kube, name: str, meta: dict[str, Any]):
    """Told by its name, its label or its owner."""
    hpas.make(kube, name, meta=meta)
    (one,) = cluster.on(api, TargetRef(kube.namespace, "w")).value or ()
    assert one.made_by_keda == (meta.get("labels") != {"app.kubernetes.io/managed-by": "Helm"})


def recorded(number: int) -> HorizontalPodAutoscaler:
    """Return an HPA as a real API server has told it."""
    (found,) = RECORDINGS.glob(f"{number}-*.json")
    body = json.loads(found.read_text())["response"]["body"]
    return msgspec.convert(body.get("items", [body])[0], HorizontalPodAutoscaler)


def test_as_recorded():
    """With metrics missing, with a minimum of ours, at zero, and following its minimum."""
    missing = recorded(36)
    one = missing.seen(None)
    assert (one.load, one.replicas, one.inactive, one.metrics) == (
        None,
        1,
        "FailedGetResourceMetric",
        ("cpu",),
    )
    assert not missing.min_written_by("autoscaler")
    for number, least, inactive in (
        (37, 2, "FailedGetResourceMetric"),
        (40, 2, "ScalingDisabled"),
        (63, 5, "FailedGetResourceMetric"),
    ):
        ours = recorded(number)
        assert ours.min_written_by("autoscaler")
        one = ours.seen(1, remembered=True)
        assert (one.min_replicas, one.own_min, one.floored, one.inactive) == (least, 1, True, inactive)


def metric(kind: str, key: str, wanted: dict[str, Any], now: dict[str, Any] | None) -> tuple[Any, Any]:
    """Return a metric of a spec and of a status."""
    status = {"type": kind, key: {"current": now}} if now is not None else {"type": ""}
    return {"type": kind, key: {"target": wanted, "metric": {"name": "queue"}}}, status


CPU = metric(
    "Resource", "resource", {"type": "Utilization", "averageUtilization": 80}, {"averageUtilization": 40}
)
CONTAINER = metric(
    "ContainerResource",
    "containerResource",
    {"type": "AverageValue", "averageValue": "1"},
    {"averageValue": "250m"},
)
LOADS: dict[str, tuple[list[tuple[Any, Any]], float | None]] = {
    "utilization": ([CPU], 0.5),
    "cores": ([CONTAINER], 0.25),
    "pods": (
        [metric("Pods", "pods", {"type": "AverageValue", "averageValue": "2k"}, {"averageValue": "3k"})],
        1.5,
    ),
    "a value": ([metric("Object", "object", {"type": "Value", "value": "100"}, {"value": "50"})], 0.5),
    "an average": (
        [
            metric(
                "External", "external", {"type": "AverageValue", "averageValue": "4"}, {"averageValue": "8"}
            )
        ],
        2.0,
    ),
    "the highest": ([CPU, CONTAINER], 0.5),
    "one missing": ([metric("Pods", "pods", {"type": "AverageValue", "averageValue": "1"}, None), CPU], 0.5),
    "nothing said": ([metric("Object", "object", {"type": "Value", "value": "100"}, {})], None),
    "all missing": ([metric("Pods", "pods", {"type": "AverageValue", "averageValue": "1"}, None)], None),
}


@pytest.mark.parametrize("name", LOADS)
def test_how_many_times_its_target_the_busiest_metric_is(name: str):
    """Of every type, and of no other than is there."""
    metrics, load = LOADS[name]
    told: Any = {
        "metadata": {"name": "h"},
        "spec": {"metrics": [wanted for wanted, _ in metrics], "maxReplicas": 9},
        "status": {"currentMetrics": [now for _, now in metrics], "currentReplicas": 3},
    }
    assert msgspec.convert(told, HorizontalPodAutoscaler).seen(None).load == load


def test_nothing_said_is_nothing_known():
    """Nulls where lists stand, and a tolerance of its own."""
    bare: Any = {
        "metadata": {"name": "h", "managedFields": None, "labels": None},
        "spec": {"maxReplicas": 9, "metrics": None, "behavior": {"scaleDown": {"tolerance": "50m"}}},
        "status": {"currentMetrics": None, "conditions": None},
    }
    one = msgspec.convert(bare, HorizontalPodAutoscaler).seen(None)
    assert (one.min_replicas, one.load, one.tolerance, one.window_seconds) == (1, None, 0.05, 300.0)


def test_an_api_server_that_does_not_tell_is_no_reason_to_stand_still(tmp_path: Path):
    """Refused: none are known, which is said. Not listed yet: that is not known either."""
    with ExitStack() as stack:
        server = stack.enter_context(ApiServer(Store()))
        server.write_kubeconfig(tmp_path / "kubeconfig")
        listing = Matching(verb="list", resource="horizontalpodautoscalers.autoscaling")
        server.faults.fail(403, listing, times=1000)
        api = stack.enter_context(closing(connect(5.0, tmp_path / "kubeconfig")))
        watching = ClusterHpas(api, None, time.monotonic)
        untold = watching.on(TargetRef("data", "w"))
        assert (untold.value, untold.detail) == (None, "HPAs: not listed yet")
        watching.start()
        stack.callback(watching.stop)
        assert watching.wait_settled(30.0, time.monotonic)
        refused = watching.on(TargetRef("data", "w"))
        assert (refused.value, refused.quality) == ((), Quality.STALE)
        assert refused.detail.startswith("HPAs cannot be read: ")
        asked = cluster.on(api, TargetRef("data", "w"))
        assert asked.value is None
        assert asked.detail.startswith("they cannot be read: ")


@pytest.mark.cluster
def test_whose_minimum_it_is(api: Api, kube: Kube):
    """Ours where we wrote it last, and then what is remembered is its user's own; his wherever he did."""
    remembered: dict[str, int] = {}
    ready = [False]
    hpas.make(kube, minReplicas=3)
    uid = hpas.get(kube)["metadata"]["uid"]

    def owns(which: str):
        return fresh(remembered.get(which), "") if ready[0] else unknown("", "not read yet")

    watching = ClusterHpas(api, [kube.namespace], time.monotonic, owns)
    watching.start()
    target = TargetRef(kube.namespace, "w")

    def bounds() -> tuple[int, int, bool] | None:
        value = watching.on(target).value
        return (value[0].min_replicas, value[0].own_min, value[0].floored) if value else None

    eventually(lambda: bounds() == (3, 3, False), "listed; nobody asks for what is remembered")
    body = {"spec": {"minReplicas": 7}}
    kube.call("PATCH", hpas.path(kube, "h"), body, {"fieldManager": "autoscaler"}, hpas.MERGE)
    eventually(lambda: watching.on(target).value is None, "what is remembered is not known yet")
    assert watching.on(target).detail == "the own minReplicas of HPA h: not read yet"
    ready[0] = True
    assert bounds() == (7, 7, False)
    remembered[uid] = 3
    assert bounds() == (7, 3, True)
    hpas.edit(kube, minReplicas=4)
    eventually(lambda: bounds() == (4, 4, True), "its user's own from now on")
    watching.stop()
