"""The store keeps versions, generations and the order of changes, whoever writes."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

import pytest

from autoscaler.sandbox.store import ADDED, DELETED, MODIFIED, ApiError, Event, Store
from tests.sandbox.objects import NAMESPACE, config_map, namespace, pod, quota, stateful_set

SETS = "statefulsets.apps"


def test_every_change_gets_the_next_version(store: Store) -> None:
    """One counter serves all resources, so versions tell what came first."""
    first = store.create("configmaps", config_map("a"))
    second = store.create("secrets", config_map("a"))
    third = store.update("configmaps", first | {"data": {"x": "1"}})
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in (first, second, third)]
    assert versions == [1, 2, 3]
    assert store.version == 3


def test_what_changes_nothing_is_no_change(store: Store) -> None:
    """An update to the same object neither counts nor is told."""
    events: list[Event] = []
    obj = store.create("configmaps", config_map("a", x="1"))
    store.subscribe(events.append)
    assert store.update("configmaps", obj) == obj
    assert (store.version, events) == (1, [])


def test_generation_counts_changes_of_the_spec(store: Store) -> None:
    """Labels and status do not count, replicas through the scale do."""
    obj = store.create(SETS, stateful_set(replicas=1))
    obj["metadata"]["labels"] = {"a": "b"}
    obj = store.update(SETS, obj)
    obj["status"]["replicas"] = 1
    obj = store.update(SETS, obj, subresource="status")
    assert obj["metadata"]["generation"] == 1
    obj["spec"]["replicas"] = 5
    obj = store.update(SETS, obj, subresource="scale")
    assert (obj["metadata"]["generation"], obj["spec"]["replicas"]) == (2, 5)


def test_each_way_in_changes_its_own_part(store: Store) -> None:
    """The status stays what it is through the front door, and the spec through that of the status."""
    obj = store.create(SETS, stateful_set(replicas=1))
    obj["spec"]["replicas"], obj["status"]["replicas"] = 7, 7
    assert store.update(SETS, obj, subresource="status", dry_run=True)["spec"]["replicas"] == 1
    assert store.update(SETS, obj, dry_run=True)["status"]["replicas"] == 0
    assert store.update(SETS, obj, subresource="scale", dry_run=True)["status"]["replicas"] == 0


def test_stale_version_is_refused(store: Store) -> None:
    """Who writes on the basis of an old version learns that it is old."""
    obj = store.create("configmaps", config_map("a"))
    store.update("configmaps", obj | {"data": {"x": "1"}})
    with pytest.raises(ApiError, match="the object has been modified") as refusal:
        store.update("configmaps", obj | {"data": {"x": "2"}})
    assert (refusal.value.status, refusal.value.reason) == (409, "Conflict")


def test_another_object_of_the_same_name_is_refused(store: Store) -> None:
    """A uid that is not the object's own stops updates and deletions."""
    obj = store.create("configmaps", config_map("a"))
    store.delete("configmaps", NAMESPACE, "a")
    store.create("configmaps", config_map("a"))
    del obj["metadata"]["resourceVersion"]
    with pytest.raises(ApiError, match="Precondition failed"):
        store.update("configmaps", obj)
    with pytest.raises(ApiError, match="does not match the UID in record"):
        store.delete("configmaps", NAMESPACE, "a", uid=obj["metadata"]["uid"])


def test_one_of_many_concurrent_writers_wins(store: Store) -> None:
    """Of writers with the same basis exactly one succeeds, each round."""
    rounds, writers = 20, 8
    store.create("configmaps", config_map("a", n="0"))
    won: list[int] = []
    refused: list[int] = []
    barrier = threading.Barrier(writers, timeout=20)

    def write(number: int) -> None:
        for _ in range(rounds):
            obj = store.get("configmaps", NAMESPACE, "a")
            obj["data"] = {"n": str(int(obj["data"]["n"]) + 1)}
            barrier.wait()
            try:
                store.update("configmaps", obj)
                won.append(number)
            except ApiError as error:
                refused.append(error.status)
            barrier.wait()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("configmaps", NAMESPACE, "a")["data"]["n"] == str(rounds)
    assert len(won) == rounds
    assert refused == [409] * rounds * (writers - 1)


