"""How one target may be sized, resolved once into a flat value.

The words and their meaning are those of the HorizontalPodAutoscaler's `behavior`
(https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/),
so that whoever has tuned an HPA can tune this.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RateUnit(StrEnum):
    """What the value of a rate policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class SelectPolicy(StrEnum):
    """Which of several rate policies holds: the one allowing the most, the least, or no change."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """At most `value` pods, or percent of the replicas, of change within `period_seconds`."""

    unit: RateUnit
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """The rules for one direction.

    `tolerance` is the share by which demand may differ from capacity before anything changes.
    Without `policies` the rate is not limited.
    """

    stabilization_window_seconds: float
    tolerance: float
    select_policy: SelectPolicy = SelectPolicy.MAX
    policies: tuple[RatePolicy, ...] = ()

    @property
    def longest_period_seconds(self) -> float:
        """The longest time that any of the rate policies looks back."""
        return max((policy.period_seconds for policy in self.policies), default=0.0)


class FallbackMode(StrEnum):
    """What to do while the demand is unknown for long."""

    HOLD = "hold"
    AT_LEAST = "at_least"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class Fallback:
    """What to do once the demand has been unknown for `after_seconds`.

    hold keeps what is there; at_least keeps that too, but no fewer than `replicas`; static goes to
    `replicas`, which is the one way for a fleet to shrink on an unknown demand, and so is asked for.
    """

    mode: FallbackMode = FallbackMode.HOLD
    replicas: int = 0
    after_seconds: float = 120.0


class AtDeadline(StrEnum):
    """What to do with a worker that is not proven idle at the deadline of its drain."""

    WAIT = "wait"
    LOWER = "lower"


class HpaMode(StrEnum):
    """Who rules a target that a HorizontalPodAutoscaler scales as well.

    activate: it does, but for going to zero and coming from it; floor: it does, between a minimum that we
    move and its own maximum; own: we do, and it fights; observe: it does, and we only say what we would.
    """

    ACTIVATE = "activate"
    FLOOR = "floor"
    OWN = "own"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class DrainRules:
    """How workers are taken out of service before they are removed.

    A cordon counts `settle_seconds` after it was confirmed: on Redis a delivery that was asked for
    before is still to be handed back. A worker that is not proven idle `deadline_seconds` after it was
    first meant to go is waited for, or left to its pod's grace period. With `return_reserved` tasks
    that a worker has reserved and not begun do not keep it: it gives them back when it is ended. With
    `placement` high ordinals that the demand has not needed for `placement_after_seconds` take no new
    tasks.
    """

    settle_seconds: float = 2.0
    deadline_seconds: float = 3600.0
    at_deadline: AtDeadline = AtDeadline.WAIT
    return_reserved: bool = False
    placement: bool = True
    placement_after_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decides about one target, defaults filled in.

    A gap of more than `observation_gap_seconds` between two looks at a target counts as not having
    looked: a quiet window does not run on through it. `startup_seconds` is the time from asking for a
    worker to its first task. Tasks left behind by dead workers can be given back once they have been
    unacknowledged for `visibility_timeout_seconds`. A hint that nothing else confirms keeps one worker
    for at most `hint_veto_seconds`. Without `remote_control` workers are not asked what they do. The
    replicas that a person has asked for are kept for `manual_grace_seconds`. All workers together may hold
    `max_db_connections`, `db_connections_per_worker` each. A rollout holds scale-in for at most
    `rollout_hold_seconds`. A worker that has not started within `start_timeout_seconds` does not count as
    one that will.
    """

    min_replicas: int
    max_replicas: int
    scale_up: ScalingRules
    scale_down: ScalingRules
    observation_gap_seconds: float = 30.0
    startup_seconds: float = 60.0
    visibility_timeout_seconds: float = 3600.0
    hint_veto_seconds: float = 900.0
    remote_control: bool = True
    manual_grace_seconds: float = 600.0
    rollout_hold_seconds: float = 900.0
    start_timeout_seconds: float = 300.0
    fallback: Fallback = Fallback()
    drain: DrainRules = DrainRules()
    hpa: HpaMode = HpaMode.ACTIVATE
    max_db_connections: int | None = None
    db_connections_per_worker: int = 1

    @property
    def most_workers(self) -> int:
        """The most that are called up: as many as are allowed and have connections to the database."""
        if self.max_db_connections is None:
            return self.max_replicas
        return min(self.max_replicas, self.max_db_connections // self.db_connections_per_worker)

    @property
    def horizon_seconds(self) -> float:
        """How far back any rule looks."""
        return max(
            self.scale_up.stabilization_window_seconds,
            self.scale_down.stabilization_window_seconds,
            self.scale_up.longest_period_seconds,
            self.scale_down.longest_period_seconds,
            self.drain.placement_after_seconds if self.drain.placement else 0.0,
        )
