"""What a Deployment's status says of its ReplicaSets, and whether its rollout gets on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from autoscaler.sandbox.controllers.fleet import Fleet, count_of, sizes_of
from autoscaler.sandbox.controllers.replica_status import FAILURE
from autoscaler.sandbox.objects.shapes import LEFT_OUT_AT_ZERO
from autoscaler.sandbox.objects.values import JSON, stamp

DEPLOYMENTS = "deployments.apps"
PROGRESSING, AVAILABLE = "Progressing", "Available"
DONE, LATE = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
_NO_DEADLINE = 2**31 - 1


def deployment_status(fleet: Fleet, now: datetime, *, rolling_out: bool, created: str = "") -> JSON:
    """Return the status of a Deployment whose ReplicaSets have these statuses.

    `rolling_out` is false while it is only scaled, paused or deleted: then nothing is said of
    progress. `created` is the name of a ReplicaSet that this look has made.
    """
    status = _counts(fleet)
    conditions = [dict(item) for item in fleet.deployment.get("status", {}).get("conditions", ())]
    if created:
        message = f'Created new replica set "{created}"'
        _put(conditions, _condition(PROGRESSING, "True", "NewReplicaSetCreated", message, now))
    _put(conditions, _availability(fleet, status, now))
    if rolling_out:
        _tell_progress(conditions, fleet, status, now)
        _tell_failure(conditions, fleet)
    if conditions:
        status["conditions"] = conditions
    return status


def with_pause(fleet: Fleet, now: datetime) -> Fleet:
    """Return the fleet with a Deployment that tells of its pause, or of the end of one."""
    progress = find_condition(fleet.deployment, PROGRESSING)
    reason = (progress or {}).get("reason")
    paused = bool(fleet.deployment["spec"].get("paused"))
    if deadline_seconds(fleet) is None or reason == LATE or paused == (reason == PAUSED):
        return fleet
    why, message = (PAUSED, "Deployment is paused") if paused else (RESUMED, "Deployment is resumed")
    status = fleet.deployment.get("status", {})
    conditions = list(status.get("conditions", ()))
    _put(conditions, _condition(PROGRESSING, "Unknown", why, message, now))
    return replace(fleet, deployment={**fleet.deployment, "status": {**status, "conditions": conditions}})


def find_condition(obj: JSON, name: str) -> JSON | None:
    """Return a condition of an object, None while it has none of that name."""
    found = (item for item in obj.get("status", {}).get("conditions", ()) if item["type"] == name)
    return next(found, None)


def deadline_seconds(fleet: Fleet) -> int | None:
    """Return how long a rollout may show no progress, None where that does not matter."""
    seconds = fleet.deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds in {None, _NO_DEADLINE} else int(seconds)


def seconds_until_late(fleet: Fleet, status: JSON, now: datetime) -> float | None:
    """Return when to look whether a rollout is stuck, None where nobody asks or it is known."""
    deadline, progress = deadline_seconds(fleet), find_condition({"status": status}, PROGRESSING)
    if (
        deadline is None
        or progress is None
        or progress["reason"] in {DONE, LATE}
        or _is_complete(fleet, status)
    ):
        return None
    late_at = datetime.fromisoformat(progress["lastUpdateTime"]) + timedelta(seconds=deadline)
    return max(0.0, (late_at - now).total_seconds()) + 1


def _counts(fleet: Fleet) -> JSON:
    before = fleet.deployment.get("status", {})
    available = count_of(fleet.every, "availableReplicas")
    status = {
        "observedGeneration": fleet.deployment["metadata"].get("generation", 0),
        "replicas": count_of(fleet.every, "replicas"),
        "updatedReplicas": count_of([fleet.current] if fleet.current else [], "replicas"),
        "readyReplicas": count_of(fleet.every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sizes_of(fleet.every) - available),
    }
    kept = {name: before[name] for name in ("collisionCount",) if name in before}
    shown = {
        name: count for name, count in status.items() if count or name not in LEFT_OUT_AT_ZERO[DEPLOYMENTS]
    }
    return shown | kept


def _availability(fleet: Fleet, status: JSON, now: datetime) -> JSON:
    if status.get("availableReplicas", 0) >= fleet.least_available:
        message = "Deployment has minimum availability."
        return _condition(AVAILABLE, "True", "MinimumReplicasAvailable", message, now)
    message = "Deployment does not have minimum availability."
    return _condition(AVAILABLE, "False", "MinimumReplicasUnavailable", message, now)


def _tell_progress(conditions: list[JSON], fleet: Fleet, status: JSON, now: datetime) -> None:
    """Say in place how the rollout gets on (syncRolloutStatus)."""
    progress = find_condition({"status": {"conditions": conditions}}, PROGRESSING)
    if deadline_seconds(fleet) is None:
        conditions[:] = [item for item in conditions if item["type"] != PROGRESSING]
        return
    updated, replicas = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if progress is not None and progress["reason"] == DONE and replicas == updated:
        return
    if _is_complete(fleet, status):
        _put(conditions, _progress(fleet, "True", DONE, "has successfully progressed", now))
    elif _has_moved(fleet.deployment.get("status", {}), status):
        found = _progress(fleet, "True", "ReplicaSetUpdated", "is progressing", now)
        if progress is not None and progress["status"] == "True":
            found["lastTransitionTime"] = progress["lastTransitionTime"]
        conditions[:] = [*(item for item in conditions if item["type"] != PROGRESSING), found]
    elif progress is not None and _is_late(progress, deadline_seconds(fleet) or 0, now):
        _put(conditions, _progress(fleet, "False", LATE, "has timed out progressing", now))


def _tell_failure(conditions: list[JSON], fleet: Fleet) -> None:
    """Hand on in place what a ReplicaSet says of refused pods, the current one's word first."""
    every = fleet.every[::-1]
    failure = next((found for item in every if (found := find_condition(item, FAILURE))), None)
    if failure is None:
        conditions[:] = [item for item in conditions if item["type"] != FAILURE]
    else:
        _put(conditions, {**failure, "lastUpdateTime": failure["lastTransitionTime"]})


