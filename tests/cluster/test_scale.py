"""Scaling on proof: what the API server takes, and what it refuses."""

from __future__ import annotations

import pytest

from autoscaler.cluster.client import Api
from autoscaler.cluster.scale import ApiScaler, DryRunScaler
from autoscaler.cluster.view import ClusterView
from autoscaler.core.model import Decision, OutcomeKind, Step, TargetRef
from tests.kube import Kube
from tests.waiting import eventually

pytestmark = pytest.mark.cluster


def seen(view: ClusterView, kube: Kube, name: str = "w") -> int | None:
    """Return the replicas that the view shows."""
    workers = view.worker_set(TargetRef(kube.namespace, name)).value
    return None if workers is None else workers.replicas


def uid_of(view: ClusterView, kube: Kube) -> str:
    """Return the uid that the view shows, once it shows one."""
    eventually(lambda: seen(view, kube) is not None, "the set is seen")
    workers = view.worker_set(TargetRef(kube.namespace, "w")).value
    assert workers is not None
    return workers.uid


def decided(kube: Kube, uid: str, current: int, wanted: int) -> Decision:
    """Return a decision for set `w`."""
    steps = (Step("demand", wanted, "WorkWaiting", "so many"),)
    ref = TargetRef(kube.namespace, "w")
    return Decision(ref, 0.0, uid, current, wanted, wanted, wanted, wanted == 0, 0, steps)


def test_up_from_zero_further_and_down_to_zero(api: Api, kube: Kube, view: ClusterView):
    """Each way through zero has a patch of its own; the view knows before the watch tells."""
    kube.make_set()
    uid = uid_of(view, kube)
    scaler = ApiScaler(api, view)
    for current, wanted in ((0, 3), (3, 5), (5, 2), (2, 0), (0, 1)):
        outcome = scaler.scale(decided(kube, uid, current, wanted))
        assert (outcome.kind, outcome.replicas) == (OutcomeKind.APPLIED, wanted)
        assert seen(view, kube) == wanted
        assert kube.replicas() == wanted


def test_the_field_manager_is_ours(api: Api, kube: Kube, view: ClusterView):
    """Whoever looks at managedFields sees who wrote the replicas."""
    kube.make_set()
    ApiScaler(api, view).scale(decided(kube, uid_of(view, kube), 0, 2))
    managers = {
        (entry["manager"], entry.get("subresource")) for entry in kube.get_set()["metadata"]["managedFields"]
    }
    assert ("autoscaler", "scale") in managers


def test_a_foreign_write_refuses_the_patch(api: Api, kube: Kube, view: ClusterView):
    """A stale decision overwrites nothing, and the view then holds what is there."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    kube.scale(4)
    outcome = ApiScaler(api, view).scale(decided(kube, uid, 1, 2))
    assert (outcome.kind, outcome.replicas) == (OutcomeKind.CONFLICT, 4)
    assert (kube.replicas(), seen(view, kube)) == (4, 4)


@pytest.mark.parametrize(("foreign", "based_on"), [(4, 0), (0, 4)])
def test_a_foreign_write_over_zero_refuses_the_patch(
    api: Api, kube: Kube, view: ClusterView, foreign: int, based_on: int
):
    """Zero, which Scale leaves out, is told from any other number."""
    kube.make_set(replicas=based_on)
    uid = uid_of(view, kube)
    kube.scale(foreign)
    outcome = ApiScaler(api, view).scale(decided(kube, uid, based_on, 2))
    assert (outcome.kind, outcome.replicas) == (OutcomeKind.CONFLICT, foreign)
    assert kube.replicas() == foreign


def test_other_changes_do_not_refuse_the_patch(api: Api, kube: Kube, view: ClusterView):
    """The resourceVersion moves on with every status and annotation: that is no conflict."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    kube.patch_set({"metadata": {"annotations": {"example.org/note": "new"}}})
    assert ApiScaler(api, view).scale(decided(kube, uid, 1, 2)).kind is OutcomeKind.APPLIED


def test_a_set_made_anew_refuses_the_patch(api: Api, kube: Kube, view: ClusterView):
    """A decision for the old object is none for the new one of the same name and size."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    kube.delete_set()
    made = kube.make_set(replicas=1)
    outcome = ApiScaler(api, view).scale(decided(kube, uid, 1, 2))
    assert outcome.kind is OutcomeKind.CONFLICT
    assert "made anew" in outcome.message
    assert kube.replicas() == 1
    assert uid_of(view, kube) == made["metadata"]["uid"]


def test_a_value_that_is_not_taken_is_no_conflict(api: Api, kube: Kube, view: ClusterView):
    """The same status as a conflict, told apart by reading what is there."""
    kube.make_set(replicas=1)
    outcome = ApiScaler(api, view).scale(decided(kube, uid_of(view, kube), 1, -1))
    assert (outcome.kind, outcome.replicas) == (OutcomeKind.REFUSED, 1)
    assert "greater than or equal to 0" in outcome.message


def test_a_set_that_is_gone_is_refused(api: Api, kube: Kube, view: ClusterView):
    """There is nothing to scale, and it is said."""
    outcome = ApiScaler(api, view).scale(decided(kube, "uid", 1, 2))
    assert outcome.kind is OutcomeKind.REFUSED
    assert "not found" in outcome.message


def test_a_dry_run_asks_for_nothing(kube: Kube, view: ClusterView):
    """Not even a dry run of the API server's own."""
    before = kube.make_set(replicas=1)
    outcome = DryRunScaler().scale(decided(kube, uid_of(view, kube), 1, 4))
    assert (outcome.kind, outcome.message) == (OutcomeKind.DRY_RUN, "would have asked for 4")
    after = kube.get_set()
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (
        1,
        before["metadata"]["generation"],
    )
