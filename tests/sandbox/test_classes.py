"""Priority and runtime classes: what pods get from them, and which pods they keep out."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.store import ApiError, Store
from tests.sandbox.client import JSON
from tests.sandbox.objects import pod, priority_class, runtime_class

PRIORITIES = "priorityclasses.scheduling.k8s.io"
RUNTIMES = "runtimeclasses.node.k8s.io"


def _priority(store: Store, **spec: Any) -> tuple[object, ...]:
    created = store.create("pods", pod(f"p{store.version}", **spec))["spec"]
    return tuple(created.get(field) for field in ("priorityClassName", "priority", "preemptionPolicy"))


def test_priorities(store: Store) -> None:
    """By the class's number; without one by that of the default class, else zero."""
    assert _priority(store) == (None, 0, "PreemptLowerPriority")
    store.create(PRIORITIES, priority_class("calm", 5, preemptionPolicy="Never"))
    assert _priority(store, priorityClassName="calm") == ("calm", 5, "Never")
    assert _priority(store, priorityClassName="calm", priority=5, preemptionPolicy="Never")[1] == 5
    critical = _priority(store, priorityClassName="system-node-critical")
    assert critical == ("system-node-critical", 2_000_001_000, "PreemptLowerPriority")
    store.create(PRIORITIES, priority_class("usual", 7, globalDefault=True))
    assert _priority(store) == ("usual", 7, "PreemptLowerPriority")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "lost"}, "no PriorityClass with name lost was found"),
        (
            {"priorityClassName": "calm", "priority": 6},
            "the integer value of priority (6) must not be provided in pod spec; priority admission "
            "controller computed 5 from the given PriorityClass name",
        ),
        (
            {"priorityClassName": "calm", "preemptionPolicy": "Never"},
            "the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority "
            "admission controller computed PreemptLowerPriority from the given PriorityClass name",
        ),
        ({"runtimeClassName": "lost"}, 'pod rejected: RuntimeClass "lost" not found'),
        (
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            {"overhead": {"cpu": "1"}, "runtimeClassName": "plain"},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            {"overhead": {"cpu": "1"}, "runtimeClassName": "boxed"},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
    ],
    ids=[
        "unknown",
        "number",
        "policy",
        "unknown runtime",
        "overhead",
        "overhead of none",
        "another overhead",
    ],
)
def test_pods_that_are_kept_out(store: Store, spec: JSON, why: str) -> None:
    """For an unknown class, or for what the class does not say."""
    store.create(PRIORITIES, priority_class("calm", 5))
    store.create(RUNTIMES, runtime_class("plain"))
    store.create(RUNTIMES, runtime_class("boxed", cpu="250m"))
    with pytest.raises(ApiError) as refusal:
        store.create("pods", pod("a", **spec))
    assert refusal.value.status == 403
    assert refusal.value.message == f'pods "a" is forbidden: {why}'


def test_overheads(store: Store) -> None:
    """The class's own, which a pod may repeat in other words."""
    store.create(RUNTIMES, runtime_class("boxed", cpu="0.25"))
    own: list[tuple[str, JSON]] = [("a", {}), ("b", {"overhead": {"cpu": "250m"}})]
    for name, spec in own:
        created = store.create("pods", pod(name, runtimeClassName="boxed", **spec))
        assert created["spec"]["overhead"] == {"cpu": "250m"}


def test_there_is_one_default_priority(store: Store) -> None:
    """A second one is refused."""
    store.create(PRIORITIES, priority_class("usual", globalDefault=True))
    with pytest.raises(ApiError, match="PriorityClass usual is already marked as default"):
        store.create(PRIORITIES, priority_class("other", globalDefault=True))
