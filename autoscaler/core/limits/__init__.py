"""The limits between what the demand asks for and what is done.

Each limit is a small function that returns a step where it binds and None where it does not. Their
order in `LIMITS` is the policy.
"""

from __future__ import annotations

from autoscaler.core.limits.behavior import (
    max_replicas,
    min_replicas,
    scale_down_rate,
    scale_up_rate,
    stabilization,
    tolerance,
)
from autoscaler.core.limits.caution import certainty, closing, fallback, last_worker, withheld
from autoscaler.core.limits.rollouts import rollout
from autoscaler.core.limits.starting import cannot_start, pod_order, stand_ins
from autoscaler.core.limits.view import Limit

LIMITS: tuple[Limit, ...] = (
    withheld,
    stand_ins,
    tolerance,
    stabilization,
    scale_up_rate,
    scale_down_rate,
    cannot_start,
    min_replicas,
    max_replicas,
    certainty,
    rollout,
    last_worker,
    fallback,
    pod_order,
    closing,
)
