"""Many streams on one thread, with fake brokers and a real Redis."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing

import pytest

from autoscaler.brokers.address import parse
from autoscaler.brokers.heartbeats_streams import DIALERS, Streams
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef
from tests.brokers.certificates import make_certificates
from tests.brokers.conftest import StartRedis
from tests.brokers.servers import Proxy, RedisServer, free_port, wait_until

pytestmark = pytest.mark.servers

TARGET = TargetRef("ns", "w")
BROKER = BrokerSettings(timeout_seconds=5.0)
CHANNEL = "/0.celeryev/worker.heartbeat"


@pytest.fixture
def streams() -> Iterator[Streams]:
    """Listen, and hang up in the end."""
    with closing(Streams()) as made:
        yield made


def beat(node: str, active: int = 1) -> str:
    """Return a heartbeat as kombu publishes it."""
    event = {"hostname": node, "type": "worker-heartbeat", "active": active, "freq": 2.0}
    body = b64encode(json.dumps(event).encode()).decode()
    return json.dumps({"body": body, "properties": {"body_encoding": "base64"}})


def hears(streams: Streams, server: RedisServer, target: TargetRef = TARGET, channel: str = CHANNEL) -> None:
    """Return when a worker is heard that sends its heartbeats."""

    def heard() -> bool:
        server.admin.publish(channel, beat("celery@w-0"))
        roll = streams.roll(target)
        return roll is not None and roll.heard("celery@w-0") is not None

    wait_until(heard, "a heartbeat")


def told(streams: Streams, target: TargetRef, detail: str) -> None:
    """Return when it is said why a target's workers are not heard."""
    wait_until(lambda: detail in streams.detail(target), detail)


def test_targets_of_a_broker_share_one_connection_whatever_their_prefixes(
    streams: Streams, server: RedisServer
) -> None:
    """And everybody hears their own workers alone."""
    targets = [TargetRef("ns", f"t{number}") for number in range(20)]
    for number, target in enumerate(targets):
        streams.want(target, parse(server.url), BrokerSettings(global_keyprefix=f"p{number}:"), on=True)
    for number in (0, 19):
        hears(streams, server, targets[number], f"p{number}:{CHANNEL}")
    assert len(server.clients()) == 1
    other = streams.roll(targets[7])
    assert other is not None
    assert other.heard("celery@w-0") is None


def test_nobody_listens_where_nobody_wants_it(streams: Streams, server: RedisServer) -> None:
    """The last one to go closes the connection, and the first to come back opens it."""
    place = parse(server.url)
    streams.want(TARGET, place, BROKER, on=True)
    streams.want(TargetRef("ns", "v"), place, BROKER, on=True)
    hears(streams, server)
    streams.want(TARGET, place, BROKER, on=False)
    hears(streams, server, TargetRef("ns", "v"))
    assert len(server.clients()) == 1
    assert streams.roll(TARGET) is None
    streams.want(TargetRef("ns", "v"), place, BROKER, on=False)
    wait_until(lambda: not server.clients(), "the connection to close")
    streams.want(TARGET, place, BROKER, on=True)
    hears(streams, server)


def test_a_hundred_brokers_take_one_thread_to_hear_and_a_few_to_connect(
    streams: Streams, server: RedisServer
) -> None:
    """Here they are a hundred users of one server, which has a connection for each."""
    places = [parse(f"redis://user{number}@127.0.0.1:{server.port}/0") for number in range(100)]
    for number in range(100):
        server.admin.execute_command(
            "ACL", "SETUSER", f"user{number}", "on", "nopass", "allchannels", "+@all"
        )
    before = set(threading.enumerate())
    for number, place in enumerate(places):
        streams.want(TargetRef("ns", f"t{number}"), place, BROKER, on=True)
    for number in range(100):
        hears(streams, server, TargetRef("ns", f"t{number}"))
    assert len(server.clients()) == 100
    new = set(threading.enumerate()) - before
    assert 1 <= sum(thread.name.startswith("dial") for thread in new) <= DIALERS
    assert not [thread for thread in new if thread.name.startswith("heartbeats")]


