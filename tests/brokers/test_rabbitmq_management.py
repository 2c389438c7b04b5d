"""What is made of the answers of a management API, whatever they are, and of errors about queues."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from autoscaler.brokers.amqp import Refused
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq import LISTED_MISSING_SECONDS
from autoscaler.brokers.rabbitmq_failures import is_missing, refusal_of
from autoscaler.brokers.rabbitmq_management import (
    ManagedQueue,
    ManagementFailure,
    ManagementFeed,
    place_of,
)
from autoscaler.config.broker import BrokerSettings
from tests.brokers.rabbits import AtOnce, Vhost, amqp_address, query, ready
from tests.brokers.servers import FakeClock, free_port

STRANGER = "the management API does not answer as RabbitMQ's does"
ADDRESS = amqp_address("amqp://u:hunter2@127.0.0.1/a%2Fb")


@contextmanager
def api(body: bytes, status: int = 200) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve one answer to all; yield the URL, and the paths and credentials that were asked with."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            asked.append((self.path, self.headers["authorization"]))
            self.send_response(status)
            self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def feed_of(url: str, clock: FakeClock) -> ManagementFeed:
    """Return a feed that has asked once."""
    feed = ManagementFeed(ADDRESS, clock, Names(), AtOnce())
    feed.want(BrokerSettings(management_url=url, management_interval_seconds=5.0))
    return feed


def test_one_call_asks_for_the_columns_of_all_queues_of_the_vhost(clock: FakeClock) -> None:
    """What is missing, null, or an empty list in place of an object is unknown and never zero."""
    queues = [
        {"name": "new"},
        {"name": "null", "messages_unacknowledged": None, "message_stats": [], "head_message_timestamp": ""},
        {
            "name": "full",
            "messages_ready": 1,
            "messages_unacknowledged": 2,
            "consumers": 3,
            "head_message_timestamp": 1767225600,
            "message_stats": {"publish_details": {"rate": 1.5}, "ack_details": {}},
        },
        {"name": "celery_delayed_7", "messages_ready": 9},
    ]
    with api(json.dumps(queues).encode()) as (url, asked):
        listing, detail = feed_of(url + "/prefix/", clock).listing()
    assert detail == ""
    assert listing is not None
    assert listing.queues == {
        "new": ManagedQueue(),
        "null": ManagedQueue(),
        "full": ManagedQueue(1, 2, 3, published_rate=1.5, head_at=1767225600.0),
    }
    ((path, login),) = asked
    assert path.startswith("/prefix/api/queues/a%2Fb?columns=name,messages_ready,messages_unacknowledged,")
    assert login == "Basic dTpodW50ZXIy"


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (200, b"<html>", STRANGER),
        (200, b'{"error": "x"}', STRANGER),
        (200, b'[{"name": "q", "messages_ready": "many"}]', STRANGER),
        (200, b'[{"messages_ready": 1}]', STRANGER),
        (302, b"", "the management API answered with the status 302"),
        (503, b"hunter2", "the management API answered with the status 503"),
        (404, b"", "the management API knows no such vhost, or is not RabbitMQ's"),
    ],
)
def test_an_answer_of_another_kind_is_told(clock: FakeClock, status: int, body: bytes, detail: str) -> None:
    """A redirection is not followed: the credentials are for this server alone."""
    with api(body, status) as (url, _):
        listing, told = feed_of(url, clock).listing()
    assert listing is None
    assert told == f"{detail}; next try in 1 s"


def test_a_failure_keeps_the_last_listing_and_is_not_repeated_at_once(clock: FakeClock) -> None:
    """The next try waits for its pause and for the interval."""
    with api(b"[]") as (url, asked):
        feed = feed_of(url, clock)
        settings = BrokerSettings(management_url=f"http://127.0.0.1:{free_port()}")
        feed.want(settings)
        clock.advance(5.0)
        feed.want(settings)
        listing, detail = feed.listing()
        assert listing is not None
        assert (listing.queues, listing.at) == ({}, clock.now - 5.0)
        assert detail == "the management API refused the connection; next try in 1 s"
        working = BrokerSettings(management_url=url)
        feed.want(working)
        assert len(asked) == 1
        clock.advance(5.0)
        feed.want(working)
        assert feed.listing()[1] == ""
        feed.close()
        clock.advance(5.0)
        feed.want(working)
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("broker", "settings", "place"),
    [
        ("amqp://u:p@h/v", {}, ("http://h:15672", "u", "p")),
        ("amqps://u:p@h/v", {}, ("https://h:15671", "u", "p")),
        ("amqp://u:p@[::1]/v", {}, ("http://[::1]:15672", "u", "p")),
        ("amqp://u:p@h", {"management_url": "http://m:1/x"}, ("http://m:1/x", "u", "p")),
        ("amqp://u:p@h", {"management_url": "https://a%40:b%2F@m"}, ("https://m", "a@", "b/")),
    ],
)
def test_where_the_api_is(broker: str, settings: dict[str, Any], place: tuple[str, str, str]) -> None:
    """Beside the broker, in the same manner, unless the settings say otherwise."""
    found = place_of(amqp_address(broker), BrokerSettings(**settings))
    assert (found.url, found.username, found.password) == place
    assert found.password not in repr(found)


def test_the_url_may_be_in_a_file(tmp_path: Path) -> None:
    """Which is read each time; one that cannot be used is told without its content."""
    file = tmp_path / "url"
    settings = BrokerSettings(management_url_file=str(file), management_url="http://other")
    with pytest.raises(ManagementFailure, match="cannot be read"):
        place_of(ADDRESS, settings)
    file.write_text("http://m:hunter3@h:1\n", encoding="utf-8")
    assert place_of(ADDRESS, settings).url == "http://h:1"
    for wrong in ("hunter3", "ftp://hunter3@h", "http://h:hunter3"):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(ManagementFailure) as failure:
            place_of(ADDRESS, settings)
        assert "hunter3" not in str(failure.value)


@pytest.mark.parametrize(
    ("answer", "missing", "detail"),
    [
        (Refused(404, "NOT_FOUND - no queue 'q' in vhost '/'"), True, "NOT_FOUND"),
        (Refused(404, "NOT_FOUND - home node 'rabbit@a' of durable queue 'q' is down"), False, "may be down"),
        (Refused(405, "RESOURCE_LOCKED"), False, "another connection alone"),
        (Refused(403, "ACCESS_REFUSED"), False, "does not allow"),
        (Refused(541, "INTERNAL_ERROR"), False, "an error (541)"),
    ],
)
def test_only_a_queue_that_does_not_exist_is_empty(answer: Refused, missing: bool, detail: str) -> None:
    """One whose node is down is a 404 too, and may be full."""
    assert is_missing(answer) is missing
    assert detail in refusal_of("q", answer)


@pytest.mark.servers
def test_a_list_that_hides_a_queue_hides_it_for_a_minute(vhost: Vhost, clock: FakeClock) -> None:
    """As when management_url names another server: the broker itself is asked now and then."""
    with api(b"[]") as (url, _):
        asked = query("later", management=True, management_url=url)
        reader = vhost.reader(clock=clock)
        reader.read([asked])
        vhost.declare("later", messages=2)
        for _ in range(int(LISTED_MISSING_SECONDS / 5) - 1):
            clock.advance(5.0)
            assert ready(reader.read([asked])[0]) == {"later": 0}
        clock.advance(5.0)
        assert ready(reader.read([asked])[0]) == {"later": 2}
