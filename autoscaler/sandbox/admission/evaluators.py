"""Who knows, for each resource, which names of a quota are about it and what an object takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from autoscaler.core import quantity
from autoscaler.sandbox.admission.claim_resources import (
    claim_usage,
    is_of_claims,
    is_of_services,
    service_usage,
)
from autoscaler.sandbox.admission.pod_resources import is_of_pods, pod_usage, unspecified
from autoscaler.sandbox.objects.amounts import Amounts
from autoscaler.sandbox.objects.kinds import KINDS
from autoscaler.sandbox.objects.values import JSON

_COUNTED_BY_PLURAL = ("configmaps", "replicationcontrollers", "resourcequotas", "secrets")
_NEVER_COUNTED = ("events",)


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What quotas need to know of one resource.

    `is_about` tells whether a name is about it, `usage` what an object takes at a time, `unspecified`
    what an object leaves open of the names given, "" where nothing.
    """

    is_about: Callable[[str], bool]
    usage: Callable[[JSON, datetime], Amounts]
    unspecified: Callable[[Iterable[str], JSON], str] = lambda _names, _obj: ""

    def matching(self, names: Iterable[str]) -> list[str]:
        """Return the names that are about this resource, sorted."""
        return sorted(filter(self.is_about, names))


def _counting(resource: str) -> Evaluator:
    names: Collection[str] = {f"count/{resource}"} | ({resource} & set(_COUNTED_BY_PLURAL))
    usage = dict.fromkeys(names, quantity.parse(1))
    return Evaluator(names.__contains__, lambda _obj, _now: usage)


EVALUATORS = {
    kind.resource: _counting(kind.resource)
    for kind in KINDS
    if kind.namespaced and kind.kept and not kind.stored_as and kind.resource not in _NEVER_COUNTED
} | {
    "persistentvolumeclaims": Evaluator(is_of_claims, claim_usage),
    "pods": Evaluator(is_of_pods, pod_usage, unspecified),
    "services": Evaluator(is_of_services, service_usage),
}
"""By resource; what is not here is not counted."""
