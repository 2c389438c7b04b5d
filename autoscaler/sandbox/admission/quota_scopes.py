"""Which pods a quota with scopes counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autoscaler.sandbox.objects.pod_defaults import containers_of
from autoscaler.sandbox.objects.values import JSON, dig


def counts_pod(quota: JSON, pod: JSON) -> bool:
    """Return whether all the scopes of a quota hold for a pod; without scopes every pod counts."""
    spec = quota["spec"]
    if not all(_HOLDS.get(scope, _always)(pod) for scope in spec.get("scopes") or []):
        return False
    expressions = dig(spec, "scopeSelector", "matchExpressions") or []
    return all(_expression_holds(expression, pod) for expression in expressions)


def is_scoped(quota: JSON) -> bool:
    """Return whether a quota counts some pods only, and nothing but pods."""
    return bool(quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"))


def _expression_holds(expression: JSON, pod: JSON) -> bool:
    operator, values = expression.get("operator"), expression.get("values") or []
    if expression.get("scopeName") != "PriorityClass":
        return _HOLDS.get(expression.get("scopeName", ""), _always)(pod)
    priority = pod["spec"].get("priorityClassName", "")
    return {
        "In": priority in values,
        "NotIn": priority not in values,
        "Exists": bool(priority),
        "DoesNotExist": not priority,
    }.get(str(operator), False)


def _best_effort(pod: JSON) -> bool:
    every = [container.get("resources", {}) for container in containers_of(pod["spec"])]
    return not any(resources.get("requests") or resources.get("limits") for resources in every)


def _terminating(pod: JSON) -> bool:
    return pod["spec"].get("activeDeadlineSeconds") is not None


def _always(_pod: JSON) -> bool:
    return True


_HOLDS: Mapping[str, Callable[[JSON], bool]] = {
    "BestEffort": _best_effort,
    "NotBestEffort": lambda pod: not _best_effort(pod),
    "NotTerminating": lambda pod: not _terminating(pod),
    "PriorityClass": lambda pod: bool(pod["spec"].get("priorityClassName")),
    "Terminating": _terminating,
}
