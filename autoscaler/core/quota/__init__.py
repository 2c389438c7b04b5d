"""How many more workers a namespace can admit, exactly as the API server will.

A pod that is asked for and refused costs more than one that is not asked for: a StatefulSet scaled past its
quota tries for minutes, and its controller backs off for longer than the quota is full. So the daemon works
out beforehand what admission will say, from the quotas' own status, the limit ranges and the pod template.

    room(limits, shape).pods        how many more fit, None for any number
    room(limits, shape).bounds      what keeps the next one out
    charge(limits, shape, missing)  the limits with one worker more, or a `Refusal`
    excess(limits, shape)           how many would have to go where a quota was lowered

Not known from a template, and to be said by the caller in the shape: a RuntimeClass's overhead, the
cluster's default PriorityClass, its default StorageClass. Not looked at: webhooks, admission configured to
require quotas (limitedResources), and the claims of generic ephemeral volumes, which are made after the pod
was admitted.
"""

from autoscaler.core.quota.bounds import Bound, BoundKind, Refusal
from autoscaler.core.quota.counted import counts_against_quota
from autoscaler.core.quota.ledger import NamespaceLimits
from autoscaler.core.quota.limit_range import LimitRange, LimitRangeItem
from autoscaler.core.quota.quotas import Quota, Scope
from autoscaler.core.quota.room import Excess, Room, charge, excess, room
from autoscaler.core.quota.shape import ClaimTemplate, Container, PodShape, Requirements, WorkerShape

__all__ = [
    "Bound",
    "BoundKind",
    "ClaimTemplate",
    "Container",
    "Excess",
    "LimitRange",
    "LimitRangeItem",
    "NamespaceLimits",
    "PodShape",
    "Quota",
    "Refusal",
    "Requirements",
    "Room",
    "Scope",
    "WorkerShape",
    "charge",
    "counts_against_quota",
    "excess",
    "room",
]
