"""Which Events are due, under which reason, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from autoscaler.core.decide import decide
from autoscaler.core.events import (
    BY_NAME,
    LULL_SECONDS,
    REASONS,
    Told,
    event_of_error,
    event_of_notice,
    events_of,
)
from autoscaler.core.history import History
from autoscaler.core.model import Decision, Notice, Outcome, OutcomeKind, Step, unknown
from tests.builders import NOW, TARGET, annotated, depth, policy, snapshot

UNCHANGED = Outcome(OutcomeKind.UNCHANGED, 2)


def decision(before: int, after: int, *reasons: str, at: float = 1000.0, uid: str = "u") -> Decision:
    """Return a decision with a step of each reason after that of the demand."""
    steps = [Step("demand", after, "WorkWaiting", "so much work")]
    steps += [Step("limit", after, reason, f"because of {reason}") for reason in reasons]
    return Decision(TARGET, at, uid, before, after, after, after, after == 0, 0, tuple(steps))


def told_at(
    moments: Iterable[tuple[float, str | None]], kind: OutcomeKind = OutcomeKind.UNCHANGED
) -> list[float]:
    """Return the times at which an Event is due, where the word binds, or is the trouble, at these."""
    told, due = Told(), []
    for at, word in moments:
        trouble = word is not None and kind is not OutcomeKind.UNCHANGED
        limits = () if word is None or trouble else (word,)
        outcome = Outcome(kind, 2, str(word)) if trouble else UNCHANGED
        told, events = events_of(told, decision(2, 2, *limits, at=at), outcome, NOW)
        due += [at for _ in events]
    return due


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (0, 1, "ScaledFromZero"),
        (0, 9, "ScaledFromZero"),
        (1, 2, "ScaledUp"),
        (9, 10, "ScaledUp"),
        (2, 1, "ScaledDown"),
        (10, 3, "ScaledDown"),
        (1, 0, "ScaledToZero"),
        (9, 0, "ScaledToZero"),
    ],
)
def test_a_change_is_told_by_its_direction(before, after, reason):
    """With both numbers and every step, about the object that was meant, at the time it happened."""
    made = decision(before, after, "ScaleUpRateLimited")
    _, (event,) = events_of(Told(), made, Outcome(OutcomeKind.APPLIED, after), NOW)
    assert (event.reason, event.warning, event.target) == (reason, False, TARGET)
    assert (event.uid, event.at) == ("u", NOW)
    assert event.message == f"{before} → {after} replicas: so much work; because of ScaleUpRateLimited"


def test_every_change_is_told():
    """As the one before or not: whoever reads it wants to see that it happened again."""
    told = Told()
    for _ in range(3):
        told, events = events_of(told, decision(0, 2), Outcome(OutcomeKind.APPLIED, 2), NOW)
        assert [event.reason for event in events] == ["ScaledFromZero"]


@pytest.mark.parametrize(("orders", "told"), [({"exclude": "true"}, 0), ({"paused": "true"}, 1)])
def test_nothing_stands_in_the_way_of_a_target_that_is_left_alone(orders, told):
    """Its broker may be gone for good; one that is paused goes on some day, and would be better for it."""
    memory, count = Told(), 0
    for at in (1000.0, 1100.0):
        seen = annotated(snapshot(2, unknown("redis", "gone"), at=at), **orders)
        made = decide(seen, policy(), History.seeded(0.0, 2))
        memory, events = events_of(memory, made, UNCHANGED, NOW)
        count += len(events)
    assert count == told


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind is not OutcomeKind.APPLIED])
def test_what_was_not_done_is_no_change(kind):
    """Nor is a conflict a failure: it is decided on once more."""
    _, events = events_of(Told(), decision(0, 2), Outcome(kind, 0, "why"), NOW)
    failures = {OutcomeKind.REFUSED: "0 → 2 refused: why", OutcomeKind.FAILED: "0 → 2 failed: why"}
    assert [event.message for event in events] == ([failures[kind]] if kind in failures else [])
    assert all(event.reason == "ScalingFailed" and event.warning for event in events)


def test_a_failure_is_told_once_for_each_cause():
    """Two causes that take turns are two Events, and a cause that is back after a lull is news."""
    causes = [(float(at), "ab"[at % 2]) for at in range(20)]
    assert told_at(causes, OutcomeKind.REFUSED) == [0.0, 1.0]
    pause = 18.0 + LULL_SECONDS
    assert told_at([*causes, (pause, "a"), (pause, "b")], OutcomeKind.FAILED) == [0.0, 1.0, pause]


@pytest.mark.parametrize("reason", [one for one in REASONS if one.after_seconds], ids=lambda one: one.name)
def test_a_limit_is_told_once_it_has_bound_for_long(reason):
    """Not a second earlier, and not again while it goes on."""
    binding = [(float(at), reason.name) for at in range(int(reason.after_seconds) * 3)]
    assert told_at(binding) == [reason.after_seconds]


def test_a_limit_without_a_delay_is_told_at_once():
    """It took long to come about, or it cannot be undone."""
    assert told_at([(5.0, "DrainDeadlinePassed"), (6.0, "DrainDeadlinePassed")]) == [5.0]


def test_other_limits_are_no_events():
    """They come and go with every task."""
    assert told_at((float(at), "ScaleDownStabilized") for at in range(1000)) == []


def test_a_break_before_it_was_told_begins_anew():
    """A demand that goes above the maximum now and then is no lasting want of workers."""
    word = "MaxReplicas"
    assert told_at((float(at), word if at % 100 else None) for at in range(1000)) == []


def test_a_time_without_decisions_is_a_break():
    """Nobody knows what bound while the target was not seen."""
    assert told_at([(0.0, "MaxReplicas"), (LULL_SECONDS, "MaxReplicas")]) == []


def test_a_break_after_it_was_told_has_to_be_a_lull():
    """A limit that comes and goes is told once; one that was over for long is told again."""
    word = "Fallback"
    assert told_at((float(at), word if at % 100 else None) for at in range(1, 1000)) == [1.0]
    again = LULL_SECONDS + 1
    assert told_at([(1.0, word), (2.0, None), (LULL_SECONDS, None), (again, word)]) == [1.0, again]


def test_a_limit_is_told_with_the_demand_beside_it():
    """What binds goes first: the message may be cut."""
    told, _ = events_of(Told(), decision(2, 2, "MaxReplicas", at=0.0), UNCHANGED, NOW)
    _, (event,) = events_of(told, decision(2, 2, "MaxReplicas", at=400.0), UNCHANGED, NOW + 1)
    assert event.message == "because of MaxReplicas (so much work)"
    assert (event.warning, event.at, event.uid) == (False, NOW + 1, "u")


def test_a_demand_that_is_unknown_is_told_as_it_is():
    """A real decision: nothing is beside the first step."""
    told = Told()
    for at in (1000.0, 1060.0):
        seen = snapshot(2, unknown("redis", "silent"), at=at)
        made = decide(seen, policy(), History.seeded(0.0, 2))
        told, events = events_of(told, made, UNCHANGED, seen.now)
    (event,) = events
    assert (event.reason, event.warning) == ("DemandUnknown", True)
    assert event.message == "demand unknown (redis: silent), 2 kept"


def test_an_object_made_anew_starts_with_nothing_told():
    """The Events of the old one are not shown with it."""
    told, first = events_of(Told(), decision(2, 2, "Fallback"), UNCHANGED, NOW)
    told, again = events_of(told, decision(2, 2, "Fallback", uid="new"), UNCHANGED, NOW)
    assert [event.uid for event in (*first, *again)] == ["u", "new"]
    assert told.uid == "new"


def test_steady_ticks_leave_the_memory_as_it_is():
    """A thousand targets a second: nothing is made where nothing is to be told."""
    told = Told("uid")
    seen = snapshot(2, depth(2))
    made = replace(decide(seen, policy(), History.seeded(0.0, 2)), uid="uid")
    assert events_of(told, made, UNCHANGED, NOW) == (told, ())
    assert events_of(told, made, UNCHANGED, NOW)[0] is told


def test_a_bug_is_told_once_for_each_kind_of_error():
    """By its type alone; a target that was never seen has nothing to tell it of."""
    assert event_of_error(Told(), TARGET, "KeyError", 0.0, NOW) == (Told(), ())
    told, (first,) = event_of_error(Told("u"), TARGET, "KeyError", 0.0, NOW)
    assert (first.reason, first.warning, first.uid) == ("InternalError", True, "u")
    assert "(KeyError)" in first.message
    told, again = event_of_error(told, TARGET, "KeyError", 1.0, NOW)
    told, other = event_of_error(told, TARGET, "TypeError", 2.0, NOW)
    assert (len(again), len(other)) == (0, 1)


@pytest.mark.parametrize("warning", [True, False])
def test_a_notice_says_itself_whether_it_warns(warning):
    """And is told as it is."""
    event = event_of_notice("u", TARGET, Notice("OtherPodsWent", "they went", ("w-1",), warning=warning), NOW)
    assert (event.reason, event.message, event.warning) == ("OtherPodsWent", "they went", warning)
    assert (event.uid, event.target, event.at) == ("u", TARGET, NOW)


def test_the_table_has_each_reason_once():
    """Two entries of a name would be two meanings."""
    assert len(BY_NAME) == len(REASONS)
