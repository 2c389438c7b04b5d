"""Who is taken out of service, who is put back, and how far the replicas go down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.account import Answer, WorkerAccount
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Cordon, Decision, Order, Quality, Reading, WorkerPod, stale, unknown
from autoscaler.core.policy import AtDeadline, DrainRules, Fallback, FallbackMode, Policy
from autoscaler.core.snapshot import Snapshot
from tests.builders import NOW, cordon, depth, policy, reasons, snapshot, worker

SETTLED = 2.0


def held(most: int = 100, least: int = 0, **rules) -> Policy:
    """Return a policy that asks for what the demand asks for, without placement unless told so."""
    return replace(policy(least, most), drain=DrainRules(**{"placement": False} | rules))


def decided(seen: Snapshot, by: Policy | None = None, past: History | None = None) -> Decision:
    """Decide for a target that has long been at its size."""
    history = past or History.seeded(seen.at - 10_000, seen.workers.replicas)
    return decide(seen, by or held(), history)


def consuming(count: int, **busy: int) -> tuple[tuple[str, WorkerAccount], ...]:
    """Return workers that take tasks, some of which (w0=…) run some."""
    return tuple(worker(f"worker-{n}", active=busy.get(f"w{n}", 0), cordoned=False) for n in range(count))


def with_pods(seen: Snapshot, **changes: object) -> Snapshot:
    """Return a snapshot with pods changed: w2={"occupied": False}, or None to have it gone."""
    pods: list[WorkerPod] = []
    for pod in seen.workers.pods:
        change = changes.get(f"w{pod.place}", {})
        if isinstance(change, dict):
            pods.append(replace(pod, **change))
    return replace(seen, workers=replace(seen.workers, pods=tuple(pods)))


def test_a_surplus_is_cordoned_first_and_its_cordon_remembered():
    """Three of five are to go: nothing is lowered yet, and they are told to take no tasks."""
    decision = decided(snapshot(5, depth(2), crew=consuming(5), cordons=()))
    assert (decision.replicas, reasons(decision)[-1]) == (5, "Draining")
    names = ("worker-2", "worker-3", "worker-4")
    assert decision.orders == tuple(Order(name, ("default",), consume=False) for name in names)
    assert decision.cordons == tuple(
        Cordon(name, ("default",), started_at=NOW - 500.0, since=NOW) for name in names
    )
    assert decision.draining == frozenset(names)


def test_what_is_proven_idle_goes_in_one_patch():
    """Two that have long taken no tasks go at once, without any order."""
    decision = decided(snapshot(4, depth(2)))
    assert (decision.replicas, decision.orders) == (2, tuple(given("worker-0", "worker-1")))


def given(*pods: str) -> list[Order]:
    """Return the orders that give queues back."""
    return [Order(pod, ("default",), consume=True) for pod in pods]


@pytest.mark.parametrize(
    ("account", "wanted", "told"),
    [
        ({}, 1, ""),
        ({"active": 1}, 2, "has 1 running and 0 reserved"),
        ({"reserved": 2}, 2, "has 0 running and 2 reserved"),
        ({"reserved": None}, 2, "has not answered yet"),
        ({"eta": (NOW + 500.0,)}, 1, ""),
        ({"eta": (NOW + 4.0, NOW + 500.0)}, 2, "keeps a task that is about to be due"),
        ({"cordoned_seconds": None}, 2, "still takes tasks"),
        ({"cordoned_seconds": 2.4}, 2, "being made sure of"),
        ({"cordoned_seconds": 3.5}, 1, ""),
        ({"answers": (Answer(0.5, 0, 0),)}, 2, "being made sure of"),
        ({"answers": (Answer(1.5, 1, 0), Answer(0.5, 0, 0))}, 2, "being made sure of"),
        ({"answers": (Answer(1.5, 0, 1), Answer(0.5, 0, 0))}, 2, "being made sure of"),
        ({"answers": (), "quality": Quality.STALE}, 2, "does not answer"),
        ({"quality": Quality.STALE}, 1, ""),
    ],
)
def test_when_a_worker_is_proven_idle(account, wanted, told):
    """Its cordon has settled, and two answers in a row after that tell of no task that is due."""
    name, idle = worker("worker-1")
    changed = replace(idle, **account)
    waiting = (
        1 - (changed.active or 0) - (changed.reserved or 0) - sum(at < NOW + 60 for at in changed.eta or ())
    )
    seen = snapshot(2, depth(max(0, waiting)), crew=(worker("worker-0"), (name, changed)))
    decision = decided(seen, held(most=1))
    assert decision.replicas == wanted
    assert told in decision.steps[-1].message


def test_reserved_tasks_may_be_left_to_sigterm():
    """With return_reserved a worker that runs nothing goes: it gives back what it has reserved."""
    crew = (worker("worker-0"), worker("worker-1", reserved=7))
    assert decided(snapshot(2, crew=crew), held(most=1)).replicas == 2
    assert decided(snapshot(2, crew=crew), held(most=1, return_reserved=True)).replicas == 1


@pytest.mark.parametrize(
    ("pod", "goes"),
    [
        ({"occupied": False}, True),
        ({"terminating": True}, True),
        (None, True),
        ({"ready": False}, False),
        ({"started_at": None}, False),
    ],
)
def test_a_pod_is_idle_by_proof_of_its_status_alone(pod, goes):
    """Whoever runs no worker, or is ended by somebody else, holds nothing up; a starting one does."""
    seen = with_pods(snapshot(2, depth(1), crew=(worker("worker-0"),)), w1=pod)
    decision = decided(seen)
    assert decision.replicas == (1 if goes else 2)
    assert all(c.pod != "worker-1" for c in decision.cordons) == goes


def test_a_task_on_a_high_ordinal_pins_what_is_below_and_nothing_above():
    """The second from the top is busy: the top goes, and two idle ones below wait for it."""
    crew = tuple(worker(f"worker-{n}", active=int(n == 3)) for n in range(5))
    decision = decided(snapshot(5, crew=crew))
    assert (decision.replicas, reasons(decision)[-1]) == (4, "Draining")
    assert decision.steps[-1].message == "draining to 1: worker-3 has 1 running and 0 reserved"


def test_one_patch_does_for_several_where_that_takes_seconds():
    """The top is proven idle, the next only has to be made sure of: both go together."""
    name, idle = worker("worker-1")
    settling = (name, replace(idle, cordoned_seconds=1.0))
    crew = (worker("worker-0"), settling, worker("worker-2"))
    assert decided(snapshot(3, depth(1), crew=crew)).replicas == 3
    unheard = (worker("worker-0"), worker("worker-2"))
    assert decided(snapshot(3, depth(1), crew=unheard)).replicas == 2


def test_what_only_lacks_answers_is_told_apart():
    """Their cordons have settled: two answers would do, so that somebody may ask for them now."""
    name, idle = worker("worker-1")
    for cordoned, ripe in ((1.9, ()), (2.0, (name,)), (100.0, ())):
        known = (name, replace(idle, cordoned_seconds=cordoned))
        crew = (worker("worker-0", cordoned=False), known)
        decision = decided(snapshot(2, depth(1), crew=crew, cordons=(cordon(name, NOW - 3.0),)))
        assert decision.ripe == ripe
    unheard = (worker("worker-0", cordoned=False),)
    assert decided(snapshot(2, depth(1), crew=unheard, cordons=())).ripe == ()


def test_a_worker_that_does_not_obey_is_not_waited_for_for_ever():
    """It goes on taking tasks: for some seconds the patch waits for it, then those above it go."""
    disobedient = worker("worker-1", cordoned=False)
    crew = (worker("worker-0", cordoned=False), disobedient, worker("worker-2"))
    for age, wanted in ((9.0, 3), (11.0, 2)):
        cordons = (cordon("worker-1", NOW - age), cordon("worker-2", NOW - age))
        decision = decided(snapshot(3, depth(1), crew=crew, cordons=cordons))
        assert decision.replicas == wanted
        assert Order("worker-1", ("default",), consume=False) in decision.orders


def test_gaps_among_the_ordinals_are_no_workers():
    """A quota left w-0 to w-3 and w-5: five that exist are six replicas, and four are four."""
    six = with_pods(snapshot(6, depth(5)), w4=None)
    decision = decided(six)
    assert (decision.replicas, reasons(decision)[-1]) == (6, "OrdinalsMissing")
    assert decided(with_pods(snapshot(6, depth(4)), w4=None)).replicas == 4
    behind = with_pods(snapshot(10, depth(3)), w4=None, w5=None, w6=None, w7=None, w8=None, w9=None)
    assert decided(behind).replicas == 3


def test_when_the_demand_comes_back_queues_are_given_back_first():
    """Two that were to go are told to consume, in the same decision that asks for one more pod."""
    crew = (*consuming(2), worker("worker-2"), worker("worker-3"))
    cordons = (cordon("worker-2", NOW - 5.0), cordon("worker-3", NOW - 5.0))
    decision = decided(snapshot(4, depth(5), crew=crew, cordons=cordons))
    assert (decision.replicas, decision.orders) == (5, tuple(given("worker-2", "worker-3")))
    assert all(c.giving_back and c.since is None for c in decision.cordons)


def test_a_cordon_is_forgotten_when_the_worker_says_that_it_consumes():
    """Only after it was told so: before that it may not have heard of its cordon yet."""
    for told, left in ((False, 1), (True, 0)):
        memory = (cordon("worker-0", None, "a", "b", giving_back=told),)
        account = replace(worker("worker-0", cordoned=False)[1], queues=("a", "b", "c"))
        decision = decided(snapshot(1, depth(1), crew=(("worker-0", account),), cordons=memory))
        assert (len(decision.cordons), len(decision.orders)) == (left, left)
    half = replace(worker("worker-0", cordoned=False)[1], queues=("a",))
    decision = decided(snapshot(1, depth(1), crew=(("worker-0", half),), cordons=memory))
    assert decision.orders == (Order("worker-0", ("b",), consume=True),)
    silent = decided(snapshot(1, depth(1), crew=(), cordons=memory))
    assert silent.orders == (Order("worker-0", ("a", "b"), consume=True),)


def test_a_worker_that_may_forget_its_queues_is_remembered_for_as_long_as_it_lives():
    """Before Celery 5.7 what was given back is lost when the worker connects anew: it is given back again."""
    memory = (cordon("worker-0", giving_back=True),)
    old = replace(worker("worker-0", cordoned=False)[1], forgetful=True)
    seen = snapshot(1, depth(1), crew=(("worker-0", old),), cordons=memory)
    decision = decided(seen)
    (kept,) = decision.cordons
    assert (kept.returned, decision.orders) == (True, ())
    untold = replace(old, queues=None)
    for account, orders in ((old, []), (untold, []), (replace(old, queues=()), given("worker-0"))):
        later = replace(seen, crew=(("worker-0", account),), cordons=(kept,))
        assert list(decided(later).orders) == orders
        assert decided(later).cordons[0].returned == (not orders)
    again = decided(replace(seen, broker=depth(0), cordons=(kept,)))
    assert (again.cordons[0].giving_back, again.cordons[0].returned) == (False, False)


def one_by_one(seen: Snapshot) -> Snapshot:
    """Return the snapshot as one of a set that ends its pods one after the other."""
    return replace(seen, workers=replace(seen.workers, parallel=False))


def test_where_pods_end_one_after_the_other_nobody_goes_who_may_be_at_work_by_then():
    """A pod that runs no worker may start one, and a task that is kept until its time may be due."""
    keeps = (worker("worker-0", cordoned=False), worker("worker-1", eta=(NOW + 500.0,)), worker("worker-2"))
    seen = snapshot(3, depth(1), crew=keeps)
    assert decided(seen).replicas == 1
    later = decided(one_by_one(seen))
    assert (later.replicas, reasons(later)[-1]) == (2, "EndedOneByOne")
    empty = with_pods(snapshot(3, depth(1), crew=(*keeps[:1], *keeps[2:])), w1={"occupied": False})
    assert (decided(empty).replicas, decided(one_by_one(empty)).replicas) == (1, 2)
    top = with_pods(snapshot(2, depth(1), crew=keeps[:1]), w1={"occupied": False})
    assert decided(one_by_one(top)).replicas == 1
    ending = replace(top, workers=replace(top.workers, replicas=2, parallel=False))
    extra = replace(ending.workers.pods[0], name="worker-2", place=2, terminating=True)
    still = replace(ending, workers=replace(ending.workers, pods=(*ending.workers.pods, extra)))
    assert decided(still).replicas == 2


def test_an_old_view_of_the_cluster_takes_nothing_and_gives_back_what_is_needed():
    """Whoever is not seen well may be needed; those who were told to stop are told to go on."""
    crew = (*consuming(2), worker("worker-2"), worker("worker-3"))
    cordons = (cordon("worker-2"), cordon("worker-3"))
    seen = snapshot(4, depth(4), crew=crew, cordons=cordons, cluster=Quality.STALE)
    decision = decided(seen)
    assert list(decision.orders) == given("worker-2", "worker-3")
    assert [c.giving_back for c in decision.cordons] == [True, True]
    fallen = snapshot(4, depth(1), crew=consuming(4), cordons=(), cluster=Quality.STALE)
    assert decided(fallen, placed(), past(20.0, 4, 4)).orders == ()


def test_a_worker_that_was_restarted_consumes_by_itself():
    """The memory of its last process is dropped, or begun anew where it is still to go."""
    memory = (replace(cordon("worker-1", NOW - 60.0), started_at=NOW - 900.0),)
    crew = consuming(2)
    assert decided(snapshot(2, depth(2), crew=crew, cordons=memory)).cordons == ()
    decision = decided(snapshot(2, depth(1), crew=crew, cordons=memory))
    assert decision.cordons == (cordon("worker-1", NOW - 60.0),)
    assert decision.orders == (Order("worker-1", ("default",), consume=False),)


def test_an_order_that_was_not_confirmed_is_given_again():
    """What it consumes is not known since it was told: it is told again, the same."""
    account = replace(worker("worker-1")[1], queues=None, cordoned_seconds=None)
    crew = (worker("worker-0", cordoned=False), ("worker-1", account))
    decision = decided(snapshot(2, depth(1), crew=crew, cordons=(cordon("worker-1", NOW - 1.0),)))
    assert decision.orders == (Order("worker-1", ("default",), consume=False),)


def test_a_worker_that_has_not_answered_is_meant_to_go_and_told_nothing():
    """It is starting: its queues are not known, but its deadline runs."""
    crew = consuming(1)
    decision = decided(snapshot(2, depth(1), crew=crew, cordons=()))
    assert decision.cordons == (Cordon("worker-1", (), NOW - 500.0, NOW),)
    assert decision.orders == ()


def test_at_the_deadline_the_default_is_to_wait_and_to_say_so():
    """Lowering anyway is opt-in, and says whom it leaves to the grace period."""
    crew = (worker("worker-0", cordoned=False), worker("worker-1", active=1))
    seen = snapshot(2, crew=crew, cordons=(cordon("worker-1", NOW - 61.0),))
    waits = decided(seen, held(deadline_seconds=60.0))
    assert (waits.replicas, reasons(waits)[-1]) == (2, "DrainDeadlinePassed")
    assert "the deadline of 60 s has passed, and drain.at_deadline is to wait" in waits.steps[-1].message
    lowers = decided(seen, held(deadline_seconds=60.0, at_deadline=AtDeadline.LOWER))
    assert (lowers.replicas, reasons(lowers)[-1]) == (1, "DrainDeadlineForced")
    assert lowers.steps[-1].message == "worker-1 not idle after 60 s: left to the grace period"
    assert decided(seen, held(deadline_seconds=62.0, at_deadline=AtDeadline.LOWER)).replicas == 2


def test_without_remote_control_the_deadline_runs_too():
    """Nobody can be told anything, and after the deadline it is left to the grace period, if so wished."""
    by = replace(held(deadline_seconds=60.0, at_deadline=AtDeadline.LOWER), remote_control=False)
    seen = snapshot(3, depth(1), crew=(), cordons=())
    first = decided(seen, by)
    assert (first.replicas, reasons(first)[-1], first.orders) == (3, "Draining", ())
    assert "remote_control is off" in first.steps[-1].message
    assert [c.pod for c in first.cordons] == ["worker-1", "worker-2"]
    late = replace(seen, now=seen.now + 61.0, cordons=first.cordons)
    assert (decided(late, by).replicas, reasons(decided(late, by))[-1]) == (1, "DrainDeadlineForced")


def test_somebody_elses_cordon_is_left_alone_and_made_up_for():
    """Two consume nothing by another's order: they are no capacity, and get no orders from us."""
    crew = (worker("worker-0"), worker("worker-1"), *consuming(3)[2:])
    decision = decided(snapshot(3, depth(2), crew=crew, cordons=()))
    assert (decision.replicas, reasons(decision)) == (4, ("WorkWaiting", "WorkersNotConsuming"))
    assert "worker-0, worker-1: 2 consume nothing, by another's order" in decision.steps[-1].message
    assert (decision.orders, decision.cordons) == ((), ())
    assert decided(snapshot(3, crew=crew, cordons=()), held()).orders != ()
    idle = decided(snapshot(2, crew=crew[:2], cordons=()))
    assert (idle.replicas, idle.orders) == (0, ())


