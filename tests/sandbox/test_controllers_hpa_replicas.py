"""How many replicas a metric of the pods asks for, as replica_calculator.go has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from autoscaler.sandbox.controllers.hpa_replicas import (
    Groups,
    Tolerance,
    Usage,
    grouped,
    proposed,
    tolerance_of,
)
from autoscaler.sandbox.controllers.hpa_settings import HpaSettings
from autoscaler.sandbox.objects.values import stamp
from autoscaler.sandbox.store import JSON

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TARGET = 500
TENTH = Tolerance(0.1, 0.1)


def ratio(usage: Usage) -> float:
    """Return how many times the target the average is."""
    return sum(usage.values()) / len(usage) / TARGET


def wanted(used: list[int], current: int, unready: int = 0, missing: int = 0) -> int:
    """Return the replicas asked for by pods of which some are measured."""
    groups = Groups(
        {f"m{n}": amount for n, amount in enumerate(used)},
        frozenset(f"u{n}" for n in range(unready)),
        frozenset(f"x{n}" for n in range(missing)),
    )
    return proposed(groups, current, ratio, lambda _: 1000, TENTH)


@pytest.mark.parametrize(
    ("used", "current", "replicas"),
    [
        ([1000, 1000], 2, 4),
        ([250, 250], 2, 1),
        ([550, 550], 2, 2),
        ([450, 450], 2, 2),
        ([556, 556], 2, 3),
        ([440, 440], 2, 2),
        ([0, 0], 2, 0),
        ([600], 5, 2),
    ],
    ids=[
        "double",
        "half",
        "a tenth up",
        "a tenth down",
        "just above",
        "rounded up",
        "nothing",
        "others ended",
    ],
)
def test_pods_that_are_all_measured(used: list[int], current: int, replicas: int) -> None:
    """Their number times what they use of the target, rounded up, unless that is near."""
    assert wanted(used, current) == replicas


@pytest.mark.parametrize(
    ("used", "current", "unready", "missing", "replicas"),
    [
        ([1000, 1000], 3, 1, 0, 4),
        ([1000], 3, 2, 0, 3),
        ([700], 2, 1, 0, 2),
        ([100, 100], 3, 1, 0, 1),
        ([1000, 1000], 3, 0, 1, 4),
        ([600, 600], 3, 0, 1, 3),
        ([100, 100], 3, 0, 1, 3),
        ([100, 100, 100], 4, 0, 1, 3),
        ([100], 2, 0, 1, 2),
        ([500], 2, 0, 1, 2),
        ([2000], 9, 0, 3, 9),
    ],
    ids=[
        "new ones use nothing when it grows",
        "so that it is near",
        "so that it would shrink",
        "new ones count for nothing when it shrinks",
        "missing ones use nothing when it grows",
        "so that it would shrink instead",
        "missing ones use all when it shrinks",
        "and less goes",
        "so that it would grow instead",
        "near as it is",
        "of fewer pods than replicas",
    ],
)
def test_pods_of_which_some_are_not_measured(
    used: list[int], current: int, unready: int, missing: int, replicas: int
) -> None:
    """What is not known opposes the change."""
    assert wanted(used, current, unready, missing) == replicas


def pod(
    phase: str = "Running", *, ready: bool | None = True, started: float = 1000, turned: float = 900
) -> JSON:
    """Return a pod whose start and whose last change of Ready are so many seconds ago."""
    at = stamp(NOW - timedelta(seconds=turned))
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": at}]
    status = {
        "phase": phase,
        "startTime": stamp(NOW - timedelta(seconds=started)),
        "conditions": [] if ready is None else conditions,
    }
    return {"metadata": {"name": "a"}, "spec": {}, "status": status}


@pytest.mark.parametrize(
    ("found", "group"),
    [
        (pod(), "measured"),
        (pod("Pending"), "unready"),
        (pod("Failed"), "none"),
        (pod() | {"metadata": {"name": "a", "deletionTimestamp": stamp(NOW)}}, "none"),
        (pod(ready=None), "unready"),
        (pod(started=200, turned=15), "measured"),
        (pod(started=200, turned=14), "unready"),
        (pod(started=299, turned=290, ready=False), "unready"),
        (pod(started=300, turned=290, ready=False), "unready"),
        (pod(started=300, turned=270, ready=False), "measured"),
    ],
    ids=[
        "ready",
        "pending",
        "failed",
        "ending",
        "without a condition",
        "young, and ready for a window",
        "young, and ready for less",
        "young and not ready",
        "old and never ready",
        "old and was ready",
    ],
)
def test_which_pods_count(found: JSON, group: str) -> None:
    """Those that have just started do not, nor those that were never ready."""
    groups = grouped([found], {"a": 1}, HpaSettings(), NOW, cpu=True)
    told = {"measured": groups.measured, "unready": groups.unready, "missing": groups.missing}
    assert [name for name, members in told.items() if members] == ([] if group == "none" else [group])


def test_a_pod_without_a_value_is_missing() -> None:
    """Unless it has not even started."""
    assert grouped([pod()], {}, HpaSettings(), NOW, cpu=True).missing == {"a"}
    assert grouped([pod("Pending")], {}, HpaSettings(), NOW, cpu=True).unready == {"a"}


def test_a_young_pod_counts_for_other_resources() -> None:
    """The start of a program costs processor time alone."""
    groups = grouped([pod(started=1, turned=1)], {"a": 1}, HpaSettings(), NOW, cpu=False)
    assert groups.measured == {"a": 1}


def test_a_behavior_may_have_tolerances_of_its_own() -> None:
    """Up and down apart."""
    assert tolerance_of(None, 0.1) == TENTH
    assert tolerance_of({"scaleUp": {"tolerance": "0"}, "scaleDown": {}}, 0.1) == Tolerance(0.1, 0.0)
    assert tolerance_of({"scaleDown": {"tolerance": "50m"}, "scaleUp": {}}, 0.1) == Tolerance(0.05, 0.1)
