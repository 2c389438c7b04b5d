"""What is a rollout, what it holds, for how long, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Decision, Notice, Rollout, WorkerPod, WorkerSet, unknown
from autoscaler.core.policy import DrainRules, Fallback, FallbackMode, HpaMode, Policy
from autoscaler.core.rollouts import (
    Progress,
    Revisions,
    begun,
    progress,
    rollout_of_deployment,
    rollout_of_set,
)
from autoscaler.core.snapshot import Snapshot
from tests.builders import NOW, depth, later, policy, reasons, rules, snapshot, worker
from tests.core.test_hpa import beside, hpa
from tests.core.test_resources import limits, within

OLD, NEW = "worker-1", "worker-2"
HOLD = 900.0


def pods(letters: str) -> list[WorkerPod]:
    """Return pods by a letter each, the lowest ordinal first.

    o is of the old template, n of the new one; n? is not Ready, n- is ending, . is missing.
    """
    found: list[WorkerPod] = []
    for place, letter in enumerate(letters.split()):
        if letter != ".":
            found.append(
                WorkerPod(
                    f"worker-{place}",
                    ready="?" not in letter,
                    terminating="-" in letter,
                    place=place,
                    revision=NEW if "n" in letter else OLD,
                )
            )
    return found


SETS: dict[str, tuple[Revisions, str, int, bool, str]] = {
    # the revisions, the pods, the replicas: whether it is in progress, and what is said of it
    "nothing changed": (Revisions(OLD, OLD), "o o o", 3, False, ""),
    "nothing changed, a pod not Ready": (Revisions(OLD, OLD), "o o o?", 3, False, ""),
    "never looked at by its controller": (Revisions("", NEW), ". .", 2, False, ""),
    "begun": (
        Revisions(OLD, NEW),
        "o o o",
        3,
        True,
        "0 of 3 updated, worker-2 not updated, worker-1 not updated, worker-0 not updated",
    ),
    "the highest is ending": (
        Revisions(OLD, NEW),
        "o o-",
        2,
        True,
        "0 of 2 updated, worker-1 ending, worker-0 not updated",
    ),
    "the highest is gone": (
        Revisions(OLD, NEW),
        "o .",
        2,
        True,
        "0 of 2 updated, worker-1 missing, worker-0 not updated",
    ),
    "stuck": (
        Revisions(OLD, NEW),
        "o o n?",
        3,
        True,
        "1 of 3 updated, worker-2 not Ready, worker-1 not updated, worker-0 not updated",
    ),
    "the last is not Ready": (Revisions(OLD, NEW), "n? n n", 3, True, "3 of 3 updated, worker-0 not Ready"),
    "an updated one is ending": (Revisions(OLD, NEW), "n n-", 2, True, "1 of 2 updated, worker-1 ending"),
    "long": (
        Revisions(OLD, NEW),
        "o o o o n",
        5,
        True,
        "1 of 5 updated, worker-3 not updated, worker-2 not updated, worker-1 not updated, 1 more to come",
    ),
    "done, and the status not yet": (Revisions(OLD, NEW), "n n", 2, False, "2 of 2 updated"),
    "done, a surplus pod of the old template": (Revisions(OLD, NEW), "n n o", 2, False, "2 of 2 updated"),
    "OnDelete": (Revisions(OLD, NEW, None), "o o n?", 3, False, ""),
    "a partition, finished": (Revisions(OLD, NEW, 2), "o o n n", 4, False, "2 of 2 updated"),
    "a partition, one below not Ready": (Revisions(OLD, NEW, 2), "o? o n", 3, False, "1 of 1 updated"),
    "a partition, under way": (
        Revisions(OLD, NEW, 1),
        "o o n",
        3,
        True,
        "1 of 2 updated, worker-1 not updated",
    ),
    "a partition, a pod that was added": (
        Revisions(OLD, NEW, 1),
        "o n .",
        3,
        True,
        "1 of 2 updated, worker-2 missing",
    ),
    "a partition above all": (Revisions(OLD, NEW, 9), "o o", 2, False, "0 of 0 updated"),
    "no replicas": (Revisions(OLD, NEW), "", 0, False, "0 of 0 updated"),
}


@pytest.mark.parametrize("name", SETS)
def test_when_a_stateful_set_rolls(name: str):
    """Only while pods from the partition on are missing, not Ready or of another template."""
    revisions, letters, replicas, in_progress, said = SETS[name]
    found = rollout_of_set(revisions, replicas, pods(letters), "worker")
    assert WorkerSet("uid", replicas, rollout=found).updating is in_progress
    assert (progress(found) if found else "") == said


def test_ordinals_that_begin_later():
    """Places count from the first ordinal, names have the ordinal itself."""
    found = rollout_of_set(Revisions(OLD, NEW), 1, [], "worker", first_ordinal=5)
    assert found == Rollout(NEW, 1, 0, ("worker-5 missing",))


IDLE = Progress("2", seen=True, complete=True, wanted=3, replicas=3, updated=3, unavailable=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"seen": False}, "3 of 3 updated, its controller has not seen the last change yet"),
        ({"replicas": 4, "updated": 1}, "1 of 3 updated, 3 old ones still there"),
        (
            {"replicas": 3, "updated": 2, "complete": False},
            "2 of 3 updated, 1 old ones still there, 1 missing",
        ),
        ({"complete": False, "unavailable": 1}, "3 of 3 updated, 1 unavailable"),
        ({"replicas": 0, "updated": 0, "complete": False}, "0 of 3 updated, 3 missing"),
        # scaled out after its rollout was over: what is missing is none of that
        ({"wanted": 5, "unavailable": 2}, ""),
        ({"wanted": 5, "replicas": 5, "updated": 5, "unavailable": 2}, ""),
        ({"replicas": 4, "updated": 1, "paused": True}, ""),
        ({"seen": False, "paused": True}, ""),
    ],
)
def test_when_a_deployment_rolls(changes: dict[str, Any], said: str):
    """By its controller's counts; what became of its pods after it was complete is no rollout."""
    found = rollout_of_deployment(replace(IDLE, **changes))
    assert (progress(found) if found else "") == said