def test_before_the_end_everything_is_given_back():
    """The daemon is about to end: no worker stays unable to consume because of it."""
    closing = replace(snapshot(4, depth(1)), closing=True)
    decision = decided(closing, held(placement=True))
    assert (decision.replicas, reasons(decision)[-1]) == (4, "Closing")
    assert len(decision.orders) == 4
    assert decided(replace(closing, broker=depth(9)), held()).replicas == 4


def test_without_its_memory_nothing_shrinks():
    """Who takes no tasks because of us is not known yet: nothing is lowered, and growing goes on."""
    lost = replace(snapshot(4, depth(1)), cordons=None, cordons_detail="not listed yet")
    decision = decided(lost)
    assert (decision.replicas, reasons(decision)[-1]) == (4, "DrainMemoryUnknown")
    assert "not listed yet" in decision.steps[-1].message
    assert decided(replace(lost, broker=depth(9))).replicas == 9
    assert (lost.withheld, decision.cordons) == ((), ())


def test_old_readings_take_nothing_and_give_nothing_back():
    """A broker that blinks does not undo a drain; one that is unknown does."""
    seen = snapshot(4, depth(1))
    old: Reading = stale(seen.broker.value, "redis", 3.0, "no answer")
    decision = decided(replace(seen, broker=old))
    assert (decision.replicas, decision.orders, decision.cordons) == (4, (), seen.cordons)
    gone = decided(replace(seen, broker=unknown("redis", "no answer")))
    assert (gone.replicas, len(gone.orders)) == (4, 4)


