from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from autoscaler.brokers.census import CelerySlotCensus
from autoscaler.brokers.remote import Unanswered
from autoscaler.config.model import BrokerSettings, TargetSettings
from autoscaler.core.model import Quality, Reading, WorkerPod, WorkerSet
from autoscaler.ports import BrokerUnknown, SlotCensus
from tests.brokers.conftest import Fleet
from tests.brokers.servers import PATIENCE_SECONDS, FakeClock, free_port, wait_until

URL = "redis://h/0"
TARGET = TargetSettings(namespace="ns", name="w", queues=("q",))
Told = Mapping[str, int | None]


@dataclass(slots=True)
class FakeRemote:
    """Answers as it is told to, once its gate is open, and remembers who was asked."""

    answer: Told | Exception = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def concurrency(self, url: str, broker: BrokerSettings, nodes: Sequence[str]) -> Told:
        """Answer, or raise."""
        assert (url, broker) == (URL, TARGET.broker)
        self.asked.append(tuple(nodes))
        assert self.gate.wait(PATIENCE_SECONDS)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Drawer(Executor):
    """Keeps what is to be done until told to do it."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Keep a call."""
        self.waiting.append(lambda: fn(*arguments, **options))
        return Future()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Drop what was kept."""
        assert (wait, cancel_futures) == (True, True)
        self.waiting.clear()

    def work(self) -> bool:
        """Do what was kept; return whether there was anything."""
        calls, self.waiting = self.waiting, []
        for call in calls:
            call()
        return bool(calls)


class Desk:
    """A census without threads, with its clock and the remote that it asks."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.drawer = Drawer()
        self.remote = FakeRemote()
        self.remote.gate.set()
        self.census = CelerySlotCensus(clock, self.remote, self.drawer)
        self.port: SlotCensus = self.census

    @property
    def reading(self) -> Reading[int]:
        """What the census says of the target."""
        return self.port.slots(TARGET.ref)

    def ask(self, *pods: str, uid: str = "uid-1") -> bool:
        """Ask with these pods ready; return whether it was due, the workers then having been asked."""
        self.port.ask(TARGET, URL, workers(*pods, uid=uid))
        return self.drawer.work()


def workers(*ready: str, uid: str = "uid-1") -> WorkerSet:
    """Return a worker set whose ready pods these are."""
    return WorkerSet(uid, len(ready), tuple(WorkerPod(name, ready=True, terminating=False) for name in ready))


@pytest.fixture
def desk(clock: FakeClock) -> Desk:
    """Open a census by the fake clock."""
    return Desk(clock)


def test_before_the_first_answer_the_slots_are_unknown(desk: Desk) -> None:
    """Unknown says why, and no worker is asked before one is ready."""
    assert desk.reading.quality is Quality.UNKNOWN
    assert desk.reading.source == "celery stats"
    assert desk.reading.detail == "no worker was ready to be asked yet"
    unready = (
        WorkerPod("w-0", ready=False, terminating=False),
        WorkerPod("w-1", ready=True, terminating=True),
    )
    desk.census.ask(TARGET, URL, WorkerSet("uid-1", 2, unready))
    assert desk.remote.asked == []
    assert not desk.ask()


def test_an_answer_is_fresh_and_says_who_gave_it(desk: Desk) -> None:
    """With its age."""
    desk.remote.answer = {"celery@w-0": 16}
    assert desk.ask("w-0")
    desk.clock.advance(7.0)
    assert desk.reading == Reading(16, "celery stats of celery@w-0", Quality.FRESH, 7.0)


def test_asking_does_not_wait_for_the_answer(desk: Desk) -> None:
    """And nobody is asked again while a question is under way."""
    desk.remote.answer = {"celery@w-0": 4}
    for _ in range(3):
        desk.census.ask(TARGET, URL, workers("w-0"))
        desk.clock.advance(10.0)
    assert desk.reading.quality is Quality.UNKNOWN
    assert desk.drawer.work()
    assert desk.remote.asked == [("celery@w-0",)]
    assert desk.reading.is_fresh


def test_at_most_three_ready_workers_are_asked_and_others_after_a_failure(desk: Desk) -> None:
    """So that a few that hang do not hide the rest."""
    pods = ("w-0", "w-1", "w-2", "w-3", "w-4")
    for _ in range(3):
        assert desk.ask(*pods)
        desk.clock.advance(60.0)
    assert desk.remote.asked == [
        ("celery@w-0", "celery@w-1", "celery@w-2"),
        ("celery@w-3", "celery@w-4", "celery@w-0"),
        ("celery@w-1", "celery@w-2", "celery@w-3"),
    ]


