"""Seeing what limits the pods of a namespace, by watches."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from autoscaler.cluster.client import Api
from autoscaler.cluster.quotas import NamespaceQuotas, room_on
from autoscaler.cluster.view import ClusterView
from autoscaler.core.model import TargetRef
from autoscaler.core.quota import Room, room
from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from tests.kube import JSON, Kube
from tests.waiting import eventually


@pytest.fixture
def quotas(api: Api, kube: Kube, view: ClusterView) -> Iterator[NamespaceQuotas]:
    """Watch the quotas of the test's namespace."""
    watching = NamespaceQuotas(api, [kube.namespace], view, time.monotonic)
    watching.start()
    assert watching.wait_settled(30.0)
    yield watching
    watching.stop()


def make(kube: Kube, plural: str, name: str, spec: JSON) -> JSON:
    """Make an object of the core group."""
    path = f"/api/v1/namespaces/{kube.namespace}/{plural}"
    return kube.call("POST", path, {"metadata": {"name": name}, "spec": spec})


def half_a_core(made: JSON) -> None:
    """Say what a worker takes."""
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}}


@pytest.mark.cluster
def test_a_namespace_without_limits_limits_nobody(kube: Kube, quotas: NamespaceQuotas):
    """Nor one of which nothing is known yet, but that is told."""
    target = TargetRef(kube.namespace, "w")
    kube.make_set()
    assert quotas.quarters(target) is None
    assert quotas.pending(kube.namespace) == ""


@pytest.mark.cluster
def test_quotas_are_followed(kube: Kube, quotas: NamespaceQuotas):
    """Made, once its use is counted, raised, and gone."""
    target = TargetRef(kube.namespace, "w")
    kube.make_set(change=half_a_core)

    def fits() -> int | None:
        found = quotas.quarters(target)
        return None if found is None else room(found.limits, found.shape).pods

    make(kube, "resourcequotas", "team", {"hard": {"requests.cpu": "2"}})
    eventually(lambda: fits() == 4, "it is seen with its use counted")
    path = f"/api/v1/namespaces/{kube.namespace}/resourcequotas/team"
    patch = {"spec": {"hard": {"requests.cpu": "4"}}}
    kube.call("PATCH", path, patch, None, "application/merge-patch+json")
    eventually(lambda: fits() == 8, "the raise is seen")
    first, second = quotas.quarters(target), quotas.quarters(target)
    assert first is not None
    assert second is not None
    assert (first.limits is second.limits, first.shape is second.shape) == (True, True)
    kube.call("DELETE", path)
    eventually(lambda: fits() is None, "its deletion is seen")


@pytest.mark.cluster
def test_a_limit_range_alone_counts_as_well(kube: Kube, quotas: NamespaceQuotas):
    """A worker that it does not let in fits nowhere."""
    target = TargetRef(kube.namespace, "w")
    kube.make_set(change=half_a_core)
    make(kube, "limitranges", "small", {"limits": [{"type": "Container", "max": {"cpu": "100m"}}]})
    eventually(lambda: quotas.quarters(target) is not None)
    found = quotas.quarters(target)
    assert found is not None
    assert room(found.limits, found.shape).pods == 0


@pytest.mark.cluster
def test_claims_are_looked_for_where_there_are_any(kube: Kube, quotas: NamespaceQuotas):
    """Those of this set, by the names that a StatefulSet gives them."""

    def stored(made: JSON) -> None:
        half_a_core(made)
        made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "logs"}, "spec": claim}]

    claim: JSON = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "none",
    }
    target = TargetRef(kube.namespace, "w")
    kube.make_set(change=stored)
    make(kube, "resourcequotas", "team", {"hard": {"requests.storage": "2Gi"}})
    for name in ("logs-w-0", "logs-w-1", "logs-other-0", "else"):
        make(kube, "persistentvolumeclaims", name, claim | {"resources": {"requests": {"storage": "1Mi"}}})

    def claims() -> frozenset[str]:
        found = quotas.quarters(target)
        return frozenset() if found is None else found.claims

    eventually(lambda: claims() == {"logs-w-0", "logs-w-1"}, "they are seen")


@pytest.mark.cluster
def test_a_target_that_is_not_there_has_no_quarters(kube: Kube, quotas: NamespaceQuotas):
    """Whatever limits its namespace."""
    make(kube, "resourcequotas", "team", {"hard": {"pods": "2"}})
    kube.make_set()
    eventually(lambda: quotas.quarters(TargetRef(kube.namespace, "w")) is not None)
    assert quotas.quarters(TargetRef(kube.namespace, "missing")) is None


@pytest.mark.cluster
def test_the_room_of_a_namespace_is_told_when_asked(api: Api, kube: Kube, view: ClusterView):
    """For all workers, those that are there included; without a quota for any number."""
    target = TargetRef(kube.namespace, "w")
    kube.make_set(change=half_a_core)
    eventually(lambda: view.workload(target) is not None)
    found = view.workload(target)
    assert found is not None
    assert room_on(api, found, 3).value == Room(None)
    make(kube, "resourcequotas", "team", {"hard": {"requests.cpu": "2"}})

    def told() -> int | None:
        answer = room_on(api, found, 3).value
        return None if answer is None else answer.pods

    eventually(lambda: told() == 7, "its use is counted")


def test_without_the_right_there_is_no_telling(api: Api, kube: Kube, view: ClusterView, server: ApiServer):
    """And the answer is told in its place."""
    kube.make_set()
    eventually(lambda: view.workload(TargetRef(kube.namespace, "w")) is not None)
    found = view.workload(TargetRef(kube.namespace, "w"))
    assert found is not None
    server.faults.fail(403, Matching(resource="limitranges"), message="you may not")
    assert room_on(api, found, 0).detail == "they cannot be read: you may not"


def test_without_the_right_to_read_them_nothing_is_waited_for(
    api: Api, kube: Kube, view: ClusterView, server: ApiServer
):
    """What is refused is no reason to hold a fleet for ever; what hangs is one until it answers."""
    server.faults.fail(403, Matching(resource="resourcequotas"), times=100)
    watching = NamespaceQuotas(api, None, view, time.monotonic)
    assert watching.pending(kube.namespace) == "not listed yet"
    watching.start()
    try:
        assert watching.wait_settled(30.0)
        assert watching.pending(kube.namespace) == ""
    finally:
        watching.stop()


def test_limit_ranges_alone_are_not_all_that_is_to_be_known(
    api: Api, kube: Kube, view: ClusterView, server: ApiServer
):
    """While quotas are yet to be listed nothing is told that would have workers asked for as without them."""
    target = TargetRef(kube.namespace, "w")
    kube.make_set()
    make(kube, "limitranges", "team", {"limits": [{"type": "Container", "max": {"cpu": "1"}}]})
    eventually(lambda: view.workload(target) is not None)
    server.faults.fail(503, Matching(resource="resourcequotas"), times=3)
    watching = NamespaceQuotas(api, [kube.namespace], view, time.monotonic)
    told: list[bool] = []

    def known() -> bool:
        found, pending = watching.quarters(target), watching.pending(kube.namespace)
        told.append(found is None or not pending)
        return found is not None and not pending

    watching.start()
    try:
        eventually(known)
    finally:
        watching.stop()
    assert all(told)
