"""What the URL of a RabbitMQ means here, and to kombu."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection

from autoscaler.brokers.address import parse
from autoscaler.brokers.rabbitmq import RabbitReader
from autoscaler.brokers.rabbitmq_address import AmqpAddress, Node
from autoscaler.brokers.registry import BrokerRegistry
from autoscaler.brokers.tls import Tls
from autoscaler.config.broker import BrokerSettings
from autoscaler.ports import BrokerUnknown

SECRET = "hunter2"


def at(host: str, port: int = 5672) -> tuple[Node, ...]:
    """Return the only node of an address."""
    return (Node(host, port),)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("amqp://", AmqpAddress()),
        ("amqp://h", AmqpAddress(at("h"))),
        ("AMQP://H:5673", AmqpAddress(at("h", 5673))),
        ("pyamqp://h/", AmqpAddress(at("h"))),
        ("amqp://h//", AmqpAddress(at("h"), vhost="/")),
        ("amqp://h/%2F", AmqpAddress(at("h"), vhost="/")),
        ("amqp://h/app", AmqpAddress(at("h"), vhost="app")),
        ("amqp://h//app", AmqpAddress(at("h"), vhost="/app")),
        ("amqp://h/a%2Fb%20c", AmqpAddress(at("h"), vhost="a/b c")),
        ("amqp://u:p%40%2F@h/v", AmqpAddress(at("h"), "v", "u", "p@/")),
        ("amqp://u@h", AmqpAddress(at("h"), username="u")),
        ("amqp://[::1]:7000/v", AmqpAddress(at("::1", 7000), "v")),
        ("amqp://h?heartbeat=30&connect_timeout=4", AmqpAddress(at("h"))),
        ("amqp://h?login_method=AMQPLAIN", AmqpAddress(at("h"), login_method="AMQPLAIN")),
        ("amqps://h", AmqpAddress(at("h", 5671), tls=Tls())),
        ("amqps://h:1?ssl_cert_reqs=none", AmqpAddress(at("h", 1), tls=Tls(verify="none"))),
        ("amqp://h?ssl_ca_certs=/ca", AmqpAddress(at("h", 5671), tls=Tls(ca_certs="/ca"))),
        ("amqp://a/v;amqp://b:1/v", AmqpAddress((Node("a"), Node("b", 1)), "v")),
        ("amqp://a;pyamqp://a", AmqpAddress(at("a"))),
    ],
)
def test_a_url_is_taken_apart_as_kombu_does(url: str, address: AmqpAddress) -> None:
    """Vhost, credentials and ports mean here what they mean to the workers."""
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"amqp://u:{SECRET}@h?{SECRET}=1", "parameter other than"),
        (f"amqp://u:{SECRET}@h?virtual_host=v", "parameter other than"),
        (f"amqp://u:{SECRET}@h?heartbeat={SECRET}", "heartbeat"),
        (f"amqp://u:{SECRET}@h?login_method={SECRET}", "login_method"),
        (f"amqps://u:{SECRET}@h?ssl_cert_reqs={SECRET}", "ssl_cert_reqs"),
        (f"amqp://u:{SECRET}@h:{SECRET}", "cannot be taken apart"),
        (f"amqp://u:{SECRET}@a;amqp://u:other@b", "nodes of one cluster"),
        (f"amqp://u:{SECRET}@a/v;amqp://u:{SECRET}@b/w", "nodes of one cluster"),
        (f"amqp://u:{SECRET}@a;redis://:{SECRET}@b", "lists several servers"),
        (f"librabbitmq://u:{SECRET}@h", "its kind are not read yet"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(url: str, reason: str) -> None:
    """And without showing anything of the URL."""
    with pytest.raises(BrokerUnknown, match=reason) as refusal:
        parse(url)
    assert SECRET not in "".join(traceback.format_exception(refusal.value))


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(
    st.builds(
        AmqpAddress,
        nodes=st.lists(
            st.builds(Node, st.sampled_from(["rabbit.example", "10.0.0.7", "::1"]), st.integers(1, 65535)),
            min_size=1,
            max_size=3,
            unique=True,
        ).map(tuple),
        vhost=WORDS,
        username=WORDS,
        password=WORDS,
    )
)
def test_the_url_for_kombu_says_the_same_to_us_and_to_kombu(address: AmqpAddress) -> None:
    """Any vhost, user or password comes out of kombu's own parser as it went in."""
    assert parse(address.url()) == address
    connect: Callable[[str], Connection] = Connection
    connection = connect(address.url())
    assert (connection.hostname, connection.port) == (address.host, address.port)
    assert (connection.userid, connection.password) == (address.username, address.password)
    assert connection.virtual_host == address.vhost
    assert len(connection.alt or [0]) == len(address.nodes)


def test_an_address_never_shows_its_password() -> None:
    """Neither its text nor its representation, which end up in logs."""
    address = parse(f"amqp://user:{SECRET}@[::1]/v;amqp://user:{SECRET}@b/v")
    assert str(address) == "rabbitmq [::1]:5672, b:5672 (vhost v)"
    assert SECRET not in f"{address!r}"


def test_tls_means_to_kombu_what_it_means_to_us() -> None:
    """Verified, and for the host, unless the URL says otherwise."""
    verified, open_to_all = (parse(f"amqps://h{options}") for options in ("", "?ssl_cert_reqs=none"))
    assert isinstance(verified, AmqpAddress)
    assert isinstance(open_to_all, AmqpAddress)
    assert verified.ssl() == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "h"}
    assert open_to_all.ssl() == {"cert_reqs": ssl.CERT_NONE, "server_hostname": None}
    assert AmqpAddress().ssl() is False


def test_the_registry_has_one_reader_for_one_identity() -> None:
    """However its URL is spelt; another vhost or password is another reader."""
    registry = BrokerRegistry()
    reader = registry.reader("amqp://h", BrokerSettings())
    assert isinstance(reader, RabbitReader)
    assert registry.reader("pyamqp://guest:guest@h:5672//", BrokerSettings()) is reader
    others = [registry.reader(url, BrokerSettings()) for url in ("amqp://h/v", "amqp://u:p@h", "amqps://h")]
    assert len({reader, *others}) == 4
    registry.close()
