"""What one more worker of a shape meets in a namespace: refusals that nothing changes, and needs.

A worker is let in as the API server does it: its missing claims first, then its pod, each filled in and
checked by every limit range and charged to every quota that counts it. None of that depends on what is in
use, so that it is worked out once for all workers that are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoscaler.core.quantity import Quantity
from autoscaler.core.quota.amounts import Amounts, add, raise_to
from autoscaler.core.quota.bounds import Bound, exceeded, unreadable_quota, unreadable_worker
from autoscaler.core.quota.limit_range import LimitRange, filled_in
from autoscaler.core.quota.names import counts_claims, counts_pods
from autoscaler.core.quota.quotas import Quota, usage_of_claim, usage_of_pod
from autoscaler.core.quota.range_rules import refusals_of_claim, refusals_of_pod
from autoscaler.core.quota.shape import ClaimTemplate, PodShape, WorkerShape, defaulted
from autoscaler.core.quota.validity import faults_of


@dataclass(frozen=True, slots=True)
class NamespaceLimits:
    """All that limits what may be made in a namespace, each of its own name."""

    quotas: tuple[Quota, ...] = ()
    limit_ranges: tuple[LimitRange, ...] = ()


Used = Mapping[tuple[str, str], Quantity]
"""What is in use, by quota and resource, where that is not what the quota says."""

Usage = dict[str, dict[str, Quantity]]
"""What is taken of each quota, by its name and resource."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one more worker adds to one resource of one quota."""

    quota: Quota
    resource: str
    amount: Quantity

    @property
    def hard(self) -> Quantity:
        """What the quota allows."""
        return self.quota.hard[self.resource]

    def used(self, used: Used) -> Quantity:
        """Return what is in use."""
        return used.get((self.quota.name, self.resource), self.quota.used[self.resource])

    def fits(self, used: Used) -> int:
        """Return how many times the amount fits into what is left."""
        hard, in_use, amount = self.hard.amount, self.used(used).amount, self.amount.amount
        left = hard.numerator * in_use.denominator - in_use.numerator * hard.denominator
        # one division of integers: fractions would be reduced at every step
        parts = left * amount.denominator // (hard.denominator * in_use.denominator * amount.numerator)
        return max(0, parts)

    def bound(self, used: Used) -> Bound:
        """Return the bound that the resource is."""
        return exceeded(self.quota.name, self.resource, self.hard, self.used(used), self.amount)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a worker that lacks certain claims meets: refusals whatever is in use, and needs."""

    refusals: tuple[Bound, ...]
    needs: tuple[Need, ...]

    def fits(self, used: Used) -> int | None:
        """Return how many such workers fit one after the other, None for any number."""
        if self.refusals:
            return 0
        return min((need.fits(used) for need in self.needs), default=None)

    def bounds(self, used: Used) -> tuple[Bound, ...]:
        """Return all that refuses one more such worker."""
        return (*self.refusals, *(need.bound(used) for need in self.needs if not need.fits(used)))

    def after(self, used: Used, workers: int) -> Used:
        """Return what is in use with so many such workers more."""
        taken = {
            (need.quota.name, need.resource): need.used(used) + need.amount * workers for need in self.needs
        }
        return {**used, **taken}


class Ledger:
    """What workers of one shape meet in a namespace, by the claims that they lack."""

    def __init__(self, limits: NamespaceLimits, shape: WorkerShape) -> None:
        self._quotas = sorted(limits.quotas, key=lambda quota: quota.name)
        self._ranges = sorted(limits.limit_ranges, key=lambda limit_range: limit_range.name)
        self._claims = shape.claims
        unreadable = shape.unreadable if limits.quotas or limits.limit_ranges else ()
        self._refusals = [unreadable_worker(amount) for amount in unreadable]
        self._usage: Usage = {}
        for pod in filled_in(defaulted(shape.pod), self._ranges):
            self._meet(pod)

    def cost(self, missing: frozenset[str]) -> Cost:
        """Return what a worker meets that lacks the claims of these templates."""
        refusals: list[Bound] = []
        total: Usage = {}
        for claim in self._claims:
            if claim.name in missing:
                refusals += self._met_by(claim, total)
        refusals += self._refusals
        for name, usage in self._usage.items():
            add(total.setdefault(name, {}), usage)
        needs: list[Need] = []
        for quota in self._quotas:
            for resource, amount in sorted(total.get(quota.name, {}).items()):
                if resource in quota.unreadable:
                    refusals.append(unreadable_quota(quota.name, resource, quota.unreadable[resource]))
                elif resource in quota.used:
                    needs.append(Need(quota, resource, amount))
        return Cost(tuple(dict.fromkeys(refusals)), tuple(needs))

    def _meet(self, pod: PodShape) -> None:
        """Take note of what a pod meets; of the forms that it may take, the one that meets the most."""
        self._refusals += faults_of(pod)
        for limit_range in self._ranges:
            self._refusals += refusals_of_pod(pod, limit_range)
        usage = usage_of_pod(pod)
        for quota in self._quotas:
            if quota.counts_pod(pod):
                self._refusals += (*quota.unspecified(pod), *quota.uncounted(counts_pods))
                raise_to(self._usage.setdefault(quota.name, {}), _limited(quota, usage))

    def _met_by(self, claim: ClaimTemplate, total: Usage) -> Iterator[Bound]:
        """Return what refuses a claim, and add to the total what it takes."""
        for limit_range in self._ranges:
            yield from refusals_of_claim(claim, limit_range)
        for quota in self._quotas:
            if quota.counts_claim(claim):
                yield from quota.uncounted(counts_claims)
                add(total.setdefault(quota.name, {}), _limited(quota, usage_of_claim(claim, quota)))


def _limited(quota: Quota, usage: Amounts) -> Amounts:
    """Return the part of a usage that a quota limits: taking nothing of a resource is always allowed."""
    return {
        resource: amount
        for resource, amount in usage.items()
        if amount.amount and (resource in quota.hard or resource in quota.unreadable)
    }
