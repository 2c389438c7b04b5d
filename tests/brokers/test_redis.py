"""What a reader says of a real redis-server that works, refuses, hangs, goes away and comes back."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Quality, Reading, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import delivered_of, numbers, waiting
from tests.brokers.conftest import OpenReader, StartRedis
from tests.brokers.servers import FakeClock, Proxy, RedisServer, free_port, wait_until

pytestmark = pytest.mark.servers

BROKER = BrokerSettings(timeout_seconds=1.0)


def query(name: str, *queues: str, broker: BrokerSettings = BROKER) -> DepthQuery:
    """Return one target's query."""
    return DepthQuery(TargetRef("ns", name), queues or ("default",), broker)


def count(reader: RedisReader, *queries: DepthQuery) -> list[int | None]:
    """Return the messages waiting for each query, None where that is unknown."""
    readings = reader.read(queries or (query("a"),))
    return [waiting(reading) for reading in readings]


def one(reader: RedisReader, asked: DepthQuery | None = None) -> Reading[BrokerAccount]:
    """Return the reading for one query."""
    return reader.read([asked or query("a")])[0]


# What is counted


def test_all_priorities_of_all_queues_are_counted(server: RedisServer, reader_of: OpenReader) -> None:
    """Lists of every priority add up, queue by queue; a queue without a key is empty."""
    for key, messages in {"q": 1, "q\x06\x163": 2, "q\x06\x166": 3, "q\x06\x169": 4, "r": 5}.items():
        server.admin.rpush(key, *range(messages))
    server.admin.hset("unacked", mapping={"tag-1": "x", "tag-2": "x"})
    reading = one(reader_of(server.url), query("a", "q", "r", "none"))
    assert numbers(reading) == ({"q": 10, "r": 5, "none": 0}, 2)
    assert (reading.quality, reading.age_seconds, reading.detail) == (Quality.FRESH, 0.0, "")
    assert reading.source == f"redis 127.0.0.1:{server.port}/0"


def test_prefix_separator_and_steps_lay_out_the_keys(server: RedisServer, reader_of: OpenReader) -> None:
    """Keys of other layouts on the same server do not count."""
    server.admin.rpush("app:q", *range(3))
    server.admin.rpush("app:q:5", *range(4))
    server.admin.rpush("q", *range(100))
    server.admin.hset("app:unacked", "tag", "x")
    server.admin.hset("unacked", mapping=dict.fromkeys("abc", "x"))
    layout = BrokerSettings(global_keyprefix="app:", sep=":", priority_steps=(0, 5))
    prefixed, plain = reader_of(server.url).read([query("a", "q", broker=layout), query("b", "q")])
    assert numbers(prefixed) == ({"q": 7}, 1)
    assert numbers(plain) == ({"q": 100}, 3)


def test_targets_that_share_a_prefix_share_its_unacked(server: RedisServer, reader_of: OpenReader) -> None:
    """Both see the whole counter, and that it is shared."""
    server.admin.hset("unacked", "tag", "x")
    first, second = reader_of(server.url).read([query("a", "q"), query("b", "r")])
    assert numbers(first) == ({"q": 0}, 1)
    assert delivered_of(first).shared
    assert numbers(second) == ({"r": 0}, 1)
    assert delivered_of(second).shared


def test_databases_are_apart(server: RedisServer, reader_of: OpenReader) -> None:
    """The number in the URL is the one that is read."""
    server.admin.execute_command("SELECT", 3)
    server.admin.rpush("default", "message")
    assert count(reader_of(f"redis://127.0.0.1:{server.port}/3")) == [1]
    assert count(reader_of(server.url)) == [0]
    refused = one(reader_of(f"redis://127.0.0.1:{server.port}/99"))
    assert (refused.quality, refused.detail) == (Quality.UNKNOWN, "answered SELECT with an error (ERR)")


def test_big_numbers_are_exact(server: RedisServer, reader_of: OpenReader) -> None:
    """Half a million messages, and a pipeline of thousands of keys."""
    server.admin.execute_command(
        "EVAL", "for i=1,500 do redis.call('RPUSH','q',unpack(ARGV)) end", 0, *range(1000)
    )
    queries = [query(f"t{number}", f"queue-{number}") for number in range(2000)]
    readings = reader_of(server.url).read([*queries, query("big", "q")])
    assert {waiting(reading) for reading in readings[:-1]} == {0}
    assert waiting(readings[-1]) == 500_000


