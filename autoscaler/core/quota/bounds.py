"""What keeps one more worker out, and the sentence for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autoscaler.core.quantity import Quantity


class BoundKind(StrEnum):
    """Why a worker is not admitted. All but the first hold whatever is in use."""

    QUOTA = "quota"
    STATUS_UNKNOWN = "status unknown"
    MUST_SPECIFY = "must specify"
    LIMIT_RANGE = "limit range"
    INVALID = "invalid"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Bound:
    """One reason why a worker is not admitted.

    `name` is that of the quota or limit range, empty where the template itself is at fault. Amounts are None
    where the reason has none: `hard` is what is allowed, `used` what quota counts already, `requested` what
    the worker would add, or has. `rule` is the sentence where amounts do not say it all.
    """

    kind: BoundKind
    name: str
    resource: str
    rule: str = ""
    hard: Quantity | None = None
    used: Quantity | None = None
    requested: Quantity | None = None

    @property
    def text(self) -> str:
        """The reason in a few words, such as `quota team-a, requests.cpu 10 of 10 used`."""
        if self.rule or self.hard is None or self.used is None:
            return self.rule
        text = f"quota {self.name}, {self.resource} {self.used} of {self.hard} used"
        return text if self.used >= self.hard else f"{text}, {self.requested} more wanted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a worker is not admitted: every reason, always in the same order.

    What refuses it whatever is in use comes first, its claims before its pod; then the quotas that are
    full, by their names and those of the resources.
    """

    bounds: tuple[Bound, ...]

    @property
    def bound(self) -> Bound:
        """The first reason."""
        return self.bounds[0]


def exceeded(name: str, resource: str, hard: Quantity, used: Quantity, requested: Quantity) -> Bound:
    """Return the bound of a quota that has no room for what is requested."""
    return Bound(BoundKind.QUOTA, name, resource, "", hard, used, requested)


def status_unknown(name: str, resource: str) -> Bound:
    """Return the bound of a quota whose use has not been counted yet."""
    text = f"quota {name}, the use of {resource} is not counted yet"
    return Bound(BoundKind.STATUS_UNKNOWN, name, resource, text)


def must_specify(name: str, resource: str, containers: list[str]) -> Bound:
    """Return the bound of a quota that wants each container to say how much of a resource it takes."""
    text = f"quota {name}, must specify {resource} for: {','.join(containers)}"
    return Bound(BoundKind.MUST_SPECIFY, name, resource, text)


def unreadable_quota(name: str, resource: str, amount: str) -> Bound:
    """Return the bound of a quota with an amount that cannot be read, which allows nothing."""
    text = f"quota {name}, {resource} {amount!r} cannot be read: taken as no room"
    return Bound(BoundKind.UNREADABLE, name, resource, text)


def unreadable_range(name: str, amount: str) -> Bound:
    """Return the bound of a limit range with an amount that cannot be read, which allows nothing."""
    text = f"limit range {name}, {amount} cannot be read: taken as no room"
    return Bound(BoundKind.UNREADABLE, name, "", text)


def unreadable_worker(amount: str) -> Bound:
    """Return the bound of a template with an amount that cannot be read, which fits nowhere."""
    return Bound(BoundKind.UNREADABLE, "", "", f"the template's {amount} cannot be read: taken as no room")


def invalid(resource: str, text: str, hard: Quantity | None, requested: Quantity) -> Bound:
    """Return the bound of a pod that is not valid once all defaults are filled in."""
    return Bound(BoundKind.INVALID, "", resource, f"the pod is not valid: {text}", hard, None, requested)
