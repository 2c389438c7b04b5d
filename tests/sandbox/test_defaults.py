"""What objects become where their authors said nothing, beyond what the recordings show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.objects import selectors
from autoscaler.sandbox.objects.clock_words import wrong_time
from autoscaler.sandbox.store import Store
from tests.sandbox.client import JSON, Client
from tests.sandbox.objects import NAMESPACE, claim, config_map, pod, stateful_set

MEMORY_AND_CPU = {"cpu": "1", "memory": "1Gi"}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def _container(store: Store, **fields: Any) -> JSON:
    """Store a pod whose container has some fields, and return the container."""
    wanted = pod("a")
    wanted["spec"]["containers"][0] |= fields
    stored: JSON = store.create("pods", wanted)["spec"]["containers"][0]
    return stored


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("worker", "Always"),
        ("worker:latest", "Always"),
        ("registry:5000/worker", "Always"),
        ("registry:5000/worker:1", "IfNotPresent"),
        ("worker@sha256:0", "IfNotPresent"),
    ],
)
def test_images_without_a_tag_are_always_pulled(store: Store, image: str, policy: str) -> None:
    """A port is not a tag."""
    assert _container(store, image=image)["imagePullPolicy"] == policy


def test_containers_are_completed(store: Store) -> None:
    """Ports get a protocol, probes their times, references their version."""
    found = _container(
        store,
        ports=[{"containerPort": 80}],
        env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        readinessProbe={"httpGet": {"port": 80}, "periodSeconds": 1},
        livenessProbe={"exec": {"command": ["true"]}},
    )
    assert found["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert found["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert found["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert found["livenessProbe"]["failureThreshold"] == 3


@pytest.mark.parametrize(
    ("resources", "quality", "requests"),
    [
        ({}, "BestEffort", None),
        ({"limits": MEMORY_AND_CPU}, "Guaranteed", MEMORY_AND_CPU),
        ({"requests": {"cpu": "1"}}, "Burstable", {"cpu": "1"}),
        (
            {"limits": MEMORY_AND_CPU, "requests": {"cpu": "500m"}},
            "Burstable",
            {"cpu": "500m", "memory": "1Gi"},
        ),
    ],
)
def test_limits_are_requests(
    store: Store, resources: JSON, quality: str, requests: dict[str, str] | None
) -> None:
    """What is limited and not requested is requested, and that decides on the quality of service."""
    found = store.create("pods", pod("a", resources=resources))
    assert found["status"] == {"phase": "Pending", "qosClass": quality}
    assert found["spec"]["containers"][0]["resources"].get("requests") == requests


def test_pods_without_a_token_get_no_volume(store: Store) -> None:
    """Tolerations that are there already are not repeated."""
    patience = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5}
    found = store.create("pods", pod("a", automountServiceAccountToken=False, tolerations=[patience]))["spec"]
    assert "volumes" not in found
    assert [each["key"].rpartition("/")[2] for each in found["tolerations"]] == ["not-ready", "unreachable"]


def test_volumes_have_modes_and_accounts_two_names(store: Store) -> None:
    """In templates too."""
    wanted = stateful_set()
    sources = [{"name": "a", "configMap": {"name": "a"}}, {"name": "b", "emptyDir": {}}]
    wanted["spec"]["template"]["spec"] |= {"serviceAccountName": "me", "volumes": sources}
    found = store.create("statefulsets.apps", wanted)["spec"]["template"]["spec"]
    assert found["serviceAccount"] == "me"
    assert found["volumes"] == [
        {"name": "a", "configMap": {"name": "a", "defaultMode": 420}},
        {"name": "b", "emptyDir": {}},
    ]


def test_on_delete_has_no_partition(store: Store) -> None:
    """A strategy of its own has no settings of the other one."""
    wanted = stateful_set()
    wanted["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert store.create("statefulsets.apps", wanted)["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_other_kinds(store: Store) -> None:
    """Deployments roll by quarters, autoscalers look at the processor, claims wait."""
    base = stateful_set()
    deployment = {"metadata": base["metadata"], "spec": base["spec"] | {"strategy": {}}}
    del deployment["spec"]["serviceName"]
    found = store.create("deployments.apps", deployment)
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    target = {"kind": "StatefulSet", "name": "w"}
    autoscaler = {
        "metadata": {"name": "w", "namespace": NAMESPACE},
        "spec": {"maxReplicas": 3, "scaleTargetRef": target},
    }
    found = store.create("horizontalpodautoscalers.autoscaling", autoscaler)
    assert found["spec"]["minReplicas"] == 1
    assert found["spec"]["metrics"][0]["resource"]["name"] == "cpu"
    found = store.create("persistentvolumeclaims", claim("c"))
    assert (found["status"], found["spec"]["volumeMode"]) == ({"phase": "Pending"}, "Filesystem")
    found = store.create("namespaces", {"metadata": {"name": "n"}})
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n"}


def test_quantities_are_canonical(store: Store) -> None:
    """However they were written, and unset fields are not there."""
    resources = {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"cpu": "1000m", "memory": "2Gi"}}
    found = _container(store, resources=resources, args=[], workingDir=None)
    assert found["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "1", "memory": "2Gi"},
    }
    assert not {"args", "workingDir"} & found.keys()
    assert "data" not in store.create("configmaps", config_map("empty"))


@pytest.mark.parametrize(
    ("expression", "text", "matching"),
    [
        ({"key": "a", "operator": "In", "values": ["y", "x"]}, "a in (x,y)", {"a": "x"}),
        ({"key": "a", "operator": "NotIn", "values": ["x"]}, "a notin (x)", {}),
        ({"key": "a", "operator": "Exists"}, "a", {"a": ""}),
        ({"key": "a", "operator": "DoesNotExist"}, "!a", {"b": "x"}),
    ],
)
def test_selector_objects(expression: JSON, text: str, matching: dict[str, str]) -> None:
    """A set's selector means what its Scale says in one line."""
    selector = {"matchLabels": {"0": "1"}, "matchExpressions": [expression]}
    assert selectors.label_text(selector) == f"0=1,{text}"
    obj = {"metadata": {"labels": {"0": "1"} | matching}}
    assert selectors.parse_object(selector).matches(obj)
    assert not selectors.parse_object(selector).matches({"metadata": {"labels": matching}})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("2026-01-01T12:00:00.000000Z", ""),
        ("2026-01-01T12:00:00.000000+01:00", ""),
        ("2026-13-01T12:00:00.000000Z", 'cannot parse "13-01T12:00:00.000000Z" as "01"'),
        ("2026-01-01T12:00:00.000Z", 'cannot parse ".000Z" as ".000000"'),
        ("2026-01-01T12:00:00.000000", 'cannot parse "" as "Z07:00"'),
        ("2026-01-01T12:00:00.000000Z!", 'extra text: "!"'),
    ],
)
def test_times_of_leases_and_events(text: str, complaint: str) -> None:
    """They have exactly six digits after the seconds, and a zone."""
    found = wrong_time(text, microseconds=True)
    assert (complaint in found) if complaint else found == ""


