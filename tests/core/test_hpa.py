"""A target that a HorizontalPodAutoscaler scales too: what is asked for in each mode, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.decide import decide
from autoscaler.core.foreign import notices
from autoscaler.core.history import History
from autoscaler.core.hpa import Hpa, shared
from autoscaler.core.hpa_notices import notice
from autoscaler.core.model import Decision, Quality, Reading, WorkerPod, fresh, stale, unknown
from autoscaler.core.others import Others, Rival, Write
from autoscaler.core.policy import HpaMode, Policy
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer
from tests.builders import NOW, cordon, depth, policy, reasons, snapshot, worker

BY_HPA = Writer("kube-controller-manager", subresource="scale")
ACTIVATE, FLOOR, OWN, OBSERVE = HpaMode.ACTIVATE, HpaMode.FLOOR, HpaMode.OWN, HpaMode.OBSERVE


def hpa(least: int = 1, most: int = 10, **more) -> Hpa:
    """Return an HPA on CPU with these bounds, which nobody has moved."""
    return Hpa("cpu", "uid-cpu", least, most, **{"own_min": least, "metrics": ("cpu",), **more})


def by_another(at: float, before: int, after: int) -> History:
    """Return the memory after a write by an HPA that is left its part."""
    write = Write(before, after, BY_HPA)
    return History.seeded(900.0, before).overwritten(at, write, policy(), shared=True)


def beside(seen: Snapshot, *hpas: Hpa, reading: Reading[tuple[Hpa, ...]] | None = None) -> Snapshot:
    """Return a snapshot of a target that HPAs scale too."""
    known = fresh(hpas, "HPAs") if reading is None else reading
    return replace(seen, workers=replace(seen.workers, hpas=known))


def mode(which: HpaMode, **bounds: int) -> Policy:
    """Return a policy with a mode."""
    return replace(policy(bounds.get("least", 0), bounds.get("most", 100)), hpa=which)


def decided(
    seen: Snapshot, which: HpaMode = ACTIVATE, history: History | None = None, **bounds: int
) -> Decision:
    """Return a decision, by default of somebody who has long been there."""
    long_there = replace(History.seeded(0.0, seen.workers.replicas), asked=(), peaks=(), troughs=())
    return decide(seen, mode(which, **bounds), history or long_there)


ASKED = {
    "no metrics": (hpa(replicas=4), 0, None),
    "nothing there": (hpa(load=2.0), 0, None),
    "below": (hpa(replicas=4, load=0.5), 0, 2),
    "above": (hpa(replicas=4, load=1.5), 0, 6),
    "within the tolerance, less": (hpa(replicas=10, load=0.91), 0, 10),
    "within the tolerance, more": (hpa(replicas=10, load=1.09), 0, 10),
    "without any tolerance": (hpa(replicas=10, load=0.91, tolerance=0.0), 0, 10),
    "no float's whim": (hpa(replicas=10, load=0.1 + 0.2), 0, 3),
    "young ones count as busy": (hpa(replicas=10, load=0.2), 5, 6),
    "young ones may be busy": (hpa(replicas=10, load=3.0), 5, 30),
    "more young ones than it has seen": (hpa(replicas=2, load=0.2), 5, 2),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_its_metrics_ask_for(name: str):
    """As the controller reckons it."""
    one, young, asks = ASKED[name]
    assert one.asks(young) == asks


def test_who_has_no_metrics_yet():
    """Those that start and those that have just started, but neither those that end nor those that wait."""
    seen = beside(snapshot(4), hpa(replicas=4, load=0.25))
    assert decided(seen).hpa_asks == 1
    first, second, third, last = seen.workers.pods
    changed = (
        replace(first, started_at=NOW - 59.0),
        WorkerPod("worker-1", ready=False, terminating=False, started_at=None, place=1),
        replace(third, terminating=True, started_at=NOW),
        replace(last, occupied=False, started_at=None),
    )
    assert second.started_at is not None
    young = replace(seen, workers=replace(seen.workers, pods=changed))
    assert decided(young).hpa_asks == 3
    assert decided(snapshot(4)).hpa_asks is None


WAITING = depth(7)
SILENT = (worker("worker-0", quality=Quality.STALE), *(worker(f"worker-{n}") for n in (1, 2, 3)))
"""Workers that are proven idle, but the first, which does not answer."""


def test_without_one_nothing_is_different():
    """In all modes but to observe, where nothing is written even so."""
    seen = beside(snapshot(0, WAITING))
    for which in (ACTIVATE, FLOOR, OWN):
        decision = decided(seen, which)
        assert (decision.replicas, decision.floor, reasons(decision)) == (7, None, ("WorkWaiting",))
    decision = decided(seen, OBSERVE)
    assert (decision.replicas, decision.reason) == (0, "HpaObserved")
    assert "no HPA is seen): nothing is written; 7 would have been asked for" in decision.steps[-1].message


FROM_ZERO = {
    "straight to what is needed": (hpa(), 7, ()),
    "to its maximum": (hpa(most=5), 5, ("HpaMaxReplicas",)),
    "to its minimum": (hpa(least=9), 9, ("HpaMinReplicas",)),
    "to its minimum, as far as ours allows": (hpa(least=30, most=40), 20, ("HpaMinReplicas",)),
}


@pytest.mark.parametrize("which", [ACTIVATE, FLOOR])
@pytest.mark.parametrize("name", FROM_ZERO)
def test_from_zero(name: str, which: HpaMode):
    """What an HPA cannot do."""
    one, replicas, told = FROM_ZERO[name]
    decision = decided(beside(snapshot(0, WAITING), one), which, most=20)
    assert (decision.replicas, reasons(decision)[1:]) == (replicas, told)
    assert decided(beside(snapshot(0), one), which).replicas == 0


@pytest.mark.parametrize("wanted", [depth(9), depth(1)], ids=["more", "fewer"])
def test_in_between_it_rules(wanted):
    """Whatever the demand, and it is said what would have been asked for, and the better choice."""
    decision = decided(beside(snapshot(4, wanted), hpa()))
    assert (decision.replicas, decision.reason, decision.floor) == (4, "HpaRules", None)
    assert 'HPA cpu (1 to 10 on cpu) rules between zero and its maximum (hpa = "floor"' in (
        decision.steps[-1].message
    )
    assert decided(beside(snapshot(4, depth(4)), hpa())).bound_by == ()


def test_to_zero_it_is_all_or_none():
    """One patch when all are proven idle; while one is silent nobody goes, and that is said."""
    seen = beside(snapshot(4), hpa())
    assert (decided(seen).replicas, decided(seen).departing) == (
        0,
        ("worker-0", "worker-1", "worker-2", "worker-3"),
    )
    decision = decided(replace(seen, crew=SILENT))
    assert (decision.replicas, decision.reason, decision.departing, decision.ripe) == (4, "Draining", (), ())
    assert "HPA cpu (1 to 10 on cpu) would put back whoever goes before" in decision.steps[-1].message
    assert [cordon.pod for cordon in decision.cordons] == [f"worker-{n}" for n in range(4)]


def test_one_that_scales_to_zero_itself_rules_wholly():
    """It might undo anything."""
    one = hpa(least=0)
    for replicas, demand in ((0, WAITING), (4, depth()), (4, WAITING)):
        decision = decided(beside(snapshot(replicas, demand), one))
        assert (decision.replicas, decision.reason) == (replicas, "HpaRules")
        assert "scales to zero itself" in decision.steps[-1].message


@pytest.mark.parametrize("which", [ACTIVATE, FLOOR])
def test_nothing_goes_to_zero_right_after_somebody_has_raised_it(which: HpaMode):
    """Not within a minute; our own raise does not count."""
    seen = beside(snapshot(4), hpa())
    raised = by_another(1000.0, 2, 4)
    decision = decided(seen, which, raised)
    assert (decision.replicas, decision.reason) == (4, "HpaJustRaised")
    assert "raised to 4 by another 0 s ago" in decision.steps[-1].message
    raised = raised.record(decision, mode(which))
    later = replace(seen, at=1059.0, now=NOW + 59.0)
    assert decided(later, which, raised).reason == "HpaJustRaised"
    assert decided(replace(later, at=1060.0), which, raised).replicas == 0
    assert decided(seen, which, History.seeded(980.0, 2).moved(980.0, 2)).replicas == 0
    assert decided(seen, which, by_another(1000.0, 5, 4)).replicas == 0
    assert decided(beside(snapshot(0), hpa()), which, raised).bound_by == ()


UNSEEN: dict[str, tuple[Reading[tuple[Hpa, ...]], dict[HpaMode, str]]] = {
    "not listed yet": (unknown("HPAs", "not listed yet"), {ACTIVATE: "HpaUnknown", FLOOR: "HpaUnknown"}),
    "not told": (stale((), "HPAs", 9.0, "forbidden"), {ACTIVATE: "", FLOOR: "HpaUnknown"}),
    "old": (stale((hpa(),), "HPAs", 9.0, "cut"), {ACTIVATE: "HpaRules", FLOOR: "HpaUnknown"}),
}


@pytest.mark.parametrize("which", [ACTIVATE, FLOOR])
@pytest.mark.parametrize("name", UNSEEN)
def test_what_is_not_known_may_grow_a_fleet_and_not_shrink_it(name: str, which: HpaMode):
    """Where the cluster does not tell for good, a target is scaled as if there were none, unless floored."""
    reading, told = UNSEEN[name]
    decision = decided(beside(snapshot(4, depth(1)), reading=reading), which)
    reason = told[which]
    assert (decision.replicas, reasons(decision)[1:]) == (4 if reason else 1, (reason,) if reason else ())
    grown = decided(beside(snapshot(0, WAITING), reading=reading), which)
    assert grown.replicas == 7


RIVALS = {
    "two": ((hpa(), replace(hpa(), name="other")), "2 HPAs scale it: cpu, other"),
    "KEDA's": ((hpa(made_by_keda=True),), "HPA cpu is KEDA's"),
}


@pytest.mark.parametrize("which", [ACTIVATE, FLOOR])
@pytest.mark.parametrize("name", RIVALS)
def test_a_conflict_is_stayed_out_of(name: str, which: HpaMode):
    """Replicas and workers are left alone, those that take no tasks are given their queues back."""
    hpas, words = RIVALS[name]
    for replicas, demand in ((0, WAITING), (4, depth()), (4, WAITING)):
        decision = decided(beside(snapshot(replicas, demand), *hpas), which)
        assert (decision.replicas, decision.reason, decision.floor) == (replicas, "HpaConflict", None)
        assert words in decision.steps[-1].message
        assert all(order.consume for order in decision.orders)
        assert all(one.giving_back for one in decision.cordons)
    calm = decided(beside(snapshot(4, depth(4)), *hpas), which)
    assert calm.bound_by == ()


def test_to_observe_is_to_leave_workers_alone_too():
    """Idle ones at the top are not taken out of service."""
    crew = tuple(worker(f"worker-{n}", cordoned=False) for n in range(4))
    seen = beside(snapshot(4, depth(1), crew=crew, cordons=()), hpa())
    decision = decided(seen, OBSERVE)
    assert (decision.replicas, decision.cordons, decision.orders) == (4, (), ())
    assert "hpa is observe (HPA cpu (1 to 10 on cpu)): nothing is written; 1 would" in (
        decision.steps[-1].message
    )
    assert decided(seen, OWN).cordons


def test_to_own_is_to_say_so():
    """Nothing is different but the words."""
    decision = decided(beside(snapshot(4), hpa()), OWN)
    assert decision.replicas == 0
    assert decision.steps[0].message.endswith("; HPA cpu (1 to 10 on cpu) fights for it (hpa is own)")


def floored(least: int = 1, most: int = 10, at: int = 4, **more) -> Hpa:
    """Return an HPA whose minimum we hold at the replicas."""
    return hpa(at, most, own_min=least, floored=True, **more)


FLOORED = {
    "a raise": (snapshot(4, WAITING), floored(), 7, ()),
    "to its maximum": (snapshot(4, depth(20)), floored(), 10, ("HpaMaxReplicas",)),
    "from beyond its maximum": (snapshot(4, WAITING), floored(most=3, at=3), 3, ("HpaMaxReplicas",)),
    "past the idle ones": (snapshot(4, depth(1)), floored(), 1, ()),
    "to its own minimum": (snapshot(4, depth(1)), floored(least=2), 2, ("HpaMinReplicas",)),
    "below its own minimum": (snapshot(1, depth(1)), hpa(least=2), 2, ("HpaMinReplicas",)),
    "to what its metrics ask for": (snapshot(4, depth(1)), floored(replicas=4, load=0.7), 3, ("HpaWants",)),
    "not while they are right": (
        snapshot(4, depth(1)),
        floored(replicas=4, load=1.0),
        4,
        ("HpaWants",),
    ),
    "to zero whatever they ask for": (snapshot(4), floored(replicas=4, load=1.0), 0, ()),
}


@pytest.mark.parametrize("name", FLOORED)
def test_floored(name: str):
    """It may raise, and only we lower: never to where it would put anything back."""
    seen, one, replicas, told = FLOORED[name]
    decision = decided(beside(seen, one), FLOOR)
    assert (decision.replicas, reasons(decision)[1:]) == (replicas, told)


def test_floored_to_zero_past_a_silent_one():
    """Those above it go as far as the metrics allow, the rest with the last."""
    seen = replace(snapshot(4), crew=SILENT)
    decision = decided(beside(seen, floored(replicas=4, load=0.5)), FLOOR)
    assert (decision.replicas, decision.reason) == (2, "Draining")
    assert decision.departing == ("worker-2", "worker-3")
    assert "would put back whoever goes before" in decision.steps[-1].message
    decision = decided(beside(seen, floored()), FLOOR)
    assert (decision.replicas, decision.reason) == (1, "Draining")
    assert "would put back" in decision.steps[-1].message


def test_what_its_metrics_asked_for_stands_for_its_window():
    """It follows the highest of that; a raise of its own counts as well, for a minute at least."""
    held = mode(FLOOR)
    busy = beside(snapshot(4, depth(4)), floored(replicas=4, load=0.7))
    history = replace(History.seeded(0.0, 4), asked=(), peaks=(), troughs=())
    history = history.record(decide(busy, held, history), held)
    for seconds, replicas in ((299.0, 3), (300.0, 1)):
        calm = replace(snapshot(4, depth(1)), at=1000.0 + seconds, now=NOW + seconds)
        assert decide(beside(calm, floored(replicas=4, load=0.1)), held, history).replicas == replicas
    raised = replace(by_another(1000.0, 3, 4), asked=(), peaks=(), troughs=())
    for seconds, replicas in ((59.0, 4), (60.0, 1)):
        calm = replace(snapshot(4, depth(1)), at=1000.0 + seconds, now=NOW + seconds)
        one = floored(replicas=4, load=0.1, window_seconds=0.0)
        assert decide(beside(calm, one), held, raised).replicas == replicas


def test_the_present_counts_as_asked_for_when_nobody_has_watched():
    """A restart forgets what its metrics asked for, and so lowers nothing but to zero for a window."""
    seen = beside(snapshot(4, depth(1)), floored(replicas=4, load=0.1))
    at_once = replace(History.seeded(999.0, 4), peaks=(), troughs=())
    assert decided(seen, FLOOR, at_once).reason == "HpaWants"
    assert decided(beside(snapshot(4), floored(replicas=4, load=0.1)), FLOOR, at_once).replicas == 0


def test_new_workers_are_not_lowered_before_their_metrics_are_seen():
    """They may be just what it would ask for; where there are no metrics for long, that is no reason."""
    seen = snapshot(4, depth(1))
    pods = tuple(replace(pod, started_at=NOW - 59.0) for pod in seen.workers.pods)
    cordons = tuple(replace(one, started_at=NOW - 59.0) for one in seen.cordons or ())
    young = replace(seen, workers=replace(seen.workers, pods=pods), cordons=cordons)
    decision = decided(beside(young, floored()), FLOOR)
    assert (decision.replicas, decision.reason, decision.hpa_asks) == (4, "HpaWants", None)
    assert "about to see the metrics of new workers" in decision.steps[-1].message
    assert decided(beside(replace(young, now=NOW + 1.0), floored()), FLOOR).replicas == 1


def test_a_later_number_hides_lower_ones_before_it():
    """So the memory is bounded."""
    held, history = mode(FLOOR), History.seeded(0.0, 2)
    for at, load in ((10.0, 0.4), (20.0, 0.6), (30.0, 0.3), (40.0, 0.2)):
        seen = replace(beside(snapshot(10, depth(10)), floored(at=10, replicas=10, load=load)), at=at)
        history = history.record(decide(seen, held, history), held)
    assert [(mark.at, mark.replicas) for mark in history.asked] == [(20.0, 6), (30.0, 3), (40.0, 2)]
    blind = replace(beside(snapshot(10, depth(10)), floored(at=10)), at=3625.0)
    history = history.record(decide(blind, held, history), held)
    assert [mark.at for mark in history.asked] == [30.0, 40.0]


NOTICES: list[tuple[Reading[tuple[Hpa, ...]], HpaMode, str, str]] = [
    (fresh((hpa(),), ""), ACTIVATE, "HpaFound", 'hpa = "floor" keeps the HPA in charge'),
    (fresh((hpa(),), ""), FLOOR, "HpaFound", "only we lower"),
    (fresh((hpa(),), ""), OBSERVE, "HpaFound", "nothing is written by us"),
    (fresh((hpa(), hpa()), ""), OBSERVE, "HpaFound", "and HPA cpu"),
    (fresh((hpa(),), ""), OWN, "HpaFights", "we undo each other's work"),
    (fresh((hpa(), hpa()), ""), FLOOR, "HpaConflict", "2 HPAs scale it: cpu, cpu: the target is left alone"),
    (
        stale((), "", 1.0, "forbidden"),
        ACTIVATE,
        "HpaUnseen",
        "forbidden: it is scaled as if",
    ),
    (stale((), "", 1.0, "forbidden"), FLOOR, "HpaUnseen", "forbidden: nothing shrinks"),
]


@pytest.mark.parametrize("case", NOTICES, ids=[f"{n}-{case[2]}" for n, case in enumerate(NOTICES)])
def test_notices(case):
    """What it may do, what we do, what is better."""
    reading, which, reason, words = case
    told = notice(reading, which)
    assert told is not None
    assert (told.reason, told.warning) == (reason, reason != "HpaFound")
    assert words in told.message


def test_who_is_left_its_part_is_no_rival():
    """However often an HPA lowers or raises; in other modes, or beside a second one, it is."""
    shared_one, write = (hpa(),), Write(4, 2, BY_HPA)
    assert all(shared(shared_one, which) for which in (ACTIVATE, FLOOR))
    assert not any(shared(shared_one, which) for which in (OWN, OBSERVE))
    assert not shared((hpa(), hpa()), FLOOR)
    assert not shared((), FLOOR)
    history = History.seeded(0.0, 4)
    for at in (10.0, 20.0, 30.0, 40.0, 50.0):
        history = history.moved(at, 2).overwritten(at, write, policy(), shared=True)
    assert history.others.rivals == ()
    assert history.moved(60.0, 2).overwritten(60.0, write, policy()).others.rivals


def test_of_who_is_left_its_part_only_work_that_it_ends_is_told():
    """With whom it ended, each time."""
    write, before = Write(4, 2, BY_HPA), Others(4, ours=True)
    after = before.wrote(1000.0, write, 0.0, shared=True)
    crew = tuple(worker(f"worker-{n}", int(n == 3)) for n in range(4))
    seen = replace(snapshot(4), crew=crew)
    (told,) = notices(write, seen, before, after, shared=True)
    assert (told.reason, told.pods, told.warning) == ("HpaEndedWork", ("worker-2", "worker-3"), True)
    assert "1 of them at work: worker-3: it knows nothing of tasks" in told.message
    assert notices(write, snapshot(4), before, after, shared=True) == ()
    assert notices(Write(2, 4, BY_HPA), seen, before, after, shared=True) == ()


def test_no_notice():
    """Of none, and of what is not known yet."""
    assert notice(fresh((), ""), ACTIVATE) is None
    assert notice(unknown("HPAs", "not listed yet"), ACTIVATE) is None


def test_a_closing_daemon_leaves_the_replicas():
    """And gives back what it took."""
    seen = replace(beside(snapshot(4), floored()), closing=True)
    decision = decided(seen, FLOOR)
    assert decision.replicas == 4
    assert all(order.consume for order in decision.orders)


def test_a_stale_view_lowers_nothing():
    """Beside an HPA as without."""
    seen = beside(snapshot(4, cluster=Quality.STALE, cordons=(cordon("worker-3"),)), floored())
    assert decided(seen, FLOOR).replicas == 4


@pytest.mark.parametrize(("replicas", "ready"), [(2, 20), (12, 20), (6, 1)])
def test_its_bounds_are_no_reason_to_write_in_a_fight(replicas: int, ready: int):
    """Below its minimum, above its maximum and between: the number is left to whoever fights for it."""
    rival = Rival(Writer("helm"), (900.0,), fights=1, until=2000.0)
    past = replace(History.seeded(0.0, replicas), others=Others(replicas, rivals=(rival,)))
    decision = decided(beside(snapshot(replicas, depth(ready)), hpa(least=4)), FLOOR, past)
    assert (decision.replicas, decision.reason) == (replicas, "FightingWriter")


def test_its_maximum_shrinks_nothing_that_is_not_seen_well():
    """Neither when it was lowered below what there is, nor on an old word of the HPA itself."""
    one = hpa(most=10)
    for blurred in (
        beside(snapshot(12, depth(20), cluster=Quality.STALE), one),
        beside(snapshot(12, unknown("redis", "no answer")), one),
        beside(snapshot(12, depth(20)), reading=stale((one,), "HPAs", 9.0, "cut")),
    ):
        decision = decided(blurred, FLOOR)
        assert decision.replicas == 12
        assert not any(cordon.since is not None for cordon in decision.cordons)
    assert decided(beside(snapshot(12, depth(20)), one), FLOOR).replicas == 10


@pytest.mark.parametrize("which", [ACTIVATE, FLOOR])
def test_its_minimum_opens_no_more_connections_than_the_database_has(which: HpaMode):
    """As it does not go beyond our own maximum."""
    held = replace(mode(which, most=10), max_db_connections=8, db_connections_per_worker=2)
    decision = decide(beside(snapshot(0, depth(1)), hpa(least=6)), held, History.seeded(0.0, 0))
    assert (decision.replicas, decision.reason) == (4, "HpaMinReplicas")


def test_a_floor_that_was_left_behind_calls_nobody():
    """From zero it is the user's own minimum that counts: the floor is restored in the same breath."""
    decision = decided(beside(snapshot(0, depth(1)), floored(least=2, at=8)), ACTIVATE)
    assert (decision.replicas, decision.floor and decision.floor.to) == (2, 2)
