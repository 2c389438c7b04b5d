"""What workers are told to consume, when, and how it is known that they do; without any server."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import pytest

from autoscaler.brokers.heartbeats import Event, Heard
from autoscaler.brokers.workers_account import SHORTEST_SECONDS, Node
from autoscaler.brokers.workers_answers import Facts, Holding
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import Answer, WorkerAccount
from autoscaler.core.model import Order, WorkerPod, WorkerSet
from tests.brokers.servers import FakeClock
from tests.brokers.test_workers import TARGET, URL, Office

IDLE, BUSY = Holding(0, 0, ()), Holding(1, 0, ())


def crew(*names: str, started_at: float = 1.0, ready: bool = True) -> WorkerSet:
    """Return a worker set whose pods these are."""
    return WorkerSet(
        "uid-1",
        len(names),
        tuple(WorkerPod(name, ready=ready, terminating=False, started_at=started_at) for name in names),
    )


def stop(*names: str) -> list[Order]:
    """Return the orders to consume q no more."""
    return [Order(name, ("q",), consume=False) for name in names]


def go_on(*names: str) -> list[Order]:
    """Return the orders to consume q again."""
    return [Order(name, ("q",), consume=True) for name in names]


@pytest.fixture
def office(clock: FakeClock) -> Any:
    """Open one whose workers have answered once, and close it."""
    made = Office(clock)
    made.broker.idle = {"celery@w-0", "celery@w-1"}
    with closing(made.force):
        made.ask(crew("w-0", "w-1"))
        made.broker.calls.clear()
        yield made


def give(office: Office, orders: list[Order]) -> None:
    """Give orders, and let the threads do their work."""
    office.force.give(TARGET, URL, orders)
    while office.drawer.work():
        continue


def account(office: Office, name: str = "w-0") -> WorkerAccount:
    """Return what is known of a worker."""
    (found,) = office.accounts(crew(name))
    return found


def test_workers_are_told_together_and_asked_what_has_come_of_it(office: Office) -> None:
    """One command for both, then their queues until they obey, then all there is to know."""
    give(office, stop("w-0", "w-1"))
    nodes = ("celery@w-0", "celery@w-1")
    assert office.broker.told == [(nodes[:1], "cancel_consumer", {"queue": "q"})] or office.broker.told
    assert {node for told, _, _ in office.broker.told for node in told} == set(nodes)
    assert account(office).queues == ()
    assert account(office).cordoned_seconds == 0.0
    office.clock.advance(3.0)
    assert account(office, "w-1").cordoned_seconds == 3.0


def test_orders_of_one_kind_go_out_as_one_command(office: Office) -> None:
    """They wait at the desk together while another call is under way."""
    office.broker.during = lambda: office.force.give(TARGET, URL, stop("w-0", "w-1"))
    office.clock.advance(60.0)
    office.ask(crew("w-0", "w-1"))
    office.broker.during = lambda: None
    while office.drawer.work():
        continue
    assert office.broker.told[0] == (("celery@w-0", "celery@w-1"), "cancel_consumer", {"queue": "q"})


def test_queues_are_given_back(office: Office) -> None:
    """What it consumes is not known from the order to the answer."""
    give(office, stop("w-0"))
    give(office, go_on("w-0"))
    assert office.broker.told[-1] == (("celery@w-0",), "add_consumer", {"queue": "q"})
    assert (account(office).queues, account(office).cordoned_seconds) == (("q",), None)


def test_a_worker_that_does_not_obey_is_asked_a_few_times_and_then_left(office: Office) -> None:
    """It goes on consuming, and that is what is known of it."""
    office.broker.deaf = {"celery@w-0"}
    give(office, stop("w-0"))
    assert [commands for _, commands in office.broker.calls][:-1] == [("active_queues",)] * 5
    assert (account(office).queues, account(office).cordoned_seconds) == (("q",), None)


def test_the_last_order_counts(office: Office) -> None:
    """Told to stop and to go on before either was sent: one after the other, in this order."""
    office.force.give(TARGET, URL, stop("w-0"))
    office.force.give(TARGET, URL, stop("w-0"))
    office.force.give(TARGET, URL, go_on("w-0"))
    while office.drawer.work():
        continue
    assert [command for _, command, _ in office.broker.told] == ["cancel_consumer", "add_consumer"]
    assert account(office).queues == ("q",)


def test_a_silent_worker_is_told_less_and_less_often(office: Office) -> None:
    """It would find all of the orders when it goes on."""
    office.broker.silent = {"celery@w-0"}
    told = []
    for _ in range(40):
        give(office, stop("w-0"))
        told.append(len(office.broker.told))
        office.clock.advance(1.0)
    assert told[-1] < 10
    assert account(office).cordoned_seconds is None


def test_whoever_answers_does_not_wait_for_those_who_do_not(office: Office) -> None:
    """The silent ones have a call of their own, and it comes last."""
    office.broker.silent = {"celery@w-0"}
    office.clock.advance(60.0)
    office.ask(crew("w-0", "w-1"))
    office.clock.advance(60.0)
    office.broker.calls.clear()
    office.ask(crew("w-0", "w-1"))
    assert [nodes for nodes, _ in office.broker.calls] == [("celery@w-1",), ("celery@w-0",)]


def test_those_who_are_to_go_are_asked_at_every_look_while_they_are_idle(office: Office) -> None:
    """With all that their going depends on; a busy one every two seconds, and ready or not."""
    for name, ready, asked in (("w-0", True, 4), ("w-1", False, 4), ("w-2", True, 2)):
        office.broker.calls.clear()
        for _ in range(4):
            office.clock.advance(1.0)
            office.force.ask(TARGET, URL, crew(name, ready=ready), leaving={name})
            while office.drawer.work():
                continue
        calls = [commands for nodes, commands in office.broker.calls if nodes == (f"celery@{name}",)]
        assert (name, len(calls)) == (name, asked)
        assert all("active_queues" in commands for commands in calls)


def test_while_an_order_waits_to_be_sent_nothing_said_before_counts(office: Office) -> None:
    """Otherwise what was told first and not heard yet would be taken for undone."""
    office.force.give(TARGET, URL, stop("w-0"))
    assert (account(office).queues, account(office).cordoned_seconds) == (None, None)
    office.force.give(TARGET, URL, go_on("w-0"))
    assert account(office).queues is None


@pytest.mark.parametrize(
    ("version", "forgetful"),
    [("", True), ("4.4.7", True), ("5.6.3", True), ("5.7.0", False), ("6.0.0rc1", False)],
)
def test_which_celery_forgets_queues_that_it_was_given_back(version: str, forgetful: bool) -> None:
    """By what its heartbeats say; one that was never heard may be an old one."""
    node = answered((100.0, IDLE, ("q",)))
    known = node.account(101.0, Heard(at=100.0).after(Event("n", "worker-online", sw_ver=version), 100.0))
    assert known is not None
    assert known.forgetful is forgetful


def test_a_restart_of_the_process_forgets_its_cordon(office: Office) -> None:
    """The pod is the same and never was seen unready, but its container began anew."""
    give(office, stop("w-0"))
    office.broker.silent = {"celery@w-0"}
    office.force.ask(TARGET, URL, crew("w-0", started_at=2.0), leaving={"w-0"})
    assert office.accounts(crew("w-0")) == ()


def test_what_another_process_of_the_name_said_does_not_count(office: Office) -> None:
    """The pod was made anew between two looks."""
    give(office, stop("w-0"))
    assert len(office.accounts(crew("w-0"))) == 1
    assert office.accounts(crew("w-0", started_at=9.0)) == ()


def test_the_last_question_waits_for_its_answer(office: Office) -> None:
    """It ends when the workers have been asked, which a thread of the desk does."""
    asking = threading.Thread(target=office.force.make_sure, args=(TARGET, URL, ["w-0", "w-1"]))
    asking.start()
    while asking.is_alive():
        office.drawer.work()
        asking.join(0.01)
    assert [len(account(office, name).answers) for name in ("w-0", "w-1")] == [2, 2]


def test_without_a_broker_nobody_is_told_and_nothing_is_waited_for(office: Office) -> None:
    """Its URL is none that is understood."""
    office.force.give(TARGET, "nonsense://x", stop("w-0"))
    office.force.make_sure(TARGET, "nonsense://x", ["w-0"])
    assert office.broker.told == []


def test_a_broker_that_is_left_alone_makes_nobody_wait(office: Office) -> None:
    """The question is not asked, and that is known at once."""
    office.broker.failure = ConnectionRefusedError("no")
    give(office, stop("w-0"))
    office.force.make_sure(TARGET, URL, ["w-0"])
    assert account(office).cordoned_seconds is None


def answered(*answers: tuple[float, Holding | None, tuple[str, ...]]) -> Node:
    """Return a worker that answered at these times."""
    node = Node("n", interval_seconds=0.8)
    for at, holding, queues in answers:
        node.asked_at = at
        node.take(at, at + 0.1, holding, None if holding is None else Facts(1, queues))
    return node


def test_answers_in_a_row_are_known_with_their_age() -> None:
    """Two at most, and none from before a question without an answer."""
    node = answered((100.0, BUSY, ()), (101.0, IDLE, ()), (102.0, IDLE, ()))
    known = node.account(103.0, None)
    assert known is not None
    assert known.answers == (Answer(2.0, 0, 0), Answer(1.0, 0, 0))
    assert known.cordoned_seconds == pytest.approx(2.9)
    silent = answered((100.0, IDLE, ()), (101.0, None, ()), (102.0, IDLE, ())).account(103.0, None)
    assert silent is not None
    assert silent.answers == (Answer(1.0, 0, 0),)
    mute = answered((100.0, IDLE, ()), (101.0, None, ())).account(101.5, None)
    assert mute is not None
    assert mute.answers == ()


def test_what_is_heard_later_contradicts_answers() -> None:
    """It runs something, or has begun to consume anew."""
    node = answered((100.0, IDLE, ()), (101.0, IDLE, ()))
    works = node.account(102.5, Heard(at=102.0, active=1, active_at=102.0))
    assert works is not None
    assert works.answers == ()
    assert works.cordoned_seconds == pytest.approx(2.4)
    turned = node.account(102.5, Heard(at=102.0, active=0, active_at=102.0, turned_at=102.0))
    assert turned is not None
    assert (turned.answers, turned.cordoned_seconds) == ((), None)


def test_a_cordon_counts_from_the_first_answer_that_confirms_it() -> None:
    """And from the next first one, if there was another in between."""
    node = answered((100.0, IDLE, ()), (101.0, IDLE, ("q",)), (102.0, IDLE, ()))
    known = node.account(103.0, None)
    assert known is not None
    assert known.cordoned_seconds == pytest.approx(0.9)


def test_who_is_to_go_and_is_heard_to_be_free_is_asked() -> None:
    """A heartbeat tells it sooner than the next question would."""
    free = Heard(at=101.0, active=0, active_at=101.0)
    busy = answered((100.0, BUSY, ()))
    busy.interval_seconds = SHORTEST_SECONDS
    assert busy.due(102.0, free)
    mute = answered((90.0, IDLE, ()), *((91.0 + n, None, ()) for n in range(9)))
    mute.interval_seconds = SHORTEST_SECONDS
    assert not mute.due(103.0, Heard(at=98.0, active=0, active_at=98.0))
    assert mute.due(103.0, free)


def test_workers_of_two_targets_that_have_the_same_name_are_left_alone(office: Office) -> None:
    """On one broker an order would reach both, and the one's answer pass for the other's."""
    elsewhere = TargetSettings("elsewhere", "w", ("q",))
    office.clock.advance(10.0)
    office.ask(crew("w-0"))
    office.ask(crew("w-0"), target=elsewhere)
    assert office.accounts(crew("w-0")) == ()
    give(office, stop("w-0"))
    assert office.broker.told == []
    assert "celery@w-0 is also the name of a worker of elsewhere/w" in office.force.detail(TARGET.ref)
    office.clock.advance(60.0)
    office.ask(crew("w-0"))
    assert len(office.accounts(crew("w-0"))) == 1


@pytest.mark.parametrize(("version", "asked"), [("5.6.3", 3), ("5.7.0", 0)])
def test_who_may_forget_what_it_was_told_is_asked_for_it_now_and_then(version: str, asked: int) -> None:
    """An old Celery loses its queue with its connection, and then somebody has to see that before long."""
    node = answered((100.0, IDLE, ("q",)))
    heard = Heard(at=100.0, version=version)
    assert not node.is_minded(heard)
    node.told(100.0)
    node.take(100.0, 100.1, IDLE, Facts(1, ("q",)))
    looks = []
    for now in range(101, 135):
        if node.wants_facts(float(now), heard):
            looks.append(now)
            node.take(float(now), now + 0.1, IDLE, Facts(1, ("q",)))
    assert len(looks) == asked
