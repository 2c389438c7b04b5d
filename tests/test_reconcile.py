"""One target, tick by tick."""

from dataclasses import replace
from functools import partial

import pytest

from autoscaler.cluster.scale import DryRunScaler
from autoscaler.config.model import TargetSettings
from autoscaler.config.scaling import DrainSettings, ScaleDownSettings
from autoscaler.contest import Contests
from autoscaler.core.account import BrokerAccount, Delivered, Hint, QueueMessages, WorkerAccount
from autoscaler.core.model import Outcome, OutcomeKind, Rollout, WorkerPod, WorkerSet, fresh, stale, unknown
from autoscaler.observe import aged, dated, slots_per_worker
from autoscaler.reconcile import Reconciler
from tests.builders import NOW, depth, worker
from tests.fakes import Clock, FakeCluster, FakeCordons, FakeHints, FakeQuotas, FakeReporter, FakeWorkforce


class Bench:
    """A reconciler of target `w` among fakes."""

    def __init__(self, replicas: int, scaler=None, **keys) -> None:
        self.cluster = FakeCluster(w=replicas)
        self.workforce = FakeWorkforce()
        self.hints = FakeHints()
        self.cordons = FakeCordons()
        self.quotas = FakeQuotas()
        self.reporter = FakeReporter()
        self.clock = Clock()
        self.now = NOW
        target = TargetSettings(namespace="data", name="w", queues=("default",), **keys)
        self.reconciler = Reconciler(
            target,
            target.policy(1.0),
            cluster=self.cluster,
            workforce=self.workforce,
            hints=self.hints,
            scaler=scaler or self.cluster,
            orders=self.workforce,
            cordons=self.cordons,
            contests=Contests(self.quotas, [target.ref], self.clock),
            reporter=self.reporter,
            clock=self.clock,
            wall=lambda: self.now,
        )

    def tick(self, reading=None, seconds: float = 1.0):
        """Let time pass, then decide and act."""
        self.clock.advance(seconds)
        plan = self.reconciler.plan(depth() if reading is None else reading)
        return None if plan is None else self.reconciler.carry_out(plan, "url")


def test_up_in_one_patch_and_down_after_a_quiet_window():
    """The whole way of a burst: 0 to 10 at once, nothing for a minute, then 0."""
    bench = Bench(0)
    assert bench.tick(depth(50)).kind is OutcomeKind.APPLIED
    for _ in range(59):
        assert bench.tick().kind is OutcomeKind.UNCHANGED
    bench.tick()
    assert bench.cluster.asked == [("w", 0, 10), ("w", 10, 0)]


def crew(*names: str, active: int = 0, cordoned: bool = False) -> dict[str, WorkerAccount]:
    """Return what workers say."""
    return dict(worker(name, active, cordoned=cordoned) for name in names)


def drained(replicas: int = 2, **keys) -> Bench:
    """Return a bench on which workers were told to go, obeyed, and are proven idle."""
    bench = Bench(replicas, scale_down=ScaleDownSettings(stabilization_window_seconds=0.0), **keys)
    names = [f"w-{n}" for n in range(replicas)]
    pods = [
        WorkerPod(name, ready=True, terminating=False, started_at=NOW - 500.0, place=n)
        for n, name in enumerate(names)
    ]
    bench.cluster.put("w", replicas, pods=pods)
    bench.workforce.accounts = crew(*names)
    bench.tick()
    bench.workforce.accounts = crew(*names, cordoned=True)
    return bench


def test_a_drain_is_written_down_before_any_worker_is_told():
    """A crash in between leaves a memory without a cordon, never a cordon without a memory."""
    bench = drained()
    assert [cordon.pod for cordon in bench.cordons.recorded[0]] == ["w-0", "w-1"]
    assert [(order.pod, order.consume) for order in bench.workforce.orders] == [
        ("w-0", False),
        ("w-1", False),
    ]
    assert bench.cluster.asked == []
    assert bench.tick().kind is OutcomeKind.APPLIED
    assert bench.cluster.asked == [("w", 2, 0)]
    assert len(bench.cordons.recorded) == 1


