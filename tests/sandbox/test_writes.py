"""Writing over HTTP: what is completed, what is refused and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.api.strategic import strategic_merge
from autoscaler.sandbox.store import Store
from tests.sandbox.client import JSON, Client
from tests.sandbox.objects import NAMESPACE, PODS, SETS, config_map, namespace, pod, stateful_set

CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
AUTOSCALERS = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
EVENT = {
    "metadata": {"name": "e"},
    "eventTime": "2026-01-01T12:00:00.000000Z",
    "regarding": {"kind": "StatefulSet", "name": "w", "namespace": NAMESPACE},
    "reportingController": "example.org/autoscaler",
    "reportingInstance": "a",
    "action": "Scale",
    "reason": "ScaledUp",
    "type": "Normal",
}


@pytest.fixture(autouse=True)
def team(store: Store) -> None:
    """Store a namespace and a set."""
    store.create("namespaces", namespace())
    store.create("statefulsets.apps", stateful_set(replicas=2))


def _with(obj: JSON, path: str, value: object) -> JSON:
    """Return an object with a field set, or with None left out."""
    head, _, rest = path.partition(".")
    if rest:
        return obj | {head: _with(obj.get(head, {}), rest, value)}
    return {key: item for key, item in (obj | {head: value}).items() if item is not None}


@pytest.mark.parametrize(
    ("path", "obj", "field", "message"),
    [
        (CONFIG_MAPS, _with(config_map("a"), "metadata.name", "A_b"), "metadata.name", "RFC 1123 subdomain"),
        (
            CONFIG_MAPS,
            _with(config_map("a"), "metadata.name", None),
            "metadata.name",
            "Required value: name or generateName is required",
        ),
        ("/api/v1/namespaces", namespace("a.b"), "metadata.name", "RFC 1123 label"),
        (SETS, stateful_set("x", -1), "spec.replicas", "must be greater than or equal to 0"),
        (SETS, _with(stateful_set("x"), "spec.selector", None), "spec.selector", "Required value"),
        (
            SETS,
            _with(stateful_set("x"), "spec.selector", {"matchLabels": {"set": "y"}}),
            "spec.template.metadata.labels",
            '{"set":"x"}: `selector` does not match template `labels`',
        ),
        (
            SETS,
            _with(stateful_set("x"), "spec.template.spec", {}),
            "spec.template.spec.containers",
            "Required value",
        ),
        (
            PODS,
            _with(pod("x"), "spec.containers", [{"name": "a"}]),
            "spec.containers[0].image",
            "Required value",
        ),
        (
            LEASES,
            {"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": 0}},
            "spec.leaseDurationSeconds",
            "0",
        ),
        (
            LEASES,
            {"metadata": {"name": "l"}, "spec": {"leaseTransitions": -1}},
            "spec.leaseTransitions",
            "-1",
        ),
        (
            AUTOSCALERS,
            {
                "metadata": {"name": "h"},
                "spec": {"maxReplicas": 1, "scaleTargetRef": {"kind": "StatefulSet"}},
            },
            "spec.scaleTargetRef.name",
            "Required value",
        ),
        (EVENTS, _with(EVENT, "reportingController", None), "reportingController", "Required value"),
        (EVENTS, _with(EVENT, "reportingController", "a b"), "reportingController", "Invalid value"),
        (EVENTS, _with(EVENT, "reportingInstance", None), "reportingInstance", "Required value"),
        (EVENTS, _with(EVENT, "action", None), "action", "Required value"),
        (EVENTS, _with(EVENT, "reason", None), "reason", "Required value"),
        (EVENTS, _with(EVENT, "eventTime", None), "eventTime", "Required value"),
        (EVENTS, _with(EVENT, "type", "Strange"), "type", "has invalid value: Strange"),
        (EVENTS, _with(EVENT, "note", "x" * 1025), "message", "can have at most 1024 bytes"),
        (EVENTS, _with(EVENT, "deprecatedCount", 1), "count", "needs to be unset"),
        (
            EVENTS,
            _with(EVENT, "regarding.namespace", "other"),
            "involvedObject.namespace",
            "does not match event.namespace",
        ),
    ],
)
def test_rules(client: Client, path: str, obj: JSON, field: str, message: str) -> None:
    """What breaks a rule gets 422 with the field and the rule."""
    reply = client.request("POST", path, body=obj)
    assert (reply.status, reply.body["reason"]) == (422, "Invalid")
    (cause,) = reply.body["details"]["causes"]
    assert cause["field"] == field
    assert message in cause["message"]
    assert f"{field}: {cause['message']}" in reply.body["message"]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ("[1]", "not an object"),
        ("{", "json parse error"),
        ({"metadata": "a"}, "the metadata of the object is not an object"),
        (
            {"metadata": {"name": "a", "namespace": "other"}},
            "does not match the namespace sent on the request",
        ),
        (
            {"apiVersion": "v2", "metadata": {"name": "a"}},
            "does not match the expected API version (apps/v1)",
        ),
        ({"kind": "Pod", "metadata": {"name": "a"}}, "cannot be handled as a StatefulSet"),
        ({"metadata": {"name": 1}}, "cannot unmarshal number into Go struct field ObjectMeta.metadata.name"),
        ({"metadata": {"name": "a", "labels": {"a": True}}}, "cannot unmarshal bool into Go struct field"),
        ({"metadata": {"name": "a", "labels": "a=b"}}, "cannot unmarshal string into Go struct field"),
        (
            {"metadata": {"name": "a"}, "spec": []},
            "cannot unmarshal array into Go struct field StatefulSet.spec",
        ),
        (_with(stateful_set("a"), "spec.replicas", 1.5), "cannot unmarshal number 1.5 into Go struct field"),
        (_with(stateful_set("a"), "spec.replicas", 2**31), "cannot unmarshal number 2147483648 into"),
        (_with(stateful_set("a"), "spec.template.spec", {"containers": ["x"]}), "of type v1.Container"),
        (
            _with(
                stateful_set("a"),
                "spec.template.spec",
                {"containers": [{"name": "a", "image": "b", "resources": {"limits": {"cpu": "1 core"}}}]},
            ),
            "quantities must match the regular expression",
        ),
        (_with(stateful_set("a"), "metadata.creationTimestamp", "today"), 'parsing time "today"'),
    ],
)
def test_what_cannot_be_read(client: Client, obj: object, message: str) -> None:
    """It gets 400 and the complaint of the decoder."""
    reply = client.request("POST", SETS, body=obj)
    assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
    assert message in reply.body["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/apis/apps/v1/statefulsets", {}, 405),
        ("POST", f"{SETS}/w", {}, 405),
        ("PUT", SETS, {}, 405),
        ("PATCH", SETS, {}, 405),
        ("POST", f"{SETS}/w/scale", {}, 405),
        ("GET", "/apis/apps/v1/statefulsets/w", None, 404),
        ("GET", f"{SETS}/w/log", None, 404),
        ("GET", f"{SETS}/w/scale/x", None, 404),
        ("GET", f"{CONFIG_MAPS}/a/status", None, 404),
        ("GET", "/apis/apps/v2/statefulsets", None, 404),
        ("GET", "/api/v1/namespaces/team/namespaces", None, 404),
        ("GET", "/api", None, 200),
        ("GET", "/apis/apps", None, 200),
        ("GET", "/apis/apps/v1/", None, 200),
        ("GET", "/readyz", None, 200),
        ("GET", "/", None, 404),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}", None, 200),
        ("POST", "/api/v1/namespaces/none/configmaps", {"metadata": {"name": "a"}}, 404),
    ],
)
def test_paths_and_methods(client: Client, method: str, path: str, body: object, status: int) -> None:
    """What does not exist is 404, what cannot be done with what exists is 405."""
    assert client.request(method, path, body=body).status == status


def test_namespace_must_exist(client: Client) -> None:
    """As in Kubernetes, nothing can be created where there is nowhere."""
    reply = client.request("POST", "/api/v1/namespaces/none/configmaps", body={"metadata": {"name": "a"}})
    assert reply.body["message"] == 'namespaces "none" not found'


def test_yaml_is_read_too(client: Client) -> None:
    """Manifests are written in it."""
    text = "metadata: {name: a}\ndata: {x: '1'}\n"
    reply = client.request("POST", CONFIG_MAPS, body=text, content_type="application/yaml")
    assert (reply.status, reply.body["data"]) == (201, {"x": "1"})
    assert client.request("POST", CONFIG_MAPS, body="a: [", content_type="application/yaml").status == 400


@pytest.mark.parametrize(("method", "path"), [("POST", CONFIG_MAPS), ("PATCH", f"{SETS}/w")])
def test_other_types_are_not_read(client: Client, method: str, path: str) -> None:
    """They get 415 and the list of those that are."""
    reply = client.request(method, path, body="x", content_type="application/vnd.kubernetes.protobuf")
    assert (reply.status, reply.body["reason"]) == (415, "UnsupportedMediaType")


def test_a_new_object_has_no_version(client: Client) -> None:
    """A client that sends one has taken a new object for an old one."""
    obj = _with(config_map("a"), "metadata.resourceVersion", "1")
    reply = client.request("POST", CONFIG_MAPS, body=obj)
    assert (reply.status, reply.body["message"]) == (
        500,
        "resourceVersion should not be set on objects to be created",
    )


def test_put_replaces(store: Store, client: Client) -> None:
    """What is not sent is gone, what the server owns stays."""
    before = store.create("configmaps", config_map("a", x="1"))
    after = client.request("PUT", f"{CONFIG_MAPS}/a", body={"data": {"y": "2"}}).body
    assert after["data"] == {"y": "2"}
    for field in ("uid", "creationTimestamp", "name", "namespace"):
        assert after["metadata"][field] == before["metadata"][field]


def test_put_needs_a_version_where_overwriting_is_dangerous(client: Client) -> None:
    """Leases are created by a PUT, but never overwritten blindly."""
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}}
    assert client.request("PUT", f"{LEASES}/l", body=lease).status == 201
    reply = client.request("PUT", f"{LEASES}/l", body=lease)
    assert reply.status == 422
    assert "metadata.resourceVersion: Invalid value: 0x0: must be specified" in reply.body["message"]
    assert client.request("PUT", f"{SETS}/none", body=stateful_set("none")).status == 404
    assert client.request("PUT", f"{LEASES}/l", body=lease | {"metadata": {"name": "m"}}).status == 400


def test_a_set_keeps_what_cannot_change(client: Client) -> None:
    """The selector, for example."""
    fixed = client.patch(f"{SETS}/w", {"spec": {"serviceName": "other"}})
    assert fixed.status == 422
    assert "updates to statefulset spec for fields other than 'replicas'" in fixed.body["message"]


def test_scale_can_be_put(client: Client) -> None:
    """With or without the version that it is based on."""
    scale = client.get(f"{SETS}/w/scale")
    scale["spec"]["replicas"] = 5
    assert client.request("PUT", f"{SETS}/w/scale", body=scale).body["spec"] == {"replicas": 5}
    assert client.request("PUT", f"{SETS}/w/scale", body=scale).status == 409
    assert client.request("PUT", f"{SETS}/w/scale", body={"spec": {}}).body["spec"] == {}
    assert client.request("PUT", f"{SETS}/w/scale", body={"spec": {"replicas": "x"}}).status == 400


def test_status_can_be_patched(client: Client) -> None:
    """And nothing else on that way."""
    sent = {"status": {"replicas": 1, "readyReplicas": 0}, "spec": {"replicas": 9}}
    found = client.patch(f"{SETS}/w/status", sent).body
    assert found["status"] == {"availableReplicas": 0, "replicas": 1}
    assert found["spec"]["replicas"] == 2
    assert [
        entry["manager"]
        for entry in found["metadata"]["managedFields"]
        if entry.get("subresource") == "status"
    ] == ["python-requests"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "merge-patch+json", 400),
        ("[]", "merge-patch+json", 400),
        ("{}", "json-patch+json", 400),
        ('[{"op": "dance"}]', "json-patch+json", 400),
        ([{"op": "remove", "path": "/spec/none"}], "json-patch+json", 422),
        ([{"op": "replace", "path": "", "value": 1}], "json-patch+json", 422),
        ({"metadata": {"name": "other"}}, "merge-patch+json", 400),
        ({"metadata": {"uid": "other"}}, "merge-patch+json", 409),
        ({"spec": {"replicas": "x"}}, "merge-patch+json", 422),
        ({"spec": 1}, "strategic-merge-patch+json", 422),
    ],
)
def test_patches_that_go_wrong(client: Client, body: object, content_type: str, status: int) -> None:
    """Unreadable ones get 400, those that cannot be carried out 422, those of another object 409."""
    before = client.get(f"{SETS}/w")
    assert client.patch(f"{SETS}/w", body, content_type).status == status
    assert client.get(f"{SETS}/w") == before


def test_deletion_options(store: Store, client: Client) -> None:
    """They come in the body or as parameters; preconditions hold or stop it."""
    store.create("pods", pod("a", node="n1"))
    meta = store.get("pods", NAMESPACE, "a")["metadata"]
    path = f"{PODS}/a"
    assert client.request("DELETE", path, body={"preconditions": {"uid": "x"}}).status == 409
    assert client.request("DELETE", path, body={"preconditions": {"resourceVersion": "1"}}).status == 409
    assert client.request("DELETE", path, {"dryRun": "All"}).status == 200
    assert client.request("DELETE", path, {"gracePeriodSeconds": "soon"}).status == 400
    marked = client.request(
        "DELETE", path, {"gracePeriodSeconds": 7}, {"preconditions": {"uid": meta["uid"]}}
    )
    assert marked.body["metadata"]["deletionGracePeriodSeconds"] == 7
    assert client.request("DELETE", path, body={"gracePeriodSeconds": 0}).status == 200
    assert client.request("DELETE", path).status == 404
    status = client.request("DELETE", f"{SETS}/w", {"propagationPolicy": "Background"}).body
    assert (status["kind"], status["status"], status["details"]["name"]) == ("Status", "Success", "w")


def test_deleting_what_matches(store: Store, client: Client) -> None:
    """All of a namespace that a selector selects."""
    for name, labels in (("a", {"x": "y"}), ("b", {})):
        store.create("pods", pod(name, labels=labels))
    deleted = client.request("DELETE", PODS, {"labelSelector": "x=y"}).body
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a"]
    assert [obj["metadata"]["name"] for obj in store.list("pods")[0]] == ["b"]


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": 1, "b": 2}, {"a": None, "c": {"d": None, "e": 3}}, {"b": 2, "c": {"e": 3}}),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
        ),
        (
            {"env": [{"name": "A"}, {"name": "B"}]},
            {"env": [{"$patch": "delete", "name": "A"}]},
            {"env": [{"name": "B"}]},
        ),
        ({"env": [{"name": "A"}]}, {"env": [{"name": "B"}, {"$patch": "replace"}]}, {"env": [{"name": "B"}]}),
        (
            {"env": [{"name": "A"}, {"name": "B"}]},
            {"$setElementOrder/env": [{"name": "B"}, {"name": "A"}], "env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "B"}, {"name": "A", "value": "1"}]},
        ),
        ({"finalizers": ["a", "b"]}, {"finalizers": ["b", "c"]}, {"finalizers": ["a", "b", "c"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        (
            {"s": {"type": "x", "rolling": 1}},
            {"s": {"$retainKeys": ["type"], "type": "y"}},
            {"s": {"type": "y"}},
        ),
        ({"s": {"a": 1}}, {"s": {"$patch": "replace", "b": 2}}, {"s": {"b": 2}}),
        ({"s": {"a": 1}, "t": 1}, {"s": {"$patch": "delete"}}, {"t": 1}),
    ],
)
def test_strategic_merge_patches(old: JSON, patch: JSON, new: JSON) -> None:
    """Lists of named things merge by name, directives do what they say."""
    before: Any = repr(old)
    assert strategic_merge(old, patch) == new
    assert repr(old) == before
