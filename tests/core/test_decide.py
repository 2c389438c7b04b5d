"""What is decided, and the reason given for it."""

from dataclasses import replace

import pytest

from autoscaler.core.decide import STAGES, decide
from autoscaler.core.history import History
from autoscaler.core.limits import LIMITS
from autoscaler.core.model import Quality, Reading, fresh, stale, unknown
from autoscaler.core.policy import Policy, SelectPolicy
from autoscaler.core.snapshot import Snapshot
from tests.builders import depth, later, percent, pods, policy, reasons, rules, snapshot, worker


def first(seen: Snapshot, held: Policy | None = None, history: History | None = None):
    """Decide for a target that was at the same size for a long time, and idle if it is now."""
    settled = History.seeded(seen.at - 10_000, seen.workers.replicas)
    if history is None:
        history = settled
        quiet = decide(later(snapshot(seen.workers.replicas), -1.0), held or policy(), settled)
        history = settled.record(quiet, held or policy())
    return decide(seen, held or policy(), history)


def test_the_limits_are_applied_in_this_order():
    """The order is the policy: the bounds of the user come after shaping, safety after the bounds.

    What people order to be left as it is comes after everything that would change it.
    """
    assert [limit.__name__ for limit in LIMITS] == [
        "withheld",
        "stand_ins",
        "tolerance",
        "stabilization",
        "scale_up_rate",
        "scale_down_rate",
        "cannot_start",
        "paused_replicas",
        "min_replicas",
        "max_replicas",
        "db_connections",
        "certainty",
        "last_worker",
        "fallback",
        "manual",
        "hpa",
        "rollout",
        "contention",
        "scale_in_paused",
        "paused",
        "excluded",
        "quota",
        "pod_order",
        "closing",
    ]
    assert [*(limit.__name__ for limit in LIMITS), "drain"] == list(STAGES)


@pytest.mark.parametrize(
    ("replicas", "ready", "unacked", "slots", "wanted", "why"),
    [
        (0, 0, 0, 1, 0, ("NoWork",)),
        (0, 1, 0, 1, 1, ("WorkWaiting",)),
        (0, 1, 0, 16, 1, ("WorkWaiting",)),
        (0, 16, 0, 16, 1, ("WorkWaiting",)),
        (0, 17, 0, 16, 2, ("WorkWaiting",)),
        (0, 80, 0, 4, 20, ("WorkWaiting",)),
        (3, 10, 6, 4, 4, ("WorkWaiting",)),
        (3, 0, 12, 4, 3, ("WorkWaiting",)),
        (2, 500, 0, 1, 100, ("WorkWaiting", "MaxReplicas")),
        (5, 0, 3, 1, 3, ("WorkWaiting",)),
    ],
)
def test_demand_is_ready_and_unacked_over_slots(replicas, ready, unacked, slots, wanted, why):
    """Every waiting or unacknowledged task gets a slot, rounded up to whole workers."""
    decision = first(snapshot(replicas, depth(ready, unacked), slots=slots))
    assert (decision.replicas, reasons(decision)) == (wanted, why)
    assert decision.demand_slots == ready + unacked


def test_from_zero_to_everything_in_one_step():
    """There is no ladder: a burst is answered by its full size at once."""
    decision = first(snapshot(0, depth(40), slots=4), policy(most=10))
    assert (decision.current, decision.replicas) == (0, 10)


def test_unacked_of_others_holds_workers_but_calls_none_up():
    """A shared counter says nothing of whose tasks those are."""
    assert first(snapshot(0, depth(0, 50, shared=True))).replicas == 0
    assert first(snapshot(2, depth(0, 50, shared=True), slots=4)).replicas == 2
    assert first(snapshot(2, depth(7, 50, shared=True), slots=4)).demand_slots == 8
    assert first(snapshot(2, depth(9, 50, shared=True), slots=4)).replicas == 3


@pytest.mark.parametrize(
    ("ready", "wanted", "why"),
    [
        (100, 10, ("WorkWaiting",)),
        (110, 10, ("WorkWaiting", "WithinTolerance")),
        (111, 12, ("WorkWaiting",)),
        (90, 10, ("WorkWaiting", "WithinTolerance")),
        (89, 9, ("WorkWaiting",)),
    ],
)
def test_tolerance_keeps_what_is_nearly_right(ready, wanted, why):
    """A tenth more or less than capacity changes nothing, as with an HPA."""
    held = policy(up=rules(tolerance=0.1), down=rules(tolerance=0.1))
    decision = first(snapshot(10, depth(ready), slots=10), held)
    assert (decision.replicas, reasons(decision)) == (wanted, why)


