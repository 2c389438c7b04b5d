"""The whole demand, and the proof of zero: each way in which one number alone would be wrong."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.account import BrokerAccount, Delivered, Hint, QueueMessages, WorkerAccount
from autoscaler.core.decide import decide
from autoscaler.core.demand import CLOCK_SLACK_SECONDS, measure
from autoscaler.core.history import History
from autoscaler.core.model import Quality, Reading, WorkerPod, fresh, stale, unknown
from autoscaler.core.policy import Fallback, FallbackMode, Policy
from autoscaler.core.snapshot import Snapshot
from tests.builders import NOW, depth, policy, reasons, rules, snapshot, worker

HOUR = 3600.0


def demand_of(seen: Snapshot, held: Policy | None = None):
    """Return a demand that is known."""
    demand = measure(seen, held or policy())
    assert demand is not None
    return demand


def quietly(seen: Snapshot, held: Policy | None = None, quiet_seconds: float = 60.0):
    """Decide for a target about which the last minute's looks said the same as this one."""
    held = held or policy(down=rules(window=30))
    history = History.seeded(seen.at - quiet_seconds, seen.workers.replicas)
    at = -quiet_seconds
    while at < 0.0:
        before = replace(seen, at=seen.at + at, now=seen.now + at)
        history = history.record(decide(before, held, history), held)
        at += 5.0
    return decide(seen, held, history)


def test_early_acknowledged_tasks_are_seen_by_their_workers():
    """The broker knows nothing of a task that runs: the worker does, and the fleet stays."""
    seen = snapshot(2, depth(0, 0), crew=(worker("worker-0", active=1), worker("worker-1")))
    assert (demand_of(seen).held, demand_of(seen).slots) == (1, 1)
    decision = quietly(seen)
    assert (decision.replicas, reasons(decision)[-1]) == (1, "WorkWaiting")


def test_broker_and_workers_are_not_added_up():
    """Four unacknowledged tasks, of which two run and two are reserved, are four and not eight."""
    seen = snapshot(2, depth(1, 4), crew=(worker("worker-0", 1, 1), worker("worker-1", 1, 1)))
    assert demand_of(seen).slots == 5


def test_a_worker_that_fell_silent_is_not_idle():
    """It was heard before: an old account, or one that says only half, proves nothing."""
    old = worker("worker-1", quality=Quality.STALE)
    half = ("worker-1", replace(worker("worker-1")[1], reserved=None))
    for crew in ((worker("worker-0"), old), (worker("worker-0"), half)):
        seen = snapshot(2, crew=crew)
        decision = quietly(seen)
        assert (decision.replicas, reasons(decision)[-1]) == (2, "Draining")
        assert "counts as busy" in decision.steps[-1].message
        assert "worker-1" in decision.steps[-1].message
        assert decision.idle is False


def test_many_silent_workers_are_named_in_short():
    """Three names, and how many more."""
    old = tuple(worker(f"worker-{n}", quality=Quality.STALE) for n in range(6))
    decision = quietly(snapshot(6, crew=old))
    silent = "does not answer, which counts as busy"
    assert decision.steps[-1].message == (
        f"draining to 0: worker-5 {silent}, worker-4 {silent}, worker-3 {silent}, 3 more are waited for"
    )


def test_workers_that_were_never_heard_are_waited_for_and_it_is_said():
    """A solo worker that has been busy since it began looks like one that cannot answer."""
    seen = snapshot(2, crew=())
    decision = quietly(seen)
    assert (decision.replicas, reasons(decision)[-1]) == (2, "Draining")
    assert "worker-1 has not answered yet, which counts as busy" in decision.steps[-1].message
    assert "2 of the workers never heard: what they" in decision.steps[0].message
    explained = replace(seen, crew_detail="no heartbeats: redis h refuses access")
    message = quietly(explained).steps[0].message
    assert "2 of the workers never heard (no heartbeats: redis h refuses access): what they" in message


def test_a_worker_that_has_just_come_up_has_time_to_be_heard():
    """It may have a task already that the broker no longer knows of."""
    seen = snapshot(1, crew=())
    (pod,) = seen.workers.pods
    for age, wanted in ((9.0, 1), (11.0, 0)):
        young = replace(pod, started_at=NOW - age)
        early = replace(seen, workers=replace(seen.workers, pods=(young,)))
        decision = decide(early, policy(), History.seeded(0.0, 0))
        assert decision.replicas == 1
        assert decision.idle is not bool(wanted)


