"""How objects go: at once, or marked first while a pod still stops or a finalizer still works."""

from __future__ import annotations

from datetime import datetime, timedelta

from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.pod_defaults import GRACE_SECONDS
from autoscaler.sandbox.objects.values import JSON, dig, stamp

_FINISHED = ("Succeeded", "Failed")


def grace_seconds_of(kind: Kind, obj: JSON, asked: int | None) -> int:
    """Return how long an object may take to stop: only a pod that runs on a node may take any time.

    `asked` is what the caller of the deletion wants, None where that is up to the pod.
    """
    started = dig(obj, "spec", "nodeName") and dig(obj, "status", "phase") not in _FINISHED
    if kind.resource != "pods" or not started:
        return 0
    if asked is not None:
        return asked
    own = dig(obj, "spec", "terminationGracePeriodSeconds")
    return GRACE_SECONDS if own is None else int(own)


def mark_deleted(meta: JSON, grace: int, now: datetime) -> None:
    """Note in place that an object is to go; asking again can only bring the end nearer."""
    if grace >= meta.get("deletionGracePeriodSeconds", grace + 1):
        return
    meta["deletionGracePeriodSeconds"] = grace
    meta["deletionTimestamp"] = stamp(now + timedelta(seconds=grace))
    if "generation" in meta:
        meta["generation"] += 1
