"""Whose the unacknowledged messages are, by a real Redis, with few and with many of them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autoscaler.brokers import unacked
from autoscaler.brokers.address import redis_address
from autoscaler.brokers.background import Background
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import Delivered
from autoscaler.core.model import Quality, Reading, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import account_of
from tests.brokers.servers import PATIENCE_SECONDS, FakeClock, Proxy, RedisServer, wait_until

pytestmark = pytest.mark.servers

BROKER = BrokerSettings(timeout_seconds=10.0)
NOW = 1_800_000_000.0


def query(name: str, *queues: str) -> DepthQuery:
    """Return one target's query."""
    return DepthQuery(TargetRef("ns", name), queues, BROKER)


def entry(queue: str, exchange: str = "", eta: float | None = None, text: str = "") -> str:
    """Return what kombu keeps of a delivered message."""
    due = None if eta is None else datetime.fromtimestamp(eta, UTC).isoformat()
    message = {"body": text, "headers": {"task": "t", "eta": due}, "properties": {"delivery_tag": "x"}}
    return json.dumps([message, exchange, queue])


def deliver(server: RedisServer, tag: str, message: str, at: float = NOW) -> None:
    """Have a message delivered."""
    server.admin.hset("unacked", tag, message)
    server.admin.zadd("unacked_index", {tag: at})


def deliver_many(server: RedisServer, first: int, count: int, queue: str = "q") -> None:
    """Have many messages delivered, a tenth of a second after one another."""
    message = entry(queue)
    for start in range(first, first + count, 1000):
        tags = [f"tag-{number}" for number in range(start, min(start + 1000, first + count))]
        server.admin.hset("unacked", mapping=dict.fromkeys(tags, message))
        server.admin.zadd("unacked_index", {tag: NOW + start + place / 10 for place, tag in enumerate(tags)})


def acknowledge(server: RedisServer, *tags: str) -> None:
    """Have messages acknowledged."""
    server.admin.hdel("unacked", *tags)
    server.admin.zrem("unacked_index", *tags)


def delivered(reader: RedisReader, *queries: DepthQuery) -> list[Reading[Delivered]]:
    """Return what is said to be delivered."""
    return [account_of(reading).delivered for reading in reader.read(queries)]


@pytest.fixture
def wall() -> FakeClock:
    """Seconds since the epoch that pass when told to."""
    return FakeClock(NOW + 100.0)


@pytest.fixture
def background() -> Iterator[Background]:
    """Threads that end with the test."""
    background = Background()
    yield background
    background.close()


@pytest.fixture
def reader(
    server: RedisServer, clock: FakeClock, wall: FakeClock, background: Background
) -> Iterator[RedisReader]:
    """Open a reader by the fake clocks."""
    with closing(RedisReader(redis_address(server.url), clock, wall=wall, background=background)) as reader:
        yield reader


def test_each_target_gets_its_own(server: RedisServer, reader: RedisReader) -> None:
    """By queue, with the times of delivery; what becomes due while it lies there moves over."""
    deliver(server, "1", entry("a"), NOW + 2)
    deliver(server, "2", entry("a"), NOW + 1)
    deliver(server, "3", entry("b"), NOW + 3)
    deliver(server, "4", entry("a", eta=NOW + 500), NOW + 4)
    a, b, both, none = delivered(
        reader, query("a", "a"), query("b", "b"), query("ab", "a", "b"), query("none", "c")
    )
    assert a.quality is Quality.FRESH
    assert a.value == Delivered((NOW + 1, NOW + 2), (NOW + 500,), shared=True)
    assert b.value == Delivered((NOW + 3,), shared=True)
    assert both.value == Delivered((NOW + 1, NOW + 2, NOW + 3), (NOW + 500,), shared=True)
    assert none.value == Delivered()


def test_queues_of_ones_own_are_not_shared(server: RedisServer, reader: RedisReader) -> None:
    """However many targets there are under the prefix."""
    deliver(server, "1", entry("a"))
    deliver(server, "2", entry("b"))
    a, b = delivered(reader, query("a", "a"), query("b", "b"))
    assert (a.value, b.value) == (Delivered((NOW,)), Delivered((NOW,)))


def test_a_task_becomes_due(server: RedisServer, reader: RedisReader, wall: FakeClock) -> None:
    """At its time, with the time at which it was delivered, though nothing changes in Redis."""
    deliver(server, "1", entry("a", eta=NOW + 500), NOW + 1)
    assert delivered(reader, query("a", "a"))[0].value == Delivered((), (NOW + 500,))
    wall.now = NOW + 500
    assert delivered(reader, query("a", "a"))[0].value == Delivered((NOW + 1,))


