"""Tasks of a queue that several targets consume."""

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.account import QueueMessages
from autoscaler.core.sharing import parts, share_of

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=6)


@given(st.integers(0, 10_000), WEIGHTS)
def test_nothing_is_counted_twice_or_left_out(number, weights):
    """The parts add up, and none is off its fair share by a whole task."""
    split = parts(number, weights)
    assert sum(split) == number
    total = sum(weights)
    for part, weight in zip(split, weights, strict=True):
        assert abs(part - (number * weight / total if total else number / len(weights))) < 1


def test_in_proportion_to_the_workers_that_each_may_have():
    """One of up to 10 workers and one of up to 1: twelve tasks are eleven and one."""
    assert parts(12, [10, 1]) == (11, 1)
    assert parts(3, [5, 5]) == (2, 1)
    assert parts(3, [0, 0]) == (2, 1)
    assert parts(1, [3, 0]) == (1, 0)


def test_a_queue_is_split_priority_by_priority():
    """Each target gets its part of each, and of what is not due yet."""
    queue = QueueMessages("mail", ((0, 5), (9, 3)), eta=(1.0, 2.0, 3.0))
    first, second = (share_of(queue, [4, 4], place) for place in (0, 1))
    assert (first.by_priority, second.by_priority) == (((0, 3), (9, 2)), ((0, 2), (9, 1)))
    assert (first.eta, second.eta) == ((1.0, 2.0), (1.0,))
    assert share_of(queue, [4], 0) is queue
