"""When workers are asked and what becomes of it, without any server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest
import redis

from autoscaler import ports
from autoscaler.brokers.address import Address
from autoscaler.brokers.heartbeats import Event, Realm
from autoscaler.brokers.heartbeats_streams import Streams
from autoscaler.brokers.workers import Workforce
from autoscaler.brokers.workers_answers import Scheduled, Stats, Task, _Queue
from autoscaler.brokers.workers_line import Answers, Layout, layout_of
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import Quality, TargetRef, WorkerPod, WorkerSet
from tests.brokers.servers import Drawer, FakeClock

URL = "redis://h/0"
TARGET = TargetSettings("ns", "w", ("q",))


def pods(*names: str, uid: str = "uid-1", ready: bool = True, terminating: bool = False) -> WorkerSet:
    """Return a worker set whose pods these are."""
    return WorkerSet(uid, len(names), tuple(WorkerPod(name, ready, terminating) for name in names))


class FakeWorkers:
    """A broker with workers that answer; those in `silent` do not. `failure` is what asking raises."""

    def __init__(self, broker: BrokerSettings) -> None:
        self.layout: Layout = layout_of(broker)
        self.worn = False
        self.calls: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.silent: set[str] = set()
        self.eta: list[str] = []
        self.slots: dict[str, int] = {}
        self.failure: Exception | None = None
        self.opened = self.closed = 0
        self.told: list[tuple[tuple[str, ...], str, dict[str, str]]] = []
        self.queues: dict[str, set[str]] = {}
        self.deaf: set[str] = set()
        self.idle: set[str] = set()
        self.during: Callable[[], object] = lambda: None

    def ask(self, nodes: Sequence[str], commands: Sequence[str]) -> Answers:
        """Answer."""
        self.calls.append((tuple(nodes), tuple(commands)))
        self.during()
        if self.failure is not None:
            raise self.failure
        return Answers({node: self._told(node, commands) for node in nodes if node not in self.silent})

    def tell(self, nodes: Sequence[str], command: str, arguments: Mapping[str, str]) -> None:
        """Obey: nodes consume a queue, or consume it no more."""
        self.told.append((tuple(nodes), command, dict(arguments)))
        for node in nodes:
            if node not in self.deaf:
                queues = self.queues.setdefault(node, {"q"})
                (queues.add if command == "add_consumer" else queues.discard)(arguments["queue"])

    def _told(self, node: str, commands: Sequence[str]) -> dict[str, Any]:
        answers: dict[str, Any] = {
            "scheduled": [Scheduled(Task(str(number)), eta) for number, eta in enumerate(self.eta)],
            "reserved": [],
            "active": [] if node in self.idle else [Task("t")],
            "stats": Stats(pool={"max-concurrency": self.slots.get(node, 4)}),
            "active_queues": [_Queue(queue) for queue in sorted(self.queues.get(node, {"q"}))],
        }
        return {command: answers[command] for command in commands}

    def close(self) -> None:
        """Count."""
        self.closed += 1


class FakeStream:
    """A stream that says what it is told to."""

    def __init__(self) -> None:

        self.near, self.far = socket.socketpair()
        self.events: list[tuple[Realm, Event]] = []

    def fileno(self) -> int:
        """Return the number of a socket at which nothing arrives."""
        return self.near.fileno()

    def attend(self, realms: object) -> None:
        """Attend."""

    def hear(self) -> list[tuple[Realm, Event]]:
        """Hear nothing."""
        return []

    def look(self) -> None:
        """Look."""

    def close(self) -> None:
        """Hang up."""
        self.near.close()
        self.far.close()


class Office:
    """A workforce without threads that ask, with its clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.drawer = Drawer()
        self.broker = FakeWorkers(TARGET.broker)
        self.places: list[Address] = []
        self.force = Workforce(
            clock,
            streams=Streams(clock, lambda *_: FakeStream()),
            open_line=self._open,
            executor=self.drawer,
        )
        self.port: ports.Workforce = self.force

    def _open(self, place: Address, broker: BrokerSettings) -> FakeWorkers:
        self.places.append(place)
        self.broker.layout = layout_of(broker)
        self.broker.opened += 1
        return self.broker

    def ask(self, workers: WorkerSet, *, urgent: bool = False, target: TargetSettings = TARGET) -> bool:
        """Tick; return whether anybody was asked."""
        before = len(self.broker.calls)
        self.force.ask(target, URL, workers, urgent=urgent)
        while self.drawer.work():
            continue
        return len(self.broker.calls) > before

    def accounts(self, workers: WorkerSet, target: TargetRef = TARGET.ref) -> tuple[WorkerAccount, ...]:
        """Return what is known."""
        return tuple(account for _, account in self.force.workers(target, workers.pods))


