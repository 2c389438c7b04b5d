"""The control connection leaves nothing behind, at a real Redis with a real worker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from autoscaler.brokers.address import parse
from autoscaler.brokers.names import Names
from autoscaler.brokers.remote import BROKER_ERRORS
from autoscaler.brokers.workers_answers import FACTS, HELD, holding
from autoscaler.brokers.workers_line import ControlLine
from autoscaler.config.broker import BrokerSettings
from tests.brokers.conftest import Fleet
from tests.brokers.servers import FakeClock, Proxy, RedisServer, wait_until

pytestmark = pytest.mark.servers

BROKER = BrokerSettings(timeout_seconds=5.0, answer_timeout_seconds=5.0)
NODES = ("celery@w-0", "celery@w-1")
NOW = 1_700_000_000.0


class Lines:
    """Opens control connections whose clocks are the test's."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.wall = FakeClock(NOW)

    def open(self, url: str, broker: BrokerSettings = BROKER) -> ControlLine:
        """Return a connection that is not made yet."""
        return ControlLine(parse(url), broker, Names(), clock=self.clock, wall=self.wall)


@pytest.fixture
def lines() -> Lines:
    """Return a way to open connections."""
    return Lines()


@pytest.fixture
def keys(fleet: Fleet) -> Iterator[set[str]]:
    """Return the keys there are; there must be no others in the end."""
    before = fleet.server.keys()
    yield before
    assert fleet.server.keys() == before


def connected(server: RedisServer) -> int:
    """Return how many connections there are."""
    return len(server.admin.client_list())


def test_two_hundred_inspections_take_two_connections_and_no_keys(
    fleet: Fleet, lines: Lines, keys: set[str]
) -> None:
    """The workers answer over the connections that they have got."""
    server = fleet.server
    with closing(lines.open(server.url)) as line:
        for _ in range(5):
            assert line.ask(NODES, HELD + FACTS).told.keys() == set(NODES)
        busy, during = connected(server), server.keys()
        for _ in range(200):
            answers = line.ask(NODES, HELD)
            assert [holding(answers.told[node]) for node in NODES] == [holding(answers.told[NODES[0]])] * 2
        assert (connected(server), server.keys()) == (busy, during)
        assert len(during - keys) <= 2
    wait_until(lambda: connected(server) == busy - 2, "our two connections to close")


def test_a_node_that_is_not_there_costs_one_timeout_and_not_the_others(
    fleet: Fleet, lines: Lines, keys: set[str]
) -> None:
    """The answers of the others are there all the same."""
    broker = BrokerSettings(timeout_seconds=5.0, answer_timeout_seconds=1.0)
    line = ControlLine(parse(fleet.server.url), broker, Names(), clock=threading_clock(), wall=lines.wall)
    with closing(line):
        assert line.ask(("celery@w-0", "celery@gone"), HELD).told.keys() == {"celery@w-0"}
    assert keys


def test_tasks_that_others_hold_are_left_to_them(server: RedisServer) -> None:
    """A task unacknowledged for two hours is not given back, as any other consumer would do.

    Airflow's workers keep theirs for a day: after an hour they would run a second time.
    """
    delivery = {"properties": {"delivery_info": {"exchange": "", "routing_key": "q"}}}
    message = {"body": "", "headers": {}, **delivery}
    server.admin.hset("unacked", "tag", json.dumps([message, "", "q"]))
    server.admin.zadd("unacked_index", {"tag": time.time() - 7200})
    broker = BrokerSettings(answer_timeout_seconds=0.2)
    with closing(
        ControlLine(parse(server.url), broker, Names(), clock=time.monotonic, wall=time.time)
    ) as line:
        assert line.ask(("celery@gone",), HELD).told == {}
    assert server.admin.hlen("unacked") == 1
    assert server.admin.llen("q") == 0


def threading_clock() -> FakeClock:
    """Return a clock that a second passes on at each look after the first few."""

    class Ticking(FakeClock):
        def __call__(self) -> float:
            self.advance(0.05)
            return self.now

    return Ticking()


def test_nobody_is_ever_asked_without_a_name(lines: Lines) -> None:
    """An untargeted question would be answered by everybody."""
    with pytest.raises(ValueError, match="nobody"):
        lines.open("redis://h/0").ask((), HELD)


def test_what_a_crash_left_behind_is_deleted_once_it_is_too_old_to_be_in_use(
    fleet: Fleet, lines: Lines, keys: set[str]
) -> None:
    """A daemon that was killed cannot do it, and another one's live queue is left alone."""
    server = fleet.server
    crashed = lines.open(server.url)
    crashed.ask(NODES, HELD)
    left = server.keys() - keys
    server.admin.lpush(f"{crashed._oid}.reply.celery.pidbox", "an answer that came too late")
    assert left
    lines.wall.advance(299.0)
    with closing(lines.open(server.url)) as line:
        line.ask(NODES, HELD)
    assert left <= server.keys()
    lines.wall.advance(2.0)
    with closing(lines.open(server.url)) as line:
        line.ask(NODES, HELD)
    assert server.keys() == keys
    connection, crashed._connection = crashed._connection, None
    assert connection is not None
    connection.release()


def test_other_peoples_reply_queues_are_left_alone(fleet: Fleet, lines: Lines, keys: set[str]) -> None:
    """Whatever their names look like."""
    server = fleet.server
    table = "_kombu.binding.reply.celery.pidbox"
    names = ("0f8e.reply.celery.pidbox", "celery-autoscaler.x.y", "celery-autoscaler", "other.1.z")
    members = [f"k\x06\x16\x06\x16{name}" for name in names]
    server.admin.sadd(table, *members)
    with closing(lines.open(server.url)) as line:
        line.ask(NODES, HELD)
    assert server.admin.smembers(table) == set(members)
    server.admin.delete(table)
    assert keys


def test_a_connection_is_worn_after_two_minutes(fleet: Fleet, lines: Lines, keys: set[str]) -> None:
    """So that nobody takes its queue for one left behind."""
    with closing(lines.open(fleet.server.url)) as line:
        lines.clock.advance(500.0)
        assert not line.worn
        line.ask(NODES, HELD)
        lines.clock.advance(119.0)
        assert not line.worn
        lines.clock.advance(1.0)
        assert line.worn
    assert keys


@pytest.mark.parametrize("moment", [b"PUBLISH", b"BRPOP", b"SADD"])
def test_a_broker_that_hangs_in_between_is_given_up(
    fleet: Fleet, lines: Lines, keys: set[str], moment: bytes
) -> None:
    """What could not be deleted is deleted by the first to connect when it is old enough."""
    server = fleet.server
    broker = BrokerSettings(timeout_seconds=0.3, answer_timeout_seconds=0.3)
    with Proxy(server.port, freeze_on=moment) as proxy:
        line = lines.open(f"redis://127.0.0.1:{proxy.port}/0", broker)
        done = threading.Event()

        def ask() -> None:
            try:
                assert line.ask(NODES, HELD).told == {}
            except BROKER_ERRORS:
                pass
            finally:
                line.close()
                done.set()

        thread = threading.Thread(target=ask)
        thread.start()
        assert done.wait(20.0)
        thread.join()
    lines.wall.advance(301.0)
    with closing(lines.open(server.url)) as line:
        line.ask(NODES, HELD)
    assert keys
