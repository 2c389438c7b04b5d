"""How many Events of one object are told, and which count as the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cluster.event_rates import (
    BURST,
    REFILL_SECONDS,
    SAME_SECONDS,
    Allowances,
    Latest,
    Series,
    SeriesMemory,
)
from autoscaler.core.events import Event
from tests.builders import NOW, TARGET

EVENT = Event(TARGET, "u", "ScaledUp", "1 → 2", warning=False, at=NOW)


def test_a_burst_and_then_one_at_a_time():
    """25 at once, the next ones after five minutes each, as client-go allows."""
    allowances = Allowances()
    assert [allowances.take(EVENT, 0.0) for _ in range(BURST + 2)] == [True] * BURST + [False] * 2
    assert not allowances.take(EVENT, REFILL_SECONDS - 1)
    assert [allowances.take(EVENT, REFILL_SECONDS) for _ in range(2)] == [True, False]
    assert [allowances.take(EVENT, 3 * REFILL_SECONDS) for _ in range(3)] == [True, True, False]
    long_after = 1000 * REFILL_SECONDS
    assert [allowances.take(EVENT, long_after) for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_objects_and_warnings_have_allowances_of_their_own():
    """A busy target takes nothing from another, nor its changes from its troubles."""
    allowances = Allowances()
    for _ in range(BURST + 1):
        allowances.take(EVENT, 0.0)
    assert not allowances.take(replace(EVENT, reason="ScaledDown"), 0.0)
    assert allowances.take(replace(EVENT, uid="other"), 0.0)
    assert allowances.take(replace(EVENT, warning=True), 0.0)


@given(st.lists(st.floats(0, 600), max_size=200))
def test_never_more_than_the_burst_and_what_came_back_since(pauses):
    """Whenever they come."""
    allowances, now, taken = Allowances(), 0.0, 0
    for pause in pauses:
        now += pause
        taken += allowances.take(EVENT, now)
    assert taken <= BURST + now / REFILL_SECONDS + 1e-6


def test_the_same_within_ten_minutes_is_one_series():
    """From the last time that it was told on; another message or object is another Event."""
    memory = SeriesMemory()
    assert memory.find(EVENT, 0.0) is None
    series = Series("w.1", 1, 0.0)
    memory.told(EVENT, series)
    assert memory.find(replace(EVENT, at=NOW + 5), SAME_SECONDS) == series
    assert memory.find(EVENT, SAME_SECONDS + 1) is None
    for other in (replace(EVENT, message="2 → 3"), replace(EVENT, uid="v"), replace(EVENT, reason="Other")):
        assert memory.find(other, 1.0) is None
    memory.forget(EVENT)
    assert memory.find(EVENT, 1.0) is None


def test_the_oldest_is_forgotten_first():
    """And what was set again is not old."""
    latest: Latest[str, int] = Latest(2)
    latest.set("a", 1)
    latest.set("b", 2)
    latest.set("a", 3)
    latest.set("c", 4)
    assert [latest.get(key) for key in "abc"] == [3, None, 4]
