"""Server-side apply: who applies owns, who drops a field lets it go, who takes one asks first."""

from __future__ import annotations

import pytest

from autoscaler.sandbox.store import Store
from tests.sandbox.client import JSON, Client, Reply
from tests.sandbox.objects import NAMESPACE, SETS, namespace, stateful_set

CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
APPLY = "application/apply-patch+yaml"


@pytest.fixture(autouse=True)
def team(store: Store) -> None:
    """Store a namespace."""
    store.create("namespaces", namespace())


def _apply(client: Client, path: str, config: object, manager: str = "one", **params: str) -> Reply:
    return client.request("PATCH", path, {"fieldManager": manager, **params}, config, APPLY)


def _data(client: Client, manager: str, *, force: bool = False, **data: str) -> Reply:
    """Apply data to the config map `c`."""
    params = {"force": "true"} if force else {}
    return _apply(client, f"{CONFIG_MAPS}/c", {"data": data}, manager, **params)


def _owners(obj: JSON) -> dict[str, JSON]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"]["managedFields"]}


def test_creates_what_is_not_there(client: Client) -> None:
    """And owns what it said, no more."""
    reply = _data(client, "one", a="1")
    assert reply.status == 201
    assert _owners(reply.body) == {"one": {"f:data": {"f:a": {}}}}
    assert _data(client, "one", a="1").status == 200


def test_what_is_applied_no_more_goes(client: Client) -> None:
    """Unless somebody else holds it too."""
    _data(client, "one", a="1", b="2", c="3")
    _data(client, "two", b="2")
    reply = _data(client, "one", c="3")
    assert reply.body["data"] == {"b": "2", "c": "3"}
    assert _owners(reply.body) == {"one": {"f:data": {"f:c": {}}}, "two": {"f:data": {"f:b": {}}}}


def test_taking_a_field_needs_force(client: Client) -> None:
    """Without it nothing changes, with it the field changes hands."""
    _data(client, "one", a="1")
    refused = _data(client, "two", a="2")
    assert refused.status == 409
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert client.get(f"{CONFIG_MAPS}/c")["data"] == {"a": "1"}
    taken = _data(client, "two", force=True, a="2")
    assert taken.body["data"] == {"a": "2"}
    assert _owners(taken.body) == {"two": {"f:data": {"f:a": {}}}}


def test_an_update_takes_without_asking(client: Client) -> None:
    """Then the applier is told who did, and since which version of the API."""
    _data(client, "one", a="1")
    client.patch(f"{CONFIG_MAPS}/c", {"data": {"a": "2"}}, fieldManager="hand")
    reply = _data(client, "one", a="1")
    assert reply.body["details"]["causes"] == [
        {"field": ".data.a", "message": 'conflict with "hand" using v1', "reason": "FieldManagerConflict"}
    ]


def test_applying_the_same_changes_nothing(store: Store, client: Client) -> None:
    """Neither the object nor its version."""
    _data(client, "one", a="1")
    version = store.version
    _data(client, "one", a="1")
    assert store.version == version


def test_lists_merge_by_name(client: Client) -> None:
    """A container of another applier stays, a variable that is applied no more goes."""
    config = stateful_set("w")
    container = config["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    _apply(client, f"{SETS}/w", config)
    aside = {"spec": {"template": {"spec": {"containers": [{"name": "aside", "image": "x"}]}}}}
    _apply(client, f"{SETS}/w", aside, "two")
    container["env"] = [{"name": "B", "value": "3"}]
    found = _apply(client, f"{SETS}/w", config).body["spec"]["template"]["spec"]["containers"]
    assert [(each["name"], each.get("env")) for each in found] == [
        ("main", [{"name": "B", "value": "3"}]),
        ("aside", None),
    ]
    gone = _apply(client, f"{SETS}/w", {"spec": {}}, "two").body["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in gone] == ["main"]


def test_finalizers_are_a_set(client: Client) -> None:
    """Each applier owns its own."""
    for manager in ("one", "two"):
        _apply(client, f"{CONFIG_MAPS}/c", {"metadata": {"finalizers": [f"example.org/{manager}"]}}, manager)
    reply = _apply(client, f"{CONFIG_MAPS}/c", {}, "one")
    assert reply.body["metadata"]["finalizers"] == ["example.org/two"]


def test_the_status_is_applied_on_its_own_way(client: Client) -> None:
    """What a configuration says of the rest is nobody's there."""
    _apply(client, f"{SETS}/w", stateful_set("w"))
    sent = {"status": {"replicas": 2}, "spec": {"replicas": 7}}
    found = _apply(client, f"{SETS}/w/status", sent, "controller").body
    assert (found["status"]["replicas"], found["spec"]["replicas"]) == (2, 2)
    assert _owners(found)["controller"] == {"f:status": {"f:replicas": {}}}


def test_a_scale_is_a_way_to_the_replicas(client: Client) -> None:
    """Whoever applies them to the set is told who scaled it."""
    _apply(client, f"{SETS}/w", stateful_set("w", 2), "helm")
    assert _apply(client, f"{SETS}/w/scale", {"spec": {"replicas": 5}}, "autoscaler").status == 409
    scaled = _apply(client, f"{SETS}/w/scale", {"spec": {"replicas": 5}}, "autoscaler", force="true")
    assert (scaled.body["kind"], scaled.body["spec"]) == ("Scale", {"replicas": 5})
    reply = _apply(client, f"{SETS}/w", stateful_set("w", 2), "helm")
    assert 'conflict with "autoscaler" with subresource "scale": .spec.replicas' in reply.body["message"]


def test_dry_runs_store_nothing(store: Store, client: Client) -> None:
    """They answer as if."""
    assert _apply(client, f"{CONFIG_MAPS}/c", {"data": {"a": "1"}}, dryRun="All").status == 201
    assert store.list("configmaps")[0] == []


@pytest.mark.parametrize(
    ("path", "config", "params", "status"),
    [
        (f"{CONFIG_MAPS}/c", {}, {"fieldManager": ""}, 422),
        (f"{CONFIG_MAPS}/c", "a: [", {}, 400),
        (f"{CONFIG_MAPS}/c", {"kind": "Secret"}, {}, 400),
        (f"{CONFIG_MAPS}/c", {"metadata": {"managedFields": [{}]}}, {}, 400),
        ("/api/v1/namespaces/none/configmaps/c", {}, {}, 404),
        (f"{SETS}/none/scale", {"spec": {"replicas": 1}}, {}, 404),
        (f"{SETS}/w/scale", {"spec": {}}, {}, 400),
        (f"{SETS}/w/scale", {"spec": {"replicas": "x"}}, {}, 400),
        (f"{SETS}/w", {"metadata": {"resourceVersion": "1"}}, {}, 409),
    ],
)
def test_refusals(
    store: Store, client: Client, path: str, config: object, params: dict[str, str], status: int
) -> None:
    """What cannot be read, has no author or no place is refused."""
    store.create("statefulsets.apps", stateful_set("w"))
    reply = client.request("PATCH", path, {"fieldManager": "one"} | params, config, APPLY)
    assert reply.status == status
