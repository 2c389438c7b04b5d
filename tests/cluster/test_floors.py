"""Moving the minimum of an HPA, remembering its user's own, and restoring it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from autoscaler.cluster.client import Api
from autoscaler.cluster.floor_notes import FloorNotes, Remembered
from autoscaler.cluster.floors import FlooringScaler, restore
from autoscaler.cluster.hpas import ClusterHpas
from autoscaler.cluster.scale import ApiScaler, DryRunScaler
from autoscaler.cluster.view import ClusterView
from autoscaler.core.hpa import Floor, Hpa
from autoscaler.core.model import Decision, OutcomeKind, Step, TargetRef
from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from tests.cluster import hpas
from tests.kube import Kube
from tests.waiting import eventually

HPAS = "horizontalpodautoscalers.autoscaling"


@dataclass
class Desk:
    """Everything that moves a floor, and the set and the HPA that it is moved for."""

    api: Api
    kube: Kube
    seen: ClusterHpas
    notes: FloorNotes
    view: ClusterView
    scaler: FlooringScaler

    @property
    def target(self) -> TargetRef:
        """The target."""
        return TargetRef(self.kube.namespace, "w")

    @property
    def hpa(self) -> Hpa:
        """The HPA as it is seen."""
        (one,) = self.seen.on(self.target).value or ()
        return one

    def decision(self, floor: Floor | None, wanted: int | None = None) -> Decision:
        """Return a decision with this floor."""
        workers = self.view.worker_set(self.target).value
        assert workers is not None
        current = workers.replicas
        wanted = current if wanted is None else wanted
        return Decision(
            target=self.target,
            at=0.0,
            uid=workers.uid,
            current=current,
            demand_slots=wanted,
            proposal=wanted,
            wanted=wanted,
            idle=False,
            later_tasks=0,
            steps=(Step("demand", wanted, "WorkWaiting", "so many"),),
            floor=floor,
        )

    def move(self, to: int, wanted: int | None = None, *, released: bool = False):
        """Move the floor of the HPA as it is seen, and scale."""
        return self.scaler.scale(self.decision(Floor.of(self.hpa, to, released=released), wanted))

    @property
    def written(self) -> list[str]:
        """The names of the ConfigMaps that are there."""
        items = self.kube.call("GET", f"/api/v1/namespaces/{self.kube.namespace}/configmaps")["items"]
        return [item["metadata"]["name"] for item in items if "celery-autoscaler" in item["metadata"]["name"]]


@pytest.fixture
def desk(api: Api, kube: Kube, view: ClusterView) -> Iterator[Desk]:
    """Make a set of 3 workers with an HPA of at least 2."""
    kube.make_set(replicas=3)
    hpas.make(kube, minReplicas=2)
    notes = FloorNotes(api, kube.namespace, time.monotonic)
    seen = ClusterHpas(api, [kube.namespace], time.monotonic, notes.own)
    notes.start()
    seen.start()
    assert notes.wait_settled(30.0)
    assert seen.wait_settled(30.0, time.monotonic)
    made = Desk(api, kube, seen, notes, view, FlooringScaler(api, seen, notes, ApiScaler(api, view)))
    eventually(lambda: view.worker_set(made.target).value, "the set is seen")
    yield made
    seen.stop()
    notes.stop()


@pytest.mark.cluster
def test_first_the_floor_then_the_replicas(desk: Desk):
    """Both are seen at once, and what its user had is remembered."""
    outcome = desk.move(7, wanted=7)
    assert (outcome.kind, outcome.replicas) == (OutcomeKind.APPLIED, 7)
    assert (hpas.least(desk.kube), desk.kube.replicas()) == (7, 7)
    assert (desk.hpa.min_replicas, desk.hpa.own_min, desk.hpa.floored) == (7, 2, True)
    assert len(desk.written) == 1
    assert desk.notes.all() == (Remembered(desk.target, "h", desk.hpa.uid, 2),)
    outcome = desk.move(4, wanted=4)
    assert (outcome.kind, hpas.least(desk.kube), desk.kube.replicas()) == (OutcomeKind.APPLIED, 4, 4)
    assert desk.hpa.own_min == 2


@pytest.mark.cluster
def test_without_a_floor_the_replicas_alone_and_without_replicas_the_floor_alone(desk: Desk):
    """Neither writes what it is not about."""
    assert desk.scaler.scale(desk.decision(None, 5)).replicas == 5
    assert hpas.least(desk.kube) == 2
    outcome = desk.move(5)
    assert (outcome.kind, outcome.replicas, outcome.message) == (OutcomeKind.APPLIED, 5, "")
    assert (hpas.least(desk.kube), desk.kube.replicas()) == (5, 5)


@pytest.mark.cluster
def test_released_it_is_its_own_again_and_forgotten(desk: Desk):
    """Also where its user has his own already, and only the memory is left."""
    for _ in range(2):
        desk.move(6)
        assert desk.move(2, released=True).kind is OutcomeKind.APPLIED
        assert (hpas.least(desk.kube), desk.written, desk.hpa.floored) == (2, [], False)
    desk.move(6)
    hpas.edit(desk.kube, minReplicas=3)
    eventually(lambda: desk.hpa.min_replicas == 3, "the watch tells")
    assert desk.move(3, released=True).kind is OutcomeKind.APPLIED
    assert (hpas.least(desk.kube), desk.written) == (3, [])


@pytest.mark.cluster
def test_what_its_user_changes_is_his_own_from_then_on(desk: Desk):
    """It is remembered in place of what he had before."""
    desk.move(6)
    hpas.edit(desk.kube, minReplicas=4)
    eventually(lambda: desk.hpa.own_min == 4, "the watch tells")
    assert desk.move(8).kind is OutcomeKind.APPLIED
    assert (desk.hpa.min_replicas, desk.hpa.own_min) == (8, 4)
    assert [kept.own for kept in desk.notes.all()] == [4]
    assert len(desk.written) == 1


@pytest.mark.cluster
@pytest.mark.parametrize("change", [{"minReplicas": 4}, {"maxReplicas": 5}], ids=["minimum", "maximum"])
def test_a_change_in_between_is_a_conflict(desk: Desk, change: dict[str, Any]):
    """The replicas are left alone, and what was read live is seen at once."""
    stale = Floor.of(desk.hpa, 7)
    hpas.edit(desk.kube, "h", **change)
    outcome = desk.scaler.scale(desk.decision(stale, 7))
    assert outcome.kind is OutcomeKind.CONFLICT
    assert desk.kube.replicas() == 3
    assert (desk.hpa.min_replicas, desk.hpa.max_replicas) == (
        change.get("minReplicas", 2),
        change.get("maxReplicas", 10),
    )


@pytest.mark.cluster
def test_one_that_was_made_anew_is_another(desk: Desk):
    """Its minimum is not touched on what was seen of the first, of which nothing is remembered in the end."""
    desk.move(6)
    stale = Floor.of(desk.hpa, 8)
    hpas.delete(desk.kube)
    hpas.make(desk.kube, minReplicas=6)
    assert desk.scaler.scale(desk.decision(stale)).kind is OutcomeKind.CONFLICT
    assert hpas.least(desk.kube) == 6
    eventually(lambda: desk.hpa.uid != stale.uid, "the watch tells")
    assert (desk.hpa.own_min, desk.hpa.floored) == (6, False)
    assert desk.move(9).kind is OutcomeKind.APPLIED
    assert [kept.own for kept in desk.notes.all()] == [6]
    assert len(desk.written) == 1


@pytest.mark.cluster
def test_a_value_that_the_api_server_does_not_take_is_refused(desk: Desk):
    """And nothing else is done."""
    outcome = desk.move(-1, wanted=0)
    assert outcome.kind is OutcomeKind.REFUSED
    assert outcome.message.startswith("minReplicas of HPA h: ")
    assert (hpas.least(desk.kube), desk.kube.replicas()) == (2, 3)


FAULTS = {
    "no right": (403, OutcomeKind.REFUSED),
    "gone": (404, OutcomeKind.REFUSED),
    "in trouble": (500, OutcomeKind.FAILED),
    "written at the same time": (409, OutcomeKind.CONFLICT),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_floor_that_cannot_be_moved_leaves_the_replicas(desk: Desk, server: ApiServer, name: str):
    """Unless it was only to be restored."""
    status, kind = FAULTS[name]
    server.faults.fail(status, Matching(verb="patch", resource=HPAS), times=2)
    assert (desk.move(7, wanted=7).kind, desk.kube.replicas()) == (kind, 3)
    outcome = desk.move(2, wanted=7, released=True)
    assert (outcome.kind, desk.kube.replicas()) == (OutcomeKind.APPLIED, 7)


def test_what_cannot_be_read_after_a_refusal_has_failed(desk: Desk, server: ApiServer):
    """Nobody knows what is there."""
    server.faults.fail(409, Matching(verb="patch", resource=HPAS), times=1)
    server.faults.fail(500, Matching(verb="get", resource=HPAS), times=1)
    outcome = desk.move(7, wanted=7)
    assert outcome.kind is OutcomeKind.FAILED
    assert ", then: " in outcome.message


def test_nothing_is_moved_that_is_not_remembered(desk: Desk, server: ApiServer):
    """Nobody could tell what to restore."""
    server.faults.fail(403, Matching(verb="create", resource="configmaps"), times=1)
    outcome = desk.move(7, wanted=7)
    assert outcome.kind is OutcomeKind.FAILED
    assert outcome.message.startswith(f"ConfigMap {desk.kube.namespace}/celery-autoscaler-hpa-")
    assert (hpas.least(desk.kube), desk.kube.replicas()) == (2, 3)
    desk.move(7)
    server.faults.fail(500, Matching(verb="delete", resource="configmaps"), times=1)
    outcome = desk.move(2, released=True)
    assert (outcome.kind, hpas.least(desk.kube), len(desk.written)) == (OutcomeKind.FAILED, 2, 1)


def test_a_dry_run_says_both(desk: Desk):
    """And writes nothing."""
    outcome = DryRunScaler().scale(desk.decision(Floor.of(desk.hpa, 7), 7))
    assert outcome.message == "would have asked for 7, after minReplicas of HPA h 2 → 7"
    assert hpas.least(desk.kube) == 2


def heir(desk: Desk) -> FloorNotes:
    """Return the memory as a daemon has it that has just started."""
    notes = FloorNotes(desk.api, desk.kube.namespace, time.monotonic)
    notes.start()
    assert notes.wait_settled(30.0)
    return notes


@pytest.mark.cluster
def test_the_next_daemon_restores_what_is_left(desk: Desk):
    """By what is remembered alone."""
    desk.move(7)
    notes = heir(desk)
    assert notes.strays([desk.target]) == ()
    (kept,) = notes.strays([TargetRef(desk.kube.namespace, "other")])
    restored = restore(desk.api, notes, kept)
    assert (restored.done, hpas.least(desk.kube), desk.written) == (True, 2, [])
    assert restored.message == f"HPA {desk.kube.namespace}/h: minReplicas 7 → 2, its own"
    notes.stop()


@pytest.mark.cluster
@pytest.mark.parametrize("case", ["changed", "anew", "gone", "own"])
def test_what_is_not_ours_any_more_is_left_as_it_is(desk: Desk, case: str):
    """And nothing is remembered of it."""
    desk.move(7)
    (kept,) = desk.notes.all()
    words, least = {
        "changed": ("its minReplicas 4 is not ours", 4),
        "anew": ("its minReplicas 5 is not ours", 5),
        "gone": ("is gone", None),
        "own": ("minReplicas 2 → 2, its own", 2),
    }[case]
    if case == "changed":
        hpas.edit(desk.kube, minReplicas=4)
    elif case == "own":
        body = {"spec": {"minReplicas": 2}}
        desk.kube.call("PATCH", hpas.path(desk.kube, "h"), body, {"fieldManager": "autoscaler"}, hpas.MERGE)
    else:
        hpas.delete(desk.kube)
    if case == "anew":
        hpas.make(desk.kube, minReplicas=5)
    restored = restore(desk.api, desk.notes, kept)
    assert restored.done
    assert words in restored.message
    assert desk.written == []
    assert least is None or hpas.least(desk.kube) == least


def test_what_cannot_be_restored_is_remembered(desk: Desk, server: ApiServer):
    """It is said why."""
    desk.move(7)
    (kept,) = desk.notes.all()
    server.faults.fail(403, Matching(verb="patch", resource=HPAS), times=1)
    restored = restore(desk.api, desk.notes, kept)
    assert not restored.done
    assert "its minReplicas 2 cannot be restored" in restored.message
    assert len(desk.written) == 1
    server.faults.fail(500, Matching(verb="delete", resource="configmaps"), times=1)
    restored = restore(desk.api, desk.notes, kept)
    assert not restored.done
    assert "2, its own, but ConfigMap" in restored.message


@pytest.mark.cluster
def test_a_memory_that_somebody_edited_is_none(desk: Desk):
    """It is not taken for a number."""
    desk.move(7)
    (name,) = desk.written
    path = f"/api/v1/namespaces/{desk.kube.namespace}/configmaps/{name}"
    desk.kube.call("PATCH", path, {"data": {"minReplicas": "many"}}, kind=hpas.MERGE)
    eventually(lambda: desk.seen.on(desk.target).value is None, "the watch tells")
    assert "holds something else" in desk.seen.on(desk.target).detail
    assert desk.notes.all() == ()


def test_a_memory_that_was_not_read_yet_is_unknown(api: Api):
    """Nothing was asked of the API server."""
    untold = FloorNotes(api, "nowhere", time.monotonic)
    assert untold.own("uid").value is None
    assert "not listed yet" in untold.own("uid").detail
