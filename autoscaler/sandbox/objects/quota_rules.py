"""What an API server refuses of a ResourceQuota, in its words (pkg/apis/core/validation)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from autoscaler.sandbox.errors import Cause, invalid_value, required
from autoscaler.sandbox.objects import resource_names as names
from autoscaler.sandbox.objects.amounts import parsed
from autoscaler.sandbox.objects.resource_rules import amount_causes, name_causes
from autoscaler.sandbox.objects.values import JSON, dig

_COMPUTE = frozenset({"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"})
_OF_PODS = _COMPUTE | {"pods"}
_APPLIES_TO = {
    "BestEffort": frozenset({"pods"}),
    "CrossNamespacePodAffinity": _OF_PODS,
    "NotBestEffort": _OF_PODS,
    "NotTerminating": _OF_PODS,
    "PriorityClass": _OF_PODS,
    "Terminating": _OF_PODS,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
_WITH_VALUES = ("PriorityClass", "VolumeAttributesClass")
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("NotTerminating", "Terminating"))
_WITHOUT_VALUES_RULE = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
    "ResourceQuotaScopeCrossNamespacePodAffinity"
)


def quota_causes(obj: JSON, old: JSON | None) -> Iterator[Cause]:
    """Yield what is wrong with a quota."""
    spec = obj["spec"]
    for name, amount in sorted(parsed(spec.get("hard")).items()):
        place = f"spec.hard[{name}]"
        yield from name_causes(place, name)
        if "/" not in name and not names.is_of_quotas(name):
            yield invalid_value(place, json.dumps(name), "must be a standard resource for quota")
        yield from amount_causes(place, name, amount)
    yield from _scope_causes(spec)
    yield from _selector_causes(spec)
    if old is not None and set(spec.get("scopes") or []) != set(old["spec"].get("scopes") or []):
        yield invalid_value("spec.scopes", _compact(spec.get("scopes")), "field is immutable")


def _scope_causes(spec: JSON) -> Iterator[Cause]:
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _APPLIES_TO:
            yield invalid_value("spec.scopes", _compact(scopes), "unsupported scope")
        for _ in _unsupported(scope, spec):
            yield invalid_value("spec.scopes", _compact(scopes), "unsupported scope applied to resource")
    yield from _conflicts("spec.scopes", scopes, scopes)


def _selector_causes(spec: JSON) -> Iterator[Cause]:
    path = "spec.scopeSelector.matchExpressions"
    expressions = dig(spec, "scopeSelector", "matchExpressions") or []
    for each in expressions:
        scope = each.get("scopeName", "")
        if scope not in _APPLIES_TO:
            yield invalid_value(f"{path}.scopeName", json.dumps(scope), "unsupported scope")
        for _ in _unsupported(scope, spec):
            yield invalid_value(path, _selector_shown(expressions), "unsupported scope applied to resource")
        yield from _operator_causes(path, scope, each.get("operator", ""), each.get("values") or [])
    yield from _conflicts(path, [each.get("scopeName", "") for each in expressions], spec.get("scopes"))


def _operator_causes(path: str, scope: str, operator: str, values: list[str]) -> Iterator[Cause]:
    if scope in _APPLIES_TO and scope not in _WITH_VALUES and operator != "Exists":
        yield invalid_value(f"{path}.operator", json.dumps(operator), _WITHOUT_VALUES_RULE)
    if operator in {"In", "NotIn"}:
        if not values:
            rule = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", rule)
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            rule = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid_value(f"{path}.values", _compact(values), rule)
    else:
        yield invalid_value(f"{path}.operator", json.dumps(operator), "not a valid selector operator")


def _unsupported(scope: str, spec: JSON) -> list[str]:
    """Return the names that a scope does not go with."""
    supported = _APPLIES_TO.get(scope)
    hard = sorted(spec.get("hard") or {})
    return [name for name in hard if names.is_of_quotas(name) and supported and name not in supported]


def _conflicts(path: str, scopes: Iterable[str], told: list[str] | None) -> Iterator[Cause]:
    found = set(scopes)
    for pair in _OPPOSITES:
        if found.issuperset(pair):
            yield invalid_value(path, _compact(told), "conflicting scopes")


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _selector_shown(expressions: list[JSON]) -> str:
    """Return a selector as Go prints its internal form."""
    shown = [
        {
            "ScopeName": each.get("scopeName", ""),
            "Operator": each.get("operator", ""),
            "Values": each.get("values"),
        }
        for each in expressions
    ]
    return _compact({"MatchExpressions": shown})
