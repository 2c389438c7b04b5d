from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection

from autoscaler.brokers.address import RedisAddress, parse, redis_address
from autoscaler.brokers.tls import Tls
from autoscaler.config.broker import BrokerSettings
from autoscaler.ports import BrokerUnknown

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", RedisAddress()),
        ("redis://redis.example", RedisAddress(host="redis.example")),
        ("redis://Redis.Example:6380/3", RedisAddress(host="redis.example", port=6380, db=3)),
        ("redis://redis.example/", RedisAddress(host="redis.example")),
        ("redis://redis.example//2", RedisAddress(host="redis.example", db=2)),
        ("redis://:s3cret@h/1", RedisAddress(host="h", db=1, password="s3cret")),
        ("redis://user:p%40%3A%2Fw%25@h", RedisAddress(host="h", username="user", password="p@:/w%")),
        ("redis://user@h", RedisAddress(host="h", username="user")),
        ("redis://[::1]:7000/4", RedisAddress(host="::1", port=7000, db=4)),
        ("redis://:pw@[fd00::7]", RedisAddress(host="fd00::7", password="pw")),
        (" redis://h\n", RedisAddress(host="h")),
        ("redis://h/0;redis://h", RedisAddress(host="h")),
        ("rediss://h", RedisAddress(host="h", tls=Tls())),
        ("rediss://h?ssl_cert_reqs=none", RedisAddress(host="h", tls=Tls(verify="none"))),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", RedisAddress(host="h", tls=Tls(verify="none"))),
        ("rediss://h?ssl_cert_reqs=CERT_REQUIRED", RedisAddress(host="h", tls=Tls())),
        ("rediss://h?ssl_check_hostname=False", RedisAddress(host="h", tls=Tls(check_hostname=False))),
        (
            "rediss://h/2?ssl_ca_certs=%2Ftls%2Fca&ssl_certfile=/tls/crt&ssl_keyfile=/tls/key",
            RedisAddress(
                host="h", db=2, tls=Tls(ca_certs="/tls/ca", certfile="/tls/crt", keyfile="/tls/key")
            ),
        ),
        ("redis://h?ssl_ca_certs=/ca", RedisAddress(host="h", tls=Tls(ca_certs="/ca"))),
        ("redis+socket:///run/redis.sock", RedisAddress(path="/run/redis.sock")),
        ("redis+socket:///run/redis.sock?virtual_host=3", RedisAddress(path="/run/redis.sock", db=3)),
        ("redis+socket://u:p%40@/run/r%20s", RedisAddress(path="/run/r s", username="u", password="p@")),
    ],
)
def test_a_url_is_taken_apart_as_kombu_does(url: str, address: RedisAddress) -> None:
    """Defaults, percent-encoding, TLS and sockets mean here what they mean to the workers."""
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is empty"),
        (f"user:{SECRET}@host:6379", "not a URL"),
        (f"sqs://key:{SECRET}@", "sqs:// are not read yet"),
        (f"sentinel://:{SECRET}@a:26379;sentinel://b:26379", "needs one master_name"),
        (f"sentinel://:{SECRET}@a?master_name=m;sentinel://b?master_name=n", "needs one master_name"),
        (f"sentinel://:{SECRET}@a?master_name=m&db=1", "does not take \\?db="),
        (f"sentinel://:{SECRET}@a?master_name=m;sentinel://b/1", "database from the first"),
        (f"sentinel://:{SECRET}@a?master_name=m;redis://b", "together with other servers"),
        (f"redis+cluster://:{SECRET}@h", "redis\\+cluster:// are not read yet"),
        (f"{SECRET}://h", "this version reads redis://, rediss://, redis\\+socket://, sentinel://, amqp://"),
        (f"redis://:{SECRET}@a;redis://:{SECRET}@b", "lists several servers"),
        (f"redis://:{SECRET}@h?db=1", "does not take \\?db="),
        (f"redis+socket://:{SECRET}@/s?db=1", "does not take \\?db="),
        (f"redis://:{SECRET}@h?heartbeat=1", "parameter other than"),
        (f"rediss://h?{SECRET}=1", "parameter other than"),
        (f"rediss://:{SECRET}@h?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        (f"redis://:{SECRET}@h/one", "not the number of a database"),
        (f"redis://:{SECRET}@h/-1", "not the number of a database"),
        (f"redis://:{SECRET}@h/1/2", "not the number of a database"),
        (f"redis://:{SECRET}#x@h/1", "cannot be taken apart"),
        (f"redis://:{SECRET}/x@h/1", "cannot be taken apart"),
        (f"redis://:x@h:{SECRET}/1", "cannot be taken apart"),
        (f"redis://:{SECRET}@[::1/1", "cannot be taken apart"),
        (f"redis://:{SECRET}@h\u2100/1", "cannot be taken apart"),
        (f"redis://:{SECRET}@{'h' * 64}/1", "cannot be taken apart"),
        (f"redis+socket://:{SECRET}@", "lacks the path"),
    ],
)
def test_a_url_that_is_not_understood_is_refused_with_a_reason_and_without_its_secrets(
    url: str, reason: str
) -> None:
    """The reason is plain, and no part of the error shows what the URL held."""
    with pytest.raises(BrokerUnknown, match=reason) as refusal:
        parse(url)
    shown = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value)
    assert SECRET not in shown
    assert refusal.value.__context__ is None


