"""What a container gets from its pod's spec: variables, secrets, config maps, fields, its command line."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from autoscaler.sandbox.kubelet.containers import ContainerSpec
from autoscaler.sandbox.kubelet.environment import expand
from tests.sandbox.world import NAME, NAMESPACE, World, template

KEY = (NAMESPACE, f"{NAME}-0")


def test_a_container_waits_for_its_secret() -> None:
    """A missing secret is told as a kubelet tells it, and looked for again later."""
    source = {"secretKeyRef": {"name": "broker", "key": "url"}}
    world = World()
    world.create(1, template=template({"env": [{"name": "URL", "valueFrom": source}]}))
    assert waiting(world) == {"reason": "CreateContainerConfigError", "message": 'secret "broker" not found'}
    world.store.create("secrets", {"metadata": {"name": "broker", "namespace": NAMESPACE}, "data": {}})
    world.advance(10)
    assert waiting(world)["message"] == f"couldn't find key url in Secret {NAMESPACE}/broker"
    secret = world.store.get("secrets", NAMESPACE, "broker")
    secret["data"] = {"url": base64.b64encode(b"redis://").decode()}
    world.store.update("secrets", secret)
    world.advance(10)
    assert dict(world.containers.running[KEY].spec.environment)["URL"] == "redis://"


def waiting(world: World) -> dict[str, Any]:
    """Return what the first pod's container waits for."""
    found: dict[str, Any] = world.pod(0)["status"]["containerStatuses"][0]["state"]["waiting"]
    return found


def started(container: dict[str, Any], **spec: Any) -> ContainerSpec:
    """Return what a container is started with in a world that has a secret and a config map."""
    world = World()
    secret = {"user": base64.b64encode(b"me").decode(), "word": base64.b64encode(b"s3cret").decode()}
    for resource, name, data in (("secrets", "login", secret), ("configmaps", "settings", {"LEVEL": "info"})):
        world.store.create(resource, {"metadata": {"name": name, "namespace": NAMESPACE}, "data": data})
    world.create(1, template=template(container, **spec))
    return world.containers.running[KEY].spec


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"value": "plain"}, "plain"),
        ({}, ""),
        ({"value": "celery@$(POD_NAME)"}, f"celery@{NAME}-0"),
        ({"value": "$(EARLIER)/$(LATER)"}, "before/$(LATER)"),
        ({"value": "$$(EARLIER) $$ $ $(EARLIER"}, "$(EARLIER) $ $ $(EARLIER"),
        ({"valueFrom": {"secretKeyRef": {"name": "login", "key": "word"}}}, "s3cret"),
        ({"valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": True}}}, None),
        ({"valueFrom": {"secretKeyRef": {"name": "login", "key": "x", "optional": True}}}, None),
        ({"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}}, "info"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, f"{NAME}-0"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}, NAMESPACE),
        ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['component']"}}}, "worker"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}, "sandbox-node-1"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, "10.244.0.4"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}, "127.0.0.1"),
    ],
)
def test_variables_are_resolved(entry: dict[str, Any], expected: str | None) -> None:
    """A value, a reference, a secret, a config map or a field of the pod, as a kubelet resolves it."""
    env = [
        {"name": "EARLIER", "value": "before"},
        {"name": "IT", **entry},
        {"name": "LATER", "value": "after"},
    ]
    assert dict(started({"env": env}).environment).get("IT") == expected


def test_the_uid_is_a_field() -> None:
    """metadata.uid is the pod's own."""
    source = {"fieldRef": {"fieldPath": "metadata.uid"}}
    spec = started({"env": [{"name": "UID", "valueFrom": source}]})
    assert dict(spec.environment)["UID"] == spec.uid


def test_whole_secrets_and_config_maps_become_variables() -> None:
    """With envFrom come all entries, with a prefix if one is given; env has the last word."""
    sources = [
        {"secretRef": {"name": "login"}, "prefix": "DB_"},
        {"configMapRef": {"name": "settings"}},
        {"configMapRef": {"name": "none", "optional": True}},
    ]
    variables = dict(started({"envFrom": sources, "env": [{"name": "DB_user", "value": "you"}]}).environment)
    assert (variables["DB_user"], variables["DB_word"], variables["LEVEL"]) == ("you", "s3cret", "info")


def test_the_command_line_is_expanded() -> None:
    """Command and arguments may name variables; unknown ones are left as they are."""
    spec = started(
        {
            "command": ["run", "$(POD_NAME)"],
            "args": ["$(LEVEL)", "$(NONE)"],
            "env": [
                {"name": "LEVEL", "value": "debug"},
            ],
        }
    )
    assert spec.command == ("run", f"{NAME}-0", "debug", "$(NONE)")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"fieldRef": {"fieldPath": "status.nothing"}}, "unsupported fieldPath: status.nothing"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "valueFrom.resourceFieldRef"),
        ({"configMapKeyRef": {"name": "none", "key": "x"}}, 'configmap "none" not found'),
    ],
)
def test_what_cannot_be_resolved_is_told(source: dict[str, Any], message: str) -> None:
    """The container waits with the reason CreateContainerConfigError."""
    world = World()
    world.create(1, template=template({"env": [{"name": "IT", "valueFrom": source}]}))
    assert waiting(world)["reason"] == "CreateContainerConfigError"
    assert message in waiting(world)["message"]


def test_an_unclosed_reference_is_text() -> None:
    """As Kubernetes has it: `$(` without an end, and `$x`, stand for themselves."""
    assert expand("$(A $A", {"A": "1"}) == "$(A $A"