def test_a_static_fallback_drains_as_well():
    """It shrinks on an unknown demand, since that was asked for, but ends nobody who may be at work."""
    by = replace(held(), fallback=Fallback(FallbackMode.STATIC, 1, 5.0))
    crew = (worker("worker-0"), worker("worker-1", active=1), worker("worker-2"))
    decision = decided(snapshot(3, unknown("redis", "silent"), crew=crew), by)
    assert (decision.replicas, reasons(decision)[-2:]) == (2, ("Fallback", "Draining"))


def test_nobody_is_cordoned_while_the_others_do_not_cover_the_demand():
    """Two are wanted and three are there, but w-0 is not ready: w-2 goes on taking tasks."""
    seen = snapshot(3, depth(2), crew=consuming(3), cordons=())
    assert len(decided(seen).orders) == 1
    decision = decided(with_pods(seen, w0={"ready": False}))
    assert (decision.orders, decision.cordons, decision.replicas) == ((), (), 3)
    assert "still takes tasks, as the workers below it do not cover the demand" in decision.steps[-1].message
    forced = decided(with_pods(seen, w0={"ready": False}), held(most=1))
    assert len(forced.orders) == 2


def placed(**rules) -> Policy:
    """Return a policy with placement and a long window before anything shrinks."""
    quiet = held(placement=True, **rules)
    return replace(quiet, scale_down=replace(quiet.scale_down, stabilization_window_seconds=600.0))


