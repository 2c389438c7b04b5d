"""What is to go wrong goes wrong, as often as was asked for, and only where it was asked for."""

from __future__ import annotations

import queue
import threading
import time
from datetime import UTC, datetime

import pytest

from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.sandbox.client import Client, Reply
from tests.sandbox.objects import NAMESPACE, PODS, SETS, stateful_set

SCALE_PATCHES = Matching(verb="patch", resource="statefulsets.apps", subresource="scale")


@pytest.fixture(autouse=True)
def worker_set(store: Store) -> None:
    """Store a set to scale."""
    store.create("statefulsets.apps", stateful_set(replicas=2))


def _scale(client: Client, replicas: int) -> Reply:
    return client.patch(f"{SETS}/w/scale", {"spec": {"replicas": replicas}})


@pytest.mark.parametrize(("status", "reason"), [(500, "InternalError"), (409, "Conflict"), (410, "Expired")])
def test_fails_as_often_as_asked(server: ApiServer, client: Client, status: int, reason: str) -> None:
    """Then it works again, and what failed has changed nothing."""
    server.faults.fail(status, SCALE_PATCHES, times=2)
    found = [_scale(client, replicas) for replicas in (3, 4, 5)]
    assert [reply.status for reply in found] == [status, status, 200]
    assert found[0].body["reason"] == reason
    assert client.get(f"{SETS}/w/scale")["spec"] == {"replicas": 5}


def test_too_many_requests_say_when_to_come_back(server: ApiServer, client: Client) -> None:
    """In the header that clients obey, and in the details."""
    server.faults.fail(429, retry_after_seconds=7)
    reply = client.request("GET", SETS)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    assert reply.body["details"] == {"retryAfterSeconds": 7}


@pytest.mark.parametrize(
    ("matching", "statuses"),
    [
        (Matching(), [503, 503, 503]),
        (Matching(verb="list"), [503, 503, 200]),
        (Matching(resource="pods"), [200, 503, 200]),
        (Matching(subresource="scale"), [200, 200, 503]),
        (Matching(subresource=""), [503, 503, 200]),
        (Matching(path="/w/"), [200, 200, 503]),
    ],
)
def test_hits_only_what_is_meant(
    server: ApiServer, client: Client, matching: Matching, statuses: list[int]
) -> None:
    """By verb, resource, subresource or path."""
    server.faults.fail(503, matching, times=3)
    paths = (SETS, PODS, f"{SETS}/w/scale")
    assert [client.request("GET", path).status for path in paths] == statuses


def test_delays_before_anything_is_done(server: ApiServer, client: Client) -> None:
    """Others pass meanwhile; the delayed one is done in the end."""
    server.faults.delay(0.2, SCALE_PATCHES, times=1)
    begun = time.monotonic()
    thread = threading.Thread(target=_scale, args=(client, 9))
    thread.start()
    assert client.get(f"{SETS}/w/scale")["spec"] == {"replicas": 2}
    thread.join()
    assert time.monotonic() - begun >= 0.2
    assert client.get(f"{SETS}/w/scale")["spec"] == {"replicas": 9}


def test_hangs_until_cleared(server: ApiServer, client: Client) -> None:
    """A request that hangs is answered once nothing is to go wrong any more."""
    server.faults.hang(SCALE_PATCHES)
    replies: queue.Queue[Reply] = queue.Queue()
    thread = threading.Thread(target=lambda: replies.put(_scale(client, 9)))
    thread.start()
    with pytest.raises(queue.Empty):
        replies.get(timeout=0.2)
    assert client.get(f"{SETS}/w/scale")["spec"] == {"replicas": 2}
    server.faults.clear()
    assert replies.get(timeout=20).status == 200
    thread.join()


def test_refuses_connections_until_it_accepts_them(server: ApiServer, client: Client) -> None:
    """The port is the same before and after, and twice is fine."""
    before = server.url
    server.faults.refuse_connections()
    server.faults.refuse_connections()
    with pytest.raises(ConnectionRefusedError):
        client.request("GET", SETS)
    server.faults.accept_connections()
    server.faults.accept_connections()
    assert server.url == before
    assert client.request("GET", SETS).status == 200


def test_every_request_is_on_record(store: Store) -> None:
    """With the injected time, and only the last ones."""
    store.create("namespaces", {"metadata": {"name": NAMESPACE}})
    noon = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    with ApiServer(store, clock=lambda: noon, request_log=2) as server:
        client = Client(server.url)
        client.request("GET", "/version")
        client.request("GET", SETS, {"limit": 1})
        _scale(client, 3)
        listed, scaled = server.requests
        assert (listed.verb, listed.params, listed.resource) == ("list", {"limit": "1"}, "statefulsets.apps")
        assert (scaled.at, scaled.user, scaled.status) == (noon, "system:admin", 200)
        assert (scaled.method, scaled.path) == ("PATCH", f"{SETS}/w/scale")
        assert (scaled.verb, scaled.subresource) == ("patch", "scale")
        assert (scaled.namespace, scaled.name) == (NAMESPACE, "w")
        assert scaled.body == '{"spec": {"replicas": 3}}'
        server.clear_requests()
        assert server.requests == ()


def test_starts_again_on_the_same_port(store: Store) -> None:
    """After a stop, which is complete and can be repeated."""
    server = ApiServer(store)
    server.start()
    url = server.url
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        Client(url).request("GET", SETS)
    with server:
        assert server.url == url
        assert Client(url).request("GET", SETS).status == 200


def test_a_taken_port_is_an_error(server: ApiServer, store: Store) -> None:
    """It is raised where the server is started, and leaves no thread."""
    port = int(server.url.rpartition(":")[2])
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="address already in use"):
        ApiServer(store, port=port).start()
    new = set(threading.enumerate()) - before
    assert not [thread for thread in new if thread.name.startswith("sandbox")]