def test_pods_without_a_worker_that_could_answer_hold_nothing_up():
    """One that never got Ready and one that is ending cannot say anything, and need not."""
    seen = snapshot(1)
    pods = (
        *seen.workers.pods,
        WorkerPod("worker-1", ready=False, terminating=False),
        WorkerPod("worker-2", ready=True, terminating=True, started_at=NOW),
    )
    assert quietly(replace(seen, workers=replace(seen.workers, pods=pods))).replicas == 0


def test_without_remote_control_the_broker_alone_counts():
    """It was said so: nobody is asked, and nobody's silence holds the fleet up."""
    held = replace(policy(down=rules(window=30)), remote_control=False)
    decision = quietly(snapshot(2, crew=()), held)
    assert (decision.replicas, reasons(decision)[-1]) == (0, "BrokersWordAlone")


def test_what_workers_hold_has_to_be_known_for_zero():
    """A scan of unacknowledged messages that is behind proves nothing."""
    account = depth().value
    assert account is not None
    behind: Reading[Delivered] = stale(Delivered(), "redis", 7.0, "still scanning")
    held = replace(policy(down=rules(window=30)), remote_control=False)
    decision = quietly(snapshot(1, fresh(replace(account, delivered=behind), "redis")), held)
    assert (decision.replicas, reasons(decision)[-1]) == (1, "Draining")
    assert "still scanning" in decision.steps[-1].message


def deliveries(*ages: float) -> Reading[BrokerAccount]:
    """Return a reading with tasks that were delivered so many seconds ago."""
    return depth(held=Delivered(tuple(sorted(NOW - age for age in ages))))


def test_leftovers_of_a_dead_worker_do_not_block_zero():
    """Delivered before any living worker started: nobody holds them, so they are no work."""
    seen = snapshot(1, deliveries(600.0, 601.0, 602.0))
    assert (demand_of(seen).held, demand_of(seen).orphaned) == (0, 3)
    decision = quietly(seen)
    assert decision.replicas == 0
    assert "3 left behind by workers that are gone" in decision.steps[0].message


def test_what_may_still_be_held_is_not_called_left_behind():
    """Clocks differ a little, and workers that are none of our pods may hold anything."""
    assert demand_of(snapshot(1, deliveries(500.0 + CLOCK_SLACK_SECONDS - 1), crew=())).held == 1
    assert demand_of(snapshot(1, deliveries(900.0), strangers=1)).held == 1
    pod = WorkerPod("worker-0", ready=False, terminating=True)
    seen = snapshot(0, deliveries(900.0))
    assert demand_of(replace(seen, workers=replace(seen.workers, pods=(pod,)))).held == 1


def began(seen: Snapshot, *ages: float) -> Snapshot:
    """Return a snapshot whose pods' workers began so many seconds ago."""
    pods = zip(seen.workers.pods, ages, strict=True)
    return replace(
        seen,
        workers=replace(seen.workers, pods=tuple(replace(pod, started_at=NOW - age) for pod, age in pods)),
    )


def test_what_no_living_worker_answers_for_was_left_behind():
    """Another worker was killed, in whose place one began; the one that lives on is older than the tasks."""
    crew = (worker("worker-0", 1, 1), worker("worker-1"))
    seen = began(snapshot(2, deliveries(230.0, 230.0, 240.0, 250.0), crew=crew), 500.0, 200.0)
    assert (demand_of(seen).held, demand_of(seen).orphaned) == (2, 2)
    idle = replace(seen, crew=(worker("worker-0"), worker("worker-1")))
    assert (quietly(idle).replicas, demand_of(idle).orphaned) == (0, 4)
    at_once = began(snapshot(1, deliveries(95.0, 205.0), crew=(worker("worker-0"),)), 101.0)
    assert (demand_of(at_once).held, demand_of(at_once).orphaned) == (0, 2)


def test_what_a_rate_limit_holds_back_was_not_left_behind():
    """It lies in its worker, and in none of its answers; nobody has begun since it was delivered."""
    seen = snapshot(2, deliveries(230.0), crew=(worker("worker-0"), worker("worker-1")))
    assert (demand_of(seen).held, demand_of(seen).orphaned) == (1, 0)
    assert demand_of(began(seen, 500.0, 250.0)).held == 1