def test_what_cannot_be_written_down_is_not_done():
    """No worker is told to stop and nothing is lowered; growing and giving back go on."""
    bench = drained(1)
    bench.cordons.refusal = "forbidden"
    bench.workforce.orders.clear()
    outcome = bench.tick(depth(5))
    assert (outcome.kind, bench.cluster.replicas("w")) == (OutcomeKind.APPLIED, 5)
    assert [order.consume for order in bench.workforce.orders] == [True]
    bench = Bench(1, scale_down=ScaleDownSettings(stabilization_window_seconds=0.0))
    bench.cluster.put(
        "w", 1, pods=[WorkerPod("w-0", ready=True, terminating=False, started_at=NOW - 500.0, place=0)]
    )
    bench.workforce.accounts = crew("w-0")
    bench.cordons.refusal = "forbidden"
    outcome = bench.tick()
    assert (outcome.kind, outcome.message) == (OutcomeKind.FAILED, "no worker is drained: forbidden")
    assert (bench.workforce.orders, bench.cluster.asked) == ([], [])


def test_the_last_question_is_asked_just_before_the_patch():
    """A worker that has a task by then keeps its pod."""
    bench = drained()
    bench.workforce.surely = crew("w-1", active=1, cordoned=True)
    assert bench.tick().kind is OutcomeKind.UNCHANGED
    assert bench.workforce.made_sure == [("w-0", "w-1")]
    assert bench.cluster.asked == []


def test_who_lacks_nothing_but_answers_is_asked_twice_at_once():
    """No look passes between: it is proven idle, asked a last time, and gone."""
    bench = drained()
    young = {
        name: replace(account, cordoned_seconds=2.5) for name, account in bench.workforce.accounts.items()
    }
    bench.workforce.surely = bench.workforce.accounts
    bench.workforce.accounts = {
        name: replace(account, answers=account.answers[-1:]) for name, account in young.items()
    }
    assert bench.tick().kind is OutcomeKind.APPLIED
    assert bench.workforce.made_sure == [("w-0", "w-1")] * 2
    assert bench.cluster.asked == [("w", 2, 0)]


def test_whoever_does_not_answer_the_last_question_keeps_its_pod():
    """It was proven idle a moment ago, and is silent now: nothing goes, unless its deadline has passed."""
    bench = drained()
    bench.workforce.mute = frozenset({"w-0"})
    assert bench.tick().kind is OutcomeKind.UNCHANGED
    assert bench.cluster.asked == []
    steps = bench.reporter.reports[-1][1].steps
    assert (steps[-1].reason, steps[-1].message) == (
        "LastQuestionUnanswered",
        "no answer to the last question from w-0",
    )
    forced = drained(drain=DrainSettings(deadline_seconds=0.0, at_deadline="lower"))
    forced.now += 1.0
    forced.workforce.mute = frozenset({"w-0"})
    assert forced.tick().kind is OutcomeKind.APPLIED


def test_the_last_question_may_take_a_while():
    """Those who go have taken no tasks meanwhile, so that the reading still counts; not for ever."""
    for seconds, kind in ((3.0, OutcomeKind.APPLIED), (11.0, OutcomeKind.UNCHANGED)):
        bench = drained()
        bench.workforce.takes_a_while = partial(bench.clock.advance, seconds)
        assert bench.tick().kind is kind


def test_a_daemon_that_is_about_to_end_takes_nothing_any_more():
    """A plan that was made before may still be carried out."""
    bench = Bench(2, scale_down=ScaleDownSettings(stabilization_window_seconds=0.0))
    bench.cluster.sets = drained().cluster.sets
    bench.workforce.accounts = crew("w-0", "w-1")
    plan = bench.reconciler.plan(depth())
    assert plan is not None
    assert not bench.reconciler.busy
    assert bench.reconciler.claim()
    assert bench.reconciler.busy
    bench.reconciler.closing = True
    bench.reconciler.carry_out(plan, "url")
    assert bench.workforce.orders == []


