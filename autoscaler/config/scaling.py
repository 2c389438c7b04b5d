"""How fast, how far and how gently a target is scaled."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.config.setting import setting
from autoscaler.core.policy import (
    AtDeadline,
    DrainRules,
    FallbackMode,
    RatePolicy,
    RateUnit,
    ScalingRules,
    SelectPolicy,
)


@dataclass(frozen=True, slots=True)
class RateSettings:
    """One rate policy of a direction."""

    type: str = setting(
        "what value counts: Pods, or Percent of the replicas",
        choices=tuple(unit.value for unit in RateUnit),
    )
    value: int = setting("the most change within the period", at_least=1)
    period_seconds: float = setting("the period", at_least=1, at_most=1800, aliases=("periodSeconds",))

    def rate(self) -> RatePolicy:
        """Return the policy in the core's terms."""
        return RatePolicy(RateUnit(self.type), self.value, self.period_seconds)


@dataclass(frozen=True, slots=True)
class DirectionSettings:
    """What the two directions have in common."""

    stabilization_window_seconds: float = setting(
        "grow only to the least that was asked for during this time",
        0.0,
        at_least=0,
        at_most=3600,
        aliases=("stabilizationWindowSeconds",),
    )
    tolerance: float | None = setting(
        "tolerance of this direction, in place of the target's",
        None,
        at_least=0,
        at_most=1,
        example="0.1",
    )
    select_policy: str = setting(
        "which of several policies holds; Disabled forbids this direction",
        SelectPolicy.MAX.value,
        choices=tuple(choice.value for choice in SelectPolicy),
        aliases=("selectPolicy",),
    )
    policies: tuple[RateSettings, ...] = setting(
        "rate limits; without any, all of a change is asked for in one patch",
        (),
        example='[{ type = "Pods", value = 10, period_seconds = 60 }]',
    )

    def rules(self, tolerance: float) -> ScalingRules:
        """Return the rules in the core's terms, `tolerance` being the target's."""
        return ScalingRules(
            stabilization_window_seconds=self.stabilization_window_seconds,
            tolerance=tolerance if self.tolerance is None else self.tolerance,
            select_policy=SelectPolicy(self.select_policy),
            policies=tuple(policy.rate() for policy in self.policies),
        )


@dataclass(frozen=True, slots=True)
class ScaleUpSettings(DirectionSettings):
    """How fast a target may grow."""


@dataclass(frozen=True, slots=True)
class ScaleDownSettings(DirectionSettings):
    """How soon and how fast a target may shrink."""

    stabilization_window_seconds: float = setting(
        "shrink only to the most that was asked for during this time",
        60.0,
        at_least=0,
        at_most=3600,
        aliases=("stabilizationWindowSeconds",),
        outer_aliases=("cooldownPeriod",),
    )


@dataclass(frozen=True, slots=True)
class DrainSettings:
    """How workers are taken out of service before they are removed."""

    settle_seconds: float = setting(
        "how long after it was confirmed that a worker takes no tasks this counts; on Redis the worker's "
        "brpop_timeout and a second",
        2.0,
        at_least=0,
        at_most=300,
    )
    deadline_seconds: float = setting(
        "how long a worker that is to go may take to be idle", 3600.0, at_least=0, at_most=604800
    )
    at_deadline: str = setting(
        "what then: wait on, or lower the replicas and leave its tasks to the pod's grace period",
        AtDeadline.WAIT.value,
        choices=tuple(choice.value for choice in AtDeadline),
    )
    return_reserved: bool = setting(
        "do not wait for tasks that a worker has reserved: when it ends it gives them back to the queue, but "
        "for one that it begins at that very moment, which is left to the grace period",
        False,
    )
    placement: bool = setting(
        "keep tasks on low ordinals: high ones that are not needed take no new tasks",
        True,
    )
    placement_after_seconds: float = setting(
        "how long they must not have been needed for that", 10.0, at_least=0, at_most=3600
    )

    def rules(self) -> DrainRules:
        """Return the rules in the core's terms."""
        return DrainRules(
            settle_seconds=self.settle_seconds,
            deadline_seconds=self.deadline_seconds,
            at_deadline=AtDeadline(self.at_deadline),
            return_reserved=self.return_reserved,
            placement=self.placement,
            placement_after_seconds=self.placement_after_seconds,
        )


@dataclass(frozen=True, slots=True)
class FallbackSettings:
    """What to do while a target's demand is unknown for long."""

    mode: str = setting(
        "hold what is there, hold it but at_least so many, or go to a static number",
        FallbackMode.HOLD.value,
        choices=tuple(mode.value for mode in FallbackMode),
    )
    replicas: int = setting("that number, within min_replicas and max_replicas", 0, at_least=0)
    after_seconds: float = setting(
        "how long the demand has to be unknown before", 120.0, at_least=0, at_most=86400
    )