def test_no_work_is_never_within_tolerance():
    """Nothing to do differs from capacity by all of it."""
    held = policy(up=rules(tolerance=1.0), down=rules(tolerance=1.0))
    assert first(snapshot(1, depth(0)), held).replicas == 0


def test_scale_up_window_takes_the_least_asked_for():
    """A peak shorter than the window calls nobody up."""
    held = policy(up=rules(window=60))
    history = History.seeded(1000, 1)
    decision = decide(snapshot(1, depth(9), at=1030), held, history)
    assert (decision.replicas, reasons(decision)) == (1, ("WorkWaiting", "ScaleUpStabilized"))
    history = history.record(decision, held)
    assert decide(snapshot(1, depth(9), at=1061), held, history).replicas == 9


def test_scale_down_window_takes_the_most_asked_for():
    """A lull shorter than the window sends nobody home."""
    held = policy(down=rules(window=60))
    history = History.seeded(1000, 5)
    idle = decide(snapshot(5, at=1030), held, history)
    assert (idle.replicas, reasons(idle)[1]) == (5, "ScaleDownStabilized")
    history = history.record(idle, held)
    assert decide(snapshot(5, at=1059), held, history).replicas == 5
    decision = decide(snapshot(5, at=1061), held, history)
    assert (decision.replicas, reasons(decision)) == (0, ("NoWork",))


@pytest.mark.parametrize(
    ("replicas", "rates", "select", "wanted"),
    [
        (2, (pods(3),), SelectPolicy.MAX, 5),
        (2, (percent(100),), SelectPolicy.MAX, 4),
        (3, (percent(50),), SelectPolicy.MAX, 5),
        (2, (pods(3), percent(100)), SelectPolicy.MAX, 5),
        (2, (pods(3), percent(100)), SelectPolicy.MIN, 4),
        (2, (pods(3),), SelectPolicy.DISABLED, 2),
        (2, (), SelectPolicy.DISABLED, 2),
        (0, (percent(100),), SelectPolicy.MAX, 2),
        (0, (pods(4),), SelectPolicy.MAX, 4),
    ],
)
def test_scale_up_rate(replicas, rates, select, wanted):
    """Rate policies are the HPA's; from zero, where a percentage is nothing, it is taken of one."""
    held = policy(up=rules(select=select, rates=rates))
    decision = first(snapshot(replicas, depth(50)), held)
    assert (decision.replicas, reasons(decision)) == (wanted, ("WorkWaiting", "ScaleUpRateLimited"))


def test_a_rate_that_allows_enough_does_not_bind():
    """No step without an effect."""
    assert reasons(first(snapshot(2, depth(5)), policy(up=rules(rates=(pods(3),))))) == ("WorkWaiting",)
    assert reasons(first(snapshot(5, depth(0)), policy(down=rules(rates=(pods(9),))))) == ("NoWork",)


def test_a_rate_counts_what_was_done_within_its_period():
    """What was added a while ago is used up until the period has passed."""
    held = policy(up=rules(rates=(pods(4, 60),)))
    history = History.seeded(1000, 0).moved(1000, 4)
    assert decide(snapshot(4, depth(50), at=1030), held, history).replicas == 4
    assert decide(snapshot(4, depth(50), at=1061), held, history).replicas == 8


def test_a_rate_that_is_used_up_never_turns_the_other_way():
    """Twenty were added and somebody took them away again: growing is not allowed, and nothing shrinks."""
    up = policy(up=rules(rates=(pods(4, 60),)))
    grown = History.seeded(1000, 10).moved(1000, 20)
    assert decide(snapshot(10, depth(50), at=1001), up, grown).replicas == 10
    down = policy(down=rules(rates=(pods(3, 60),)))
    shrunk = History.seeded(900, 5).moved(1000, -20)
    quiet = decide(snapshot(5, at=1001), down, shrunk)
    assert decide(snapshot(5, at=1002), down, shrunk.record(quiet, down)).replicas == 5


def test_the_windows_remember_what_is_left_by_the_tolerance():
    """A demand within the tolerance asks for what is there, and that is what counts later."""
    held = policy(up=rules(tolerance=0.1), down=rules(tolerance=0.1))
    assert first(snapshot(10, depth(109), slots=10), held).proposal == 10
    assert first(snapshot(10, depth(115), slots=10), held).proposal == 12


