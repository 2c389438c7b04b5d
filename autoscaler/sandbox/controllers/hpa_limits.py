"""How fast a HorizontalPodAutoscaler may go where its metrics point: windows, rates, and its bounds.

Without a behavior the controller's own rules hold (normalizeDesiredReplicas in horizontal.go), with one
those of the behavior (normalizeDesiredReplicasWithBehaviors). What was asked for and what was done
lately is a `Memory`, in monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import ceil

from autoscaler.sandbox.objects.values import JSON

_LONGEST_WINDOW_SECONDS = 3600.0
_FACTOR, _LEAST = 2, 4
_READY = ("ReadyForNewScale", "recommended size matches current size")
_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_UP_LIMIT = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_LIMIT = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
)
_DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)

Words = tuple[str, str]
"""The reason and the message of a condition."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A number of replicas, and when it was asked for or by how many there were more or fewer."""

    at: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the metrics of an autoscaler have asked for, and by how many it has scaled up and down."""

    asked: tuple[Mark, ...] = ()
    ups: tuple[Mark, ...] = ()
    downs: tuple[Mark, ...] = ()

    def seeded(self, now: float, current: int) -> Memory:
        """Return it with the current replicas as the first that was asked for."""
        return self if self.asked else replace(self, asked=(Mark(now, current),))

    def remember(self, now: float, desired: int) -> Memory:
        """Return it with one more number that was asked for."""
        return replace(self, asked=(*_recent(self.asked, now), Mark(now, desired)))

    def scaled(self, now: float, before: int, after: int) -> Memory:
        """Return it with one more change of the replicas."""
        mark = Mark(now, abs(after - before))
        if after > before:
            return replace(self, ups=(*_recent(self.ups, now), mark))
        return replace(self, downs=(*_recent(self.downs, now), mark))

    def change_within(self, now: float, seconds: float) -> int:
        """Return by how many there are more replicas than so many seconds ago."""
        return _sum_since(self.ups, now - seconds) - _sum_since(self.downs, now - seconds)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the metrics ask for, beside what there is and what may be."""

    current: int
    desired: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The replicas to ask for, and what two conditions say of it; `limited` tells whether that bound."""

    replicas: int
    able: Words
    limited: bool
    limit: Words = field(default=_WITHIN)


def settled(
    wish: Wish, memory: Memory, now: float, behavior: JSON | None, stabilization_seconds: float
) -> Verdict:
    """Return what comes of a wish; a behavior that leaves the window for lowering open has the last one."""
    if behavior is None:
        return _settled_plainly(wish, memory, now - stabilization_seconds)
    down = {"stabilizationWindowSeconds": stabilization_seconds} | behavior["scaleDown"]
    steady = _steady(wish, memory, now, behavior["scaleUp"], down)
    words = _UP_STABILIZED if wish.desired >= wish.current else _DOWN_STABILIZED
    able = words if steady != wish.desired else _READY
    wish = replace(wish, desired=steady)
    if steady > wish.current:
        limit = max(wish.current, _up_limit(wish.current, memory, now, behavior["scaleUp"]))
        most, why = (limit, _UP_LIMIT) if wish.most > limit else (wish.most, _TOO_MANY)
        return _verdict(steady, min(steady, most), able, why)
    if steady < wish.current:
        limit = min(wish.current, _down_limit(wish.current, memory, now, down))
        least, why = (limit, _DOWN_LIMIT) if wish.least < limit else (wish.least, _TOO_FEW)
        return _verdict(steady, max(steady, least), able, why)
    return _verdict(steady, steady, able, _WITHIN)


def _settled_plainly(wish: Wish, memory: Memory, since: float) -> Verdict:
    steady = max([wish.desired, *(mark.replicas for mark in memory.asked if mark.at >= since)])
    able = _READY if steady == wish.desired else _DOWN_STABILIZED
    limit = max(_FACTOR * wish.current, _LEAST)
    most, why = (limit, _UP_LIMIT) if wish.most > limit else (wish.most, _TOO_MANY)
    if steady < wish.least:
        return _verdict(steady, wish.least, able, _TOO_FEW)
    return _verdict(steady, min(steady, most), able, why)


def _verdict(steady: int, replicas: int, able: Words, why: Words) -> Verdict:
    if replicas == steady:
        return Verdict(replicas, able, limited=False)
    return Verdict(replicas, able, limited=True, limit=why)


def _steady(wish: Wish, memory: Memory, now: float, up: JSON, down: JSON) -> int:
    """Return the wish after the windows: no more than the least, no fewer than the most lately asked for."""
    up_since, down_since = (now - rules["stabilizationWindowSeconds"] for rules in (up, down))
    least = min([wish.desired, *(mark.replicas for mark in memory.asked if mark.at > up_since)])
    most = max([wish.desired, *(mark.replicas for mark in memory.asked if mark.at > down_since)])
    return min(max(wish.current, least), most)


def _up_limit(current: int, memory: Memory, now: float, rules: JSON) -> int:
    def proposal(policy: JSON, before: int) -> int:
        if policy["type"] == "Pods":
            return before + int(policy["value"])
        return ceil(before * (1 + int(policy["value"]) / 100))

    return _limit(current, memory, now, rules, proposal, max if rules["selectPolicy"] == "Max" else min)


def _down_limit(current: int, memory: Memory, now: float, rules: JSON) -> int:
    def proposal(policy: JSON, before: int) -> int:
        if policy["type"] == "Pods":
            return before - int(policy["value"])
        return int(before * (1 - policy["value"] / 100))

    return _limit(current, memory, now, rules, proposal, min if rules["selectPolicy"] == "Max" else max)


def _limit(
    current: int,
    memory: Memory,
    now: float,
    rules: JSON,
    proposal: Callable[[JSON, int], int],
    select: Callable[[Iterable[int]], int],
) -> int:
    """Return how far the policies let go, counted from the replicas at the beginning of each's period."""
    if rules["selectPolicy"] == "Disabled":
        return current
    return select(
        proposal(policy, current - memory.change_within(now, policy["periodSeconds"]))
        for policy in rules["policies"]
    )


def _recent(marks: tuple[Mark, ...], now: float) -> tuple[Mark, ...]:
    return tuple(mark for mark in marks if mark.at >= now - _LONGEST_WINDOW_SECONDS)


def _sum_since(marks: tuple[Mark, ...], since: float) -> int:
    return sum(mark.replicas for mark in marks if mark.at > since)