def rolling(letters: str, demand: int = 0, **crew: int) -> Snapshot:
    """Return a set of these pods on its way to the new template, and so many tasks."""
    there = pods(letters)
    seen = snapshot(
        len(there), depth(demand), crew=tuple(worker(p.name, crew.get(f"w{p.place}", 0)) for p in there)
    )
    there = [replace(pod, started_at=NOW - 500.0) for pod in there]
    found = rollout_of_set(Revisions(OLD, NEW), len(there), there, "worker")
    return replace(seen, workers=replace(seen.workers, pods=tuple(there), rollout=found))


def held(*, placement: bool = False) -> Policy:
    """Return a policy that asks for what the demand asks for."""
    return replace(policy(), drain=DrainRules(placement=placement))


def at(seen: Snapshot, past: History, by: Policy | None = None) -> tuple[Decision, History]:
    """Look and decide, and return the memory too."""
    past = past.looked(seen)
    decision = decide(seen, by or held(), past)
    return decision, past.record(decision, by or held())


def test_a_rollout_that_nobody_remembers_begins_now():
    """As in a simulation that decides on a single look."""
    seen = rolling("o o n?", 1)
    assert reasons(decide(seen, held(), settled(seen)))[-1] == "RolloutInProgress"


def settled(seen: Snapshot) -> History:
    """Return the memory of a target that has long been at its size."""
    return History.seeded(seen.at - 10_000, seen.workers.replicas)


def test_a_rollout_holds_scale_in_and_nothing_else():
    """What was cordoned is given back, nobody new is, and more are asked for as ever."""
    seen = rolling("o o n? n", 1)
    decision, _ = at(seen, settled(seen), held(placement=True))
    assert (decision.replicas, reasons(decision)[-1]) == (4, "RolloutInProgress")
    assert decision.steps[-1].message == (
        "a rollout is in progress (2 of 4 updated, worker-2 not Ready, worker-1 not updated, worker-0 not "
        "updated), which ends workers itself: nothing shrinks, for 0 s now and until 1970-01-12T14:01:40Z "
        "at the latest"
    )
    assert {order.consume for order in decision.orders} == {True}
    grown, _ = at(rolling("o o n", 7), settled(seen))
    assert (grown.replicas, reasons(grown)) == (7, ("WorkWaiting",))