def test_a_rollout_is_told_once_and_holds_scale_in_for_a_while():
    """It begins in the middle of a drain: what was taken is given back, and 900 s later all goes on."""
    bench = drained()
    seen = bench.cluster.sets["w"].value
    assert seen is not None
    rollout = Rollout("w-2", 2, 0, ("w-1 not updated", "w-0 not updated"), 2, ("w-1", "w-0"))
    bench.cluster.sets["w"] = fresh(replace(seen, rollout=rollout), "cluster")
    bench.workforce.accounts |= crew("w-1", active=1, cordoned=True)
    for _ in range(3):
        bench.tick()
    assert bench.cluster.asked == []
    assert [(n.reason, n.pods) for n in bench.reporter.notices] == [("RolloutEndsWorkers", ("w-1",))]
    assert "RolloutInProgress" in [step.reason for step in bench.reporter.reports[-1][1].steps]
    bench.workforce.accounts = crew("w-0", "w-1")
    bench.tick(seconds=900.0)
    bench.workforce.accounts = crew("w-0", "w-1", cordoned=True)
    bench.tick()
    assert bench.cluster.asked == [("w", 2, 0)]
    assert len(bench.reporter.notices) == 1


def test_only_those_who_go_are_asked_before_the_patch():
    """The one that stays has nothing to say to it."""
    bench = drained(3)
    bench.workforce.accounts |= crew("w-0", active=1, cordoned=True)
    bench.tick()
    assert bench.workforce.made_sure == [("w-1", "w-2")]
    assert bench.cluster.asked == [("w", 3, 1)]


def test_a_target_that_vanished_before_the_patch_is_left_alone():
    """It is reported as unseen."""
    bench = drained()
    seen = bench.cluster.sets["w"]
    plan = bench.reconciler.plan(depth())
    assert plan is not None
    bench.cluster.sets.clear()
    assert bench.reconciler.carry_out(plan, "url").kind is OutcomeKind.UNCHANGED
    assert (bench.cluster.asked, len(bench.reporter.sights)) == ([], 1)
    bench.cluster.sets["w"] = seen


def test_pods_of_a_deployment_that_went_in_place_of_others_are_told():
    """It has the last word: the idle one was to go, and the busy one went."""
    bench = Bench(2, kind="Deployment", scale_down=ScaleDownSettings(stabilization_window_seconds=0.0))
    pods = [WorkerPod(f"w-{n}", ready=True, terminating=False, started_at=NOW - 500.0) for n in "ab"]
    bench.cluster.put("w", 2, pods=pods)
    bench.workforce.accounts = crew("w-a", active=1) | crew("w-b")
    bench.tick()
    bench.workforce.accounts |= crew("w-b", cordoned=True)
    assert bench.tick().kind is OutcomeKind.APPLIED
    assert bench.cluster.asked == [("w", 2, 1)]
    bench.cluster.put("w", 1, pods=pods)
    bench.tick()
    assert bench.reporter.notices == []
    bench.cluster.put("w", 1, pods=[replace(pods[0], terminating=True), pods[1]])
    for _ in range(2):
        bench.tick()
    assert [(n.reason, n.pods) for n in bench.reporter.notices] == [("OtherPodsWent", ("w-a",))]


def test_those_who_are_to_go_are_attended_to():
    """They are asked more often, until it is known that they are idle."""
    bench = drained()
    bench.clock.advance(1.0)
    plan = bench.reconciler.plan(depth())
    assert plan is not None
    bench.reconciler.attend("url", plan)
    assert bench.workforce.leaving == {"w-0", "w-1"}


def test_what_is_ordered_by_annotation_is_told_once():
    """When it begins, when it ends, and what is not understood of it, however many ticks it goes on."""
    bench = Bench(0)
    for annotations in ({"paused": "true"}, {"paused": "ture"}, {"paused": "ture"}):
        bench.cluster.annotate("w", **annotations)
        for _ in range(3):
            bench.tick(depth(0))
    told = [(notice.reason, notice.warning) for notice in bench.reporter.notices]
    assert told == [("OverrideBegan", False), ("OverrideEnded", False), ("OverrideIgnored", True)]


