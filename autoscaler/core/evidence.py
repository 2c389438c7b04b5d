"""What is missing to be certain that nobody is at work.

Silence is not idleness: a worker that shuts down, a busy solo pool and a worker whose broker connection
is gone do not answer, and each may be running a task. So one that was heard once has to say that it is
idle. Of one that has been up for a while and was never heard nothing can be expected, and it does not
speak against it. Nobody is removed on that: a worker goes when its `standing` is proven, and what is said
here decides only where workers are not asked at all, and how long a hint may hold the last of them.
"""

from __future__ import annotations

from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import WorkerPod
from autoscaler.core.policy import Policy
from autoscaler.core.snapshot import Snapshot

NAMED = 3
HEARD_WITHIN_SECONDS = 10.0
"""The time in which a worker that is up is heard: its heartbeats come every 2 s, as do our questions."""


def missing_evidence(snapshot: Snapshot, policy: Policy) -> tuple[str, ...]:
    """Return what speaks against certainty that no task is with a worker, nothing if all is proven.

    A pod that is not Ready has no worker that could tell. Without remote control the broker's word
    alone counts.
    """
    missing: list[str] = []
    account = snapshot.broker.value
    if account is not None and not account.delivered.is_fresh:
        missing.append(f"what workers hold is {account.delivered.quality} ({account.delivered.detail})")
    if policy.remote_control:
        crew, unheard = dict(snapshot.crew), unheard_of(snapshot)
        silent = [
            pod.name for pod in _ready(snapshot) if pod.name not in unheard and not _idle(crew.get(pod.name))
        ]
        if silent:
            more = f" and {len(silent) - NAMED} more" if len(silent) > NAMED else ""
            why = f" ({snapshot.crew_detail})" if snapshot.crew_detail else ""
            missing.append(f"no word of being idle from {', '.join(silent[:NAMED])}{more}{why}")
    return tuple(missing)


def unheard_of(snapshot: Snapshot) -> frozenset[str]:
    """Return the Ready pods whose workers have had the time to be heard, and never were."""
    heard = {pod for pod, _ in snapshot.crew}
    return frozenset(
        pod.name
        for pod in _ready(snapshot)
        if pod.name not in heard
        and pod.started_at is not None
        and snapshot.now - pod.started_at > HEARD_WITHIN_SECONDS
    )


def _ready(snapshot: Snapshot) -> list[WorkerPod]:
    return [pod for pod in snapshot.workers.pods if pod.ready and not pod.terminating]


def _idle(account: WorkerAccount | None) -> bool:
    return account is not None and account.is_fresh and account.active == 0 and account.reserved == 0
