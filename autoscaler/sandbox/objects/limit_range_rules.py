"""What an API server refuses of a LimitRange, in its words (pkg/apis/core/validation)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.errors import Cause, duplicate_value, forbidden_value, invalid_value, required
from autoscaler.sandbox.objects import resource_names as names
from autoscaler.sandbox.objects.amounts import Amounts, parsed
from autoscaler.sandbox.objects.resource_rules import container_name_causes, name_causes, shown
from autoscaler.sandbox.objects.values import JSON

_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_SIDES = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_ORDER = (
    ("min", "max", "min", "min value {low} is greater than max value {high}"),
    (
        "min",
        "defaultRequest",
        "defaultRequest",
        "min value {low} is greater than default request value {high}",
    ),
    (
        "defaultRequest",
        "max",
        "defaultRequest",
        "default request value {low} is greater than max value {high}",
    ),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {low} is greater than default limit value {high}",
    ),
    ("min", "default", "default", "min value {low} is greater than default value {high}"),
    ("default", "max", "default", "default value {low} is greater than max value {high}"),
)
"""Which amount may not be above which other, where that is told, and how."""


def limit_range_causes(obj: JSON, _old: JSON | None) -> Iterator[Cause]:
    """Yield what is wrong with a limit range."""
    seen: set[str] = set()
    for index, item in enumerate(obj["spec"].get("limits") or []):
        path, kind = f"spec.limits[{index}]", str(item.get("type") or "")
        yield from _type_causes(f"{path}.type", kind)
        if kind in seen:
            yield duplicate_value(f"{path}.type", json.dumps(kind))
        seen.add(kind)
        sides = {side: parsed(item.get(side)) for side in _SIDES}
        if kind == "Pod":
            for side in ("default", "defaultRequest"):
                if sides.pop(side):
                    yield forbidden_value(f"{path}.{side}", "may not be specified when `type` is 'Pod'")
        for side, amounts in sides.items():
            for name in sorted(amounts):
                place = f"{path}.{side}[{name}]"
                yield from (container_name_causes if kind in {"Container", "Pod"} else name_causes)(
                    place, name
                )
        if kind == "PersistentVolumeClaim" and "storage" not in {**sides["min"], **sides["max"]}:
            rule = "either minimum or maximum storage value is required, but neither was provided"
            yield required(f"{path}.limits", rule)
        yield from _amount_causes(path, sides)


def _type_causes(path: str, kind: str) -> Iterator[Cause]:
    complaints = list(names.name_complaints(kind))
    for complaint in complaints:
        yield invalid_value(path, json.dumps(kind), complaint)
    if not complaints and "/" not in kind and kind not in _TYPES:
        yield invalid_value(path, json.dumps(kind), "must be a standard limit type or fully qualified")


def _amount_causes(path: str, sides: Mapping[str, Amounts]) -> Iterator[Cause]:
    compared = {name for side in _SIDES[:-1] for name in sides.get(side, ())}
    for name in sorted(compared):
        found = {side: amounts[name] for side, amounts in sides.items() if name in amounts}
        for lower, upper, told, rule in _ORDER:
            if lower in found and upper in found and found[lower] > found[upper]:
                # The server shows the other amount where a default limit is out of range.
                other = {"min": "min", "default": "max"}[lower] if told == "default" else told
                text = rule.format(low=found[lower], high=found[upper])
                yield shown(f"{path}.{told}[{name}]", found[other], text)
        yield from _ratio_causes(f"{path}.maxLimitRequestRatio[{name}]", found)
        if not names.may_overcommit(name) and {"default", "defaultRequest"} <= found.keys():
            limit, request = found["default"], found["defaultRequest"]
            if limit != request:
                rule = f"default value {limit} must equal to defaultRequest value {request} in {name}"
                yield shown(f"{path}.defaultRequest[{name}]", request, rule)


def _ratio_causes(path: str, found: Mapping[str, Quantity]) -> Iterator[Cause]:
    ratio = found.get("maxLimitRequestRatio")
    if ratio is None:
        return
    if ratio.amount < 1:
        yield shown(path, ratio, f"ratio {ratio} is less than 1")
    least, most = found.get("min"), found.get("max")
    if least is not None and most is not None and least.amount > 0:
        highest = float(most.amount / least.amount)
        if float(ratio.amount) > highest:
            yield shown(path, ratio, f"ratio {ratio} is greater than max/min = {highest:f}")
