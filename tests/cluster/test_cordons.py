"""The memory of cordons, in ConfigMaps of a real API server or of the one that stands in for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autoscaler.cluster.client import Api, connect, own_namespace
from autoscaler.cluster.cordons import PREFIX, ConfigMapCordons
from autoscaler.core.model import Cordon, TargetRef
from tests.kube import Kube
from tests.waiting import eventually

TARGET = TargetRef("data", "w")
UID = "0b4c6a5e-8f5d-4f0e-9a3e-000000000001"
CORDONS = (
    Cordon("w-1", ("a", "b"), 1_700_000_000.0, since=1_700_000_100.5),
    Cordon("w-2", (), None, since=None, giving_back=True),
)


@pytest.fixture
def cordons(api: Api, kube: Kube) -> Iterator[ConfigMapCordons]:
    """Return a memory in a namespace of the test's own."""
    with_memory = remembering(api, kube)
    yield with_memory
    with_memory.stop()


def remembering(api: Api, kube: Kube) -> ConfigMapCordons:
    """Return a memory as a daemon has it that has just started."""
    made = ConfigMapCordons(api, kube.namespace, time.monotonic)
    made.start()
    assert made.wait_settled(30.0)
    return made


def maps(kube: Kube) -> list[str]:
    """Return the names of the ConfigMaps that are ours."""
    items = kube.call("GET", f"/api/v1/namespaces/{kube.namespace}/configmaps")["items"]
    return [item["metadata"]["name"] for item in items if item["metadata"]["name"].startswith(PREFIX)]


@pytest.mark.cluster
def test_what_is_written_is_known_at_once_and_by_the_next_daemon(
    api: Api, kube: Kube, cordons: ConfigMapCordons
):
    """Before any watch tells, and after a crash."""
    assert cordons.recall(TARGET, UID).value == ()
    assert cordons.record(TARGET, UID, CORDONS) == ""
    assert cordons.recall(TARGET, UID).value == CORDONS
    assert cordons.recall(TargetRef("data", "other"), "another").value == ()
    heir = remembering(api, kube)
    assert heir.recall(TARGET, UID).value == CORDONS
    assert cordons.record(TARGET, UID, CORDONS[:1]) == ""
    assert cordons.recall(TARGET, UID).value == CORDONS[:1]
    eventually(lambda: heir.recall(TARGET, UID).value == CORDONS[:1], "the watch tells")
    heir.stop()


@pytest.mark.cluster
def test_no_cordon_is_no_config_map(kube: Kube, cordons: ConfigMapCordons):
    """Nothing is left behind, and the next one makes it anew."""
    assert cordons.record(TARGET, UID, ()) == ""
    for _ in range(2):
        assert cordons.record(TARGET, UID, CORDONS) == ""
        assert maps(kube) == [f"{PREFIX}{UID}"]
        assert cordons.record(TARGET, UID, ()) == ""
        assert maps(kube) == []
        assert cordons.recall(TARGET, UID).value == ()


@pytest.mark.cluster
def test_a_memory_that_somebody_else_wrote_meanwhile_is_not_written_over(
    api: Api, kube: Kube, cordons: ConfigMapCordons
):
    """Another daemon is at work: the next look decides on what it wrote."""
    assert cordons.record(TARGET, UID, CORDONS) == ""
    cordons.stop()
    other = remembering(api, kube)
    assert other.record(TARGET, UID, CORDONS[:1]) == ""
    assert "ConfigMap" in cordons.record(TARGET, UID, CORDONS[1:])
    assert other.recall(TARGET, UID).value == CORDONS[:1]
    other.stop()


