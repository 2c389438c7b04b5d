"""Whether quota still counts a pod, which decides when the room of a pod that goes comes back.

After QuotaV1Pod in pkg/quota/v1/evaluator/core/pods.go. The `used` of a quota's status has all this in it;
it serves to say by when the room of pods that are ending will be there.
"""

from __future__ import annotations

_ENDED = frozenset({"Succeeded", "Failed"})


def counts_against_quota(
    deletion_timestamp: float | None, grace_seconds: float | None, phase: str, now: float
) -> bool:
    """Return whether quota counts a pod but for `count/pods`, which counts it for as long as it exists.

    Times are in seconds since the epoch. A deletion timestamp has the grace period in it already, and
    Kubernetes waits for that once more: a pod that is stuck is counted for twice its grace period.
    """
    if phase in _ENDED:
        return False
    if deletion_timestamp is None or grace_seconds is None:
        return True
    return now <= deletion_timestamp + grace_seconds