def test_the_node_is_named_as_the_target_says(desk: Desk) -> None:
    """Not every worker is called celery@pod."""
    target = TargetSettings(namespace="ns", name="w", queues=("q",), worker_node="worker@{pod}.svc")
    desk.census.ask(target, URL, workers("w-0"))
    desk.drawer.work()
    assert desk.remote.asked == [("worker@w-0.svc",)]


@pytest.mark.parametrize(
    ("told", "slots", "node"),
    [
        ({"a": 4, "b": 16, "c": 16}, 16, "b"),
        ({"a": 16, "b": 4}, 4, "b"),
        ({"c": 1, "b": 2, "a": 3}, 1, "c"),
        ({"a": None, "b": 8}, 8, "b"),
    ],
)
def test_of_different_numbers_the_most_frequent_counts_and_the_smaller_of_equals(
    desk: Desk, told: Told, slots: int, node: str
) -> None:
    """Too few slots per worker calls up a worker too many, too many leaves work waiting."""
    desk.remote.answer = told
    desk.ask("w-0")
    assert (desk.reading.value, desk.reading.source) == (slots, f"celery stats of {node}")


def test_a_known_number_is_renewed_every_five_minutes(desk: Desk) -> None:
    """And not before, whatever happens to the pods."""
    desk.remote.answer = {"celery@w-0": 4}
    assert desk.ask("w-0")
    desk.clock.advance(299.0)
    assert not desk.ask("w-0", "w-1")
    desk.clock.advance(1.0)
    desk.remote.answer = {"celery@w-0": 8}
    assert desk.ask("w-0")
    assert desk.reading.value == 8


def test_another_worker_set_of_the_same_name_is_asked_at_once(desk: Desk) -> None:
    """Until it answers, the number of the one before stands."""
    desk.remote.answer = {"celery@w-0": 4}
    assert desk.ask("w-0")
    desk.clock.advance(1.0)
    desk.remote.answer = {"celery@w-0": 2}
    assert not desk.ask(uid="uid-2")
    assert desk.reading.value == 4
    assert desk.ask("w-0", uid="uid-2")
    assert desk.reading.value == 2


def test_a_number_is_kept_when_the_workers_are_gone(desk: Desk) -> None:
    """It is fresh for ever, but its source says that it is the last one."""
    desk.remote.answer = {"celery@w-0": 4}
    desk.ask("w-0")
    desk.clock.advance(359.0)
    assert not desk.ask()
    assert desk.reading.source == "celery stats of celery@w-0"
    desk.clock.advance(100_000.0)
    assert desk.reading == Reading(4, "last reported by celery@w-0", Quality.FRESH, 100_359.0)


def test_a_failed_renewal_keeps_the_number_and_tells_why(desk: Desk) -> None:
    """The detail goes with the next answer."""
    desk.remote.answer = {"celery@w-0": 4}
    desk.ask("w-0")
    desk.clock.advance(300.0)
    desk.remote.answer = Unanswered("redis h:6379/0: refused the connection")
    assert desk.ask("w-0")
    assert desk.reading == Reading(
        *(4, "celery stats of celery@w-0", Quality.FRESH, 300.0, "redis h:6379/0: refused the connection")
    )
    desk.clock.advance(2.0)
    desk.remote.answer = {"celery@w-0": 4}
    assert desk.ask("w-0")
    assert desk.reading.detail == ""


def pauses(desk: Desk, tries: int, *pods: str) -> list[float]:
    """Return the times between that many failing questions, to half a second."""
    seconds: list[float] = []
    assert desk.ask(*pods)
    for _ in range(tries):
        began = desk.clock.now
        while not desk.ask(*pods):
            desk.clock.advance(0.5)
        seconds.append(desk.clock.now - began)
    return seconds


def test_silent_workers_are_asked_every_two_seconds_at_first(desk: Desk) -> None:
    """They may be Ready long before they listen; later the pauses grow."""
    assert pauses(desk, 18, "w-0") == [2.0] * 15 + [4.0, 8.0, 16.0]
    assert desk.reading.detail == "no answer from celery@w-0"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Unanswered("redis h:6379/0: rejected the credentials"), "redis h:6379/0: rejected the credentials"),
        (BrokerUnknown("brokers of amqp:// are not read yet"), "brokers of amqp:// are not read yet"),
        (ZeroDivisionError("of kombu's"), "celery@w-0 could not be asked (ZeroDivisionError)"),
    ],
)
def test_a_refusal_is_remembered_and_asking_goes_on_at_growing_intervals(
    desk: Desk, error: Exception, detail: str
) -> None:
    """Whatever is raised while asking, the loop does not see it."""
    desk.remote.answer = error
    assert pauses(desk, 9, "w-0") == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert (desk.reading.quality, desk.reading.detail) == (Quality.UNKNOWN, detail)


