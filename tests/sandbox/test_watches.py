"""Watches: what comes, in which form, when they end, and what they may resume from."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable

import pytest

from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.sandbox.client import JSON, Client
from tests.sandbox.objects import NAMESPACE, PODS, SETS, config_map, namespace, pod, stateful_set

CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
PATIENCE_SECONDS = 20.0


def _told(events: list[JSON]) -> list[str]:
    return [f"{event['type']} {event['object']['metadata'].get('name', '')}".strip() for event in events]


def _wait(condition: Callable[[], bool]) -> None:
    """Wait until something that another thread does is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.005)


def test_begins_with_all_there_is(store: Store, client: Client) -> None:
    """Without a version, or with 0, everything there is comes as ADDED, then what changes."""
    store.create("configmaps", config_map("a"))
    for params in ({}, {"resourceVersion": "0"}):
        with client.watch(CONFIG_MAPS, **params) as events:
            assert _told([next(events)]) == ["ADDED a"]


def test_goes_on_from_a_version(store: Store, client: Client) -> None:
    """Nothing between the list and the watch is lost, and nothing comes twice."""
    store.create("configmaps", config_map("a"))
    version = client.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    store.create("configmaps", config_map("b"))
    store.delete("configmaps", NAMESPACE, "a")
    with client.watch(CONFIG_MAPS, resourceVersion=version) as events:
        assert _told([next(events), next(events)]) == ["ADDED b", "DELETED a"]
        deleted = store.version
        store.create("configmaps", config_map("c"))
        last = next(events)
    assert _told([last]) == ["ADDED c"]
    assert last["object"]["metadata"]["resourceVersion"] == str(deleted + 1)


def test_sees_every_change_of_many_writers_once_and_in_order(store: Store, client: Client) -> None:
    """Whatever threads do at the same time, versions only grow and none is missing."""
    writers, each = 4, 50
    before = store.version
    with client.watch("/api/v1/configmaps", resourceVersion=before) as events:

        def write(number: int) -> None:
            for index in range(each):
                store.create("configmaps", config_map(f"{number}-{index}"))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        found = [int(next(events)["object"]["metadata"]["resourceVersion"]) for _ in range(writers * each)]
        for thread in threads:
            thread.join()
    assert found == list(range(before + 1, before + writers * each + 1))


def test_entering_and_leaving_a_selection(store: Store, client: Client) -> None:
    """An object that begins to match is ADDED, one that no longer does is DELETED as it was."""
    store.create("pods", pod("a", labels={"on": "yes"}))
    store.create("pods", pod("b"))
    version = store.version
    for labels in ({"on": "no"}, {"on": "no", "x": "y"}, {"on": "yes"}, {"on": "yes", "x": "y"}):
        obj = store.get("pods", NAMESPACE, "a")
        obj["metadata"]["labels"] = labels
        store.update("pods", obj)
    with client.watch(PODS, resourceVersion=version, labelSelector="on=yes") as events:
        found = [next(events) for _ in range(3)]
    assert _told(found) == ["DELETED a", "ADDED a", "MODIFIED a"]
    assert found[0]["object"]["metadata"]["labels"] == {"on": "yes"}
    assert found[0]["object"]["metadata"]["resourceVersion"] == str(version + 1)


def test_fields_select_too(store: Store, client: Client) -> None:
    """A pod that gets its node enters the selection of that node."""
    store.create("pods", pod("a"))
    with client.watch(PODS, resourceVersion=store.version, fieldSelector="spec.nodeName=n1") as events:
        store.modify("pods", NAMESPACE, "a", lambda old: old | {"spec": old["spec"] | {"nodeName": "n1"}})
        assert _told([next(events)]) == ["ADDED a"]


def test_namespaces_are_kept_apart(store: Store, client: Client) -> None:
    """A watch of one namespace is silent about others, one of all is not."""
    other = config_map("elsewhere")
    other["metadata"]["namespace"] = "other"
    with client.watch(CONFIG_MAPS) as one, client.watch("/api/v1/configmaps") as every:
        store.create("configmaps", other)
        store.create("configmaps", config_map("here"))
        assert _told([next(one)]) == ["ADDED here"]
        assert _told([next(every), next(every)]) == ["ADDED elsewhere", "ADDED here"]


def test_one_object_can_be_watched(store: Store, client: Client) -> None:
    """By its path, as by a selector of its name."""
    store.create("configmaps", config_map("a"))
    with client.watch(f"{CONFIG_MAPS}/b") as events:
        store.create("configmaps", config_map("b"))
        assert _told([next(events)]) == ["ADDED b"]