def test_a_message_is_read_once(server: RedisServer) -> None:
    """While nothing changes a read is one round trip; a new message is looked into and no other one."""
    for number in range(5):
        deliver(server, f"old-{number}", entry("a"))
    with (
        Proxy(server.port) as proxy,
        closing(RedisReader(redis_address(f"redis://127.0.0.1:{proxy.port}"))) as watched,
    ):
        delivered(watched, query("a", "a"))
        before = proxy.turns
        for _ in range(3):
            delivered(watched, query("a", "a"))
        assert proxy.turns - before == 3
        deliver(server, "new", entry("a"))
        acknowledge(server, "old-0")
        with server.admin.monitor() as monitor:
            assert len((delivered(watched, query("a", "a"))[0].value or Delivered()).deliveries) == 5
            server.admin.echo("the end")
            seen: list[str] = []
            for command in monitor.listen():
                if command["command"].startswith("ECHO"):
                    break
                seen.append(command["command"])
        assert [command for command in seen if "HMGET" in command] == ["HMGET unacked new"]


def test_a_message_that_is_delivered_again_is_as_young_as_its_last_delivery(
    server: RedisServer, reader: RedisReader
) -> None:
    """Its tag stays the same, and its time changes."""
    deliver(server, "1", entry("a"), NOW)
    assert delivered(reader, query("a", "a"))[0].value == Delivered((NOW,))
    deliver(server, "1", entry("a"), NOW + 50)
    assert delivered(reader, query("a", "a"))[0].value == Delivered((NOW + 50,))


def test_more_than_the_newest_are_read_together_with_what_changes_among_them(
    server: RedisServer, reader: RedisReader
) -> None:
    """In the read itself, so that what it says is as of now."""
    deliver_many(server, 0, 1500)
    (reading,) = delivered(reader, query("a", "q"))
    assert (reading.quality, len((reading.value or Delivered()).deliveries)) == (Quality.FRESH, 1500)
    acknowledge(server, "tag-0", "tag-700")
    deliver(server, "another", entry("q"))
    (reading,) = delivered(reader, query("a", "q"))
    assert (reading.quality, len((reading.value or Delivered()).deliveries)) == (Quality.FRESH, 1499)


def test_very_many_are_counted_at_once_and_told_apart_in_the_background(
    server: RedisServer, reader: RedisReader, clock: FakeClock, background: Background
) -> None:
    """The number is there at once; then the account, which has an age as soon as something has changed."""
    deliver_many(server, 0, 5000)
    first, _ = delivered(reader, query("a", "q"), query("b", "r"))
    assert (first.quality, first.value) == (Quality.FRESH, Delivered(uncounted=5000, shared=True))
    assert first.detail == "they are still being looked into"
    wait_until(lambda: background.threads == 0, "the end of the look")
    a, b = delivered(reader, query("a", "q"), query("b", "r"))
    assert (a.quality, len((a.value or Delivered()).deliveries)) == (Quality.FRESH, 5000)
    assert (b.quality, b.value) == (Quality.FRESH, Delivered())
    clock.advance(3.0)
    acknowledge(server, "tag-7")
    (a,) = delivered(reader, query("a", "q"))
    assert (a.quality, a.age_seconds) == (Quality.STALE, 3.0)
    wait_until(lambda: delivered(reader, query("a", "q"))[0].is_fresh, "the next look")
    (a,) = delivered(reader, query("a", "q"))
    assert len((a.value or Delivered()).deliveries) == 4999
    wait_until(lambda: background.threads == 0 and len(server.clients()) == 1, "its connection's end")


def test_many_delivered_at_the_same_time_are_all_found(server: RedisServer, reader: RedisReader) -> None:
    """Paging by score does not lose, nor repeat for ever, what has one score."""
    tags = [f"tag-{number}" for number in range(3500)]
    server.admin.hset("unacked", mapping=dict.fromkeys(tags, entry("q")))
    server.admin.zadd("unacked_index", dict.fromkeys(tags, NOW))
    delivered(reader, query("a", "q"))
    wait_until(lambda: delivered(reader, query("a", "q"))[0].value == Delivered((NOW,) * 3500), "all")


