"""How answers and heartbeats are read and merged, without any server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.brokers.heartbeats import Event, Heard
from autoscaler.brokers.workers_account import Node
from autoscaler.brokers.workers_answers import FACTS, HELD, Facts, Garbled, Holding, decode, facts, holding
from autoscaler.core.model import Quality

SECRET = "eyJhbGciOi"
IDLE = Holding(0, 0, ())
HOUR = "2024-01-01T01:00:00+01:00"


def task(name: str) -> dict[str, Any]:
    """Return a task as a worker shows it, its arguments included."""
    return {"id": name, "args": [SECRET], "kwargs": {"token": SECRET}}


def told(command: str, answer: object) -> Any:
    """Return what is read of an answer."""
    return decode(command, json.dumps({"n": answer}), "application/json")["n"]


def held(scheduled: list[Any], reserved: list[Any], active: list[Any]) -> Holding | None:
    """Return what three answers add up to."""
    answers = zip(HELD, (scheduled, reserved, active), strict=True)
    return holding({command: told(command, answer) for command, answer in answers})


@pytest.mark.parametrize(
    ("scheduled", "reserved", "active", "expected"),
    [
        ([], [], [], Holding(0, 0, ())),
        ([], ["a", "b"], ["c"], Holding(1, 2, ())),
        ([], ["a", "b"], ["a"], Holding(1, 1, ())),
        ([("a", HOUR)], [], [], Holding(0, 0, (1704067200.0,))),
        ([("a", HOUR), ("b", "2024-01-01T00:00:01")], ["a"], [], Holding(0, 1, (1704067201.0,))),
        ([("a", HOUR)], ["a"], ["a"], Holding(1, 0, ())),
        ([("a", None), ("b", "soon")], [], [], Holding(0, 2, ())),
    ],
    ids=["idle", "both", "early-acked", "eta", "became due", "seen three times", "rate limit"],
)
def test_every_task_counts_once(
    scheduled: list[tuple[str, str | None]], reserved: list[str], active: list[str], expected: Holding
) -> None:
    """Where it was seen last."""
    waiting = [{"eta": eta, "priority": 6, "request": task(name)} for name, eta in scheduled]
    assert held(waiting, [task(name) for name in reserved], [task(name) for name in active]) == expected


def test_questions_are_asked_in_the_order_in_which_tasks_move_on() -> None:
    """In any other one a task that moves in between would be missed in both places."""
    assert HELD == ("scheduled", "reserved", "active")


def test_nothing_of_a_tasks_arguments_is_kept() -> None:
    """They hold tokens that live."""
    assert SECRET not in repr(told("reserved", [task("a")]))
    assert SECRET not in repr(told("scheduled", [{"eta": HOUR, "request": task("a")}]))


def test_an_answer_that_is_missing_leaves_all_of_it_unsaid() -> None:
    """A worker that ended in between did not say that it holds nothing."""
    assert holding({"scheduled": [], "reserved": []}) is None
    assert facts({"stats": told("stats", {})}) is None


def test_facts_are_the_slots_and_the_queues() -> None:
    """An autoscaling worker counts with its maximum."""
    stats = {"pool": {"max-concurrency": 1}, "autoscaler": {"max": 6}, "total": {}}
    answers = {
        FACTS[0]: told("stats", stats),
        FACTS[1]: told("active_queues", [{"name": "q", "alias": None}]),
    }
    assert facts(answers) == Facts(6, ("q",))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x80\x04.", "application/x-python-serialize"),
        (b"{", "application/json"),
        (b'{"n": {"error": "%s"}}' % SECRET.encode(), "application/json"),
        (b'{"n": [{"name": 1}]}', None),
    ],
)
def test_other_answers_are_refused_without_being_repeated(body: bytes, kind: str | None) -> None:
    """Pickles are not opened at all."""
    with pytest.raises(Garbled) as refused:
        decode("active", body, kind)
    assert SECRET not in str(refused.value)


def asked(at: float = 100.0, holding: Holding = IDLE, interval: float = 5.0) -> Node:
    """Return a worker that was asked and answered."""
    node = Node("celery@w-0", asked_at=at, interval_seconds=interval)
    node.take(at, at, holding, Facts(4, ("q",)))
    return node


def asked_again(holding: Holding) -> Node:
    """Return a worker that answered another time after it had said that one task runs."""
    node = asked(95.0, replace(holding, active=1, reserved=0))
    node.asked_at = 100.0
    node.take(100.0, 100.0, holding, None)
    return node


def heard(at: float, active: int | None, kind: str = "worker-heartbeat", since: float = 90.0) -> Heard:
    """Return what is known after some heartbeats, the last of them at a time."""
    last = Heard(since)
    beats = range(int(since), int(at), 2)
    for beat in beats:
        last = last.after(Event("celery@w-0", "worker-heartbeat", active=0), float(beat))
    return last.after(Event("celery@w-0", kind, active=active), at)


def quality(node: Node, now: float, beat: Heard | None = None) -> Quality | None:
    """Return the account's quality."""
    account = node.account(now, beat)
    return None if account is None else account.quality