def test_nothing_goes_before_the_hold():
    """Neither the number to fall back to, nor an HPA's maximum, nor a quota that has been lowered."""
    seen = rolling("o o o n?", 4)
    blind = replace(seen, broker=unknown("redis", "no answer"))
    static = replace(held(), fallback=Fallback(FallbackMode.STATIC, 1, 0.0))
    floor = replace(held(), hpa=HpaMode.FLOOR)
    for look, policy_, reason in (
        (blind, static, "RolloutInProgress"),
        (beside(seen, hpa(most=2)), floor, "RolloutInProgress"),
        (within(seen, limits("5", "3")), held(), "WorkWaiting"),
    ):
        decision, past = at(look, settled(seen), policy_)
        assert (decision.replicas, decision.reason) == (4, reason)
        assert not any(cordon.since is not None for cordon in decision.cordons)
        afterwards, _ = at(later(look, HOLD), past, policy_)
        assert afterwards.replicas < 4


@pytest.mark.parametrize(("seconds", "replicas"), [(0.0, 5), (HOLD - 1, 5), (HOLD, 1), (10 * HOLD, 1)])
def test_it_holds_for_a_stated_time_at_most(seconds: float, replicas: int):
    """Then the drain goes on, to the workers that are proven idle."""
    seen = rolling("o o o o n?", 1)
    _, past = at(seen, settled(seen))
    decision, _ = at(later(seen, seconds), past)
    assert decision.replicas == replicas


def test_placement_waits_for_as_long():
    """High ordinals are spared once a rollout holds nothing any more, however long it is stuck."""
    seen = rolling("o o o o n?", 2)
    stay = replace(held(placement=True), scale_down=rules(window=1e5))
    past, spared = settled(seen), []
    for seconds in (0.0, HOLD - 1, HOLD):
        decision, past = at(later(seen, seconds), past, stay)
        spared.append([cordon.pod for cordon in decision.cordons if not cordon.giving_back])
    assert spared == [[], [], ["worker-3", "worker-4"]]


def test_a_new_template_begins_a_new_time():
    """One after the other, each holds for itself; one that is over and the same again too."""
    seen = rolling("o o n?", 1)
    _, past = at(seen, settled(seen))
    late = later(seen, HOLD)
    rollout = late.workers.rollout
    assert rollout is not None
    other = replace(late, workers=replace(late.workers, rollout=replace(rollout, revision="worker-3")))
    decision, past = at(other, past)
    assert reasons(decision)[-1] == "RolloutInProgress"
    over = later(replace(seen, workers=replace(seen.workers, rollout=None)), HOLD + 1)
    _, past = at(over, past)
    decision, _ = at(later(seen, HOLD + 2), past)
    assert reasons(decision)[-1] == "RolloutInProgress"


def test_a_finished_partition_keeps_its_time():
    """A pod that is added or crashes long after is no new rollout, and holds nothing any more."""
    seen = rolling("o o n?", 1)
    _, past = at(seen, settled(seen))
    rollout = seen.workers.rollout
    assert rollout is not None
    finished = replace(seen, workers=replace(seen.workers, rollout=replace(rollout, waits_for=())))
    decision, past = at(later(finished, 60.0), past)
    assert decision.replicas == 1
    again, _ = at(later(seen, HOLD), past)
    assert again.replicas == 1
    fresh, _ = at(finished, settled(seen))
    assert fresh.replicas == 1


