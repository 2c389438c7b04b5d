"""Whether a rollout replaces a target's workers, how far it has come, and since when it has been going on.

A rollout ends workers by itself, whatever they run, each within its grace period. It is in progress only
while there is something left to do for the cluster: a StatefulSet with OnDelete replaces nothing though its
revisions differ for good, and one with a partition has finished once the pods above that are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import Notice, Rollout, WorkerPod, WorkerSet
from autoscaler.core.snapshot import Snapshot

NAMED = 3
"""How many pods a sentence names."""


@dataclass(frozen=True, slots=True)
class Revisions:
    """Of a StatefulSet: the names of the templates that its pods come from and go to.

    Pods from the place `partition` on are replaced, None where none is (OnDelete).
    """

    current: str
    update: str
    partition: int | None = 0


def rollout_of_set(
    revisions: Revisions, replicas: int, pods: Sequence[WorkerPod], name: str, first_ordinal: int = 0
) -> Rollout | None:
    """Return the rollout of a StatefulSet of some name, None where nothing is replaced."""
    if revisions.partition is None or revisions.current in {"", revisions.update}:
        return None
    there = {pod.place: pod for pod in pods}
    rolled = range(min(revisions.partition, replicas), replicas)
    waits_for, old, updated = [], [], 0
    for place in reversed(rolled):
        pod = there.get(place)
        if pod is not None and pod.revision != revisions.update:
            old.append(pod.name)
        else:
            updated += pod is not None and not pod.terminating
        lacking = _lacking(pod, revisions.update)
        waits_for += [f"{name}-{first_ordinal + place} {lacking}"] if lacking else []
    return Rollout(revisions.update, len(rolled), updated, tuple(waits_for), len(old), tuple(old))


def _lacking(pod: WorkerPod | None, revision: str) -> str:
    """Return what a pod lacks to have been rolled out, empty where it lacks nothing."""
    if pod is None:
        return "missing"
    if pod.terminating:
        return "ending"
    if pod.revision != revision:
        return "not updated"
    return "" if pod.ready else "not Ready"


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a Deployment: what its controller has counted.

    `seen` says that this was after the last change, `complete` that the rollout of its last template has
    come to an end since, whatever became of its pods later.
    """

    revision: str
    seen: bool
    complete: bool
    wanted: int
    replicas: int
    updated: int
    unavailable: int
    paused: bool = False


def rollout_of_deployment(told: Progress) -> Rollout | None:
    """Return a Deployment's rollout, None where nothing is replaced: while it is paused nothing is."""
    if told.paused:
        return None
    old, missing = told.replicas - told.updated, told.wanted - told.updated
    clauses = (
        (not told.seen, "its controller has not seen the last change yet"),
        (old > 0, f"{old} old ones still there"),
        (missing > 0 and not told.complete, f"{missing} missing"),
        (told.unavailable > 0 and not told.complete, f"{told.unavailable} unavailable"),
    )
    waits_for = tuple(clause for holds, clause in clauses if holds)
    return Rollout(told.revision, told.wanted, told.updated, waits_for, max(0, old)) if waits_for else None


def progress(rollout: Rollout) -> str:
    """Return how far it has come, for people."""
    clauses = [f"{rollout.updated} of {rollout.total} updated", *rollout.waits_for[:NAMED]]
    if len(rollout.waits_for) > NAMED:
        clauses.append(f"{len(rollout.waits_for) - NAMED} more to come")
    return ", ".join(clauses)


@dataclass(frozen=True, slots=True)
class Rolling:
    """The memory of a rollout: what it rolls out, and since when, in monotonic seconds.

    `ends_workers` says that there were some to end when it was looked at.
    """

    revision: str
    since: float
    ends_workers: bool = False


def rolling(before: Rolling | None, snapshot: Snapshot) -> Rolling | None:
    """Return the memory of the rollout that is in progress, or that has been until something else changes.

    It counts from when it was first seen; in a process that has just come up from the last pod that it made.
    """
    rollout = snapshot.workers.rollout
    if rollout is None:
        return None
    if before is not None and before.revision == rollout.revision:
        return replace(before, ends_workers=True) if rollout.ends and not before.ends_workers else before
    if not rollout.waits_for:
        return None
    made_at = _last_made(rollout.revision, snapshot.workers)
    age_seconds = 0.0 if made_at is None else max(0.0, snapshot.now - made_at)
    return Rolling(rollout.revision, snapshot.at - age_seconds, bool(rollout.ends))


def _last_made(revision: str, workers: WorkerSet) -> float | None:
    """Return when the last pod of a revision was made, None where that was not by this rollout.

    A rollout back finds pods that are older than those it ends.
    """
    made = [(pod.created_at, pod.revision == revision) for pod in workers.pods if pod.created_at is not None]
    last = max(made, default=None)
    return last[0] if last is not None and last[1] else None


def begun(before: Rolling | None, now: Rolling | None, snapshot: Snapshot) -> Notice | None:
    """Return the notice that a rollout ends workers, once for each; None where there is nothing new."""
    rollout = snapshot.workers.rollout
    if rollout is None or now is None or not now.ends_workers:
        return None
    if before is not None and before.ends_workers and before.revision == now.revision:
        return None
    accounts = dict(snapshot.crew)
    old = rollout.old or tuple(pod.name for pod in snapshot.workers.pods)
    busy = tuple(pod for pod in old if pod in accounts and _holds_tasks(accounts[pod]))
    more = f" and {len(busy) - NAMED} more" if len(busy) > NAMED else ""
    risk = f"at work are {', '.join(busy[:NAMED])}{more}" if busy else "none is known to be at work"
    return Notice(
        "RolloutEndsWorkers",
        f"a rollout to {rollout.revision} is in progress ({progress(rollout)}) and ends workers by their "
        f"grace period, whatever they run: {risk}",
        busy,
        warning=bool(busy),
    )


def _holds_tasks(account: WorkerAccount) -> bool:
    return bool(account.active or account.reserved)
