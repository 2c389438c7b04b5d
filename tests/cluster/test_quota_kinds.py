"""What is read of quotas, limit ranges and templates, also where they hold what cannot be read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from autoscaler.cluster.quota_kinds import (
    Claim,
    LimitRange,
    ResourceQuota,
    SizedPodTemplate,
    namespace_limits,
    worker_shape,
)
from autoscaler.cluster.workloads import Deployment, StatefulSet
from autoscaler.core.quantity import parse
from autoscaler.core.quota import NamespaceLimits, Room, WorkerShape, room
from tests.kube import JSON, worker_set


def limits(*quotas: JSON, ranges: tuple[JSON, ...] = ()) -> NamespaceLimits:
    """Return what limits a namespace, of bare specs and statuses."""
    named = [{"metadata": {"name": f"q{i}"}, **quota} for i, quota in enumerate(quotas)]
    stored = [{"metadata": {"name": f"r{i}"}, "spec": spec} for i, spec in enumerate(ranges)]
    return namespace_limits(
        msgspec.convert(named, list[ResourceQuota]), msgspec.convert(stored, list[LimitRange])
    )


def shape(spec: JSON | None = None, *claims: JSON, **known: Any) -> WorkerShape:
    """Return what a worker takes whose pod has one container, and these fields."""
    template = {"spec": {"containers": [{"name": "worker"}], **(spec or {})}}
    return worker_shape(
        msgspec.convert(template, SizedPodTemplate), msgspec.convert(claims, list[Claim]), **known
    )


def status(hard: JSON, used: JSON | None = None) -> JSON:
    """Return a quota of which nothing is in use unless it is said."""
    return {"status": {"hard": hard, "used": dict.fromkeys(hard, "0") | (used or {})}}


FIVE = status({"pods": "5"})


def text(found: Room) -> str:
    """Return the first reason."""
    assert found.bound is not None
    return found.bound.text


@pytest.mark.parametrize(
    ("given", "worker", "reason"),
    [
        (limits(status({"pods": "many"})), shape(), "quota q0, pods 'many' cannot be read"),
        (limits(status({"pods": "5"}, {"pods": "-"})), shape(), "quota q0, pods '-' cannot be read"),
        (
            limits(ranges=({"limits": [{"type": "Pod", "max": {"cpu": "1core"}}]},)),
            shape(),
            "limit range r0, max cpu '1core' cannot be read",
        ),
        (
            limits(ranges=({"limits": [{"type": "Container", "defaultRequest": {"cpu": "?"}}]},)),
            shape(),
            "limit range r0, defaultRequest cpu '?' cannot be read",
        ),
        (
            limits(FIVE),
            shape({"containers": [{"name": "a", "resources": {"requests": {"cpu": "x"}}}]}),
            "the template's container a requests cpu 'x' cannot be read",
        ),
        (limits(FIVE), shape({"overhead": {"cpu": "x"}}), "the template's overhead cpu 'x' cannot be read"),
        (
            limits(FIVE),
            shape({"resources": {"limits": {"cpu": "x"}}}),
            "the template's pod limits cpu 'x' cannot be read",
        ),
        (
            limits(FIVE),
            shape(
                None, {"metadata": {"name": "logs"}, "spec": {"resources": {"requests": {"storage": "x"}}}}
            ),
            "the template's claim logs requests storage 'x' cannot be read",
        ),
    ],
    ids=["hard", "used", "maximum", "default", "container", "overhead", "pod", "claim"],
)
def test_what_cannot_be_read_leaves_no_room(given: NamespaceLimits, worker: WorkerShape, reason: str):
    """And it is said what it is."""
    found = room(given, worker)
    assert found.pods == 0
    assert text(found).startswith(reason)


@pytest.mark.parametrize(
    ("affinity", "crosses"),
    [
        ({}, False),
        ({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["a"]}]}}, True),
        ({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": []}]}}, False),
        (
            {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"namespaceSelector": {}}]
                }
            },
            True,
        ),
        (
            {
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 1, "podAffinityTerm": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}
                    ]
                }
            },
            True,
        ),
        ({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": None}}, False),
    ],
    ids=["none", "by name", "of no name", "all", "a wish", "null"],
)
def test_terms_about_other_namespaces_are_seen(affinity: JSON, *, crosses: bool):
    """Of pods to be near to and of those to be far from, demanded or wished for."""
    assert shape({"affinity": affinity}).pod.cross_namespace_affinity is crosses


def test_what_only_the_caller_knows():
    """A RuntimeClass's overhead, the default PriorityClass and the default StorageClass."""
    bare = {"metadata": {"name": "logs"}, "spec": {}}
    known = {
        "overhead": {"cpu": parse("250m")},
        "default_priority_class": "usual",
        "default_storage_class": "gold",
    }
    told = shape(None, bare, **known)
    assert told.pod.overhead == {"cpu": parse("250m")}
    assert (told.pod.priority_class, told.claims[0].storage_class) == ("usual", "gold")
    unsaid = shape(None, bare)
    assert (unsaid.pod.overhead, unsaid.pod.priority_class, unsaid.claims[0].storage_class) == ({}, "", None)
    own = {"overhead": {"cpu": "1"}, "priorityClassName": "high"}
    said = shape(own, {"metadata": {"name": "logs"}, "spec": {"storageClassName": ""}}, **known)
    assert said.pod.overhead == {"cpu": parse("1")}
    assert (said.pod.priority_class, said.claims[0].storage_class) == ("high", "")


def test_a_class_named_in_the_old_way_comes_first():
    """As an annotation, which the API server looks at before the field."""
    annotations = {"volume.beta.kubernetes.io/storage-class": "old"}
    stored = {"metadata": {"name": "logs", "annotations": annotations}, "spec": {"storageClassName": "new"}}
    assert shape(None, stored).claims[0].storage_class == "old"


def test_nulls_and_missing_fields_are_nothing():
    """As clients in Go write them."""
    given = limits(
        {"spec": {"scopes": None, "scopeSelector": {"matchExpressions": None}}, "status": {"hard": None}},
        ranges=({"limits": None}, {"limits": [{"type": "Container", "min": None}]}),
    )
    assert room(given, shape({"initContainers": None, "resources": None, "affinity": None})).pods is None


def test_sidecars_and_deadlines_are_seen():
    """An init container that goes on running, and a pod that is to end by itself."""
    pod = shape(
        {"initContainers": [{"name": "a", "restartPolicy": "Always"}], "activeDeadlineSeconds": 9}
    ).pod
    assert pod.init_containers[0].sidecar
    assert pod.terminating


def test_a_set_and_a_deployment_are_read_with_what_their_workers_take():
    """The set's claims too."""
    stored = worker_set("w", 1)
    stored["spec"]["volumeClaimTemplates"] = [
        {"metadata": {"name": "logs"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    ]
    seen = msgspec.convert(stored, StatefulSet).spec
    taken = worker_shape(seen.template, seen.volume_claim_templates or ())
    assert taken.pod.containers[0].resources.requests == {"cpu": parse("1m"), "memory": parse("1Mi")}
    assert taken.claims[0].storage == parse("1Gi")
    deployed = msgspec.convert(stored, Deployment).spec
    assert worker_shape(deployed.template).pod == taken.pod
