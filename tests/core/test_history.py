"""What is remembered, and what is not."""

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.decide import decide
from autoscaler.core.history import History
from tests.builders import depth, policy, rules, snapshot

HELD = policy(up=rules(window=30), down=rules(window=50))


@given(st.lists(st.tuples(st.floats(0.1, 20.0), st.integers(0, 9)), min_size=1, max_size=40))
def test_forgetting_never_changes_what_a_window_sees(steps):
    """The marks that are kept give the same highest and lowest as all proposals would."""
    at, history = 0.0, History.seeded(0.0, 3)
    everything = [(0.0, 3)]
    for pause, ready in steps:
        at += pause
        decision = decide(snapshot(3, depth(ready), at=at), HELD, history)
        history = history.record(decision, HELD)
        everything.append((at, decision.proposal))
    for window in (30.0, 50.0):
        seen = [replicas for when, replicas in everything if when > at - window]
        assert history.highest(at - window) == max(seen)
        assert history.lowest(at - window) == min(seen)


def test_memory_stays_small():
    """Ten thousand looks at a wavering queue leave no more marks than there are different proposals."""
    history = History.seeded(0.0, 0)
    for second in range(10_000):
        seen = snapshot(0, depth(second * 7 % 10), at=float(second))
        history = history.record(decide(seen, HELD, history), HELD)
    assert len(history.peaks) + len(history.troughs) <= 20


def test_marks_are_forgotten_behind_the_horizon():
    """A peak that no window reaches any more is dropped, lower ones after it are not."""
    history = History.seeded(0.0, 3)
    for at, ready in ((10.0, 9), (40.0, 5), (70.0, 2)):
        history = history.record(decide(snapshot(3, depth(ready), at=at), HELD, history), HELD)
    assert [mark.replicas for mark in history.peaks] == [5, 2]
    rising = History.seeded(0.0, 3)
    for at, ready in ((10.0, 1), (40.0, 5), (70.0, 8)):
        rising = rising.record(decide(snapshot(3, depth(ready), at=at), HELD, rising), HELD)
    assert [mark.replicas for mark in rising.troughs] == [5, 8]


def test_changes_are_forgotten_once_no_rate_looks_back_to_them():
    """A change counts within its period and is dropped after the longest one."""
    history = History.seeded(0.0, 0).moved(10.0, 4).moved(40.0, -1)
    assert history.added(since=0.0) == 3
    assert history.added(since=10.0) == -1
    later = decide(snapshot(3, at=80.0), HELD, history)
    assert history.record(later, HELD).changes == history.changes[1:]


def test_nothing_is_known_before_the_first_mark():
    """A window that ends before the memory begins has neither highest nor lowest."""
    assert History.seeded(5.0, 2).highest(since=5.0) is None
    assert History.seeded(5.0, 2).lowest(since=5.0) is None