def test_of_a_worker_that_neither_answered_nor_was_heard_there_is_no_account() -> None:
    """That is not the same as an idle one."""
    assert Node("celery@w-0").account(100.0, None) is None
    node = Node("celery@w-0", asked_at=100.0)
    node.take(100.0, 100.0, None, None)
    assert node.account(101.0, None) is None


@pytest.mark.parametrize("interval", [5.0, 60.0])
def test_an_answer_is_fresh_for_twice_its_interval(interval: float) -> None:
    """And keeps its numbers after that."""
    node = asked(100.0, Holding(1, 2, (7.0,)), interval)
    assert quality(node, 100.0 + 2 * interval) is Quality.FRESH
    account = node.account(100.1 + 2 * interval, None)
    assert account is not None
    assert (account.quality, account.active, account.reserved, account.eta) == (Quality.STALE, 1, 2, (7.0,))


def test_a_question_without_an_answer_makes_the_last_one_stale_at_once() -> None:
    """A solo pool that has taken a task since does not answer, and was idle when it last did."""
    node = asked()
    node.take(105.0, 105.0, None, None)
    assert quality(node, 106.0) is Quality.STALE
    node.take(107.0, 107.0, IDLE, None)
    assert quality(node, 108.0) is Quality.FRESH


@pytest.mark.parametrize("kind", ["worker-offline", "worker-online"])
def test_a_worker_that_has_turned_since_is_stale(kind: str) -> None:
    """It shuts down with its tasks running, or is another process."""
    assert quality(asked(), 103.0, heard(102.0, 0, kind)) is Quality.STALE
    assert quality(asked(104.0), 105.0, heard(102.0, 0, kind)) is Quality.FRESH


@pytest.mark.parametrize(
    ("beat", "active", "reserved", "source"),
    [
        (None, 2, 3, "inspection"),
        (heard(98.0, 0), 2, 3, "inspection"),
        (heard(101.0, 2), 2, 3, "inspection and heartbeat"),
        (heard(101.0, 0), 0, 3, "inspection and heartbeat"),
        (heard(101.0, 4), 4, 1, "inspection and heartbeat"),
        (heard(101.0, 9), 9, 0, "inspection and heartbeat"),
        (heard(101.0, None), 2, 3, "inspection"),
    ],
)
def test_a_newer_heartbeat_corrects_what_runs(
    beat: Heard | None, active: int, reserved: int, source: str
) -> None:
    """More than answered were reserved before; the account stays as old as the answer."""
    account = asked(100.0, Holding(2, 3, ())).account(103.0, beat)
    assert account is not None
    assert (account.active, account.reserved, account.source) == (active, reserved, source)
    assert account.age_seconds == 3.0


