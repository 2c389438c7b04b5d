"""How many more workers fit: a table of what the API server's source says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.quota import (
    BoundKind,
    NamespaceLimits,
    Refusal,
    Scope,
    charge,
    counts_against_quota,
    excess,
    room,
)
from autoscaler.core.quota.shape import defaulted
from tests.core.quota.build import amounts, claim, limits, quota, worker
from tests.core.quota.cases import CASES, PLAIN, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_so_many_fit(case: Case):
    """The number, and the first reason why there is no more."""
    found = room(case.limits, case.shape, case.places)
    assert found.pods == case.pods
    assert (found.bound is None) == (case.pods is None)
    if found.bound is not None:
        assert case.text in found.bound.text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_pod_that_has_its_defaults_is_the_same(case: Case):
    """A template that was stored with all that the API server adds gives the same answer."""
    pod = case.shape.pod
    given = replace(case.shape, pod=defaulted(defaulted(pod)))
    assert room(case.limits, given, case.places) == room(case.limits, case.shape, case.places)


def test_the_table_is_as_large_as_it_should_be():
    """No case is there twice."""
    assert len({case.id for case in CASES}) == len(CASES) >= 60


def test_all_that_binds_is_told():
    """Every quota and resource that the next worker does not fit into, and how much it would take."""
    given = limits(
        quota({"requests.cpu": "2", "pods": "9"}, name="b"),
        quota({"pods": "4", "limits.cpu": "4", "limits.memory": "99Gi"}, name="a"),
    )
    found = room(given, PLAIN)
    assert found.pods == 4
    assert [(bound.name, bound.resource) for bound in found.bounds] == [
        ("a", "limits.cpu"),
        ("a", "pods"),
        ("b", "requests.cpu"),
    ]
    bound = found.bounds[2]
    assert (bound.kind, str(bound.hard), str(bound.used), str(bound.requested)) == (
        BoundKind.QUOTA,
        "2",
        "2",
        "500m",
    )


def test_what_never_fits_is_told_before_what_is_full():
    """No raise of the quota would help there."""
    found = room(limits(quota({"pods": "0", "cpu": "4"}, name="a"), quota({"cpu": "4"}, name="b")), worker())
    assert [bound.kind for bound in found.bounds] == [
        BoundKind.MUST_SPECIFY,
        BoundKind.MUST_SPECIFY,
        BoundKind.QUOTA,
    ]


def test_a_worker_is_charged():
    """What it takes is in use, of quotas that count it alone."""
    given = limits(
        quota({"pods": "2", "requests.storage": "5Gi", "services": "1"}),
        quota({"pods": "2"}, None, Scope("BestEffort"), name="other"),
    )
    shape = worker({"cpu": "1"}, None, claim("2Gi"), claim("1Gi", name="data"))
    after = charge(given, shape, {"logs"})
    assert isinstance(after, NamespaceLimits)
    assert after.quotas[0].used == amounts({"pods": "1", "requests.storage": "2Gi", "services": "0"})
    assert after.quotas[1] == given.quotas[1]
    refused = charge(after, shape, {"logs", "data"})
    assert isinstance(refused, NamespaceLimits)
    refused = charge(refused, shape, ())
    assert isinstance(refused, Refusal)
    assert refused.bound.text == "quota team, pods 2 of 2 used"


@pytest.mark.parametrize(
    ("used", "pods", "text"),
    [
        ({"pods": "5"}, 0, None),
        ({"pods": "8"}, 3, "pods 8 of 5 used"),
        ({"requests.cpu": "2100m"}, 1, "requests.cpu 2100m of 2 used"),
        ({"requests.cpu": "3"}, 2, "requests.cpu 3 of 2 used"),
        ({"pods": "6", "requests.cpu": "3"}, 2, "requests.cpu 3 of 2 used"),
        ({"requests.storage": "9Gi"}, 0, None),
        ({"requests.ephemeral-storage": "9Gi"}, 0, None),
    ],
    ids=[
        "full",
        "by three pods",
        "by a bit",
        "by two",
        "the most of both",
        "claims stay",
        "not of this shape",
    ],
)
def test_so_many_are_too_many(used: dict[str, str], pods: int, text: str | None):
    """Where a quota was lowered below what is in use."""
    hard = {"pods": "5", "requests.cpu": "2", "requests.storage": "1Gi", "requests.ephemeral-storage": "1Gi"}
    found = excess(limits(quota(hard, used)), worker({"cpu": "500m"}, None, claim()))
    assert found.pods == pods
    assert (found.bound and found.bound.text) == (text and f"quota team, {text}")


def test_nobody_has_to_go_for_a_quota_that_does_not_count_them():
    """Nor for one that cannot be read, or has not been counted."""
    given = limits(
        quota({"pods": "1"}, {"pods": "5"}, "BestEffort"),
        replace(quota({"pods": "1"}, {"pods": "5"}), name="torn", unreadable={"pods": "?"}),
        quota({"pods": "1"}, counted=False, name="new"),
    )
    assert excess(given, worker({"cpu": "1"})).pods == 0


@pytest.mark.parametrize(
    ("deleted", "grace", "phase", "counts"),
    [
        (None, None, "Running", True),
        (None, None, "Pending", True),
        (None, None, "Failed", False),
        (None, None, "Succeeded", False),
        (95.0, 10, "Running", True),
        (90.0, 10, "Running", True),
        (89.0, 10, "Running", False),
        (90.0, None, "Running", True),
        (99.0, 10, "Failed", False),
    ],
    ids=[
        "running",
        "waiting",
        "failed",
        "succeeded",
        "ending",
        "just in time",
        "stuck",
        "without a grace period",
        "failed and ending",
    ],
)
def test_a_pod_counts_until_it_has_ended(deleted: float | None, grace: int | None, phase: str, counts: bool):
    """One that is ending counts, until its grace period is over for the second time."""
    assert counts_against_quota(deleted, grace, phase, now=100.0) is counts
