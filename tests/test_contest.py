"""Who draws on the same quotas, and whose pods are new."""

import threading
from functools import partial

from autoscaler.arrivals import COUNTING_SECONDS, Arrivals
from autoscaler.contest import CLAIM_SECONDS, FRESH_SECONDS, Contests
from autoscaler.core.allotment import Contender
from autoscaler.core.model import TargetRef, WorkerPod, WorkerSet
from autoscaler.core.quarters import Quarters
from autoscaler.core.quota import NamespaceLimits
from tests.core.quota.build import quota, worker
from tests.fakes import PATIENCE_SECONDS, Clock, FakeQuotas

A, B, ELSEWHERE = TargetRef("data", "a"), TargetRef("data", "b"), TargetRef("other", "a")


class Namespace:
    """Targets `a` and `b` of one namespace, with what there is of them, and one elsewhere."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.contests = Contests(FakeQuotas(), [A, B, ELSEWHERE], self.clock)
        self.there: dict[TargetRef, Contender | None] = {ref: Contender(ref, worker()) for ref in (A, B)}
        self.looks = 0
        for ref in (A, B):
            self.contests.join(ref, partial(self.look, ref))

    def look(self, ref: TargetRef) -> Contender | None:
        """Return what there is of a target."""
        self.looks += 1
        return self.there[ref]

    def rivals(self, ref: TargetRef) -> list[tuple[TargetRef, int, int]]:
        """Return who draws on the same quotas, with what was asked for and is wanted."""
        with self.contests.turn(ref) as rivals:
            return [(one.target, one.asked, one.wants) for one in rivals]


def test_only_targets_of_one_namespace_contest():
    """Each sees what the others have said last, and is not its own rival."""
    room = Namespace()
    assert [room.contests.contested(ref) for ref in (A, ELSEWHERE)] == [True, False]
    assert room.rivals(ELSEWHERE) == []
    room.contests.speak(Contender(A, worker()), 3, 2)
    room.contests.speak(Contender(B, worker(), asked=4), 9, 4)
    assert (room.rivals(A), room.rivals(B)) == ([(B, 4, 9)], [(A, 2, 3)])
    room.contests.withdraw(A)
    room.contests.withdraw(A)
    assert room.rivals(B) == [(A, 0, 0)]


def test_what_there_is_of_others_is_looked_at_anew():
    """One that has not spoken, or not for a moment, may have lost pods; one that is gone wants nothing."""
    room = Namespace()
    room.there[A] = Contender(A, worker(), asked=3)
    assert (room.rivals(B), room.looks) == ([(A, 3, 3)], 1)
    room.contests.speak(Contender(A, worker(), asked=3), 5, 5)
    room.there[A] = Contender(A, worker(), asked=4)
    assert (room.rivals(B), room.looks) == ([(A, 5, 5)], 1)
    room.clock.advance(2 * FRESH_SECONDS)
    assert (room.rivals(B), room.looks) == ([(A, 5, 5)], 2)
    room.there[A] = None
    room.clock.advance(2 * FRESH_SECONDS)
    assert room.rivals(B) == []


def test_one_that_is_stuck_holds_no_room_for_ever():
    """What was asked for counts on, what it wanted or was promised a minute ago does not."""
    room = Namespace()
    room.there[A] = Contender(A, worker(), asked=3)
    room.contests.speak(Contender(A, worker(), asked=3), 50, 7)
    room.clock.advance(CLAIM_SECONDS)
    assert room.rivals(B) == [(A, 7, 50)]
    room.clock.advance(1.0)
    assert room.rivals(B) == [(A, 3, 3)]


def test_what_was_asked_for_counts_though_it_is_not_wanted_any_more():
    """Its controller makes those pods until it is told otherwise."""
    room = Namespace()
    room.contests.speak(Contender(A, worker(), asked=5), 1, 2)
    assert room.rivals(B) == [(A, 5, 5)]


def test_two_of_a_namespace_do_not_decide_at_once():
    """The second one waits for what the first one says."""
    room, begun, heard = Namespace(), threading.Event(), []

    def second() -> None:
        begun.set()
        heard.append(room.rivals(B))

    other = threading.Thread(target=second)
    with room.contests.turn(A):
        other.start()
        assert begun.wait(PATIENCE_SECONDS)
        room.contests.speak(Contender(A, worker()), 3, 0)
    other.join(PATIENCE_SECONDS)
    assert heard == [[(A, 0, 3)]]


def test_what_limits_a_target_comes_from_the_quotas():
    """And so does why that is not known yet."""
    quotas = FakeQuotas()
    contests = Contests(quotas, [A], Clock())
    assert (contests.quarters(A), contests.pending(A)) == (None, "")
    quotas.found["a"] = Quarters(NamespaceLimits((quota({"pods": "1"}),)), worker())
    quotas.waiting = "not listed yet"
    assert (contests.quarters(A), contests.pending(A)) == (quotas.found["a"], "not listed yet")


def workers(replicas: int, *names: str) -> WorkerSet:
    """Return a set with these pods."""
    return WorkerSet("uid", replicas, tuple(WorkerPod(name, ready=True, terminating=False) for name in names))


def test_pods_are_new_for_a_moment():
    """Whoever was there at the first look is not; whoever comes later is, until the quotas had time."""
    arrivals = Arrivals()
    arrivals.see(0.0, workers(2, "w-0", "w-1"))
    assert arrivals.uncounted(0.0) == 0
    arrivals.see(5.0, workers(3, "w-0", "w-1", "w-2"))
    assert arrivals.uncounted(5.0) == 1
    arrivals.see(5.0 + COUNTING_SECONDS, workers(3, "w-0", "w-1", "w-2"))
    assert arrivals.uncounted(5.0 + COUNTING_SECONDS) == 0
    arrivals.see(9.0, workers(3, "w-0"))
    arrivals.see(9.5, workers(3, "w-0", "w-1"))
    assert arrivals.uncounted(9.5) == 1


def test_pods_that_have_gone_may_still_be_counted_for_a_moment():
    """Unless one of the same name has come in its place."""
    arrivals = Arrivals()
    arrivals.see(0.0, workers(2, "w-0", "w-1", "w-2"))
    arrivals.see(5.0, workers(2, "w-0"))
    assert arrivals.still_counted == 2
    arrivals.see(6.0, workers(2, "w-0", "w-1"))
    assert arrivals.still_counted == 1
    arrivals.see(5.0 + COUNTING_SECONDS, workers(2, "w-0", "w-1"))
    assert arrivals.still_counted == 0


def test_it_is_settled_once_pods_are_kept_out_and_nothing_has_changed_for_a_moment():
    """Neither what is asked for nor what is there; at first sight it may be the watches that differ."""
    arrivals = Arrivals()
    arrivals.see(0.0, workers(2, "w-0"))
    assert not arrivals.settled(9.0, short=True)
    assert not arrivals.settled(10.0, short=False)
    assert not arrivals.settled(11.0, short=True)
    assert arrivals.settled(11.0 + COUNTING_SECONDS, short=True)
    arrivals.see(14.0, workers(3, "w-0"))
    assert not arrivals.settled(14.0, short=True)
    assert arrivals.settled(14.0 + COUNTING_SECONDS, short=True)