def test_what_a_worker_may_have_taken_since_its_answer_was_not_left_behind():
    """Nor what one may hold that has not answered, or only in part; nor a task that has just become due."""
    idle, other = worker("worker-0"), worker("worker-1")

    def held(reading: Reading[BrokerAccount], first: tuple[str, WorkerAccount] | None) -> object:
        crew = (other,) if first is None else (first, other)
        return demand_of(began(snapshot(2, reading, crew=crew), 500.0, 15.0)).held

    assert held(deliveries(30.0, 36.0), idle) == 0
    assert held(deliveries(30.0, 36.0), ("worker-0", replace(idle[1], age_seconds=25.0))) == 1
    assert held(deliveries(9.0, 11.0), idle) == 1
    assert held(deliveries(30.0), None) == 1
    assert held(deliveries(30.0), ("worker-0", replace(idle[1], eta=None, reserved=None))) == 1
    assert held(deliveries(30.0), worker("worker-0", eta=(NOW + 5.0, NOW + 900.0))) == 1
    shared = depth(held=Delivered((NOW - 30.0,), shared=True))
    assert demand_of(began(snapshot(2, shared, crew=(idle, other)), 500.0, 15.0)).orphaned == 0


def test_stuck_tasks_call_up_one_worker_when_it_can_give_them_back():
    """Not before the visibility timeout: until then it would start in vain."""
    held = replace(policy(), visibility_timeout_seconds=HOUR)
    early = decide(snapshot(0, deliveries(HOUR - 1, 10.0)), held, History.seeded(0.0, 0))
    assert (early.replicas, early.reason) == (0, "NoWork")
    late = decide(snapshot(0, deliveries(HOUR + 1, 10.0)), held, History.seeded(0.0, 0))
    assert (late.replicas, late.reason) == (1, "TasksLeftBehind")


def test_tasks_with_an_eta_are_no_load_until_they_are_due():
    """Fifty tasks for the next hour need nobody now, wherever they lie."""
    far = tuple(NOW + HOUR + n for n in range(50))
    for seen in (
        snapshot(0, depth(eta=far)),
        snapshot(0, depth(held=Delivered(eta=far))),
        snapshot(1, crew=(worker("worker-0", eta=far),)),
    ):
        demand = demand_of(seen)
        assert (demand.slots, demand.later, demand.next_due) == (0, 50, NOW + HOUR)


def test_workers_that_tell_go_before_a_count_that_others_share():
    """Three tasks are known to be held; of ten that may be anybody's there is room for one more."""
    reading = depth(1, 10, shared=True)
    seen = snapshot(1, reading, slots=5, crew=(worker("worker-0", active=3),))
    assert (demand_of(seen).held, demand_of(seen).slots) == (4, 5)


def test_the_same_eta_tasks_seen_twice_are_counted_once():
    """They are unacknowledged in the broker and scheduled in the worker: the same five."""
    due = tuple(NOW + 10.0 + n for n in range(5))
    seen = snapshot(1, depth(held=Delivered(eta=due)), crew=(worker("worker-0", eta=due),))
    assert demand_of(seen).slots == 5


def test_a_worker_is_called_up_in_time_for_an_eta():
    """A start-up before the first is due, and no sooner; one wake for all that are due then."""
    held = replace(policy(), startup_seconds=60.0)
    due = tuple(NOW + HOUR + n for n in range(5))
    history = History.seeded(0.0, 0)
    seen = snapshot(0, depth(eta=due), slots=5)
    assert decide(replace(seen, now=NOW + HOUR - 61.0), held, history).replicas == 0
    decision = decide(replace(seen, now=NOW + HOUR - 55.0), held, history)
    assert (decision.replicas, decision.reason) == (1, "WorkWaiting")
    assert "5 due soon" in decision.steps[0].message


def test_a_number_of_unacknowledged_tasks_includes_those_not_due():
    """RabbitMQ gives a mere number: what the workers keep until later is taken off it."""
    later = tuple(NOW + HOUR + n for n in range(3))
    reading = depth(held=Delivered(uncounted=4))
    seen = snapshot(1, reading, crew=(worker("worker-0", active=1, eta=later),))
    assert (demand_of(seen).held, demand_of(seen).later) == (1, 3)


def test_tasks_not_due_keep_one_worker_where_they_could_not_be_read():
    """Given back by the last worker they would look like work, or be overlooked: so it stays."""
    later = (NOW + HOUR,)
    queue = QueueMessages("default", ((None, 0),), eta_known=False)
    account = BrokerAccount((queue,), fresh(Delivered(uncounted=1), "rabbitmq"))
    seen = snapshot(2, fresh(account, "rabbitmq"), crew=(worker("worker-0", eta=later), worker("worker-1")))
    decision = quietly(seen)
    assert (decision.replicas, reasons(decision)[-1]) == (1, "TasksNotDue")