@pytest.fixture
def office(clock: FakeClock) -> Any:
    """Open one, and close it."""
    made = Office(clock)
    with closing(made.force):
        yield made


def test_a_ready_worker_is_asked_at_once_and_then_once_a_minute(office: Office) -> None:
    """Every five seconds while somebody has to know."""
    assert not office.ask(pods("w-0", ready=False))
    assert not office.ask(pods("w-0", terminating=True))
    assert office.ask(pods("w-0"))
    office.clock.advance(59.0)
    assert not office.ask(pods("w-0"))
    assert office.ask(pods("w-0"), urgent=True)
    office.clock.advance(4.9)
    assert not office.ask(pods("w-0"), urgent=True)
    office.clock.advance(0.1)
    assert office.ask(pods("w-0"), urgent=True)


def test_who_holds_eta_tasks_is_asked_every_five_seconds(office: Office) -> None:
    """They fall due."""
    office.broker.eta = ["2024-01-01T00:00:00+00:00"]
    assert office.ask(pods("w-0"))
    office.clock.advance(5.0)
    assert office.ask(pods("w-0"))
    (account,) = office.accounts(pods("w-0"))
    assert account.eta == (1704067200.0,)


def test_at_most_twenty_are_asked_in_one_call(office: Office) -> None:
    """All targets of a broker together; always by name."""
    assert office.ask(pods(*(f"w-{number}" for number in range(45))))
    assert [len(nodes) for nodes, _ in office.broker.calls] == [20, 20, 5]
    assert office.broker.opened == 1


def test_targets_that_share_a_broker_share_the_call(office: Office) -> None:
    """And the connection."""
    other = TargetSettings("ns", "v", ("r",))
    office.force.ask(TARGET, URL, pods("w-0"))
    office.force.ask(other, URL, pods("v-0"))
    while office.drawer.work():
        continue
    assert [nodes for nodes, _ in office.broker.calls] == [("celery@v-0", "celery@w-0")]


def test_another_layout_of_keys_takes_another_connection(office: Office) -> None:
    """One after the other: one control connection at a time."""
    other = TargetSettings("ns", "v", ("r",), broker=BrokerSettings(global_keyprefix="x:"))
    office.force.ask(TARGET, URL, pods("w-0"))
    office.force.ask(other, URL, pods("v-0"))
    while office.drawer.work():
        continue
    assert [nodes for nodes, _ in office.broker.calls] == [("celery@w-0",), ("celery@v-0",)]
    assert (office.broker.opened, office.broker.closed) == (2, 1)


def test_what_seldom_changes_is_asked_for_once_a_minute(office: Office) -> None:
    """The other questions are cheaper."""
    for _ in range(3):
        office.ask(pods("w-0"), urgent=True)
        office.clock.advance(5.0)
    assert [len(commands) for _, commands in office.broker.calls] == [5, 3, 3]
    office.clock.advance(60.0)
    office.ask(pods("w-0"), urgent=True)
    assert len(office.broker.calls[-1][1]) == 5


def test_nobody_waits_and_nobody_is_asked_twice_at_a_time(office: Office) -> None:
    """The loop goes on while a call is under way."""
    office.broker.during = lambda: office.force.ask(TARGET, URL, pods("w-0"), urgent=True)
    assert office.ask(pods("w-0"))
    assert len(office.broker.calls) == 1


def test_an_idle_connection_is_closed_after_half_a_minute(office: Office) -> None:
    """And one whose queue is worn at once."""
    office.ask(pods("w-0"))
    office.clock.advance(29.0)
    office.ask(pods())
    assert office.broker.closed == 0
    office.clock.advance(6.0)
    office.ask(pods())
    assert office.broker.closed == 1
    assert office.ask(pods("w-0"))
    office.broker.worn = True
    office.clock.advance(5.0)
    assert office.ask(pods("w-0"), urgent=True)
    assert (office.broker.opened, office.broker.closed) == (3, 2)


def test_a_broker_that_cannot_be_asked_is_left_alone_for_growing_pauses(office: Office) -> None:
    """What was said stays good for its time: the silence is not the worker's."""
    office.ask(pods("w-0"), urgent=True)
    office.broker.failure = redis.ConnectionError("secret")
    times = []
    for _ in range(200):
        office.clock.advance(0.5)
        if office.ask(pods("w-0"), urgent=True):
            times.append(office.clock.now - 1000.0)
    assert times[:5] == [2.0, 3.0, 5.0, 9.0, 17.0]
    detail = office.force.detail(TARGET.ref)
    assert detail.startswith("redis h:6379/0 closed the connection; next try in")
    assert "secret" not in detail
    (account,) = office.accounts(pods("w-0"))
    assert (account.quality, account.active) == (Quality.STALE, 1)
    office.broker.failure = None
    office.clock.advance(31.0)
    assert office.ask(pods("w-0"), urgent=True)
    assert office.accounts(pods("w-0"))[0].quality is Quality.FRESH
    assert office.force.detail(TARGET.ref) == ""