def test_events_are_watched_in_either_form(store: Store, client: Client) -> None:
    """What is written as core v1 arrives as events.k8s.io/v1."""
    with client.watch("/apis/events.k8s.io/v1/events") as events:
        about = {"kind": "Pod", "name": "p", "namespace": NAMESPACE}
        store.create(
            "events",
            {
                "metadata": {"name": "e", "namespace": NAMESPACE},
                "involvedObject": about,
                "reason": "Started",
                "message": "started",
            },
        )
        event = next(events)["object"]
    assert (event["apiVersion"], event["note"], event["regarding"]) == ("events.k8s.io/v1", "started", about)


def test_a_forgotten_version_is_too_old(client: Client, server: ApiServer, store: Store) -> None:
    """The watch answers 200 and then says 410 in an event, and ends."""
    store.create("configmaps", config_map("a"))
    version = store.version
    store.create("configmaps", config_map("b"))
    server.compact()
    found = client.events(CONFIG_MAPS, resourceVersion=version)
    assert [(event["type"], event["object"]["code"]) for event in found] == [("ERROR", 410)]
    assert found[0]["object"]["reason"] == "Expired"


def test_a_quiet_watch_resumes_from_a_bookmark() -> None:
    """Others' changes push its last event out of the log, but not what a bookmark told it."""
    store = Store(event_log=3)
    store.create("namespaces", namespace())
    with ApiServer(store, bookmark_seconds=0.05) as server:
        client = Client(server.url)
        with client.watch(CONFIG_MAPS, allowWatchBookmarks="true") as events:
            begun = next(events)["object"]["metadata"]["resourceVersion"]
            for index in range(10):
                other = config_map(f"x{index}")
                other["metadata"]["namespace"] = "other"
                store.create("configmaps", other)
            marks = (event["object"]["metadata"] for event in events)
            version = next(
                mark["resourceVersion"] for mark in marks if mark["resourceVersion"] == str(store.version)
            )
        assert client.events(CONFIG_MAPS, resourceVersion=begun, timeoutSeconds="0.05")[0]["type"] == "ERROR"
        assert client.events(CONFIG_MAPS, resourceVersion=version, timeoutSeconds="0.05") == []


def test_bookmarks_come_only_when_asked_for(client: Client, store: Store) -> None:
    """At the end of a watch one tells the newest version."""
    store.create("configmaps", config_map("a"))
    params = {"resourceVersion": store.version, "timeoutSeconds": "0.05"}
    assert client.events(CONFIG_MAPS, **params) == []
    (mark,) = client.events(CONFIG_MAPS, **params, allowWatchBookmarks="true")
    assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert mark["object"]["metadata"] == {"resourceVersion": str(store.version)}


@pytest.mark.parametrize(
    "params",
    [{"sendInitialEvents": "true"}, {"resourceVersionMatch": "NotOlderThan"}, {"resourceVersion": "x"}],
)
def test_options_that_do_not_fit_are_refused(client: Client, params: dict[str, str]) -> None:
    """A streaming list needs both of its options, a version is a number."""
    assert client.request("GET", CONFIG_MAPS, {"watch": "true", **params}).status in {400, 422}


def test_tables_can_be_watched(store: Store, client: Client) -> None:
    """A client that follows a list, as `kubectl get -w`, reads rows."""
    store.create("statefulsets.apps", stateful_set())
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    with client.watch(SETS, accept=accept) as events:
        assert next(events)["object"]["rows"][0]["cells"][:2] == ["w", "0/2"]
        store.modify(
            "statefulsets.apps", NAMESPACE, "w", lambda old: old | {"spec": old["spec"] | {"replicas": 5}}
        )
        assert next(events)["object"]["rows"][0]["cells"][:2] == ["w", "0/5"]


def test_cut_watches_break(server: ApiServer, client: Client) -> None:
    """Their clients see a broken connection, and the server has forgotten them."""
    with client.stream(CONFIG_MAPS) as response:
        _wait(lambda: server.watch_count == 1)
        server.faults.cut_watches()
        with pytest.raises((ConnectionError, http.client.IncompleteRead)):
            response.read()
    _wait(lambda: server.watch_count == 0)


def test_a_client_that_leaves_is_forgotten(server: ApiServer, client: Client) -> None:
    """Without anything having to be sent to it."""
    with client.watch(CONFIG_MAPS):
        _wait(lambda: server.watch_count == 1)
    _wait(lambda: server.watch_count == 0)


def test_stopping_ends_watches(store: Store) -> None:
    """Their clients see a regular end."""
    with ApiServer(store) as server, Client(server.url).watch(CONFIG_MAPS) as events:
        _wait(lambda: server.watch_count == 1)
        server.stop()
        assert list(events) == []


def test_a_watch_can_be_refused(server: ApiServer, client: Client) -> None:
    """A fault for watches leaves lists alone."""
    server.faults.fail(410, Matching(verb="watch"))
    assert client.request("GET", CONFIG_MAPS).status == 200
    assert client.request("GET", CONFIG_MAPS, {"watch": "true"}).status == 410