@pytest.mark.parametrize(
    ("rates", "select", "wanted"),
    [
        ((pods(3),), SelectPolicy.MAX, 7),
        ((percent(50),), SelectPolicy.MAX, 5),
        ((percent(25),), SelectPolicy.MAX, 7),
        ((pods(3), percent(50)), SelectPolicy.MAX, 5),
        ((pods(3), percent(50)), SelectPolicy.MIN, 7),
        ((), SelectPolicy.DISABLED, 10),
    ],
)
def test_scale_down_rate(rates, select, wanted):
    """Downwards Max allows the most change and Min the least."""
    decision = first(snapshot(10), policy(down=rules(select=select, rates=rates)))
    assert (decision.replicas, reasons(decision)) == (wanted, ("NoWork", "ScaleDownRateLimited"))


def test_bounds_hold_whatever_the_demand():
    """The minimum is there without work, and the maximum with any amount of it."""
    assert reasons(first(snapshot(0), policy(least=2))) == ("NoWork", "MinReplicas")
    assert first(snapshot(0), policy(least=2)).replicas == 2
    assert first(snapshot(3, depth(900)), policy(most=7)).replicas == 7


def test_a_maximum_below_what_is_there_waits_for_running_tasks():
    """Lowering max_replicas never ends a worker that is busy."""
    crew = tuple(worker(f"worker-{n}", active=int(n == 7)) for n in range(9))
    decision = first(snapshot(9, depth(20), crew=crew), policy(most=4))
    assert (decision.replicas, reasons(decision)) == (8, ("WorkWaiting", "MaxReplicas", "Draining"))
    assert decision.steps[-1].message == "draining to 4: worker-7 has 1 running and 0 reserved"


@pytest.mark.parametrize(
    ("reading", "slots", "cluster"),
    [
        (unknown("redis", "no answer"), 1, Quality.FRESH),
        (stale(depth(0).value, "redis", 5.0, "no answer"), 1, Quality.FRESH),
        (depth(0), unknown("workers", "no answer"), Quality.FRESH),
        (depth(0), stale(1, "workers", 9.0, "old"), Quality.FRESH),
        (depth(0), 1, Quality.STALE),
    ],
)
def test_nothing_shrinks_on_what_is_not_known_now(reading, slots, cluster):
    """A broker, a worker or a cluster that does not answer is never taken for an empty queue."""
    decision = first(snapshot(4, reading, slots=slots, cluster=cluster), policy(most=3))
    assert decision.replicas == 4
    assert "ReadingsNotFresh" in reasons(decision)


def test_old_readings_may_still_call_workers_up():
    """What waited a moment ago most likely waits still."""
    seen: Reading = stale(depth(6).value, "redis", 5.0, "no answer")
    assert first(snapshot(1, seen)).replicas == 6


def test_an_unknown_demand_keeps_what_is_there_and_says_why():
    """The reason names the source that is silent."""
    decision = first(snapshot(4, unknown("redis a:6379", "refused the connection")))
    assert (decision.replicas, decision.demand_slots, decision.reason) == (4, None, "DemandUnknown")
    assert "redis a:6379: refused the connection" in decision.steps[0].message


def unasked(window: float) -> Policy:
    """Return the policy of a target whose workers are not asked, so that the broker's word has to do."""
    return replace(policy(down=rules(window=window)), remote_control=False)


def test_the_quiet_window_starts_anew_after_a_gap():
    """A daemon that was stopped for a while has not watched the time between."""
    held = unasked(10)
    history = History.seeded(0, 3)
    for at in (1.0, 8.0, 100.0):
        decision = decide(snapshot(3, at=at), held, history)
        assert decision.replicas == 3
        history = history.record(decision, held)
    assert decide(snapshot(3, at=111.0), held, history).replicas == 0


def test_an_unknown_reading_interrupts_the_quiet():
    """Not knowing is not the same as seeing nothing."""
    held = unasked(10)
    history = History.seeded(0, 3)
    silent: Reading = unknown("redis", "no answer")
    for at, reading in ((1.0, depth()), (6.0, silent), (12.0, depth()), (18.0, depth())):
        decision = decide(snapshot(3, reading, at=at), held, history)
        assert decision.replicas == 3
        history = history.record(decision, held)
    assert decide(snapshot(3, at=23.0), held, history).replicas == 0


def test_a_restart_cannot_collapse_a_fleet():
    """Somebody who has just arrived counts the present as asked for, for a whole window."""
    held = policy(down=rules(window=60))
    decision = decide(snapshot(8), held, History.seeded(1000.0, 8))
    assert (decision.replicas, decision.proposal) == (8, 0)


def test_every_step_tells_numbers_people_can_check():
    """The sentence holds the sum, and where the slots come from."""
    decision = first(snapshot(1, depth(7, 2), slots=fresh(4, "celery stats of celery@worker-0")))
    assert decision.steps[0].message == (
        "7 ready + 2 with workers = 9 slots wanted; 4 a worker (celery stats of celery@worker-0) makes 3"
    )
