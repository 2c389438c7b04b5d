"""The stand-in answers every recorded request as the real API server did.

Status, content type and the whole body must agree, the owners of fields included; ids, times and
versions need only be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from autoscaler.sandbox.api.access import Rule, User
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.sandbox.client import JSON, Client, Reply
from tests.sandbox.recorded import Recording, differences, recording, recordings
from tests.sandbox.recorded_states import CONTROLLER, STATEFUL_SETS, STATES, loaded, namespaces

WATCHES = {23, 24, 25, 26}
AS_SOMEBODY = {50: "limited", 51: "limited", 52: "nobody", 53: "limited", 54: "admin"}
SETS = "/apis/apps/v1/namespaces/recorded/statefulsets"


def _number(exchange: Recording) -> int:
    return int(exchange.name.partition("-")[0])


PLAIN = [exchange for exchange in recordings() if _number(exchange) not in {1, *WATCHES, *AS_SOMEBODY}]


@pytest.fixture
def guarded(store: Store) -> Iterator[ApiServer]:
    """Serve the store to an administrator and to somebody with few rights."""
    few = (Rule(("get",), ("",), ("pods",), ("recorded",)),)
    users: dict[str, User | str] = {
        "admin": "admin",
        "limited": User("system:serviceaccount:recorded:limited", few),
    }
    with ApiServer(store, tokens=users) as running:
        yield running


def _send(client: Client, request: JSON) -> Reply:
    return client.request(
        request["method"], request["path"], request["params"], request["body"], request["content_type"]
    )


def _assert_same(reply: Reply, exchange: Recording) -> None:
    wanted = exchange.response
    assert (reply.status, reply.content_type) == (wanted["status"], wanted["content_type"])
    assert list(differences(reply.body, _without_distribution(wanted["body"]))) == []


def _without_distribution(body: Any) -> Any:
    """Leave out of recorded pods the certificate that the recorded distribution alone mounts."""
    for item in body.get("items", []) if isinstance(body, dict) else []:
        for volume in item.get("spec", {}).get("volumes", []):
            sources = volume["projected"]["sources"]
            sources[:] = [
                source
                for source in sources
                if source.get("configMap", {}).get("name") != "openshift-service-ca.crt"
            ]
    return body


@pytest.mark.parametrize("exchange", PLAIN, ids=lambda exchange: exchange.name)
def test_answers_as_recorded(store: Store, client: Client, exchange: Recording) -> None:
    """From the recorded state, the recorded request gets the recorded answer."""
    STATES.get(_number(exchange), namespaces)(store)
    _assert_same(_send(client, exchange.request), exchange)


@pytest.mark.parametrize("number", AS_SOMEBODY)
def test_answers_callers_as_recorded(store: Store, guarded: ApiServer, number: int) -> None:
    """A caller without the right, or without a name, is refused with the recorded sentence."""
    loaded(STATEFUL_SETS, 8)(store)
    exchange = recording(number)
    _assert_same(_send(Client(guarded.url, AS_SOMEBODY[number]), exchange.request), exchange)


def test_version_has_the_recorded_fields(client: Client) -> None:
    """The version is that of the recording, without claiming its build."""
    found, wanted = client.get("/version"), recording(1).body
    assert found.keys() == wanted.keys()
    for field in ("major", "minor", "gitVersion", "minCompatibilityMinor", "platform"):
        assert found[field] == wanted[field]


def test_dry_run_leaves_the_version(store: Store, client: Client) -> None:
    """A dry run answers with the version that is stored (recording 13)."""
    STATES[13](store)
    before = client.get(f"{SETS}/airflow-worker/scale")
    reply = _send(client, recording(13).request)
    assert reply.body["metadata"] == before["metadata"]
    assert client.get(f"{SETS}/airflow-worker/scale") == before


def test_watch_follows_as_recorded(store: Store, client: Client) -> None:
    """Every change comes in order, with its owners, and bookmarks come before the server ends it."""
    loaded(STATEFUL_SETS, 22)(store)
    wanted = recording(23).response["events"]
    params = recording(23).request["params"] | {"timeoutSeconds": "2.5"}
    with client.watch(SETS, **params) as events:
        for event in wanted:
            _repeat(store, client, event)
        found = list(events)
    changes = [event for event in found if event["type"] != "BOOKMARK"]
    assert list(differences(changes, wanted[:-2])) == []
    bookmarks = [event for event in found if event["type"] == "BOOKMARK"]
    assert list(differences(bookmarks, wanted[-2:])) == []
    assert found[-1]["object"]["metadata"]["resourceVersion"] == str(store.version)


def _repeat(store: Store, client: Client, event: JSON) -> None:
    """Do what led to a recorded event."""
    obj = event["object"]
    path = f"{SETS}/{obj['metadata'].get('name')}"
    if event["type"] == "ADDED":
        assert client.request("POST", SETS, body={"metadata": _bare(obj), "spec": obj["spec"]}).status == 201
    elif event["type"] == "DELETED":
        assert client.request("DELETE", path).status == 200
    elif event["type"] == "MODIFIED" and obj["metadata"]["resourceVersion"] == "3119":
        assert client.patch(f"{path}/scale", {"spec": {"replicas": 3}}).status == 200
    elif event["type"] == "MODIFIED":
        found = store.get(STATEFUL_SETS, "recorded", obj["metadata"]["name"])
        found["status"] = obj["status"]
        store.update(STATEFUL_SETS, found, manager=CONTROLLER, subresource="status")


def _bare(obj: JSON) -> JSON:
    return {field: obj["metadata"][field] for field in ("name", "labels")}


@pytest.mark.parametrize("number", [24, 25, 26])
def test_watch_begins_as_recorded(store: Store, server: ApiServer, client: Client, number: int) -> None:
    """A forgotten version is an error, a streaming list says where it ends, the future is silent."""
    namespaces(store)
    store.load(STATEFUL_SETS, recording(25).response["events"][0]["object"])
    server.compact()
    params = recording(number).request["params"] | {"timeoutSeconds": "0.1"}
    found = client.events(SETS, **params)
    wanted = recording(number).response["events"]
    assert list(differences(found[: len(wanted)], wanted)) == []
    assert [event["type"] for event in found[len(wanted) :]] == (["BOOKMARK"] if number == 25 else [])