def test_an_order_ends_by_itself():
    """At its time, which is told by the wall clock and not by the monotonic one."""
    bench = Bench(0)
    bench.cluster.annotate("w", paused="true until 1970-01-12T13:46:50Z")
    bench.now = NOW + 9.0
    assert bench.tick(depth(5)).kind is OutcomeKind.UNCHANGED
    bench.now = NOW + 10.0
    assert bench.tick(depth(5)).kind is OutcomeKind.APPLIED
    assert [notice.reason for notice in bench.reporter.notices] == ["OverrideBegan", "OverrideEnded"]


def test_an_order_that_comes_before_the_patch_is_obeyed():
    """The workers that go are being asked a last time when somebody pauses the target."""
    bench = drained()
    bench.workforce.takes_a_while = partial(bench.cluster.annotate, "w", paused="true")
    assert bench.tick().kind is OutcomeKind.UNCHANGED
    assert (bench.workforce.made_sure, bench.cluster.asked) == ([("w-0", "w-1")], [])
    assert [order.consume for order in bench.workforce.orders[-2:]] == [True, True]


def test_an_excluded_target_gets_back_what_was_taken_and_is_left_alone_then():
    """Its workers are listened to for as long as they have to say that they take tasks again."""
    bench = drained()
    bench.cluster.annotate("w", exclude="true")
    bench.workforce.orders.clear()

    def tick_and_attend():
        bench.clock.advance(1.0)
        plan = bench.reconciler.plan(depth(9))
        assert plan is not None
        bench.reconciler.attend("url", plan)
        bench.reconciler.carry_out(plan, "url")
        return plan

    tick_and_attend()
    assert [(order.pod, order.consume) for order in bench.workforce.orders] == [("w-0", True), ("w-1", True)]
    assert (len(bench.workforce.attended), bench.workforce.left) == (1, [])
    bench.workforce.accounts = crew("w-0", "w-1")
    tick_and_attend()
    assert (bench.cordons.known["uid-w"], bench.workforce.left) == ((), ["w"])
    written = len(bench.cordons.recorded), len(bench.workforce.orders)
    for _ in range(5):
        assert not tick_and_attend().writes
    assert (len(bench.cordons.recorded), len(bench.workforce.orders)) == written
    assert bench.cluster.asked == []
    assert bench.reporter.reports[-1][1].reason == "Excluded"


def test_a_dry_run_obeys_annotations_too():
    """It shows what would be done, and that is nothing while it is paused."""
    bench = Bench(0, scaler=DryRunScaler())
    bench.cluster.annotate("w", max_replicas="3")
    outcome = bench.tick(depth(5))
    assert outcome is not None
    assert outcome.message == "would have asked for 3"
    bench.cluster.annotate("w", paused="true")
    assert bench.tick(depth(5)).kind is OutcomeKind.UNCHANGED


def test_before_the_end_queues_are_given_back_and_forgotten_when_they_are_consumed():
    """What is remembered tells whether there is anything left to do."""
    bench = drained()
    assert bench.reconciler.cordons == 2
    bench.reconciler.closing = True
    bench.workforce.orders.clear()
    bench.tick()
    assert [order.consume for order in bench.workforce.orders] == [True, True]
    bench.workforce.accounts = crew("w-0", "w-1")
    bench.tick()
    assert (bench.reconciler.cordons, bench.cluster.asked) == (0, [])


def test_a_foreign_write_is_decided_on_once_more_at_once():
    """Somebody scales to 3 between read and patch: the next decision starts from there."""
    bench = Bench(0)
    bench.cluster.foreign["w"] = 3
    assert bench.tick(depth(7)) == Outcome(OutcomeKind.APPLIED, 7)
    assert bench.cluster.asked == [("w", 0, 7), ("w", 3, 7)]
    assert [outcome.kind for _, _, outcome in bench.reporter.reports] == [
        OutcomeKind.CONFLICT,
        OutcomeKind.APPLIED,
    ]


