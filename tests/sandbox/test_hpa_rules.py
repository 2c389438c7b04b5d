"""What the API server refuses of an autoscaler and what it adds, in its own words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from autoscaler.sandbox.controllers.hpa import AUTOSCALERS
from autoscaler.sandbox.objects.hpa_rules import HPA_SCALE_TO_ZERO
from autoscaler.sandbox.store import JSON, ApiError, Store
from tests.sandbox.objects import NAMESPACE

BEGINNING = re.compile(r"spec\.(metrics\[0\]\.|behavior\.)?")
CPU: JSON = {"type": "Utilization", "averageUtilization": 80}
VALUE: JSON = {"type": "Value", "value": "1"}


def autoscaler(**spec: Any) -> JSON:
    """Return an autoscaler; the keywords are fields of its spec."""
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "w"}
    wanted = {"maxReplicas": 3, "scaleTargetRef": reference, **spec}
    return {"metadata": {"name": "h", "namespace": NAMESPACE}, "spec": wanted}


def metric(kind: str, field: str, target: JSON, **source: Any) -> JSON:
    """Return a metric of an autoscaler."""
    return {"type": kind, field: {"target": target, **source}}


QUEUE = {"metric": {"name": "queue"}}


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (
            {"maxReplicas": 0},
            {
                "maxReplicas: Invalid value: 0: must be greater than 0",
                "maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            },
        ),
        ({"scaleTargetRef": {"name": "w"}}, {"scaleTargetRef.kind: Required value"}),
        ({"minReplicas": -1}, {"minReplicas: Invalid value: -1: must be greater than or equal to 1"}),
        (
            {"metrics": [{}]},
            {
                "type: Required value: must specify a metric source type",
                'type: Unsupported value: "": supported values: "ContainerResource", "External", '
                '"Object", "Pods", "Resource"',
            },
        ),
        (
            {"metrics": [{"type": "Pods", "resource": {"name": "cpu", "target": CPU}}]},
            {
                "pods: Required value: must populate information for the given metric source",
                "resource: Forbidden: must populate the given metric source only",
            },
        ),
        (
            {"metrics": [metric("Resource", "resource", {"type": "Share", "averageUtilization": 0})]},
            {
                "resource.name: Required value: must specify a resource name",
                'resource.target.type: Invalid value: "Share": must be either Utilization, Value, '
                "or AverageValue",
                "resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
            },
        ),
        (
            {"metrics": [metric("Resource", "resource", CPU | {"averageValue": "1"}, name="cpu")]},
            {
                "resource.target.averageValue: Forbidden: may not set both a target raw value and "
                "a target utilization"
            },
        ),
        (
            {"metrics": [metric("Resource", "resource", {}, name="cpu")]},
            {
                "resource.target.type: Required value: must specify a metric target type",
                'resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
                "resource.target.averageUtilization: Required value: must set either a target raw "
                "value or a target utilization",
            },
        ),
        (
            {"metrics": [metric("External", "external", {"type": "Value", "value": "-1"})]},
            {
                "external.metric.name: Required value: must specify a metric name",
                'external.target.value: Invalid value: "-1": must be positive',
            },
        ),
        (
            {"metrics": [metric("External", "external", VALUE | {"averageValue": "1"}, **QUEUE)]},
            {
                "external.target.value: Forbidden: may not set both a target value for metric and "
                "a per-pod target"
            },
        ),
        (
            {"metrics": [metric("Object", "object", {"type": "Value"}, **QUEUE)]},
            {"object.target.averageValue: Required value: must set either a target value or averageValue"},
        ),
        (
            {"metrics": [metric("Pods", "pods", VALUE, **QUEUE)]},
            {"pods.target.averageValue: Required value: must specify a positive target averageValue"},
        ),
        (
            {"behavior": {"scaleUp": {"stabilizationWindowSeconds": -1, "selectPolicy": "Most"}}},
            {
                "scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or "
                "equal to zero",
                'scaleUp.selectPolicy: Unsupported value: "Most": supported values: "Disabled", "Max", "Min"',
            },
        ),
        (
            {
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 3601,
                        "policies": [
                            {"type": "Some", "value": 0, "periodSeconds": 1801},
                            {"type": "Pods", "value": 1, "periodSeconds": 0},
                        ],
                    }
                }
            },
            {
                "scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or "
                "equal to 3600",
                'scaleDown.policies[0].type: Unsupported value: "Some": supported values: "Percent", "Pods"',
                "scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
                "scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or "
                "equal to 1800",
                "scaleDown.policies[1].periodSeconds: Invalid value: 0: must be greater than zero",
            },
        ),
    ],
    ids=[
        "no ceiling",
        "no target",
        "a floor below zero",
        "a metric of no type",
        "a metric of another type",
        "a target of no known type",
        "two targets",
        "no target at all",
        "a negative value",
        "two values",
        "a value of an object that is missing",
        "a value of the pods that is missing",
        "a window below zero",
        "policies",
    ],
)
def test_what_is_refused(store: Store, spec: JSON, causes: set[str]) -> None:
    """All of it at once. The paths are shown here without what all of their kind begin with."""
    with pytest.raises(ApiError) as refused:
        store.create(AUTOSCALERS, autoscaler(**spec))
    assert refused.value.status == 422
    details = refused.value.details or {}
    found = {(cause["field"], cause["message"]) for cause in details["causes"]}
    assert {f"{BEGINNING.sub('', path)}: {message}" for path, message in found} == causes
    assert all(path.startswith("spec.") for path, _ in found)


def test_a_floor_of_zero_that_was_allowed_may_stay() -> None:
    """After the gate was closed, for as long as nobody raises it."""
    gated, store = Store(features={HPA_SCALE_TO_ZERO}), Store()
    metrics = [metric("External", "external", VALUE, **QUEUE)]
    store.load(AUTOSCALERS, gated.create(AUTOSCALERS, autoscaler(minReplicas=0, metrics=metrics)))
    found = store.get(AUTOSCALERS, NAMESPACE, "h")
    found["spec"]["maxReplicas"] = 9
    found = store.update(AUTOSCALERS, found)
    found["spec"]["minReplicas"] = 1
    found = store.update(AUTOSCALERS, found)
    found["spec"]["minReplicas"] = 0
    with pytest.raises(ApiError, match="must be greater than or equal to 1"):
        store.update(AUTOSCALERS, found)


def test_a_behavior_is_completed(store: Store) -> None:
    """Only where there is one; the window for lowering stays the controller's."""
    assert "behavior" not in store.create(AUTOSCALERS, autoscaler())["spec"]
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
    found = store.get(AUTOSCALERS, NAMESPACE, "h")
    found["spec"]["behavior"] = {"scaleDown": {"selectPolicy": "Disabled"}}
    assert store.update(AUTOSCALERS, found)["spec"]["behavior"] == {
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent]},
        "scaleDown": {"selectPolicy": "Disabled", "policies": [percent]},
    }


def test_targets_are_canonical_quantities(store: Store) -> None:
    """However they were written."""
    metrics = [metric("External", "external", {"type": "Value", "value": 0.5}, **QUEUE)]
    found = store.create(AUTOSCALERS, autoscaler(metrics=metrics))
    assert found["spec"]["metrics"][0]["external"]["target"] == {"type": "Value", "value": "500m"}