def test_a_lost_stream_is_told_and_made_anew(streams: Streams, server: RedisServer) -> None:
    """What was heard is not forgotten, it only grows old."""
    streams.want(TARGET, parse(server.url), BROKER, on=True)
    hears(streams, server)
    server.stop()
    wait_until(lambda: "no heartbeats: redis" in streams.detail(TARGET), "the loss")
    roll = streams.roll(TARGET)
    assert roll is not None
    assert roll.heard("celery@w-0") is not None
    assert not streams.listens(TARGET)
    server.start()
    wait_until(lambda: streams.detail(TARGET) == "", "the stream to be back")
    hears(streams, server)


def test_a_broker_that_is_not_there_holds_up_nobody(streams: Streams, server: RedisServer) -> None:
    """The others are heard while it is being tried."""
    silent = RedisServerThatHangs(server)
    with silent.proxy:
        streams.want(TargetRef("ns", "gone"), parse(f"redis://127.0.0.1:{free_port()}/0"), BROKER, on=True)
        streams.want(TargetRef("ns", "hangs"), parse(silent.url), BROKER, on=True)
        streams.want(TARGET, parse(server.url), BROKER, on=True)
        hears(streams, server)
        wait_until(
            lambda: "refused the connection" in streams.detail(TargetRef("ns", "gone")),
            "the refusal to be told",
        )


class RedisServerThatHangs:
    """A server whose answers never arrive."""

    def __init__(self, server: RedisServer) -> None:
        self.proxy = Proxy(server.port, freeze_on=b"SETNAME")
        self.url = f"redis://127.0.0.1:{self.proxy.port}/0"


def test_the_rights_that_gossip_needs_are_enough(streams: Streams, server: RedisServer) -> None:
    """Without the right to the channel the loss is told; with it nothing else is needed."""
    server.user("events", "word", "+psubscribe", "+punsubscribe", "+ping", "resetchannels")
    place = parse(f"redis://events:word@127.0.0.1:{server.port}/0")
    streams.want(TARGET, place, BROKER, on=True)
    wait_until(
        lambda: "does not allow subscribing to the workers' events (NOPERM)" in streams.detail(TARGET),
        "the refusal",
    )
    server.user("events", "word", "+psubscribe", "+punsubscribe", "+ping", "&/0.celeryev/worker.*")
    hears(streams, server)
    assert "word" not in streams.detail(TARGET)


def test_over_tls_nothing_is_left_lying(
    streams: Streams, server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a TLS connection has already taken from its socket is heard, too."""
    certificates = make_certificates(tmp_path_factory.mktemp("tls"))
    with Proxy(server.port, certificates.context()) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={certificates.authority}"
        streams.want(TARGET, parse(url), BROKER, on=True)
        hears(streams, server)
        pipeline = server.admin.pipeline()
        for number in range(2000):
            pipeline.publish(CHANNEL, beat(f"celery@n-{number}"))
        pipeline.execute()
        roll = streams.roll(TARGET)
        assert roll is not None
        wait_until(lambda: roll.heard("celery@n-1999"), "the last of them")


def test_a_flood_of_something_else_ends_the_stream_alone(streams: Streams, start_redis: StartRedis) -> None:
    """One broker's nonsense is that broker's."""
    bad, good = start_redis(), start_redis()
    streams.want(TargetRef("ns", "bad"), parse(bad.url), BROKER, on=True)
    streams.want(TARGET, parse(good.url), BROKER, on=True)
    hears(streams, bad, TargetRef("ns", "bad"))
    bad.admin.publish(CHANNEL, "x" * 3_000_000)
    wait_until(
        lambda: "does not send events as Redis does" in streams.detail(TargetRef("ns", "bad")), "the end"
    )
    hears(streams, good)
