"""Quotas refuse what has no room, in the words of the real plug-in, and count what comes and goes."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.store import ApiError, Store
from tests.sandbox.client import JSON, Client
from tests.sandbox.objects import (
    NAMESPACE,
    PODS,
    limit_range,
    namespace,
    pod,
    priority_class,
    quota,
    stateful_set,
)

SMALL = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
BY_PRIORITY = {"scopeName": "PriorityClass"}
URGENT = BY_PRIORITY | {"operator": "In", "values": ["urgent"]}


def _used(store: Store, name: str = "team") -> dict[str, str]:
    used: dict[str, str] = store.get("resourcequotas", NAMESPACE, name)["status"]["used"]
    return used


@pytest.mark.parametrize(
    ("hard", "resources", "message"),
    [
        ({"pods": "1"}, {}, "exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1"),
        (
            {"count/pods": "1"},
            {},
            "exceeded quota: team, requested: count/pods=1, used: count/pods=1, limited: count/pods=1",
        ),
        (
            {"requests.cpu": "900m", "pods": "9"},
            SMALL,
            "exceeded quota: team, requested: requests.cpu=500m, used: requests.cpu=500m, "
            "limited: requests.cpu=900m",
        ),
        (
            {"limits.memory": "3Gi", "requests.memory": "1536Mi", "limits.cpu": "2"},
            SMALL,
            "exceeded quota: team, requested: limits.memory=2Gi,requests.memory=1Gi, "
            "used: limits.memory=2Gi,requests.memory=1Gi, limited: limits.memory=3Gi,requests.memory=1536Mi",
        ),
        (
            {"memory": "1Gi", "cpu": "1"},
            SMALL,
            "requested: memory=1Gi, used: memory=1Gi, limited: memory=1Gi",
        ),
        (
            {"requests.nvidia.com/gpu": "1"},
            {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}},
            "requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=1",
        ),
    ],
)
def test_the_second_pod_has_no_room(store: Store, hard: JSON, resources: JSON, message: str) -> None:
    """Only what is exceeded is told, in the order of the names."""
    store.create("resourcequotas", quota(hard=hard))
    store.create("pods", pod("a", resources=resources))
    with pytest.raises(ApiError) as refusal:
        store.create("pods", pod("b", resources=resources))
    assert (refusal.value.status, refusal.value.reason) == (403, "Forbidden")
    assert refusal.value.message.startswith('pods "b" is forbidden: exceeded quota: team, requested: ')
    assert message in refusal.value.message
    assert refusal.value.details == {"name": "b", "kind": "pods"}


def test_exactly_full_is_not_too_much(store: Store) -> None:
    """The last pod fits although a float would say otherwise."""
    store.create("resourcequotas", quota(hard={"requests.cpu": "300m"}))
    for name in "abc":
        store.create("pods", pod(name, resources={"requests": {"cpu": "0.1"}}))
    assert _used(store) == {"requests.cpu": "300m"}


def test_pods_must_specify_what_is_counted(store: Store) -> None:
    """Each resource is told with the containers that leave it open."""
    store.create("resourcequotas", quota(hard={"requests.cpu": "4", "limits.memory": "4Gi", "pods": "5"}))
    wanted = pod("a", resources={"requests": {"cpu": "1"}})
    wanted["spec"]["containers"].append({"name": "aside", "image": "x"})
    with pytest.raises(ApiError) as refusal:
        store.create("pods", wanted)
    assert refusal.value.message == (
        'pods "a" is forbidden: failed quota: team: must specify '
        "limits.memory for: aside,main; requests.cpu for: aside"
    )


def test_room_comes_back(store: Store) -> None:
    """A pod counts until it is gone or has ended, a terminating one counts still."""
    store.create("resourcequotas", quota(hard={"pods": "2", "count/pods": "9", "requests.cpu": "2"}))
    for name in "ab":
        store.create("pods", pod(name, resources=SMALL, node="n1"))
    store.delete("pods", NAMESPACE, "a")
    assert _used(store) == {"count/pods": "2", "pods": "2", "requests.cpu": "1"}
    store.delete("pods", NAMESPACE, "a", grace_seconds=0)
    assert _used(store) == {"count/pods": "1", "pods": "1", "requests.cpu": "500m"}
    ended = store.get("pods", NAMESPACE, "b") | {"status": {"phase": "Failed"}}
    store.update("pods", ended, subresource="status")
    assert _used(store) == {"count/pods": "1", "pods": "0", "requests.cpu": "0"}


def test_a_raised_quota_has_room_at_once(store: Store) -> None:
    """Its status follows its spec, and what exceeds a lowered one stays."""
    store.create("resourcequotas", quota(hard={"pods": "1"}))
    store.create("pods", pod("a"))
    store.update("resourcequotas", quota(hard={"pods": "2"}))
    assert store.get("resourcequotas", NAMESPACE, "team")["status"]["hard"] == {"pods": "2"}
    store.create("pods", pod("b"))
    store.update("resourcequotas", quota(hard={"pods": "1"}))
    with pytest.raises(ApiError, match="requested: pods=1, used: pods=2, limited: pods=1"):
        store.create("pods", pod("c"))


def test_a_new_quota_counts_what_is_there(store: Store) -> None:
    """Also by kind, of its own namespace alone."""
    other = pod("elsewhere")
    other["metadata"]["namespace"] = "other"
    for obj in (pod("a"), pod("b"), other):
        store.create("pods", obj)
    store.create("statefulsets.apps", stateful_set())
    store.create("resourcequotas", quota(hard={"pods": "9", "count/statefulsets.apps": "1", "secrets": "5"}))
    assert _used(store) == {"pods": "2", "count/statefulsets.apps": "1", "secrets": "0"}
    with pytest.raises(
        ApiError, match=r"requested: count/statefulsets.apps=1, used: count/statefulsets.apps=1"
    ):
        store.create("statefulsets.apps", stateful_set("second"))


def test_every_quota_must_have_room(store: Store) -> None:
    """One that refuses keeps the others from counting."""
    store.create("resourcequotas", quota("a", hard={"pods": "5"}))
    store.create("resourcequotas", quota("b", hard={"pods": "0"}))
    with pytest.raises(ApiError, match="exceeded quota: b"):
        store.create("pods", pod("x"))
    assert _used(store, "a") == {"pods": "0"}


def test_dry_runs_and_taken_names_are_not_counted(store: Store) -> None:
    """Only what is stored takes room."""
    store.create("resourcequotas", quota(hard={"pods": "5"}))
    store.create("pods", pod("a"), dry_run=True)
    store.create("pods", pod("a"))
    with pytest.raises(ApiError, match="already exists"):
        store.create("pods", pod("a"))
    assert _used(store) == {"pods": "1"}


@pytest.mark.parametrize(
    ("spec", "counted"),
    [
        ({}, "abcd"),
        ({"scopes": ["BestEffort"]}, "acd"),
        ({"scopes": ["NotBestEffort"]}, "b"),
        ({"scopes": ["Terminating"]}, "c"),
        ({"scopes": ["NotTerminating", "BestEffort"]}, "ad"),
        ({"scopes": ["PriorityClass"]}, "d"),
        ({"scopeSelector": {"matchExpressions": [URGENT]}}, "d"),
        ({"scopeSelector": {"matchExpressions": [URGENT | {"operator": "NotIn"}]}}, "abc"),
        ({"scopeSelector": {"matchExpressions": [BY_PRIORITY | {"operator": "Exists"}]}}, "d"),
        ({"scopeSelector": {"matchExpressions": [BY_PRIORITY | {"operator": "DoesNotExist"}]}}, "abc"),
        ({"scopeSelector": {"matchExpressions": [{"operator": "Exists", "scopeName": "Terminating"}]}}, "c"),
    ],
)
def test_scopes(store: Store, spec: JSON, counted: str) -> None:
    """A quota with scopes counts the pods for which all of them hold, and nothing but pods."""
    store.create("priorityclasses.scheduling.k8s.io", priority_class("urgent"))
    store.create("resourcequotas", quota(hard={"pods": "9", "count/configmaps": "0"}, **spec))
    every: list[tuple[str, dict[str, Any]]] = [
        ("a", {}),
        ("b", {"resources": SMALL}),
        ("c", {"activeDeadlineSeconds": 60}),
        ("d", {"priorityClassName": "urgent"}),
    ]
    before = "0"
    found = ""
    for name, fields in every:
        store.create("pods", pod(name, **fields))
        after = _used(store)["pods"]
        found += name if after != before else ""
        before = after
    assert found == counted
    if spec:
        store.create("configmaps", {"metadata": {"name": "x", "namespace": NAMESPACE}})


def test_init_containers_count_where_they_need_more(store: Store) -> None:
    """They run one after the other, before the containers."""
    store.create("resourcequotas", quota(hard={"requests.cpu": "9", "requests.memory": "9Gi"}))
    wanted = pod("a", resources={"requests": {"cpu": "1", "memory": "1Gi"}})
    first = {"name": "first", "image": "x", "resources": {"requests": {"cpu": "3", "memory": "1Mi"}}}
    wanted["spec"]["initContainers"] = [first]
    store.create("pods", wanted)
    assert _used(store) == {"requests.cpu": "3", "requests.memory": "1Gi"}


def test_limit_ranges_fill_in_before_quotas_count(store: Store) -> None:
    """A pod that says nothing gets defaults and is counted with them; what it says stays."""
    defaults = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "250m"}}
    store.create("limitranges", limit_range(defaults))
    store.create("resourcequotas", quota(hard={"requests.cpu": "1"}))
    silent = store.create("pods", pod("a"))
    outspoken = store.create("pods", pod("b", resources={"requests": {"cpu": "300m"}}))
    found = [obj["spec"]["containers"][0]["resources"] for obj in (silent, outspoken)]
    assert found == [
        {"requests": {"cpu": "250m"}, "limits": {"cpu": "1"}},
        {"requests": {"cpu": "300m"}, "limits": {"cpu": "1"}},
    ]
    assert _used(store) == {"requests.cpu": "550m"}


@pytest.mark.parametrize(
    ("item", "resources", "message"),
    [
        (
            {"max": {"cpu": "4"}},
            {"limits": {"cpu": "5"}},
            "maximum cpu usage per Container is 4, but limit is 5",
        ),
        (
            {"min": {"memory": "1Gi"}, "defaultRequest": {"memory": "1Gi"}},
            {"requests": {"memory": "512Mi"}},
            "minimum memory usage per Container is 1Gi, but request is 512Mi",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {"requests": {"cpu": "1"}},
            "maximum cpu usage per Pod is 1.  No limit is specified",
        ),
        (
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"memory": "1Gi"}},
            {},
            "[minimum cpu usage per Pod is 1.  No request is specified, "
            "maximum memory usage per Pod is 1Gi.  No limit is specified]",
        ),
    ],
)
def test_limit_ranges_refuse(store: Store, item: JSON, resources: JSON, message: str) -> None:
    """What is below the least or above the most is told with both amounts."""
    store.create("limitranges", limit_range({"type": "Container"} | item))
    with pytest.raises(ApiError) as refusal:
        store.create("pods", pod("a", resources=resources))
    assert refusal.value.message == f'pods "a" is forbidden: {message}'


def test_a_limit_range_completes_itself(store: Store) -> None:
    """The most is the default limit, that is the default request."""
    item = {"type": "Container", "max": {"cpu": "4"}, "min": {"memory": "1Mi"}}
    found = store.create("limitranges", limit_range(item))["spec"]["limits"][0]
    assert found["default"] == {"cpu": "4"}
    assert found["defaultRequest"] == {"cpu": "4", "memory": "1Mi"}


def test_refusals_come_over_http(store: Store, client: Client) -> None:
    """The controller of a set sees 403 and the sentence for its event."""
    store.create("namespaces", namespace())
    store.create("resourcequotas", quota(hard={"pods": "0"}))
    reply = client.request("POST", PODS, body=pod("a"))
    assert (reply.status, reply.body["reason"]) == (403, "Forbidden")
    assert reply.body["message"] == (
        'pods "a" is forbidden: exceeded quota: team, requested: pods=1, used: pods=0, limited: pods=0'
    )