def test_modify_leaves_nobody_in_between(store: Store) -> None:
    """Changes made of the current state never conflict and never get lost."""
    store.create("configmaps", config_map("a", n="0"))

    def count() -> None:
        for _ in range(50):
            store.modify(
                "configmaps",
                NAMESPACE,
                "a",
                lambda old: old | {"data": {"n": str(int(old["data"]["n"]) + 1)}},
            )

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("configmaps", NAMESPACE, "a")["data"]["n"] == "200"


def test_subscribers_hear_of_changes_in_order(store: Store) -> None:
    """A subscriber that writes hears of its own change after the one that it is told."""
    seen: list[tuple[str, str, int]] = []

    def follow(event: Event) -> None:
        name = event.object["metadata"]["name"]
        if name == "a" and event.type == ADDED:
            store.create("configmaps", config_map("b"))
        seen.append((event.type, name, event.version))

    unsubscribe = store.subscribe(follow)
    obj = store.create("configmaps", config_map("a"))
    store.update("configmaps", obj | {"data": {"x": "1"}})
    store.delete("configmaps", NAMESPACE, "a")
    unsubscribe()
    store.delete("configmaps", NAMESPACE, "b")
    assert seen == [(ADDED, "a", 1), (ADDED, "b", 2), (MODIFIED, "a", 3), (DELETED, "a", 4)]


def test_subscribers_are_called_outside_of_the_lock(store: Store) -> None:
    """While one hears of a change, others can write, also where a change brings about another one."""
    written: list[bool] = []

    def follow(event: Event) -> None:
        if event.resource == "secrets":
            return
        name = f"{event.resource}-{event.version}"
        thread = threading.Thread(target=store.create, args=("secrets", config_map(name)), daemon=True)
        thread.start()
        thread.join(20)
        written.append(not thread.is_alive())

    store.create("resourcequotas", quota(hard={"pods": "5"}))
    store.subscribe(follow)
    store.create("pods", pod("a"))
    assert written == [True, True]
    assert len(store.list("secrets")[0]) == 2