def test_nothing_asked_is_nothing_read(reader_of: OpenReader) -> None:
    """Without queries there is no connection."""
    assert reader_of(f"redis://127.0.0.1:{free_port()}").read([]) == ()


def test_it_reads_over_a_unix_socket(server: RedisServer, reader_of: OpenReader) -> None:
    """The path of a socket is a server like any other, also when it is not there."""
    server.admin.rpush("default", "message")
    reader = reader_of(f"redis+socket://{server.path}?virtual_host=0")
    assert count(reader) == [1]
    server.pause()
    assert one(reader).detail == "did not answer within 1 s"
    server.resume()
    missing = one(reader_of("redis+socket:///nowhere/redis.sock"))
    assert missing.detail == "has a socket or certificate file that cannot be opened"


# One connection, one round trip


def test_a_read_is_one_round_trip_over_one_connection(server: RedisServer, reader_of: OpenReader) -> None:
    """After the first read, each takes one turn, and the connection bears our name."""
    with Proxy(server.port) as proxy:
        reader = reader_of(f"redis://127.0.0.1:{proxy.port}/0")
        queries = [query("a", "q", "r"), query("b", "q", broker=replace(BROKER, global_keyprefix="x"))]
        count(reader, *queries)
        before = proxy.turns
        for _ in range(5):
            assert count(reader, *queries) == [0, 0]
        assert proxy.turns - before == 5
        assert len(server.clients()) == 1
        reader.close()


def test_each_key_is_asked_for_once_and_nothing_else_is(server: RedisServer, reader_of: OpenReader) -> None:
    """The server sees no HELLO, no health check and no key twice."""
    reader = reader_of(server.url)
    seen: list[dict[str, str]] = []
    with server.admin.monitor() as monitor:
        assert count(reader, query("a", "q"), query("b", "q")) == [0, 0]
        server.admin.echo("the end")
        for command in monitor.listen():
            if command["command"].startswith("ECHO"):
                break
            seen.append(command)
    ours = [command["command"] for command in seen if command["client_port"] == seen[0]["client_port"]]
    lists = [f"LLEN q{priority}" for priority in ("", r"\x06\x163", r"\x06\x166", r"\x06\x169")]
    greeting = ["CLIENT SETNAME celery-autoscaler", "INFO cluster"]
    assert ours == [*greeting, *lists, "HLEN unacked", "ZRANGE unacked_index -128 -1 WITHSCORES"]


# Rights and credentials


def test_the_rights_to_llen_and_hlen_are_enough(server: RedisServer, reader_of: OpenReader) -> None:
    """Everything else may be forbidden; the name is then not set, and nobody minds."""
    server.user("reader", "pw", "~*", "+llen", "+hlen")
    server.admin.rpush("default", "message")
    reader = reader_of(f"redis://reader:pw@127.0.0.1:{server.port}/0")
    assert count(reader) == [1]
    assert server.clients() == []
    assert [client["user"] for client in server.admin.client_list() if client["user"] == "reader"] == [
        "reader"
    ]


def test_a_missing_right_concerns_those_who_need_it(server: RedisServer, reader_of: OpenReader) -> None:
    """A key out of bounds makes its own target unknown, a command that is forbidden all of them."""
    server.user("half", "pw", "~q*", "~unacked", "+llen", "+hlen")
    reader = reader_of(f"redis://half:pw@127.0.0.1:{server.port}/0")
    allowed, forbidden = reader.read([query("a", "q"), query("b", "secret")])
    assert allowed.quality is Quality.FRESH
    assert (forbidden.quality, forbidden.detail) == (Quality.UNKNOWN, "does not allow LLEN (NOPERM)")
    assert not reader.rejected_credentials
    server.user("blind", "pw", "~*", "+llen")
    blind = one(reader_of(f"redis://blind:pw@127.0.0.1:{server.port}/0"))
    assert (blind.quality, blind.detail) == (Quality.UNKNOWN, "does not allow HLEN (NOPERM)")
    lost = one(reader_of(f"redis://blind:pw@127.0.0.1:{server.port}/1"))
    assert lost.detail == "does not allow SELECT (NOPERM)"


