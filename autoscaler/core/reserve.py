"""What workers leave free of a quota, for whatever else draws on it.

Task pods of the KubernetesExecutor, or a deploy that needs a pod for its hook, find the quota full of
workers otherwise. A reserve lowers what workers see of a quota, and never what anybody has already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.core.quota import NamespaceLimits, Quota

EVERYTHING = ""
"""The resource of a reserve that holds for all resources that have no reserve of their own."""

_PERCENT = re.compile(r"(\d{1,2}(?:\.\d+)?|100)%", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reserve:
    """An amount of a resource, or a share of what its quota allows, that stays free.

    `resource` is named as quotas name it. Exactly one of `amount` and `share` is given; a share is
    between 0 and 1.
    """

    resource: str
    amount: Quantity | None = None
    share: Fraction | None = None

    def of(self, hard: Quantity) -> Quantity:
        """Return how much of what a quota allows stays free."""
        if self.amount is not None:
            return self.amount
        return Quantity(hard.amount * (self.share or 0), hard.notation)


def parse(text: str) -> Reserve:
    """Return a reserve from its words: `10%` of everything, `pods: 2` or `requests.cpu: 10%`.

    Raises ValueError.
    """
    resource, colon, amount = (part.strip() for part in text.rpartition(":"))
    if bool(colon) != bool(resource):
        raise ValueError(f"{text!r} names no resource")
    percent = _PERCENT.fullmatch(amount)
    if percent is not None:
        return Reserve(resource, share=Fraction(percent.group(1)) / 100)
    if not resource:
        raise ValueError(f"{text!r} is neither a share such as 10% nor names its resource")
    stays = quantity.parse(amount)
    if stays.amount < 0:
        raise ValueError(f"{text!r} is less than nothing")
    return Reserve(resource, amount=stays)


def without(limits: NamespaceLimits, reserves: Sequence[Reserve]) -> NamespaceLimits:
    """Return the limits as workers are to see them: with what stays free left out."""
    if not reserves:
        return limits
    by_resource = {reserve.resource: reserve for reserve in reserves}

    def lowered(quota: Quota) -> Quota:
        hard = dict(quota.hard)
        for resource, allowed in quota.hard.items():
            reserve = by_resource.get(resource, by_resource.get(EVERYTHING))
            if reserve is not None:
                hard[resource] = max(Quantity(notation=allowed.notation), allowed - reserve.of(allowed))
        return replace(quota, hard=hard)

    return replace(limits, quotas=tuple(map(lowered, limits.quotas)))
