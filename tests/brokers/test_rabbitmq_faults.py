"""What a reader makes of a RabbitMQ that is hanging, restarting, refusing or not one at all."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from autoscaler.brokers.rabbitmq import RabbitReader
from autoscaler.core.model import Quality
from autoscaler.sandbox.rabbitmq_server import USER, RabbitServer
from tests.brokers.certificates import Certificates
from tests.brokers.rabbits import AtOnce, Vhost, amqp_address, query, rabbit_or_skip, ready
from tests.brokers.servers import FakeClock, Proxy, free_port, wait_until

pytestmark = pytest.mark.servers

SECRET = "hunter2"
NOT_RABBITMQ = "does not answer as RabbitMQ does"


@pytest.fixture(scope="module")
def fragile() -> Iterator[RabbitServer]:
    """Run a RabbitMQ that may be harmed."""
    with rabbit_or_skip()(statistics_seconds=1.0) as server:
        yield server


def test_a_server_that_hangs_costs_one_timeout(fragile: RabbitServer, clock: FakeClock) -> None:
    """The last answer stays, stale; nothing is waited for until the next trial, which succeeds."""
    with Vhost(fragile) as vhost:
        vhost.declare("default", messages=2)
        reader = vhost.reader(clock=clock)
        assert ready(reader.read([query("default")])[0]) == {"default": 2}
        fragile.suspend()
        try:
            began = time.monotonic()
            (reading,) = reader.read([query("default", timeout_seconds=0.5)])
            assert time.monotonic() - began < 5.0
            assert (reading.quality, reading.detail) == (Quality.UNKNOWN, "did not answer within 0.5 s")
            clock.advance(0.5)
            (reading,) = reader.read([query("default")])
            assert reading.detail == "did not answer within 0.5 s; next try in 0 s"
            assert (reading.quality, reading.age_seconds) == (Quality.STALE, 0.5)
        finally:
            fragile.resume()
        clock.advance(1.0)
        assert ready(reader.read([query("default")])[0]) == {"default": 2}


def test_a_server_that_hangs_from_the_first_is_unknown(fragile: RabbitServer) -> None:
    """The system accepts the connection; the time runs out in the greeting."""
    url = fragile.url
    fragile.suspend()
    try:
        with reader_of(url) as reader:
            (reading,) = reader.read([query("default", timeout_seconds=0.3)])
    finally:
        fragile.resume()
    assert (reading.quality, reading.detail) == (Quality.UNKNOWN, "did not answer within 0.3 s")


def test_a_restart_is_survived(fragile: RabbitServer, clock: FakeClock) -> None:
    """While the server is away the reading is stale; after that the next trial connects anew."""
    with Vhost(fragile) as vhost:
        vhost.declare("default")
        reader = vhost.reader(clock=clock)
        assert ready(reader.read([query("default")])[0]) == {"default": 0}
        fragile.halt()
        clock.advance(1.0)
        (reading,) = reader.read([query("default")])
        assert (reading.quality, reading.age_seconds) == (Quality.STALE, 1.0)
        assert reading.detail == "refused the connection"
        fragile.restart()
        clock.advance(1.0)
        assert ready(reader.read([query("default")])[0]) == {"default": 0}


def test_a_connection_that_was_closed_between_two_reads_costs_none_of_them(vhost: Vhost) -> None:
    """As by an operator, or by a server that is going down: it is made anew at once."""
    vhost.declare("default", messages=1)
    reader = vhost.reader()
    assert ready(reader.read([query("default")])[0]) == {"default": 1}
    wait_until(vhost.connections, "the connection to be listed")
    talk = reader._line._talk
    assert talk is not None
    assert talk.pipe.sock is not None
    for name in vhost.connections():
        vhost.server.call("DELETE", f"connections/{quote(name, safe='')}")
    assert select.select([talk.pipe.sock], [], [], 60.0)[0], "the server said nothing"
    assert ready(reader.read([query("default")])[0]) == {"default": 1}
    assert reader._line._talk is not talk


def test_limits_of_connections_are_told(fragile: RabbitServer) -> None:
    """They are no doubt about the credentials."""
    with Vhost(fragile) as vhost:
        url = vhost.user()
        user = amqp_address(url).username
        fragile.call("PUT", f"user-limits/{user}/max-connections", {"value": 0})
        with reader_of(url) as reader:
            (reading,) = reader.read([query("default")])
            assert (
                reading.detail == "has reached its limit of connections for this vhost or user (NOT_ALLOWED)"
            )
            assert not reader.rejected_credentials


def test_rejected_credentials_are_told_and_left_alone(fragile: RabbitServer, clock: FakeClock) -> None:
    """So that the URL is looked for again; and a new password is accepted."""
    fragile.add_user("app", "right")
    fragile.allow("app")
    with reader_of(fragile.url_for("app", SECRET), clock) as reader:
        for detail in ("rejected the credentials", "rejected the credentials; next try in 1 s"):
            (reading,) = reader.read([query("default")])
            assert (reading.quality, reading.detail) == (Quality.UNKNOWN, detail)
            assert reader.rejected_credentials
        fragile.add_user("app", SECRET)
        clock.advance(1.0)
        assert reader.read([query("default")])[0].is_fresh
        assert not reader.rejected_credentials


def test_a_vhost_that_is_missing_is_told(fragile: RabbitServer) -> None:
    """In plain words, and without doubting the credentials."""
    with reader_of(fragile.url_for(USER, fragile.password, "nowhere")) as reader:
        (reading,) = reader.read([query("default")])
        assert (reading.quality, reading.detail) == (Quality.UNKNOWN, "has no such vhost (NOT_ALLOWED)")
        assert not reader.rejected_credentials


def test_the_nodes_of_a_cluster_are_tried_in_order(fragile: RabbitServer) -> None:
    """A node that refuses or hangs costs its share of the time, and the next one is read."""
    login = f"{USER}:{fragile.password}@127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        ports = (free_port(), hanging.getsockname()[1], fragile.ports.amqp)
        with reader_of(";".join(f"amqp://{login}:{port}//" for port in ports)) as reader:
            assert reader.read([query("missing", timeout_seconds=4.0)])[0].is_fresh


@pytest.mark.parametrize(
    "options",
    ["ssl_ca_certs={ca}", "ssl_cert_reqs=none", "ssl_ca_certs={ca}&ssl_certfile={crt}&ssl_keyfile={key}"],
)
def test_tls_is_spoken(
    rabbit: RabbitServer, vhost: Vhost, rabbit_certificates: Certificates, options: str
) -> None:
    """With an authority of one's own, without verification where the URL says so, with a certificate."""
    vhost.declare("default", messages=1)
    files = rabbit_certificates
    query_string = options.format(ca=files.authority, crt=files.client, key=files.client_key)
    url = rabbit.url_for(USER, rabbit.password, vhost.name, tls=True) + "?" + query_string
    https = f"https://127.0.0.1:{rabbit.ports.https}"
    reader = vhost.reader(url)
    (reading,) = reader.read([query("default", management=True, management_url=https)])
    assert ready(reading) == {"default": 1}
    assert reader.listing() is not None