def test_workers_that_do_not_tell_leave_the_slots_unknown(desk: Desk) -> None:
    """A pool of some other making may lack the number."""
    desk.remote.answer = {"celery@w-1": None, "celery@w-0": None}
    desk.ask("w-0", "w-1")
    assert desk.reading.quality is Quality.UNKNOWN
    assert desk.reading.detail == "celery@w-0, celery@w-1 did not say how many tasks run at a time"


def test_after_a_failure_other_ready_pods_are_asked_soon(desk: Desk) -> None:
    """Not only when the growing pause is over, but never in less than two seconds."""
    desk.remote.answer = Unanswered("no")
    pauses(desk, 6, "w-0")
    desk.clock.advance(2.0)
    assert not desk.ask("w-0")
    assert desk.ask("w-0", "w-1")
    assert not desk.ask("w-1")
    desk.clock.advance(2.0)
    assert desk.ask("w-1")


def test_by_default_two_threads_ask(clock: FakeClock) -> None:
    """Two questions at once, each target's once, and every target gets its turn."""
    targets = [TargetSettings(namespace="ns", name=f"w{number}", queues=("q",)) for number in range(20)]
    remote = FakeRemote(answer={"celery@w-0": 4})
    census = CelerySlotCensus(clock, remote)
    try:
        for target in targets:
            census.ask(target, URL, workers("w-0"))
        wait_until(lambda: len(remote.asked) == 2, "two questions")
        assert not any(census.slots(target.ref).is_fresh for target in targets)
        remote.gate.set()
        wait_until(lambda: all(census.slots(target.ref).is_fresh for target in targets), "all answers")
    finally:
        remote.gate.set()
        census.close()
    assert len(remote.asked) == 20


def test_targets_that_nobody_speaks_of_are_forgotten_after_a_day(desk: Desk) -> None:
    """Deployments come and go; those in use stay."""
    desk.remote.answer = {"celery@w-0": 4}
    desk.ask("w-0")
    for _ in range(3):
        desk.clock.advance(40_000.0)
        assert desk.reading.is_fresh
    other = TargetSettings(namespace="ns", name="new", queues=("q",))
    assert desk.census.slots(other.ref).quality is Quality.UNKNOWN
    assert desk.reading.is_fresh
    desk.clock.advance(86_401.0)
    desk.census.slots(TargetSettings(namespace="ns", name="newer", queues=("q",)).ref)
    assert desk.reading.quality is Quality.UNKNOWN


def test_after_closing_nobody_is_asked(desk: Desk) -> None:
    """Neither those who were to be asked, nor any others; what was learnt can still be read."""
    desk.remote.answer = {"celery@w-0": 4}
    desk.ask("w-0")
    desk.clock.advance(300.0)
    desk.census.ask(TARGET, URL, workers("w-0"))
    desk.census.close()
    assert not desk.drawer.work()
    assert not desk.ask("w-0", uid="uid-2")
    assert desk.reading.value == 4


@pytest.mark.servers
def test_the_census_of_real_workers(fleet: Fleet) -> None:
    """From two workers with 3 and up to 6 slots the smaller number is learnt, and without them kept."""
    with closing(CelerySlotCensus()) as census:
        target = TargetSettings(
            namespace="ns", name="w", queues=("q",), broker=BrokerSettings(timeout_seconds=5.0)
        )
        census.ask(target, fleet.server.url, workers("w-0", "w-1"))
        wait_until(lambda: census.slots(target.ref).is_fresh, "the workers' answers")
        reading = census.slots(target.ref)
        assert (reading.value, reading.source) == (3, "celery stats of celery@w-0")
        census.ask(target, f"redis://127.0.0.1:{free_port()}/0", workers("w-0", uid="uid-2"))
        wait_until(lambda: census.slots(target.ref).detail, "the failure")
        reading = census.slots(target.ref)
        assert (reading.value, reading.quality) == (3, Quality.FRESH)
        assert reading.detail.endswith("refused the connection")