def test_a_broken_subscriber_does_not_stop_the_others(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Its error is logged, the change stands, the next one is told."""
    seen: list[Event] = []

    def fail(_event: Event) -> None:
        raise RuntimeError("broken")

    store.subscribe(fail)
    store.subscribe(seen.append)
    with caplog.at_level(logging.ERROR):
        store.create("configmaps", config_map("a"))
    assert len(seen) == 1
    assert "a subscriber failed on ADDED of configmaps" in caplog.text


def test_dry_runs_store_nothing(store: Store) -> None:
    """They answer as if, and neither count nor tell."""
    events: list[Event] = []
    store.subscribe(events.append)
    assert store.create("configmaps", config_map("a"), dry_run=True)["metadata"]["uid"]
    with pytest.raises(ApiError):
        store.get("configmaps", NAMESPACE, "a")
    store.create("configmaps", config_map("a"))
    store.delete("configmaps", NAMESPACE, "a", dry_run=True)
    assert store.get("configmaps", NAMESPACE, "a")
    assert [event.type for event in events] == [ADDED]


def test_a_pod_on_a_node_is_marked_before_it_goes() -> None:
    """It stays for its grace period, which asking again can only shorten, until it is deleted with 0."""
    store = Store(clock=lambda: datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))
    store.create("pods", pod("a", node="n1", terminationGracePeriodSeconds=600))
    marked = store.delete("pods", NAMESPACE, "a")["metadata"]
    assert marked["deletionTimestamp"] == "2026-01-01T12:10:00Z"
    assert (marked["deletionGracePeriodSeconds"], marked["generation"]) == (600, 2)
    version = store.version
    assert store.delete("pods", NAMESPACE, "a")["metadata"] == marked
    assert store.version == version
    shortened = store.delete("pods", NAMESPACE, "a", grace_seconds=5)["metadata"]
    assert shortened["deletionTimestamp"] == "2026-01-01T12:00:05Z"
    store.delete("pods", NAMESPACE, "a", grace_seconds=0)
    assert store.list("pods")[0] == []


@pytest.mark.parametrize("phase", ["", "Succeeded", "Failed"])
def test_a_pod_that_does_not_run_goes_at_once(store: Store, phase: str) -> None:
    """Neither a pod that waits for a node nor one that has ended has anything to stop."""
    obj = store.create("pods", pod("a", node="n1" if phase else ""))
    if phase:
        store.update("pods", obj | {"status": {"phase": phase}}, subresource="status")
    store.delete("pods", NAMESPACE, "a")
    assert store.list("pods")[0] == []


def test_finalizers_hold_an_object_back(store: Store) -> None:
    """It is marked at once and goes with the last of them."""
    obj = config_map("a")
    obj["metadata"]["finalizers"] = ["example.org/hold"]
    store.create("configmaps", obj)
    marked = store.delete("configmaps", NAMESPACE, "a")
    assert "deletionTimestamp" in marked["metadata"]
    del marked["metadata"]["finalizers"]
    store.update("configmaps", marked)
    assert store.list("configmaps")[0] == []


def test_propagation_is_handed_on(store: Store) -> None:
    """Whoever owns the dependents learns what is to become of them."""
    events: list[Event] = []
    store.create(SETS, stateful_set())
    store.subscribe(events.append)
    store.delete(SETS, NAMESPACE, "w", propagation="Orphan")
    assert [(event.type, event.propagation) for event in events] == [(DELETED, "Orphan")]


def test_a_namespace_takes_everything_with_it(store: Store) -> None:
    """What is in others stays."""
    for name in (NAMESPACE, "other"):
        store.create("namespaces", namespace(name))
        obj = config_map("a")
        obj["metadata"]["namespace"] = name
        store.create("configmaps", obj)
    store.create("pods", pod("a", node="n1"))
    store.delete("namespaces", "", NAMESPACE)
    assert [obj["metadata"]["namespace"] for obj in store.list("configmaps")[0]] == ["other"]
    assert store.list("pods")[0] == []


def test_what_is_handed_out_is_a_copy(store: Store) -> None:
    """Changing it changes nothing in the store."""
    sent = config_map("a", x="1")
    created = store.create("configmaps", sent)
    for obj in (sent, created, store.get("configmaps", NAMESPACE, "a"), store.list("configmaps")[0][0]):
        obj["data"]["x"] = "2"
    assert store.get("configmaps", NAMESPACE, "a")["data"] == {"x": "1"}


def test_events_are_one_object_in_two_forms(store: Store) -> None:
    """What is written in one form is read, listed and selected in the other."""
    store.create(
        "events.events.k8s.io",
        {
            "metadata": {"name": "w.1", "namespace": NAMESPACE},
            "eventTime": "2026-01-01T12:00:00.000000Z",
            "reportingController": "example.org/autoscaler",
            "reportingInstance": "a",
            "action": "Scale",
            "reason": "ScaledUp",
            "note": "0 to 3",
            "regarding": {"kind": "StatefulSet", "namespace": NAMESPACE, "name": "w"},
            "type": "Normal",
        },
    )
    core, _ = store.list("events", fields="involvedObject.name=w,reason=ScaledUp")
    assert [(event["message"], event["reportingComponent"]) for event in core] == [
        ("0 to 3", "example.org/autoscaler")
    ]
    store.modify("events", NAMESPACE, "w.1", lambda event: event | {"message": "0 to 4"})
    new, _ = store.list("events.events.k8s.io", fields="regarding.name=w")
    assert [event["note"] for event in new] == ["0 to 4"]
    assert store.list("events", fields="reason=Other")[0] == []


def test_names_are_made_of_a_prefix(store: Store) -> None:
    """`generateName` gets a suffix of its own each time."""
    obj = config_map("")
    obj["metadata"] = {"generateName": "a-", "namespace": NAMESPACE}
    names = {store.create("configmaps", obj)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("a-") and len(name) == 7 for name in names)


def test_loaded_objects_keep_what_they_are(store: Store) -> None:
    """An object of a recording keeps uid, owners and, where that is possible, its version."""
    obj = store.create("configmaps", config_map("a"))
    obj["metadata"] |= {"name": "b", "uid": "u", "resourceVersion": "40"}
    store.load("configmaps", obj)
    assert store.get("configmaps", NAMESPACE, "b") == obj
    assert store.version == 40
    store.load("configmaps", obj)
    assert store.get("configmaps", NAMESPACE, "b")["metadata"]["resourceVersion"] == "41"


def test_the_log_of_changes_is_bounded() -> None:
    """What is older than its length is gone, of that resource alone."""
    store = Store(event_log=2)
    store.create("secrets", config_map("a"))
    for name in "abc":
        store.create("configmaps", config_map(name))
    assert [event.version for event in store.changes("configmaps", 2)] == [3, 4]
    assert [event.version for event in store.changes("secrets", 0)] == [1]
    with pytest.raises(ApiError, match="too old resource version: 1") as refusal:
        store.changes("configmaps", 1)
    assert (refusal.value.status, refusal.value.reason) == (410, "Expired")
