"""Which PodDisruptionBudgets cover the pods of a worker set.

The right to read them is not among those that the daemon asks for: without it they are not known.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import Listing, Meta, Struct
from autoscaler.core.habits import Budget
from autoscaler.core.model import Reading, fresh, unknown

SOURCE = "policy/v1"


class Requirement(Struct, frozen=True):
    """One expression of a selector: `In`, `NotIn`, `Exists` or `DoesNotExist`."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = ()


class Selector(Struct, frozen=True):
    """Which pods are meant: those that all of it holds for, all pods where it is empty."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] | None = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether pods with these labels are meant."""
        equal = all(labels.get(key) == value for key, value in (self.match_labels or {}).items())
        return equal and all(_holds(one, labels) for one in self.match_expressions or ())


class BudgetSpec(Struct, frozen=True):
    """What a budget demands."""

    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: Selector | None = None


class BudgetStatus(Struct, frozen=True):
    """What a budget allows at present."""

    disruptions_allowed: int | None = None


class DisruptionBudget(Struct, frozen=True):
    """A PodDisruptionBudget."""

    metadata: Meta
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()

    @property
    def seen(self) -> Budget:
        """The budget in the core's terms."""
        spec, rules = self.spec, []
        if spec.min_available is not None:
            rules.append(f"minAvailable {spec.min_available}")
        if spec.max_unavailable is not None:
            rules.append(f"maxUnavailable {spec.max_unavailable}")
        rule = ", ".join(rules) or "without a number"
        return Budget(self.metadata.name, rule, self.status.disruptions_allowed)


def covering(api: Api, namespace: str, labels: Mapping[str, str]) -> Reading[tuple[Budget, ...]]:
    """Return the budgets of a namespace that cover pods with these labels."""
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    try:
        found = api.get(path, Listing[DisruptionBudget])
    except ApiError as error:
        return unknown(SOURCE, f"they cannot be read: {error.message}")
    covers = [one for one in found.items or () if one.spec.selector and one.spec.selector.matches(labels)]
    return fresh(tuple(one.seen for one in covers), SOURCE)


def _holds(one: Requirement, labels: Mapping[str, str]) -> bool:
    """Return whether an expression holds; one of an operator that is not known does not."""
    within = labels.get(one.key) in (one.values or ())
    holds = {
        "In": within,
        "NotIn": not within,
        "Exists": one.key in labels,
        "DoesNotExist": one.key not in labels,
    }
    return holds.get(one.operator, False)
