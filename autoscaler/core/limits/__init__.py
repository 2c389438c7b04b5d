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
from autoscaler.core.limits.hpa import hpa
from autoscaler.core.limits.overrides import excluded, paused, paused_replicas, scale_in_paused
from autoscaler.core.limits.resources import db_connections, quota
from autoscaler.core.limits.rollouts import rollout
from autoscaler.core.limits.starting import cannot_start, pod_order, stand_ins
from autoscaler.core.limits.view import Limit
from autoscaler.core.limits.writers import contention, manual

LIMITS: tuple[Limit, ...] = (
    withheld,
    stand_ins,
    tolerance,
    stabilization,
    scale_up_rate,
    scale_down_rate,
    cannot_start,
    paused_replicas,
    min_replicas,
    max_replicas,
    db_connections,
    certainty,
    last_worker,
    fallback,
    manual,
    hpa,
    rollout,
    contention,
    scale_in_paused,
    paused,
    excluded,
    quota,
    pod_order,
    closing,
)