@pytest.mark.parametrize(
    ("letters", "made_at", "held_for"),
    [
        ("o o n?", (-5000.0, -4000.0, -800.0), 800),  # the daemon has come up again: from its last pod on
        ("o o n?", (-5000.0, -700.0, -800.0), 0),  # rolled back: the new ones are older than those it ends
        ("n n n?", (-800.0, -850.0, -880.0), 800),
        ("o o o", (-800.0, -850.0, -880.0), 0),
        ("o o n?", (None, None, None), 0),
    ],
)
def test_after_a_restart_it_is_counted_from_the_last_pod_that_it_made(letters, made_at, held_for):
    """So that a daemon which is restarted again and again does not hold scale-in for ever."""
    seen = rolling(letters, 1)
    born = [None if age is None else NOW + age for age in made_at]
    there = tuple(replace(pod, created_at=at) for pod, at in zip(seen.workers.pods, born, strict=True))
    decision, _ = at(replace(seen, workers=replace(seen.workers, pods=there)), settled(seen))
    assert f"for {held_for} s now" in decision.steps[-1].message


def test_pods_that_a_rollout_has_replaced_consume_again_and_are_drained_again():
    """The cordon was of a process that is gone; the new one is told anew, and counts from the first time."""
    seen = rolling("o n n", 1)
    seen = replace(seen, crew=tuple(worker(p.name, cordoned=False) for p in seen.workers.pods))
    reborn = tuple(replace(pod, started_at=NOW - 5.0) for pod in seen.workers.pods)
    known = tuple(replace(cordon, since=NOW - 100.0) for cordon in seen.cordons or ())
    seen = replace(seen, workers=replace(seen.workers, pods=reborn, rollout=None), cordons=known)
    decision, _ = at(seen, settled(seen))
    assert [(order.pod, order.consume) for order in decision.orders] == [
        ("worker-1", False),
        ("worker-2", False),
    ]
    assert [(c.pod, c.started_at, c.since) for c in decision.cordons] == [
        ("worker-1", NOW - 5.0, NOW - 100.0),
        ("worker-2", NOW - 5.0, NOW - 100.0),
    ]
    ending, _ = at(rolling("o o- n", 1), settled(seen), replace(held(), rollout_hold_seconds=0.0))
    assert ending.replicas == 1


def told(past: History, seen: Snapshot) -> tuple[Notice | None, History]:
    """Look, and return what is told of it."""
    now = past.looked(seen)
    return begun(past.rolling, now.rolling, seen), now


def test_that_a_rollout_ends_workers_is_told_once():
    """Those at work are named; it is no warning where none is known to be."""
    seen = rolling("o o o n", w0=1, w2=2, w3=1)
    notice, past = told(settled(seen), seen)
    assert notice == Notice(
        "RolloutEndsWorkers",
        "a rollout to worker-2 is in progress (1 of 4 updated, worker-2 not updated, worker-1 not updated, "
        "worker-0 not updated) and ends workers by their grace period, whatever they run: at work are "
        "worker-2, worker-0",
        ("worker-2", "worker-0"),
    )
    assert told(past, later(seen, 5.0))[0] is None
    idle, _ = told(settled(seen), rolling("o o"))
    assert idle is not None
    assert idle.message.endswith("whatever they run: none is known to be at work")
    assert not idle.warning
    many, _ = told(settled(seen), rolling("o o o o o", w0=1, w1=1, w2=1, w3=1, w4=1))
    assert many is not None
    assert many.message.endswith("at work are worker-4, worker-3, worker-2 and 2 more")


def test_a_rollout_that_has_nobody_left_to_end_is_not_told():
    """Unless it finds somebody later."""
    seen = rolling("n n?")
    notice, past = told(settled(seen), seen)
    assert notice is None
    notice, past = told(past, rolling("o n?"))
    assert notice is not None
    assert told(past, rolling("o n?"))[0] is None
    assert told(past, replace(seen, workers=replace(seen.workers, rollout=None)))[0] is None


def test_of_a_deployment_all_pods_may_be_meant():
    """Which of them are old is not known here."""
    seen = rolling("o o", w1=1)
    found = rollout_of_deployment(replace(IDLE, replicas=4, updated=1))
    notice, _ = told(settled(seen), replace(seen, workers=replace(seen.workers, rollout=found)))
    assert notice is not None
    assert notice.pods == ("worker-1",)