def test_messages_that_the_index_lacks_are_searched_for(server: RedisServer, reader: RedisReader) -> None:
    """They count as delivered at an unknown time, for everybody until it is known whose they are."""
    deliver(server, "1", entry("q"))
    server.admin.hset("unacked", "lost", entry("q"))
    server.admin.hset("unacked", "lost-eta", entry("q", eta=NOW + 500))
    a, b = delivered(reader, query("a", "q"), query("b", "r"))
    assert a.value == Delivered((NOW,), uncounted=2, shared=True)
    assert b.value == Delivered(uncounted=2, shared=True)
    known = Delivered((NOW,), (NOW + 500,), uncounted=1)
    wait_until(lambda: delivered(reader, query("a", "q"), query("b", "r"))[0].value == known, "the search")
    assert delivered(reader, query("a", "q"), query("b", "r"))[1].value == Delivered()


def test_a_message_without_a_known_queue_counts_for_everybody(
    server: RedisServer, reader: RedisReader
) -> None:
    """One that is not understood, and one whose exchange has no bindings any more: unknown is not zero."""
    deliver(server, "1", "not json")
    deliver(server, "2", entry("key", exchange="gone"))
    a, b = delivered(reader, query("a", "q"), query("b", "r"))
    assert a.value == b.value == Delivered((NOW, NOW), shared=True)


def test_an_exchange_is_looked_up_in_its_own_bindings(server: RedisServer, reader: RedisReader) -> None:
    """Not in those that kombu 5.7 keeps beside them."""
    server.admin.sadd("_kombu.binding.shop", "key\x06\x16\x06\x16a", "other\x06\x16\x06\x16b")
    server.admin.sadd("_kombu.binding_permanent.shop", "key\x06\x16\x06\x16b")
    server.admin.sadd("_kombu.binding.permanent", "key\x06\x16\x06\x16b")
    deliver(server, "1", entry("key", exchange="shop"))
    a, b = delivered(reader, query("a", "a"), query("b", "b"))
    assert (a.value, b.value) == (Delivered((NOW,)), Delivered())


LEVELS = {
    "": ("does not allow ZRANGE (NOPERM)", Delivered(uncounted=2)),
    "+zrange": ("does not allow HMGET (NOPERM)", Delivered(uncounted=2)),
    "+zrange +hmget": ("does not allow SMEMBERS (NOPERM)", Delivered((NOW, NOW), shared=True)),
    "+zrange +hmget +smembers": ("", Delivered((NOW, NOW))),
}


@pytest.mark.parametrize("rights", LEVELS)
def test_each_right_makes_more_known(server: RedisServer, clock: FakeClock, rights: str) -> None:
    """Without one the number stays, and it is said which right would tell more."""
    server.admin.sadd("_kombu.binding.shop", "key\x06\x16\x06\x16q")
    deliver(server, "1", entry("q"))
    deliver(server, "2", entry("key", exchange="shop"))
    server.user("reader", "pw", "~*", "+llen", "+hlen", *rights.split())
    url = f"redis://reader:pw@127.0.0.1:{server.port}/0"
    detail, expected = LEVELS[rights]
    with closing(RedisReader(redis_address(url), clock, wall=FakeClock(NOW + 100))) as reader:
        for _ in range(2):
            (reading,) = delivered(reader, query("a", "q"))
            assert (reading.quality, reading.value) == (Quality.FRESH, expected)
            assert reading.detail == detail
        server.user("reader", "pw", "~*", "+llen", "+hlen", "+zrange", "+hmget", "+smembers")
        clock.advance(unacked.REFUSED_SECONDS)
        (reading,) = delivered(reader, query("a", "q"))
        assert (reading.value, reading.detail) == (Delivered((NOW, NOW)), "")


def test_without_the_right_to_search_the_rest_is_known(server: RedisServer, background: Background) -> None:
    """What the index lacks stays counted for everybody, and it is said why."""
    deliver(server, "1", entry("q"))
    server.admin.hset("unacked", "lost", entry("q"))
    server.user("reader", "pw", "~*", "+llen", "+hlen", "+zrange", "+hmget")
    address = redis_address(f"redis://reader:pw@127.0.0.1:{server.port}/0")
    with closing(RedisReader(address, background=background)) as reader:
        wait_until(lambda: delivered(reader, query("a", "q"))[0].detail, "the refusal")
        (reading,) = delivered(reader, query("a", "q"))
    assert reading.detail == "does not allow HSCAN (NOPERM)"
    assert (reading.quality, reading.value) == (Quality.FRESH, Delivered((NOW,), uncounted=1))