def test_a_url_of_sentinels_is_one_address() -> None:
    """The master is named in the settings or in the URL; the first Sentinel has the credentials."""
    named = BrokerSettings(master_name="m", sentinel_password=SECRET)
    address = redis_address(f"sentinel://u:{SECRET}@a/2;sentinel://b:7", named)
    assert address.sentinels == (("a", 26379), ("b", 7))
    assert (address.db, address.username, address.password) == (2, "u", SECRET)
    assert str(address) == "redis m by a:26379,b:7/2"
    assert SECRET not in f"{address!r} {address.server}"
    assert address.transport_options() == {"master_name": "m", "sentinel_kwargs": {"password": SECRET}}
    assert redis_address(address.url(), named) == address
    assert redis_address("sentinel://a?master_name=m").transport_options() == {"master_name": "m"}


def test_an_address_never_shows_its_password() -> None:
    """Neither its text nor its representation, which end up in logs."""
    address = parse(f"redis://user:{SECRET}@[::1]:6379/2")
    assert str(address) == "redis [::1]:6379/2"
    assert SECRET not in f"{address} {address!r}"
    assert str(parse(f"redis+socket://:{SECRET}@/run/redis.sock?virtual_host=3")) == "redis /run/redis.sock/3"


def test_addresses_differ_in_whatever_makes_another_connection() -> None:
    """Server, database, user, password and TLS are the identity."""
    urls = [
        "redis://h",
        "redis://h:6380",
        "redis://g",
        "redis://h/1",
        "redis://:a@h",
        "redis://:b@h",
        "redis://u:a@h",
        "rediss://h",
        "rediss://h?ssl_ca_certs=/ca",
        "redis+socket:///h",
    ]
    assert len({parse(url) for url in urls}) == len(urls)
    assert parse("redis://h/0") == parse("redis://h:6379")


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(
    st.builds(
        RedisAddress,
        host=st.sampled_from(["redis.example", "10.0.0.7", "::1"]),
        port=st.integers(1, 65535),
        db=st.integers(0, 99),
        username=st.none() | WORDS,
        password=st.none() | WORDS,
    )
    | st.builds(
        RedisAddress,
        path=st.sampled_from(["/run/redis.sock", "/run/a b;c?d#e%"]),
        db=st.integers(0, 99),
        username=st.none() | WORDS,
        password=st.none() | WORDS,
    )
)
def test_the_url_for_kombu_says_the_same_to_us_and_to_kombu(address: RedisAddress) -> None:
    """Any user, password or path comes out of kombu's own parser as it went in."""
    assert parse(address.url()) == address
    connect: Callable[[str], Connection] = Connection
    connection = connect(address.url())
    if not address.path:
        assert (connection.hostname, connection.port, connection.userid, connection.password) == (
            address.host,
            address.port,
            address.username,
            address.password,
        )
        assert connection.virtual_host == str(address.db)
