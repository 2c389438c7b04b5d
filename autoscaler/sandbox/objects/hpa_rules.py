"""What makes a HorizontalPodAutoscaler valid, in the server's words (pkg/apis/autoscaling/validation)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from autoscaler.core import quantity
from autoscaler.sandbox.errors import Cause, forbidden_value, invalid_value, not_supported, required
from autoscaler.sandbox.objects.values import JSON, dig

HPA_SCALE_TO_ZERO = "HPAScaleToZero"
"""The feature gate, off by default, with which an autoscaler may have a minReplicas of 0."""

FROM_OUTSIDE = frozenset({"Object", "External"})
"""The types of metrics that have a value while there are no pods."""

_LONGEST_PERIOD_SECONDS, _LONGEST_WINDOW_SECONDS = 1800, 3600
_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}


@dataclass(frozen=True, slots=True)
class _Target:
    """Which fields may hold a metric's target, and what is said of none, and of both where that is wrong."""

    fields: tuple[str, ...]
    none: str
    both: str = ""


_OF_RESOURCE = _Target(
    ("averageUtilization", "averageValue"),
    "must set either a target raw value or a target utilization",
    "may not set both a target raw value and a target utilization",
)
_TARGETS = {
    "ContainerResource": _OF_RESOURCE,
    "External": _Target(
        ("averageValue", "value"),
        "must set either a target value for metric or a per-pod target",
        "may not set both a target value for metric and a per-pod target",
    ),
    "Object": _Target(("averageValue", "value"), "must set either a target value or averageValue"),
    "Pods": _Target(("averageValue",), "must specify a positive target averageValue"),
    "Resource": _OF_RESOURCE,
}
_SELECTIONS = ("Disabled", "Max", "Min")
_NO_METRIC = "must specify at least one Object or External metric to support scaling to zero replicas"


def autoscaler_causes(obj: JSON, old: JSON | None, features: Collection[str]) -> Iterator[Cause]:
    """Yield what is wrong with an autoscaler; one that has a minReplicas of 0 may keep it."""
    spec = obj["spec"]
    least, most = spec["minReplicas"], spec["maxReplicas"]
    had_zero = old is not None and old["spec"]["minReplicas"] == 0
    lowest = 0 if HPA_SCALE_TO_ZERO in features or had_zero else 1
    if least < lowest:
        yield invalid_value("spec.minReplicas", str(least), f"must be greater than or equal to {lowest}")
    if most < 1:
        yield invalid_value("spec.maxReplicas", str(most), "must be greater than 0")
    if most < least:
        yield invalid_value("spec.maxReplicas", str(most), "must be greater than or equal to `minReplicas`")
    for field in ("kind", "name"):
        if not spec["scaleTargetRef"][field]:
            yield required(f"spec.scaleTargetRef.{field}")
    for index, metric in enumerate(spec["metrics"]):
        yield from _metric_causes(f"spec.metrics[{index}]", metric)
    if least == 0 and not any(metric.get("type") in FROM_OUTSIDE for metric in spec["metrics"]):
        yield forbidden_value("spec.metrics", _NO_METRIC)
    for direction in ("scaleUp", "scaleDown"):
        rules = dig(spec, "behavior", direction)
        if rules is not None:
            yield from _scaling_causes(f"spec.behavior.{direction}", rules)


def _metric_causes(path: str, metric: JSON) -> Iterator[Cause]:
    kind = metric.get("type", "")
    source = _SOURCES.get(kind)
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    if source is None:
        yield not_supported(f"{path}.type", json.dumps(kind), tuple(_SOURCES))
        return
    if metric.get(source) is None:
        yield required(f"{path}.{source}", "must populate information for the given metric source")
    else:
        yield from _source_causes(f"{path}.{source}", kind, metric[source])
    for other in _SOURCES.values():
        if other != source and metric.get(other) is not None:
            yield forbidden_value(f"{path}.{other}", "must populate the given metric source only")


def _source_causes(path: str, kind: str, source: JSON) -> Iterator[Cause]:
    of_resource = kind in {"Resource", "ContainerResource"}
    if of_resource and not source.get("name"):
        yield required(f"{path}.name", "must specify a resource name")
    if not of_resource and not dig(source, "metric", "name"):
        yield required(f"{path}.metric.name", "must specify a metric name")
    target: JSON = source.get("target") or {}
    yield from _target_causes(f"{path}.target", target)
    rule = _TARGETS[kind]
    given = [field for field in rule.fields if target.get(field) is not None]
    if not given:
        yield required(f"{path}.target.{rule.fields[0]}", rule.none)
    elif rule.both and len(given) > 1:
        yield forbidden_value(f"{path}.target.{rule.fields[1]}", rule.both)


def _target_causes(path: str, target: JSON) -> Iterator[Cause]:
    kind = target.get("type", "")
    if not kind:
        yield required(f"{path}.type", "must specify a metric target type")
    if kind not in {"Utilization", "Value", "AverageValue"}:
        yield invalid_value(f"{path}.type", f'"{kind}"', "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        found = target.get(field)
        if found is not None and quantity.parse(found).amount <= 0:
            yield invalid_value(f"{path}.{field}", f'"{found}"', "must be positive")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        yield invalid_value(f"{path}.averageUtilization", str(share), "must be greater than 0")


def _scaling_causes(path: str, rules: JSON) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        rule = "must be greater than or equal to zero"
        yield invalid_value(f"{path}.stabilizationWindowSeconds", str(window), rule)
    if window is not None and window > _LONGEST_WINDOW_SECONDS:
        rule = f"must be less than or equal to {_LONGEST_WINDOW_SECONDS}"
        yield invalid_value(f"{path}.stabilizationWindowSeconds", str(window), rule)
    if rules["selectPolicy"] not in _SELECTIONS:
        yield not_supported(f"{path}.selectPolicy", json.dumps(rules["selectPolicy"]), _SELECTIONS)
    for index, policy in enumerate(rules["policies"]):
        yield from _policy_causes(f"{path}.policies[{index}]", policy)


def _policy_causes(path: str, policy: JSON) -> Iterator[Cause]:
    kind = policy.get("type", "")
    if kind not in {"Percent", "Pods"}:
        yield not_supported(f"{path}.type", json.dumps(kind), ("Percent", "Pods"))
    for field in ("value", "periodSeconds"):
        number = policy.get(field, 0)
        if number <= 0:
            yield invalid_value(f"{path}.{field}", str(number), "must be greater than zero")
    if policy.get("periodSeconds", 0) > _LONGEST_PERIOD_SECONDS:
        rule = f"must be less than or equal to {_LONGEST_PERIOD_SECONDS}"
        yield invalid_value(f"{path}.periodSeconds", str(policy["periodSeconds"]), rule)