def test_a_heartbeat_does_not_make_an_old_answer_fresh() -> None:
    """It says nothing of what is reserved."""
    assert quality(asked(100.0), 200.0, heard(199.0, 0)) is Quality.STALE


def test_a_heartbeat_that_is_missed_corrects_nothing() -> None:
    """Its worker may have ended those tasks, or begun others."""
    account = asked(100.0, Holding(2, 0, ()), 60.0).account(115.0, heard(101.0, 0))
    assert account is not None
    assert account.active == 2


def test_a_heartbeat_alone_tells_what_runs_and_nothing_else() -> None:
    """Fresh while it lasts, stale once the worker says it ends."""
    account = Node("celery@w-0").account(103.0, heard(101.0, 2))
    assert account is not None
    assert (account.active, account.reserved, account.eta, account.slots) == (2, None, None, None)
    assert (account.quality, account.age_seconds) == (Quality.FRESH, 2.0)
    assert quality(Node("w"), 109.0, heard(101.0, 2)) is Quality.STALE
    assert quality(Node("w"), 102.0, heard(101.0, 0, "worker-offline")) is Quality.STALE


def pauses(node: Node, tries: int) -> list[float]:
    """Return the times between that many questions without an answer."""
    now, found = 1000.0, []
    node.asked_at = now
    node.take(now, now, None, None)
    for _ in range(tries):
        began = now
        while not node.due(now, None):
            now += 0.5
        found.append(now - began)
        node.asked_at = now
        node.take(now, now, None, None)
    return found


def test_silence_is_asked_about_sooner_and_then_less_and_less() -> None:
    """A worker that hangs finds all questions when it goes on; a new one may just be starting."""
    assert pauses(asked(), 7) == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert pauses(Node("new"), 17) == [2.0] * 15 + [4.0, 8.0]


def test_when_a_worker_is_due() -> None:
    """At once when new or turned, soon while its answers change, else after its interval."""
    assert Node("new").due(0.0, None)
    assert [asked().due(now, None) for now in (101.0, 101.9, 102.0)] == [False, False, True]
    assert [asked_again(Holding(1, 0, ())).due(now, None) for now in (104.9, 105.0)] == [False, True]
    assert [asked_again(Holding(1, 3, ())).due(now, None) for now in (101.9, 102.0)] == [False, True]
    calm = asked_again(Holding(1, 3, ()))
    calm.interval_seconds = 60.0
    assert not calm.due(159.0, None)
    assert not asked().due(101.9, heard(101.0, 0, "worker-online"))
    assert asked().due(102.0, heard(101.0, 0, "worker-online"))
    assert not asked().due(102.0, heard(101.0, 0, "worker-offline"))
    waiting = asked()
    waiting.queued = True
    assert not waiting.due(500.0, None)


def test_another_process_of_the_name_begins_anew_but_can_do_as_much() -> None:
    """What the one before it held is not the new one's."""
    node = asked(100.0, Holding(2, 3, ()))
    node.restarted()
    assert node.account(101.0, None) is None
    assert node.due(101.0, None)
    assert node.facts == Facts(4, ("q",))
    assert node.wants_facts(101.0, None)


@pytest.mark.parametrize(
    ("holding", "active", "beat", "due"),
    [
        (IDLE, 2, 104.0, True),
        (IDLE, 0, 104.0, False),
        (IDLE, 2, 99.0, False),
        (Holding(1, 0, ()), 2, 104.0, False),
        (Holding(0, 3, ()), 2, 104.0, False),
    ],
    ids=["it works", "it idles", "heard before", "it ran some", "it reserved some"],
)
def test_who_is_heard_to_work_after_an_answer_of_being_idle_is_asked_again(
    holding: Holding, active: int, beat: float, due: bool
) -> None:
    """It may have reserved tasks too, of which only it can tell; a busy one is not asked for each task."""
    node = asked(holding=holding, interval=60.0)
    assert node.due(104.0, heard(beat, active)) is due
    assert not node.due(101.5, heard(beat, active))
