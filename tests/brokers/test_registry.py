from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from autoscaler.brokers.registry import IDLE_SECONDS, BrokerRegistry
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Reading, TargetRef
from autoscaler.ports import Brokers, BrokerUnknown, DepthQuery
from tests.brokers.servers import FakeClock, RedisServer, free_port

SETTINGS = BrokerSettings()
QUERY = DepthQuery(TargetRef("ns", "a"), ("default",), BrokerSettings(timeout_seconds=10.0))


def read(brokers: Brokers, url: str) -> Reading[BrokerAccount]:
    """Return what one read of a URL gives, as the daemon does it."""
    query = replace(QUERY, broker=BrokerSettings(timeout_seconds=2.0))
    return brokers.reader(url, query.broker).read([query])[0]


@pytest.fixture
def registry(clock: FakeClock) -> Iterator[BrokerRegistry]:
    """Open a registry by the fake clock."""
    registry = BrokerRegistry(clock)
    yield registry
    registry.close()


def test_one_identity_has_one_reader(registry: BrokerRegistry) -> None:
    """However its URL is spelt, and whatever the timeout and the layout of the keys."""
    reader = registry.reader("redis://h", SETTINGS)
    assert registry.reader("redis://h", SETTINGS) is reader
    assert registry.reader("redis://h:6379/0", SETTINGS) is reader
    assert registry.reader("redis://h", BrokerSettings(timeout_seconds=9.0, global_keyprefix="x")) is reader


@pytest.mark.parametrize(
    "url", ["redis://h/1", "redis://h:1", "redis://g", "redis://:pw@h", "redis://u:pw@h", "rediss://h"]
)
def test_another_identity_has_another_reader(registry: BrokerRegistry, url: str) -> None:
    """Nobody reads with the credentials of another."""
    assert registry.reader(url, SETTINGS) is not registry.reader("redis://h", SETTINGS)


@pytest.mark.servers
def test_each_identity_is_one_connection(server: RedisServer, registry: BrokerRegistry) -> None:
    """Two users of one server are two connections, each under its own name."""
    for user in ("first", "second"):
        server.user(user, f"{user}-pw", "~*", "+llen", "+hlen", "+client|setname")
    for _ in range(3):
        for user in ("first", "second"):
            url = f"redis://{user}:{user}-pw@127.0.0.1:{server.port}/0"
            assert registry.reader(url, SETTINGS).read([QUERY])[0].is_fresh
    assert sorted(client["user"] for client in server.clients()) == ["first", "second"]


@pytest.mark.servers
def test_a_new_password_is_a_new_reader(
    server: RedisServer, registry: BrokerRegistry, clock: FakeClock
) -> None:
    """The old one, rejected, is forgotten when nobody has asked for it for ten minutes."""
    old, new = (f"redis://:{word}@127.0.0.1:{server.port}/0" for word in ("old", "new"))
    server.admin.config_set("requirepass", "old")
    assert registry.reader(old, SETTINGS).read([QUERY])[0].is_fresh
    server.admin.config_set("requirepass", "new")
    assert registry.reader(new, SETTINGS).read([QUERY])[0].is_fresh
    assert len(server.clients()) == 2
    clock.advance(IDLE_SECONDS)
    assert registry.reader(new, SETTINGS).read([QUERY])[0].is_fresh
    assert len(server.clients()) == 1


@pytest.mark.servers
def test_a_server_that_hangs_is_found_hanging_once(
    server: RedisServer, registry: BrokerRegistry, clock: FakeClock
) -> None:
    """Whoever comes after, to another database or with other credentials, does not wait for it."""
    urls = [f"redis://127.0.0.1:{server.port}/{db}" for db in range(3)]
    server.pause()
    details = [read(registry, url).detail for url in urls]
    assert details == ["did not answer within 2 s", *["did not answer within 2 s; next try in 1 s"] * 2]
    server.resume()
    clock.advance(1.0)
    assert all(read(registry, url).is_fresh for url in urls)


@pytest.mark.servers
def test_tls_on_a_plain_port_keeps_nobody_out(server: RedisServer, registry: BrokerRegistry) -> None:
    """The handshake that nobody answers is that target's own trouble: the others are read as before."""
    plain, tls = (f"{scheme}://127.0.0.1:{server.port}/0" for scheme in ("redis", "rediss"))
    assert read(registry, plain).is_fresh
    assert not read(registry, tls).is_fresh
    assert read(registry, plain).is_fresh


@pytest.mark.servers
def test_rejected_credentials_do_not_keep_others_out(server: RedisServer, registry: BrokerRegistry) -> None:
    """The server is fine; only these credentials are left alone for a while."""
    server.user("app", "right", "~*", "+llen", "+hlen")
    wrong, right = (f"redis://app:{word}@127.0.0.1:{server.port}/0" for word in ("wrong", "right"))
    assert read(registry, wrong).detail == "rejected the credentials"
    assert read(registry, wrong).detail == "rejected the credentials; next try in 1 s"
    assert registry.reader(wrong, SETTINGS).rejected_credentials
    assert read(registry, right).is_fresh


def test_a_reader_in_use_is_kept_and_an_idle_one_is_not(registry: BrokerRegistry, clock: FakeClock) -> None:
    """Ten minutes without a question end a reader; after that there is a new one."""
    used, idle = registry.reader("redis://used", SETTINGS), registry.reader("redis://idle", SETTINGS)
    for _ in range(20):
        clock.advance(IDLE_SECONDS / 20)
        assert registry.reader("redis://used", SETTINGS) is used
    assert registry.reader("redis://idle", SETTINGS) is not idle
    assert idle.read([QUERY])[0].detail == "is not being read any more"


def test_closing_the_registry_closes_its_readers(registry: BrokerRegistry) -> None:
    """No connection outlives it."""
    reader = registry.reader(f"redis://127.0.0.1:{free_port()}", SETTINGS)
    registry.close()
    assert reader.read([QUERY])[0].detail == "is not being read any more"


def test_a_url_that_no_reader_understands_is_refused_each_time(registry: BrokerRegistry) -> None:
    """A refusal is not remembered as anything else."""
    for _ in range(2):
        with pytest.raises(BrokerUnknown, match="sqs:// are not read yet"):
            registry.reader("sqs://user:pw@h//", SETTINGS)