def past(seconds: float, peak: int, replicas: int) -> History:
    """Return the memory of a proposal of `peak` so many seconds ago, and of one replica since."""
    seen = snapshot(replicas, depth(peak), at=1000.0 - seconds)
    by = placed()
    history = History.seeded(100.0, replicas).record(decide(seen, by, History.seeded(100.0, replicas)), by)
    for ago in range(int(seconds) - 1, 0, -1):
        seen = snapshot(replicas, depth(1), at=1000.0 - ago)
        history = history.record(decide(seen, by, history), by)
    return history


def test_placement_spares_what_was_not_needed_for_a_while():
    """One slot is wanted of six: one worker more stays open, the rest take no tasks long before they go."""
    seen = snapshot(6, depth(1), crew=consuming(6), cordons=())
    decision = decided(seen, placed(), past(20.0, 6, 6))
    assert decision.replicas == 6
    assert [order.pod for order in decision.orders] == ["worker-2", "worker-3", "worker-4", "worker-5"]
    assert {c.since for c in decision.cordons} == {None}
    assert decided(seen, placed(), past(5.0, 6, 6)).orders == ()
    without = replace(placed(), drain=DrainRules(placement=False))
    assert decided(seen, without, past(20.0, 6, 6)).orders == ()


def test_placement_keeps_the_minimum_open():
    """Whoever asked for four workers at all times asked for workers that take tasks."""
    by = replace(placed(), min_replicas=4)
    decision = decided(snapshot(6, depth(1), crew=consuming(6), cordons=()), by, past(20.0, 5, 6))
    assert [order.pod for order in decision.orders] == ["worker-4", "worker-5"]


