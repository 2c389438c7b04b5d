"""Who has written the replicas, in the words of an API server, and who is refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from autoscaler.cluster.client import Api
from autoscaler.cluster.scale import ApiScaler
from autoscaler.cluster.view import ClusterView
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.core.model import OutcomeKind, TargetRef
from autoscaler.core.writers import Writer, WriterKind, latest
from tests.cluster.test_scale import decided, seen, uid_of
from tests.kube import JSON, Kube
from tests.waiting import eventually

APPLY = "application/apply-patch+yaml"
RECORDINGS = Path(__file__).parents[1] / "recordings"


def apply(kube: Kube, replicas: int, manager: str = "helm", **query: str) -> tuple[int, JSON]:
    """Apply replicas server-side."""
    head = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "w"}}
    body = json.dumps({**head, "spec": {"replicas": replicas}})
    return kube.answer("PATCH", kube.sets("w"), body, {"fieldManager": manager, **query}, APPLY)


def writer(view: ClusterView, kube: Kube) -> Writer:
    """Return who is taken for the last writer."""
    return latest(view.replica_writers(TargetRef(kube.namespace, "w")))


@pytest.mark.cluster
def test_each_writer_is_seen_by_its_name(api: Api, kube: Kube, view: ClusterView):
    """A person, ourselves, Helm by force, a person's edit: each holds the replicas alone then."""
    kube.make_set(replicas=1)
    kube.patch_set({"spec": {"replicas": 2}}, sub="scale", manager="kubectl")
    eventually(lambda: writer(view, kube).kind is WriterKind.PERSON)
    assert writer(view, kube) == Writer("kubectl", "Update", "scale")
    eventually(lambda: seen(view, kube) == 2)
    assert ApiScaler(api, view).scale(decided(kube, uid_of(view, kube), 2, 4)).kind is OutcomeKind.APPLIED
    eventually(lambda: writer(view, kube).kind is WriterKind.OURS)
    status, _ = apply(kube, 3, force="true")
    assert status == 200
    eventually(lambda: writer(view, kube).name == "Helm")
    assert writer(view, kube).kind is WriterKind.DEPLOY_TOOL
    kube.patch_set({"spec": {"replicas": 5}}, manager="kubectl-edit")
    eventually(lambda: writer(view, kube).name == "kubectl edit")
    assert writer(view, kube).written_at is not None


@pytest.mark.cluster
def test_an_apply_without_force_is_refused(api: Api, kube: Kube, view: ClusterView):
    """Once we have scaled, another number is a conflict with us, and nothing changes."""
    kube.make_set(replicas=1)
    ApiScaler(api, view).scale(decided(kube, uid_of(view, kube), 1, 4))
    status, answer = apply(kube, 1)
    recorded = json.loads((RECORDINGS / "21-helm-apply-conflict.json").read_text())["response"]["body"]
    assert status == recorded["code"] == 409
    assert answer["details"]["causes"] == [recorded["details"]["causes"][1]]
    assert kube.replicas() == 4
    status, _ = apply(kube, 4)
    assert status == 200  # the same number is shared


@pytest.mark.cluster
def test_a_conflict_tells_who_was_in_the_way(api: Api, kube: Kube, view: ClusterView):
    """What is read live after a refusal has the record with it, before the watch tells."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    view.stop()
    kube.patch_set({"spec": {"replicas": 2}}, sub="scale", manager="kubectl")
    outcome = ApiScaler(api, view).scale(decided(kube, uid, 1, 4))
    assert (outcome.kind, outcome.message) == (OutcomeKind.CONFLICT, "kubectl scale has asked for 2")
    assert (seen(view, kube), writer(view, kube).name) == (2, "kubectl scale")


@pytest.mark.cluster
def test_a_write_of_ours_that_was_thought_lost_is_nobody_elses(api: Api, kube: Kube, view: ClusterView):
    """Its answer never came, so the next try meets it; or another process of ours was first."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    view.stop()
    kube.patch_set({"spec": {"replicas": 4}}, sub="scale", manager="autoscaler")
    outcome = ApiScaler(api, view).scale(decided(kube, uid, 1, 4))
    assert (outcome.kind, outcome.replicas) == (OutcomeKind.CONFLICT, 4)
    assert outcome.message == "autoscaler has asked for 4"
    assert writer(view, kube).kind is WriterKind.OURS


@pytest.mark.parametrize(
    ("recording", "writers"),
    [
        (
            "20-statefulset-annotate",
            [("autoscaler", "Apply", "scale", None), ("autoscaler", "Update", "scale", None)],
        ),
        ("22-helm-apply-forced", [("helm", "Apply", "", 1795461947.0)]),
        ("62-statefulset-json-patch-from-zero", [("autoscaler", "Update", "", 1795463452.0)]),
    ],
    ids=["scaled", "forced", "patched"],
)
def test_recorded_owners_are_understood(recording: str, writers: list[tuple[str, str, str, float | None]]):
    """With the times that a real API server writes, and without those that it does not."""
    body = json.loads((RECORDINGS / f"{recording}.json").read_text())["response"]["body"]
    found = msgspec.convert(body, StatefulSet)
    assert list(found.metadata.replica_writers) == [Writer(*each) for each in writers]
    assert found.metadata.name == body["metadata"]["name"]


@pytest.mark.parametrize(
    ("written", "created"), [("2026-11-24T12:00:00Z", True), ("2026-11-24T12:00:01Z", False)]
)
def test_who_made_an_object_has_not_scaled_it(written: str, created: bool):
    """What it was made with is nobody's answer to what the autoscaler does."""
    fields: JSON = {"f:spec": {"f:replicas": {}}}
    entry = {"manager": "Mozilla", "operation": "Update", "time": written, "fieldsV1": fields}
    meta = {"creationTimestamp": "2026-11-24T12:00:00Z", "managedFields": [entry]}
    (found,) = msgspec.convert({"metadata": meta}, StatefulSet).metadata.replica_writers
    assert found.created is created


def test_an_object_without_a_record_names_nobody():
    """Such as one that was written before records were kept."""
    for meta in ({}, {"managedFields": None}, {"managedFields": [{"manager": "helm"}]}):
        assert msgspec.convert({"metadata": meta}, StatefulSet).metadata.replica_writers == ()
