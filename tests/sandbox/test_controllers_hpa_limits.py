"""How fast an autoscaler goes where its metrics point, with and without a behavior of its own."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.controllers.hpa_limits import Mark, Memory, Verdict, Wish, settled
from autoscaler.sandbox.objects.hpa_defaults import default_autoscaler
from autoscaler.sandbox.store import JSON

NOW = 10_000.0
READY = "ReadyForNewScale"


def behavior(up: JSON | None = None, down: JSON | None = None) -> JSON:
    """Return a behavior, completed as the API server completes it."""
    hpa: JSON = {"spec": {"behavior": {"scaleUp": up or {}, "scaleDown": down or {}}}}
    default_autoscaler(hpa)
    found: JSON = hpa["spec"]["behavior"]
    return found


def verdict(wish: tuple[int, int, int, int], rules: JSON | None, **memory: Any) -> Verdict:
    """Return what comes of a wish (current, desired, least, most)."""
    return settled(Wish(*wish), Memory(**memory), NOW, rules, 300.0)


def asked(*marks: tuple[float, int]) -> tuple[Mark, ...]:
    """Return what was asked for so many seconds ago."""
    return tuple(Mark(NOW - ago, replicas) for ago, replicas in marks)


def policies(*found: tuple[str, int, int], select: str = "Max") -> JSON:
    """Return the rules of one direction: policies by type, value and period."""
    keys = ("type", "value", "periodSeconds")
    return {"policies": [dict(zip(keys, policy, strict=True)) for policy in found], "selectPolicy": select}


DEFAULTS = pytest.mark.parametrize("rules", [None, behavior()], ids=["no behavior", "an empty behavior"])


@DEFAULTS
@pytest.mark.parametrize(
    ("wish", "replicas", "limited", "reason"),
    [
        ((2, 3, 1, 10), 3, False, "DesiredWithinRange"),
        ((2, 9, 1, 10), None, True, "ScaleUpLimit"),
        ((5, 20, 1, 9), 9, True, "TooManyReplicas"),
        ((5, 3, 4, 9), 4, True, "TooFewReplicas"),
        ((5, 0, 1, 9), 1, True, "TooFewReplicas"),
        ((5, 5, 1, 9), 5, False, "DesiredWithinRange"),
    ],
    ids=["free", "too fast", "above the ceiling", "below the floor", "nothing to do", "as it is"],
)
def test_bounds_and_rates(
    rules: JSON | None, wish: tuple[int, int, int, int], replicas: int | None, limited: bool, reason: str
) -> None:
    """Twice as many or four (with a behavior four more) at a time, never beyond the bounds."""
    found = verdict(wish, rules)
    expected = replicas if replicas is not None else (4 if rules is None else 6)
    assert (found.replicas, found.limited, found.limit[0]) == (expected, limited, reason)
    assert found.able[0] == READY


@DEFAULTS
@pytest.mark.parametrize(
    ("ago", "replicas", "able"), [(299.0, 6, "ScaleDownStabilized"), (301.0, 2, READY)], ids=["recent", "old"]
)
def test_it_lowers_to_the_most_of_five_minutes(
    rules: JSON | None, ago: float, replicas: int, able: str
) -> None:
    """What was asked for longer ago is forgotten."""
    found = verdict((8, 2, 1, 10), rules, asked=asked((ago, 6)))
    assert (found.replicas, found.able[0]) == (replicas, able)


def test_the_window_of_a_behavior_is_its_own() -> None:
    """For lowering and for raising."""
    quick = behavior(down={"stabilizationWindowSeconds": 10})
    assert verdict((8, 2, 1, 10), quick, asked=asked((9.0, 6))).replicas == 6
    assert verdict((8, 2, 1, 10), quick, asked=asked((11.0, 6))).replicas == 2
    slow = behavior(up={"stabilizationWindowSeconds": 60})
    found = verdict((3, 6, 1, 10), slow, asked=asked((59.0, 4)))
    assert (found.replicas, found.able[0]) == (4, "ScaleUpStabilized")
    assert verdict((3, 6, 1, 10), slow, asked=asked((61.0, 4))).replicas == 6


@pytest.mark.parametrize(
    ("rules", "replicas"),
    [
        (policies(("Pods", 2, 60)), 6),
        (policies(("Percent", 50, 60)), 6),
        (policies(("Percent", 10, 60)), 5),
        (policies(("Pods", 1, 60), ("Percent", 100, 60)), 8),
        (policies(("Pods", 1, 60), ("Percent", 100, 60), select="Min"), 5),
        (policies(("Pods", 9, 60), select="Disabled"), 4),
    ],
    ids=["pods", "percent", "percent rounded up", "the most", "the least", "none"],
)
def test_policies_for_raising(rules: JSON, replicas: int) -> None:
    """From four replicas, with twenty wanted."""
    found = verdict((4, 20, 1, 20), behavior(up=rules))
    assert (found.replicas, found.limit[0]) == (replicas, "ScaleUpLimit")


@pytest.mark.parametrize(
    ("rules", "replicas"),
    [
        (policies(("Pods", 2, 60)), 8),
        (policies(("Percent", 25, 60)), 7),
        (policies(("Pods", 1, 60), ("Percent", 50, 60)), 5),
        (policies(("Pods", 1, 60), ("Percent", 50, 60), select="Min"), 9),
        (policies(("Pods", 9, 60), select="Disabled"), 10),
    ],
    ids=["pods", "percent rounded up for the pods", "the most", "the least", "none"],
)
def test_policies_for_lowering(rules: JSON, replicas: int) -> None:
    """From ten replicas, with one wanted."""
    found = verdict((10, 1, 1, 20), behavior(down=rules))
    assert (found.replicas, found.limit[0]) == (replicas, "ScaleDownLimit")


def test_a_period_begins_before_what_was_done_in_it() -> None:
    """Both directions count, and what is longer ago does not."""
    up = behavior(up=policies(("Pods", 3, 60)))
    assert verdict((6, 20, 1, 20), up, ups=asked((30.0, 2))).replicas == 7
    assert verdict((6, 20, 1, 20), up, ups=asked((61.0, 2))).replicas == 9
    assert verdict((6, 20, 1, 20), up, ups=asked((30.0, 2)), downs=asked((20.0, 1))).replicas == 8
    assert verdict((6, 20, 1, 20), up, ups=asked((30.0, 5))).replicas == 6
    down = behavior(down=policies(("Pods", 3, 60)))
    assert verdict((6, 1, 1, 20), down, downs=asked((30.0, 2))).replicas == 5
    assert verdict((6, 1, 1, 20), down, downs=asked((30.0, 5))).replicas == 6


def test_a_memory_forgets_what_no_window_reaches() -> None:
    """It begins with the replicas that were there."""
    memory = Memory().seeded(0.0, 3).seeded(1.0, 5)
    assert memory.asked == (Mark(0.0, 3),)
    assert memory.remember(3600.0, 4).asked == (Mark(0.0, 3), Mark(3600.0, 4))
    assert memory.remember(3601.0, 4).asked == (Mark(3601.0, 4),)
    moved = memory.scaled(5.0, 3, 5).scaled(6.0, 5, 1)
    assert (moved.ups, moved.downs) == ((Mark(5.0, 2),), (Mark(6.0, 4),))
    assert moved.change_within(6.0, 10.0) == -2