def _progress(fleet: Fleet, holds: str, reason: str, what: str, now: datetime) -> JSON:
    kind, obj = ("ReplicaSet", fleet.current) if fleet.current else ("Deployment", fleet.deployment)
    return _condition(PROGRESSING, holds, reason, f'{kind} "{obj["metadata"]["name"]}" {what}.', now)


def _is_complete(fleet: Fleet, status: JSON) -> bool:
    counts = {status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")}
    return counts == {fleet.wanted}


def _has_moved(before: JSON, after: JSON) -> bool:
    """Whether there are more pods of the new template, fewer of old ones, or more that can be used."""

    def old(status: JSON) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old(after) < old(before) or any(after.get(name, 0) > before.get(name, 0) for name in grown)


def _is_late(progress: JSON, deadline: int, now: datetime) -> bool:
    if progress["reason"] == DONE:
        return False
    since = datetime.fromisoformat(progress["lastUpdateTime"])
    return bool(progress["reason"] == LATE or since + timedelta(seconds=deadline) < now)


def _condition(name: str, holds: str, reason: str, message: str, now: datetime) -> JSON:
    times = {"lastUpdateTime": stamp(now), "lastTransitionTime": stamp(now)}
    return {"type": name, "status": holds, **times, "reason": reason, "message": message}


def _put(conditions: list[JSON], new: JSON) -> None:
    """Set a condition in place; one that says the same stays as it is."""
    old = next((item for item in conditions if item["type"] == new["type"]), None)
    if old is not None and (old["status"], old["reason"]) == (new["status"], new["reason"]):
        return
    if old is not None and old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    conditions[:] = [*(item for item in conditions if item is not old), new]