def test_after_a_write_that_took_long_nothing_shrinks_on_the_old_reading():
    """The conflict comes 20 s later: the queue that was empty then may have filled."""
    bench = Bench(2, scale_down=ScaleDownSettings(stabilization_window_seconds=0.0))

    def slowly(decision):
        if decision.current == 2:
            bench.clock.advance(20.0)
            bench.cluster.put("w", 3)
            return Outcome(OutcomeKind.CONFLICT, 3, "somebody else wrote")
        return None

    bench.cluster.answer = slowly
    assert bench.tick().kind is OutcomeKind.UNCHANGED
    assert (bench.cluster.asked, bench.cluster.replicas("w")) == ([("w", 2, 0)], 3)


def test_a_second_conflict_is_left_to_the_next_tick():
    """No fight within a tick."""
    bench = Bench(0)
    bench.cluster.answer = lambda decision: Outcome(OutcomeKind.CONFLICT, decision.current, "again")
    assert bench.tick(depth(7)).kind is OutcomeKind.CONFLICT
    assert len(bench.cluster.asked) == 2


def test_a_target_that_vanished_in_a_conflict_is_not_decided_on():
    """What is gone is reported, not scaled."""
    bench = Bench(0)

    def vanish(_):
        bench.cluster.sets.clear()
        return Outcome(OutcomeKind.CONFLICT, 0, "gone")

    bench.cluster.answer = vanish
    assert bench.tick(depth(7)).kind is OutcomeKind.CONFLICT
    assert bench.reporter.sights == [("w", "there is no StatefulSet data/w")]


def test_a_target_made_anew_starts_with_a_new_memory():
    """The quiet minute of the old object says nothing of the new one."""
    bench = Bench(4)
    for _ in range(59):
        bench.tick()
    bench.cluster.put("w", 4, uid="another")
    for _ in range(60):
        bench.tick()
    assert bench.cluster.asked == []
    bench.tick(seconds=2.0)
    assert bench.cluster.asked == [("w", 4, 0)]


def test_a_restart_waits_for_a_whole_window():
    """A daemon that has just come up sees an empty queue and shrinks nothing."""
    bench = Bench(6)
    assert bench.tick().kind is OutcomeKind.UNCHANGED
    assert bench.cluster.replicas("w") == 6


def test_a_write_that_failed_counts_as_no_change():
    """A rate policy is not used up by what the API server did not take."""
    bench = Bench(0)
    bench.cluster.answer = lambda _: Outcome(OutcomeKind.FAILED, 0, "no answer from the API server")
    bench.tick(depth(3))
    bench.cluster.answer = lambda _: None
    assert bench.tick(depth(3)) == Outcome(OutcomeKind.APPLIED, 3)


def test_dry_run_decides_alike_and_writes_nothing():
    """The same reasons, and no replicas."""
    live, dry = Bench(0), Bench(0, scaler=DryRunScaler())
    for reading in (depth(5), unknown("redis", "silent"), depth(2)):
        live.cluster.put("w", 0)
        live.tick(reading)
        dry.tick(reading)
    assert [d.steps for _, d, _ in dry.reporter.reports] == [d.steps for _, d, _ in live.reporter.reports]
    assert dry.cluster.replicas("w") == 0
    assert {o.kind for _, _, o in dry.reporter.reports} == {OutcomeKind.DRY_RUN, OutcomeKind.UNCHANGED}


def test_a_target_is_claimed_by_one_tick_at_a_time():
    """While a write is under way, the next tick leaves the target alone."""
    reconciler = Bench(0).reconciler
    assert reconciler.claim()
    assert not reconciler.claim()
    reconciler.release()
    assert reconciler.claim()


def test_the_quiet_window_is_the_targets_own():
    """A target with a window of 5 s goes to zero after 5 quiet seconds."""
    bench = Bench(2, scale_down=ScaleDownSettings(stabilization_window_seconds=5.0))
    for _ in range(6):
        bench.tick()
    assert bench.cluster.asked == [("w", 2, 0)]