def test_tls_is_verified_by_default(
    rabbit: RabbitServer, vhost: Vhost, rabbit_certificates: Certificates
) -> None:
    """A certificate of an unknown authority, or for another host, is not trusted: nor by HTTPS."""
    url = rabbit.url_for(USER, rabbit.password, vhost.name, tls=True)
    (reading,) = vhost.reader(url).read([query("default")])
    assert reading.detail.startswith("shows a certificate that is not trusted")
    other = url.replace("127.0.0.1", "127.0.0.2") + f"?ssl_ca_certs={rabbit_certificates.authority}"
    with Proxy(rabbit.ports.amqps, host="127.0.0.2") as proxy:
        elsewhere = other.replace(f":{rabbit.ports.amqps}", f":{proxy.port}")
        (reading,) = vhost.reader(elsewhere).read([query("default")])
    assert reading.detail.startswith("shows a certificate that is not trusted (IP address mismatch")
    https = f"https://127.0.0.1:{rabbit.ports.https}"
    vhost.declare("default")
    (reading,) = vhost.reader().read([query("default", management=True, management_url=https)])
    assert reading.value is not None
    assert "the management API shows a certificate that is not trusted" in reading.value.delivered.detail


def test_tls_and_plain_do_not_mix(rabbit: RabbitServer, vhost: Vhost) -> None:
    """Each way round it is told in words of ours."""
    plain = rabbit.ports.amqp
    to_plain = rabbit.url_for(USER, rabbit.password, vhost.name, tls=True)
    to_plain = to_plain.replace(f":{rabbit.ports.amqps}", f":{plain}")
    (reading,) = vhost.reader(to_plain).read([query("default")])
    assert reading.detail in {"does not agree to TLS as the URL asks for it", "closed the connection"}
    to_tls = vhost.url.replace(f":{plain}", f":{rabbit.ports.amqps}")
    (reading,) = vhost.reader(to_tls).read([query("default")])
    assert reading.detail in {NOT_RABBITMQ, "closed the connection"}


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NOT_RABBITMQ),
        (b"AMQP\x00\x01\x00\x00", NOT_RABBITMQ),
        (b"-ERR unknown command\r\n", NOT_RABBITMQ),
        (b"\x01\x00\x00\xff\xff\xff\xff", NOT_RABBITMQ),
        (b"\x01\x00\x00\x00\x00\x00\x05\x00\x0a\x00\x0a\x00\xce", NOT_RABBITMQ),
        (b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\x00", NOT_RABBITMQ),
        (b"\x01\x00\x07\x00\x00\x00\x04\x00\x14\x00\x0a\xce", "closed the connection"),
        (b"\x08\x00\x00\x00\x00\x00\x00\xce", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
def test_a_stranger_is_told_from_rabbitmq(answer: bytes, detail: str) -> None:
    """Whatever bytes come, the reading is unknown and nothing is raised."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(8)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with reader_of(f"amqp://app:{SECRET}@127.0.0.1:{listener.getsockname()[1]}//") as reader:
            (reading,) = reader.read([query("default")])
        thread.join()
    assert (reading.quality, reading.detail) == (Quality.UNKNOWN, detail)


def test_endless_heartbeats_do_not_hold_a_read_up() -> None:
    """Frames that say nothing do not begin the time anew."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                while not done.wait(0.01):
                    client.sendall(b"\x08\x00\x00\x00\x00\x00\x00\xce")

        thread = threading.Thread(target=serve)
        thread.start()
        with reader_of(f"amqp://127.0.0.1:{listener.getsockname()[1]}//") as reader:
            (reading,) = reader.read([query("default", timeout_seconds=0.3)])
            done.set()
        thread.join()
    assert reading.detail == "did not answer within 0.3 s"


def test_no_reading_shows_the_credentials(fragile: RabbitServer) -> None:
    """Neither a reading nor a reader, whatever went wrong."""
    urls = [f"amqp://app:{SECRET}@127.0.0.1:{port}/v" for port in (free_port(), fragile.ports.amqp)] + [
        f"amqp://app:{SECRET}@no-such-host.invalid/v"
    ]
    for url in urls:
        with reader_of(url) as reader:
            reading = reader.read(
                [query("default", management=True, management_url=f"http://m:{SECRET}@127.0.0.1:1")]
            )
            assert SECRET not in f"{reading} {reader!r} {reader.address!r} {reader.address}"


@contextmanager
def reader_of(url: str, clock: FakeClock | None = None) -> Iterator[RabbitReader]:
    """Have a reader that ends with the block."""
    reader = RabbitReader(amqp_address(url), clock or time.monotonic, background=AtOnce())
    try:
        yield reader
    finally:
        reader.close()