def test_a_failure_that_nobody_foresaw_does_not_end_the_asking(office: Office) -> None:
    """It is told by its kind alone."""
    office.broker.failure = ZeroDivisionError("secret")
    office.ask(pods("w-0"))
    assert office.force.detail(TARGET.ref).startswith("redis h:6379/0 could not be used (ZeroDivisionError)")
    office.broker.failure = None
    office.clock.advance(1.0)
    assert office.ask(pods("w-0"))


def test_a_silent_worker_goes_stale_and_is_named(office: Office) -> None:
    """The others do not."""
    office.ask(pods("w-0", "w-1"), urgent=True)
    office.broker.silent = {"celery@w-1"}
    office.clock.advance(5.0)
    office.ask(pods("w-0", "w-1"), urgent=True)
    assert [account.quality for account in office.accounts(pods("w-0", "w-1"))] == [
        Quality.FRESH,
        Quality.STALE,
    ]
    assert office.force.detail(TARGET.ref) == "no answer from celery@w-1"


def test_a_pod_that_terminates_is_stale_at_once_and_one_that_is_gone_has_no_account(office: Office) -> None:
    """A warm shutdown answers nobody, whatever was said before."""
    office.ask(pods("w-0"))
    assert office.accounts(pods("w-0"))[0].quality is Quality.FRESH
    assert office.accounts(pods("w-0", terminating=True))[0].quality is Quality.STALE
    assert office.accounts(pods()) == ()


def test_a_pod_that_comes_back_is_another_worker(office: Office) -> None:
    """What its predecessor of the name said, a few seconds ago, counts no more."""
    office.ask(pods("w-0"))
    office.clock.advance(5.0)
    office.ask(pods())
    office.clock.advance(5.0)
    office.broker.silent = {"celery@w-0"}
    assert office.ask(pods("w-0"))
    assert office.accounts(pods("w-0")) == ()


def test_the_pods_of_a_new_set_of_the_same_name_are_other_workers(office: Office) -> None:
    """Its uid tells."""
    office.ask(pods("w-0"))
    office.clock.advance(1.0)
    assert office.ask(pods("w-0", uid="uid-2"))


def test_with_remote_control_switched_off_nobody_is_asked(office: Office) -> None:
    """And the loss is told."""
    target = TargetSettings("ns", "w", ("q",), remote_control=False)
    assert not office.ask(pods("w-0"), target=target)
    assert office.accounts(pods("w-0")) == ()
    assert "remote control is switched off" in office.force.detail(target.ref)


def test_a_url_that_is_not_understood_is_told(office: Office) -> None:
    """Without repeating it."""
    office.force.ask(TARGET, "sqs://secret@h", pods("w-0"))
    office.force.want(TARGET, "sqs://secret@h", on=True)
    assert "sqs" in office.force.detail(TARGET.ref)
    assert "secret" not in office.force.detail(TARGET.ref)


def test_the_slots_are_those_of_the_census(office: Office) -> None:
    """The most frequent number, the smaller of equals; kept when nobody is left; unknown before."""
    assert office.port.slots(TARGET.ref).detail == "no worker was ready to be asked yet"
    office.broker.slots = {"celery@w-0": 16, "celery@w-1": 2}
    office.ask(pods("w-0", "w-1"))
    reading = office.port.slots(TARGET.ref)
    assert (reading.value, reading.source) == (2, "celery stats of celery@w-1")
    office.ask(pods("w-0", "w-1", "w-2"))
    office.clock.advance(100_000.0)
    office.ask(pods())
    reading = office.port.slots(TARGET.ref)
    assert (reading.value, reading.quality, reading.source) == (
        2,
        Quality.FRESH,
        "last reported by celery@w-1",
    )


def test_targets_that_nobody_speaks_of_are_forgotten_after_a_day(office: Office) -> None:
    """Deployments come and go."""
    office.ask(pods("w-0"))
    office.port.slots(TARGET.ref)
    office.clock.advance(86_401.0)
    office.port.slots(TargetRef("ns", "other"))
    assert office.port.slots(TARGET.ref).value is None


def test_strangers_are_unknown_while_nobody_listens(office: Office) -> None:
    """Which is not none."""
    office.ask(pods("w-0"))
    assert office.force.strangers(TARGET.ref).value is None
    office.force.want(TARGET, URL, on=True)
    assert office.force.strangers(TARGET.ref).value is None