def hint(tasks: int | None, quality: Quality = Quality.FRESH) -> Hint:
    """Return what a metric says."""
    reading: Reading[int] = Reading(tasks, "prometheus", quality)
    return Hint("queued tasks", reading)


def test_a_hint_raises_the_demand():
    """Airflow knows of twelve tasks, the broker of five: twelve slots."""
    demand = demand_of(snapshot(0, depth(5), hints=(hint(12), hint(7))))
    assert (demand.hinted, demand.slots) == (7, 12)
    decision = decide(snapshot(0, depth(5), hints=(hint(12),)), policy(), History.seeded(0.0, 0))
    assert decision.steps[0].message.startswith(
        '5 ready + 0 with workers + 7 more by the hint "queued tasks" = 12 slots'
    )
    assert demand_of(snapshot(0, depth(5), hints=(hint(3),))).slots == 5


def test_a_hint_explains_whatever_its_age():
    """Why more workers would be useless, or why its number is not believed."""
    full = Hint("airflow metrics", unknown("prometheus", "frozen"), "9 tasks starve for pool etl")
    decision = decide(snapshot(1, depth(2), hints=(full,)), policy(), History.seeded(0.0, 1))
    assert "2 slots wanted (airflow metrics: 9 tasks starve for pool etl);" in decision.steps[0].message


def test_a_hint_alone_calls_nobody_up_but_keeps_one():
    """What the broker does not have cannot be run: one worker stays for a while, and none is called."""
    assert decide(snapshot(0, hints=(hint(9),)), policy(), History.seeded(0.0, 0)).replicas == 0
    decision = quietly(snapshot(3, hints=(hint(9),)))
    assert (decision.replicas, reasons(decision)[-1]) == (1, "HintVeto")
    assert "queued tasks (prometheus) speaks of 9 tasks" in decision.steps[-1].message


def test_a_hint_that_nothing_confirms_gives_in():
    """After hint_veto_seconds without any evidence the fleet goes to zero all the same."""
    held = replace(policy(down=rules(window=30)), hint_veto_seconds=120.0)
    assert quietly(snapshot(1, hints=(hint(9),)), held, quiet_seconds=110.0).replicas == 1
    assert quietly(snapshot(1, hints=(hint(9),)), held, quiet_seconds=130.0).replicas == 0


def test_an_old_hint_counts_for_nothing():
    """A frozen gauge must not hold up a fleet."""
    for quality in (Quality.STALE, Quality.UNKNOWN):
        seen = snapshot(1, hints=(hint(None if quality is Quality.UNKNOWN else 5, quality),))
        assert quietly(seen).replicas == 0


def test_fallback_after_a_while():
    """The demand is unknown: held at first, then as was asked for."""
    seen = snapshot(2, unknown("redis", "silent"))
    cases = [
        (Fallback(), 500.0, 2),
        (Fallback(FallbackMode.AT_LEAST, 4, 120.0), 60.0, 2),
        (Fallback(FallbackMode.AT_LEAST, 4, 120.0), 130.0, 4),
        (Fallback(FallbackMode.AT_LEAST, 1, 120.0), 130.0, 2),
        (Fallback(FallbackMode.STATIC, 1, 120.0), 130.0, 1),
        (Fallback(FallbackMode.STATIC, 900, 120.0), 130.0, 100),
    ]
    for rule, blind, wanted in cases:
        held = replace(policy(), fallback=rule)
        decision = decide(seen, held, History.seeded(seen.at - blind, 2))
        assert decision.replicas == wanted, rule
        assert ("Fallback" in reasons(decision)) == (wanted != 2)


def test_coming_back_from_unknown_is_no_jump():
    """The window remembers what was there while nobody could tell."""
    held = policy(down=rules(window=60))
    history = History.seeded(900.0, 6)
    for at in (940.0, 960.0, 980.0):
        seen = snapshot(6, unknown("redis", "silent"), at=at)
        history = history.record(decide(seen, held, history), held)
    assert decide(snapshot(6, depth(1), at=1000.0), held, history).replicas == 6


def test_evidence_comes_from_the_right_pod():
    """Another worker's word is not this one's, which fell silent."""
    crew = (worker("worker-0", quality=Quality.STALE), worker("worker-9"))
    assert quietly(snapshot(1, crew=crew)).replicas == 1