def test_a_worker_that_was_spared_and_is_to_go_has_its_deadline_begin_then():
    """Having been spared for an hour is no reason to be ended at once."""
    memory = (cordon("worker-1", None),)
    crew = (worker("worker-0", cordoned=False), worker("worker-1", active=1))
    decision = decided(snapshot(2, crew=crew, cordons=memory), held(deadline_seconds=60.0))
    assert decision.cordons == (cordon("worker-1", NOW),)
    assert reasons(decision)[-1] == "Draining"


def test_pods_without_a_place_are_nobodys_business_here():
    """A pod by a name that is none of the set's is left out of the count."""
    seen = snapshot(2, depth(1))
    odd = WorkerPod("debug", ready=True, terminating=False, started_at=NOW)
    assert decided(replace(seen, workers=replace(seen.workers, pods=(*seen.workers.pods, odd)))).replicas == 1


def deployed(seen: Snapshot, **changes: object) -> Snapshot:
    """Return the snapshot as one of a Deployment, whose pods have no places."""
    changed = with_pods(seen, **changes)
    pods = tuple(replace(pod, place=None) for pod in changed.workers.pods)
    target = replace(seen.target, kind="Deployment")
    return replace(changed, target=target, workers=replace(changed.workers, pods=pods))


def test_of_a_deployment_the_idle_ones_go_whatever_their_names():
    """The busy ones stay, of equals the older; and that it is best effort is said."""
    crew = tuple(worker(f"worker-{n}", active=int(n == 2), cordoned=False) for n in range(3))
    seen = deployed(snapshot(3, crew=crew, cordons=()), w1={"started_at": NOW - 100.0})
    decision = decided(seen)
    assert [order.pod for order in decision.orders] == ["worker-0", "worker-1"]
    assert "a Deployment has the last word on which pods go" in decision.steps[0].message
    crew = (worker("worker-0"), worker("worker-1"), crew[2])
    idle = decided(replace(seen, crew=crew, cordons=(cordon("worker-0"), cordon("worker-1"))))
    assert (idle.replicas, idle.departing) == (1, ("worker-0", "worker-1"))


