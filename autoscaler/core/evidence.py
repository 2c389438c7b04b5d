"""What is missing to be certain that nobody is at work.

Silence is not idleness: a worker that shuts down, a busy solo pool and a worker whose broker connection
is gone do not answer, and each may be running a task.
"""

from __future__ import annotations

from autoscaler.core.account import WorkerAccount
from autoscaler.core.policy import Policy
from autoscaler.core.snapshot import Snapshot

NAMED = 3


def missing_evidence(snapshot: Snapshot, policy: Policy) -> tuple[str, ...]:
    """Return what speaks against certainty that no task is with a worker, nothing if all is proven.

    A pod that is not Ready and never was has no worker that could tell; a Ready one has to say that it
    is idle. Without remote control the broker's word alone counts: with early acknowledgement running
    tasks then rely on the grace period.
    """
    missing: list[str] = []
    account = snapshot.broker.value
    if account is not None and not account.delivered.is_fresh:
        missing.append(f"what workers hold is {account.delivered.quality} ({account.delivered.detail})")
    if policy.remote_control:
        crew = dict(snapshot.crew)
        silent = [
            pod.name
            for pod in snapshot.workers.pods
            if pod.ready and not pod.terminating and not _idle(crew.get(pod.name))
        ]
        if silent:
            more = f" and {len(silent) - NAMED} more" if len(silent) > NAMED else ""
            missing.append(f"no word of being idle from {', '.join(silent[:NAMED])}{more}")
    return tuple(missing)


def _idle(account: WorkerAccount | None) -> bool:
    return account is not None and account.is_fresh and account.active == 0 and account.reserved == 0