def test_a_wrong_password_is_told_from_other_failures(server: RedisServer, reader_of: OpenReader) -> None:
    """A wrong or missing password is a rejection, which never shows it; the right one reads."""
    server.admin.config_set("requirepass", "right")
    for login in (":hunter2@", "", "nobody:hunter2@"):
        reader = reader_of(f"redis://{login}127.0.0.1:{server.port}/0")
        reading = one(reader)
        assert (reading.quality, reading.detail) == (Quality.UNKNOWN, "rejected the credentials")
        assert reader.rejected_credentials
        assert "hunter2" not in f"{reading}{reader!r}"
    reader = reader_of(f"redis://:right@127.0.0.1:{server.port}/0")
    assert count(reader) == [0]
    assert not reader.rejected_credentials


def test_a_password_that_changes_is_noticed_at_the_next_connection(
    server: RedisServer, reader_of: OpenReader, clock: FakeClock
) -> None:
    """The connection lives on as Redis lets it; when it ends, the last value is stale and rejected."""
    server.user("app", "old", "~*", "+llen", "+hlen")
    server.admin.rpush("default", "message")
    reader = reader_of(f"redis://app:old@127.0.0.1:{server.port}/0")
    assert count(reader) == [1]
    server.user("app", "new", "~*", "+llen", "+hlen")
    server.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    clock.advance(4.0)
    reading = one(reader)
    assert (reading.quality, reading.age_seconds) == (Quality.STALE, 4.0)
    assert reading.detail == "rejected the credentials"
    assert reader.rejected_credentials
    assert count(reader_of(f"redis://app:new@127.0.0.1:{server.port}/0")) == [1]


def test_a_key_of_another_type_concerns_those_who_ask_for_it(
    server: RedisServer, reader_of: OpenReader
) -> None:
    """A string where a queue or unacked should be is named, and the neighbours are read."""
    server.admin.set("odd\x06\x163", "text")
    server.admin.set("xunacked", "text")
    other = replace(BROKER, global_keyprefix="x")
    good, odd, lost = reader_of(server.url).read([query("a"), query("b", "odd"), query("c", broker=other)])
    assert good.quality is Quality.FRESH
    assert (odd.quality, odd.value) == (Quality.UNKNOWN, None)
    assert odd.detail == r"has something other than a list at 'odd\x06\x163' (WRONGTYPE)"
    assert lost.detail == "has something other than a hash at 'xunacked' (WRONGTYPE)"


# Servers that do not answer


def test_a_hanging_server_costs_one_timeout_and_then_nothing(
    start_redis: StartRedis, reader_of: OpenReader, clock: FakeClock
) -> None:
    """The last value stays with its age, the neighbour is not disturbed, and it comes back by itself."""
    server, neighbour = start_redis(), start_redis()
    server.admin.rpush("default", *range(7))
    reader, other = reader_of(server.url), reader_of(neighbour.url)
    quick = query("a", broker=replace(BROKER, timeout_seconds=0.3))
    assert count(reader, quick) == [7]
    server.pause()
    clock.advance(5.0)
    began = time.monotonic()
    reading = one(reader, quick)
    assert time.monotonic() - began < 10
    assert (reading.quality, reading.age_seconds) == (Quality.STALE, 5.0)
    assert numbers(reading) == ({"default": 7}, 0)
    assert reading.detail == "did not answer within 0.3 s"
    assert one(reader, quick).detail == "did not answer within 0.3 s; next try in 1 s"
    assert count(other) == [0]
    clock.advance(1.0)
    assert one(reader, quick).detail == "did not answer within 0.3 s"
    assert one(reader, quick).detail == "did not answer within 0.3 s; next try in 2 s"
    assert one(reader, query("new", broker=quick.broker)).quality is Quality.UNKNOWN
    server.resume()
    clock.advance(2.0)
    assert one(reader, quick).quality is Quality.FRESH
    server.pause()
    assert one(reader, quick).detail == "did not answer within 0.3 s"
    assert one(reader, quick).detail.endswith("next try in 1 s")