@pytest.mark.parametrize(
    ("configured", "reported", "declared", "slots", "source"),
    [
        (2, fresh(8, "celery stats"), 4, 2, "slots_per_worker"),
        (None, fresh(8, "celery stats"), 4, 8, "celery stats"),
        (None, unknown("workers", "silent"), 4, 4, "--concurrency of container worker"),
        (None, unknown("workers", "silent"), None, 1, "assumed, nobody says"),
    ],
)
def test_slots_come_from_the_best_source(configured, reported, declared, slots, source):
    """Configured, measured or learned, declared, assumed: in this order, and named."""
    target = TargetSettings(namespace="data", name="w", queues=("q",), slots_per_worker=configured)
    workers = FakeCluster(w=1).sets["w"].value
    assert workers is not None

    workers = replace(workers, declared_slots=declared, declared_by="--concurrency of container worker")
    reading = slots_per_worker(target, workers, reported)
    assert (reading.value, reading.source) == (slots, source)


def test_lists_are_looked_into_only_where_it_matters():
    """While there are no workers, and while tasks are known that are not due."""
    bench = Bench(0)
    assert bench.reconciler.look_into_lists
    bench.tick(depth(3))
    assert bench.reconciler.look_into_lists
    pods = (WorkerPod("w-0", ready=True, terminating=False, started_at=NOW - 100.0),)
    bench.cluster.sets["w"] = fresh(WorkerSet("uid-w", 3, pods), "cluster")
    bench.tick(depth(3))
    assert not bench.reconciler.look_into_lists
    bench.tick(depth(3, eta=(NOW + 900.0,)))
    assert bench.reconciler.look_into_lists


def test_workers_are_asked_often_until_they_have_filled_up():
    """For ten seconds after tasks have begun to wait, and while none wait; not while nothing is known."""
    bench = Bench(1)

    def is_urgent(reading, seconds=1.0):
        bench.clock.advance(seconds)
        plan = bench.reconciler.plan(reading)
        assert plan is not None
        bench.reconciler.attend("url", plan)
        return bench.workforce.attended[-1][2]

    assert is_urgent(depth(0))
    assert is_urgent(depth(3))
    assert is_urgent(depth(3), seconds=9.9)
    assert not is_urgent(depth(3), seconds=0.1)
    assert is_urgent(depth(0, eta=(NOW + 900.0,)))
    assert is_urgent(depth(3), seconds=60.0)
    assert not is_urgent(unknown("redis", "silent"))


def test_an_old_reading_becomes_unknown():
    """What waited half a minute ago calls nobody up any more."""
    value = depth(5).value
    assert value is not None
    assert aged(stale(value, "redis", 30.0, "silent"), 30.0).value == value
    old = aged(stale(value, "redis", 31.0, "silent"), 30.0)
    assert (old.value, old.detail) == (None, "silent, for 31 s")


def test_hints_are_part_of_what_is_observed():
    """Airflow knows of nine tasks where the broker has one."""
    bench = Bench(0)
    bench.hints.known = (Hint("airflow database", fresh(9, "airflow database")),)
    bench.tick(depth(1))
    assert bench.cluster.asked == [("w", 0, 9)]


@pytest.mark.parametrize(
    ("ready", "by_broker", "by_airflow", "age"),
    [
        (1, None, fresh(50.0, "airflow database", 5.0), 55.0),
        (1, 20.0, fresh(50.0, "airflow database"), 50.0),
        (1, 80.0, fresh(50.0, "airflow database"), 80.0),
        (1, 20.0, stale(50.0, "airflow database", 1.0, "frozen"), 20.0),
        (1, 20.0, unknown("airflow database", "gone"), 20.0),
        (0, None, fresh(50.0, "airflow database"), None),
    ],
)
def test_the_longer_wait_counts(ready, by_broker, by_airflow, age):
    """Whoever saw the oldest task late takes it for younger; without a waiting task there is none."""
    queues = (QueueMessages("default", ((0, ready),)),)
    sent_at = None if by_broker is None else NOW - by_broker
    told = BrokerAccount(queues, fresh(Delivered(), "redis"), oldest_at=sent_at)
    account = dated(fresh(told, "redis"), by_airflow, NOW).value
    assert account is not None
    assert account.oldest_at == (None if age is None else NOW - age)
    assert dated(unknown("redis", "gone"), by_airflow, NOW).value is None