def test_tables_of_events_and_autoscalers() -> None:
    """The cells that people look for."""
    store = Store(clock=lambda: datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))
    about = {"kind": "StatefulSet", "name": "w", "namespace": NAMESPACE}
    store.create(
        "events",
        {
            "metadata": {"name": "e", "namespace": NAMESPACE},
            "involvedObject": about,
            "reason": "FailedCreate",
            "message": "no room ",
            "type": "Warning",
            "lastTimestamp": "2026-01-01T11:57:00Z",
        },
    )
    spec = {"maxReplicas": 3, "scaleTargetRef": about}
    autoscaler = {"metadata": {"name": "h", "namespace": NAMESPACE}, "spec": spec}
    store.create("horizontalpodautoscalers.autoscaling", autoscaler)
    event = ["3m", "Warning", "FailedCreate", "statefulset/w", "no room"]
    with ApiServer(store) as server:
        for path, cells in (
            ("/api/v1/events", event),
            ("/apis/events.k8s.io/v1/events", event),
            ("/apis/autoscaling/v2/horizontalpodautoscalers", ["h", "StatefulSet/w", 1, 3, 0, "0s"]),
        ):
            (row,) = Client(server.url).request("GET", path, accept=TABLE).body["rows"]
            assert row["cells"] == cells