def test_a_server_that_was_restarted_is_read_at_once(
    start_redis: StartRedis, reader_of: OpenReader, clock: FakeClock
) -> None:
    """Its old connection is found dead before it is used; while it is down the last value is stale."""
    server = start_redis()
    server.admin.rpush("default", "message")
    reader = reader_of(server.url)
    assert count(reader) == [1]
    server.stop()
    server.start()
    assert count(reader) == [0]
    server.stop()
    reading = one(reader)
    assert (reading.quality, reading.detail) == (Quality.STALE, "refused the connection")
    server.start()
    assert one(reader).detail == "refused the connection; next try in 1 s"
    clock.advance(1.0)
    assert one(reader).quality is Quality.FRESH


def test_a_server_that_was_never_reached_is_unknown(reader_of: OpenReader) -> None:
    """Unknown is not zero."""
    reader = reader_of(f"redis://127.0.0.1:{free_port()}/0")
    reading = one(reader)
    assert (reading.quality, reading.value, reading.detail) == (
        Quality.UNKNOWN,
        None,
        "refused the connection",
    )
    assert not reader.rejected_credentials


def test_the_last_value_of_another_question_is_not_an_answer(
    start_redis: StartRedis, reader_of: OpenReader
) -> None:
    """A target whose queues have changed has no last value, while its neighbour keeps its own."""
    server = start_redis()
    reader = reader_of(server.url)
    assert count(reader, query("a", "q"), query("b", "q")) == [0, 0]
    server.stop()
    changed, kept = reader.read([query("a", "q", "r"), query("b", "q")])
    assert (changed.quality, kept.quality) == (Quality.UNKNOWN, Quality.STALE)


def test_a_replica_without_its_master_is_unknown(start_redis: StartRedis, reader_of: OpenReader) -> None:
    """What it has may be long gone."""
    replica = start_redis("--replicaof", "127.0.0.1", str(free_port()), "--replica-serve-stale-data", "no")
    reading = one(reader_of(replica.url))
    assert reading.detail == "is a replica that has lost its master (MASTERDOWN)"
    assert reading.quality is Quality.UNKNOWN


def test_a_cluster_node_is_refused(start_redis: StartRedis, reader_of: OpenReader) -> None:
    """Celery cannot use a cluster, and its nodes do not answer for all keys."""
    node = start_redis("--cluster-enabled", "yes")
    reading = one(reader_of(node.url))
    assert (reading.quality, reading.detail) == (
        Quality.UNKNOWN,
        "is a node of a Redis Cluster, which Celery does not support",
    )


def test_a_cluster_of_one_node_is_refused_though_it_answers(
    start_redis: StartRedis, reader_of: OpenReader
) -> None:
    """It has all keys, and yet Celery cannot pop from several of them at once."""
    node = start_redis("--cluster-enabled", "yes")
    node.admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_until(lambda: "cluster_state:ok" in str(node.admin.execute_command("CLUSTER", "INFO")), "it")
    reader = reader_of(node.url)
    for _ in range(2):
        assert one(reader).detail == "is a node of a Redis Cluster, which Celery does not support"


def test_a_cluster_with_the_keys_elsewhere_is_refused_without_a_right_to_info(
    start_redis: StartRedis, reader_of: OpenReader
) -> None:
    """One answer that another node has a key is enough, also for those whose keys are here."""
    node = start_redis("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    node.admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 8000)
    wait_until(lambda: "cluster_state:ok" in str(node.admin.execute_command("CLUSTER", "INFO")), "it")
    node.user("reader", "pw", "~*", "+llen", "+hlen")
    reader = reader_of(f"redis://reader:pw@127.0.0.1:{node.port}/0")
    readings = reader.read([query("a", "q"), query("b", "r")])
    assert {reading.detail for reading in readings} == {
        "is a node of a Redis Cluster, which Celery does not support"
    }


def test_after_closing_nothing_is_read(server: RedisServer, reader_of: OpenReader) -> None:
    """The last value is stale, and the connection is gone."""
    reader = reader_of(server.url)
    assert count(reader) == [0]
    reader.close()
    assert (one(reader).quality, one(reader).detail) == (Quality.STALE, "is not being read any more")
    assert server.clients() == []