def test_the_rights_in_the_documentation_are_enough_for_everything(
    server: RedisServer, background: Background
) -> None:
    """The line is taken from the page."""
    page = (Path(__file__).parents[2] / "docs" / "redis.md").read_text(encoding="utf-8")
    (rule,) = re.findall(r"ACL SETUSER[^`]*", page)
    server.admin.execute_command(*rule.split())
    server.admin.acl_log_reset()
    server.admin.sadd("_kombu.binding.shop", "key\x06\x16\x06\x16q")
    deliver(server, "1", entry("key", exchange="shop"))
    server.admin.hset("unacked", "lost", entry("q"))
    server.admin.lpush("q", json.dumps(json.loads(entry("q", eta=NOW + 1e9))[0]))
    url = f"redis://autoscaler:password@127.0.0.1:{server.port}/0"
    asked = DepthQuery(TargetRef("ns", "a"), ("q",), BROKER, look_into_lists=True)
    with closing(RedisReader(redis_address(url), background=background)) as reader:
        wait_until(lambda: delivered(reader, asked)[0].value == Delivered((NOW,), uncounted=1), "all of it")
        assert account_of(reader.read([asked])[0]).queues[0].eta == (NOW + 1e9,)
        wait_until(lambda: background.threads == 0, "the end of the search")
    assert server.admin.acl_log() == []


def test_nothing_of_a_message_is_kept(server: RedisServer, reader: RedisReader) -> None:
    """Neither in what is reported nor in what is remembered."""
    deliver(server, "1", entry("q", text="hunter2"))
    server.admin.lpush("q", json.dumps(json.loads(entry("q", text="hunter2"))[0]))
    readings = reader.read([DepthQuery(TargetRef("ns", "a"), ("q",), BROKER, look_into_lists=True)])
    assert account_of(readings[0]).queues[0].eta_known
    assert not any("hunter2" in text for text in remembered(reader))


def remembered(thing: object, seen: set[int] | None = None) -> Iterator[str]:
    """Yield all text and bytes that can be reached from an object of ours."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, str | bytes):
        yield str(thing)
    elif isinstance(thing, dict):
        yield from remembered([*thing.keys(), *thing.values()], seen)
    elif isinstance(thing, list | tuple | set | frozenset):
        for one in thing:
            yield from remembered(one, seen)
    elif type(thing).__module__.startswith("autoscaler"):
        names = [*getattr(thing, "__dict__", {}), *getattr(type(thing), "__slots__", ())]
        yield from remembered([getattr(thing, name, None) for name in names], seen)


def test_a_look_that_fails_leaves_the_numbers(server: RedisServer, clock: FakeClock) -> None:
    """The server hangs between the numbers and the look: counted, and why not more; then left alone."""
    deliver(server, "1", entry("q"))
    brief = BrokerSettings(timeout_seconds=0.5)
    asked = DepthQuery(TargetRef("ns", "a"), ("q",), brief)
    with (
        Proxy(server.port, freeze_on=b"HMGET") as proxy,
        closing(RedisReader(redis_address(f"redis://127.0.0.1:{proxy.port}/0"), clock)) as reader,
    ):
        (reading,) = delivered(reader, asked)
        assert (reading.quality, reading.value) == (Quality.FRESH, Delivered(uncounted=1))
        assert reading.detail == "did not answer within 0.5 s"
        proxy.freeze_on = b""
        proxy.frozen.clear()
        assert delivered(reader, asked)[0].detail == "did not answer within 0.5 s"
        clock.advance(10.0)
        assert delivered(reader, asked)[0].value == Delivered((NOW,))


def test_background_jobs_end_when_they_are_told_to() -> None:
    """Closing drops what waits and ends what is under way; nothing is done twice at a time."""
    background, started, done = Background(at_once=1), threading.Event(), []

    def job(ending: threading.Event) -> None:
        started.set()
        assert ending.wait(PATIENCE_SECONDS)
        done.append("first")

    background.do("a", job)
    background.do("a", lambda _: done.append("again"))
    assert started.wait(PATIENCE_SECONDS)
    background.do("b", lambda _: done.append("waiting"))
    background.close()
    background.do("c", lambda _: done.append("after"))
    assert done == ["first"]
    assert background.threads == 0


def test_background_jobs_are_done_on_few_threads_which_end() -> None:
    """A job whose like is waiting or under way is not taken; the threads end with the work."""
    jobs, gate, done = Background(at_once=2), threading.Event(), threading.Semaphore(0)
    threads = set()

    def job(_ended: threading.Event) -> None:
        threads.add(threading.current_thread())
        gate.wait(60.0)
        done.release()

    for key in (1, 2, 3, 4, 1, 4):
        jobs.do(key, job)
    gate.set()
    assert all(done.acquire(timeout=60.0) for _ in range(4))
    for thread in threads:
        thread.join(60.0)
    assert not done.acquire(blocking=False)
    assert len(threads) <= 2