@pytest.mark.cluster
def test_a_memory_that_somebody_deleted_is_made_anew(kube: Kube, cordons: ConfigMapCordons):
    """The first try finds that it is gone."""
    assert cordons.record(TARGET, UID, CORDONS) == ""
    cordons.stop()
    kube.call("DELETE", f"/api/v1/namespaces/{kube.namespace}/configmaps/{PREFIX}{UID}")
    assert "not found" in cordons.record(TARGET, UID, CORDONS[:1])
    assert cordons.record(TARGET, UID, CORDONS[:1]) == ""
    assert maps(kube) == [f"{PREFIX}{UID}"]
    kube.call("DELETE", f"/api/v1/namespaces/{kube.namespace}/configmaps/{PREFIX}{UID}")
    assert cordons.record(TARGET, UID, ()) == ""


@pytest.mark.cluster
def test_what_is_no_memory_is_no_empty_one(kube: Kube, cordons: ConfigMapCordons):
    """Somebody has edited it: that is said, and nothing shrinks on it."""
    assert cordons.record(TARGET, UID, CORDONS) == ""
    path = f"/api/v1/namespaces/{kube.namespace}/configmaps/{PREFIX}{UID}"
    kube.call("PATCH", path, {"data": {"cordons": "[{"}}, kind="application/merge-patch+json")
    eventually(lambda: cordons.recall(TARGET, UID).value is None, "the watch tells")
    assert "holds something else under 'cordons'" in cordons.recall(TARGET, UID).detail


@pytest.mark.cluster
def test_an_object_that_was_made_anew_around_its_pods_keeps_their_cordons(
    kube: Kube, cordons: ConfigMapCordons
):
    """Deleted with --cascade=orphan: the same processes are there under another uid."""
    assert cordons.record(TARGET, "old-uid", CORDONS) == ""
    assert cordons.recall(TARGET, UID).value == CORDONS
    assert cordons.recall(TargetRef("data", "w", "Deployment"), UID).value == ()
    assert cordons.record(TARGET, UID, CORDONS[:1]) == ""
    assert maps(kube) == [f"{PREFIX}{UID}"]
    assert cordons.record(TARGET, "third-uid", ()) == ""
    assert maps(kube) == []


@pytest.mark.cluster
def test_cordons_of_targets_that_are_configured_no_more_are_told_and_kept(
    kube: Kube, cordons: ConfigMapCordons
):
    """Nobody sees to those workers; a namesake of another kind is another target."""
    namesake = TargetRef("data", "w", "Deployment")
    for target, uid in ((TARGET, UID), (namesake, "other-uid")):
        assert cordons.record(target, uid, CORDONS) == ""
    assert cordons.strays([TARGET, namesake]) == ()
    assert cordons.strays([TARGET]) == ("Deployment data/w",)
    assert len(maps(kube)) == 2


@pytest.mark.cluster
def test_a_thousand_workers_fit(cordons: ConfigMapCordons):
    """A ConfigMap holds a mebibyte."""
    many = tuple(
        Cordon(f"airflow-worker-{n}", tuple(f"queue-number-{q}" for q in range(5)), 1.7e9, 1.7e9)
        for n in range(1000)
    )
    assert cordons.record(TARGET, UID, many) == ""
    assert cordons.recall(TARGET, UID).value == many


def test_a_memory_that_was_not_read_yet_is_unknown(api: Api):
    """Nothing was asked of the API server."""
    untold = ConfigMapCordons(api, "nowhere", time.monotonic)
    assert untold.recall(TARGET, UID).value is None
    assert "not listed yet" in untold.recall(TARGET, UID).detail


def test_its_own_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubeconfig: Path):
    """That of its pod, else that of the context, else default."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert own_namespace(kubeconfig) == "default"
    named = tmp_path / "named"
    named.write_text(kubeconfig.read_text().replace('"namespace": "default"', '"namespace": "mine"'))
    assert own_namespace(named) == "mine"
    with closing(connect(1.0, named)) as api:
        assert api.namespace == "mine"
    account = tmp_path / "namespace"
    account.write_text("home\n")
    assert own_namespace(account=account) == "home"
    assert own_namespace(tmp_path / "missing", account=account) == "default"
