"""Who draws on the same quotas, and whose pods are new."""

import threading

from autoscaler.arrivals import COUNTING_SECONDS, Arrivals
from autoscaler.contest import Contests
from autoscaler.core.allotment import Contender
from autoscaler.core.model import TargetRef, WorkerPod, WorkerSet
from autoscaler.core.quarters import Quarters
from autoscaler.core.quota import NamespaceLimits
from tests.core.quota.build import quota, worker
from tests.fakes import PATIENCE_SECONDS, FakeQuotas

A, B, ELSEWHERE = TargetRef("data", "a"), TargetRef("data", "b"), TargetRef("other", "a")


def test_only_targets_of_one_namespace_contest():
    """Each sees what the others have said last, and nothing of those that withdrew."""
    contests = Contests(FakeQuotas(), [A, B, ELSEWHERE])
    assert (contests.contested(A), contests.contested(ELSEWHERE)) == (True, False)
    first, second = Contender(A, worker(), wants=3), Contender(A, worker(), wants=5)
    contests.speak(first)
    contests.speak(second)
    with contests.turn(B) as rivals:
        assert rivals == (second,)
    with contests.turn(A) as rivals:
        assert rivals == ()
    contests.withdraw(A)
    contests.withdraw(A)
    with contests.turn(B) as rivals:
        assert rivals == ()


def test_two_of_a_namespace_do_not_decide_at_once():
    """The second one waits for what the first one says."""
    contests, begun, heard = Contests(FakeQuotas(), [A, B]), threading.Event(), []

    def second() -> None:
        begun.set()
        with contests.turn(B) as rivals:
            heard.append(rivals)

    other = threading.Thread(target=second)
    with contests.turn(A):
        other.start()
        assert begun.wait(PATIENCE_SECONDS)
        contests.speak(Contender(A, worker(), wants=3))
    other.join(PATIENCE_SECONDS)
    assert [[one.wants for one in rivals] for rivals in heard] == [[3]]


def test_what_limits_a_target_comes_from_the_quotas():
    """And so does why that is not known yet."""
    quotas = FakeQuotas()
    contests = Contests(quotas, [A])
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


def test_it_is_settled_once_nothing_has_changed_for_a_moment():
    """Neither what is asked for nor what is there."""
    arrivals = Arrivals()
    arrivals.see(0.0, workers(1, "w-0"))
    arrivals.see(COUNTING_SECONDS, workers(1, "w-0"))
    assert arrivals.settled(COUNTING_SECONDS)
    arrivals.see(3.0, workers(2, "w-0"))
    assert not arrivals.settled(3.0)
    arrivals.see(4.0, workers(2, "w-0", "w-1"))
    assert not arrivals.settled(5.0)
    assert arrivals.settled(4.0 + COUNTING_SECONDS)