def test_a_deployment_is_lowered_only_while_those_that_stay_are_ready():
    """It removes pods that are not Ready before any other, whatever was said of them."""
    seen = snapshot(3, depth(2), crew=(*consuming(2), worker("worker-2")), cordons=(cordon("worker-2"),))
    assert decided(deployed(seen)).departing == ("worker-2",)
    idle = snapshot(3, depth(9), crew=tuple(worker(f"worker-{n}") for n in range(3)))
    assert decided(deployed(idle), held(most=2)).replicas == 2
    unready = deployed(idle, w0={"ready": False}, w1={"ready": False})
    decision = decided(unready, held(most=2))
    assert (decision.replicas, reasons(decision)[-1]) == (3, "PodsNotReady")


def test_a_deployment_with_pods_of_two_templates_is_lowered_to_zero_alone():
    """Some of each would go, whatever was chosen; of a StatefulSet it is known who goes."""
    idle = snapshot(3, depth(9), crew=tuple(worker(f"worker-{n}") for n in range(3)))
    rolled = {"w0": {"revision": "a"}, "w1": {"revision": "b"}, "w2": {"revision": "b"}}
    decision = decided(deployed(idle, **rolled), held(most=2))
    assert (decision.replicas, reasons(decision)[-1]) == (3, "PodsOfTwoTemplates")
    assert decided(deployed(idle, **rolled), held(most=0)).replicas == 0
    assert decided(with_pods(idle, **rolled), held(most=2)).replicas == 2


def test_pods_of_a_deployment_that_are_going_are_not_counted():
    """Nor is one that never started held for a worker."""
    seen = snapshot(3, depth(1), crew=(*consuming(1), worker("worker-2")), cordons=(cordon("worker-2"),))
    decision = decided(deployed(seen, w1={"terminating": True}, w2={"occupied": False, "ready": False}))
    assert (decision.replicas, decision.departing) == (1, ())
