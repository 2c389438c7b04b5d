"""A StatefulSet's claims for storage: made before its pods, kept or dropped after them.

A pod that is refused its storage never comes, and claims stay when pods go unless the set says
otherwise, so quotas of storage bind in another way than those of pods. Whether a claim goes is told by
its owners: the set while its pod is wanted, the pod once it is not (stateful_pod_control.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from autoscaler.sandbox.controllers.ownership import MANAGER, owner_reference
from autoscaler.sandbox.controllers.recorder import EventRecorder
from autoscaler.sandbox.controllers.set_pods import claim_names
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.values import JSON, copy
from autoscaler.sandbox.store import Store

CLAIMS = "persistentvolumeclaims"


class Claims:
    """The claims of a set's pods, made from its `volumeClaimTemplates`."""

    def __init__(self, store: Store, events: EventRecorder) -> None:
        self._store = store
        self._events = events

    def ensure(self, statefulset: JSON, ordinal: int) -> None:
        """Make the claims that a pod lacks. Raises `ApiError` with all that was refused."""
        refusals = [
            refusal
            for claim in _claims_of(statefulset, ordinal)
            if (refusal := self._ensure(statefulset, claim, ordinal)) is not None
        ]
        if refusals:
            told = list(dict.fromkeys(str(refusal) for refusal in refusals))
            message = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
            raise ApiError(refusals[0].status, refusals[0].reason, message)

    def are_stale(self, statefulset: JSON, ordinal: int) -> bool:
        """Whether a claim is still to go with the pod that had this place before."""
        if _policy(statefulset, "whenScaled") == "Retain":
            return False
        pod = f"{statefulset['metadata']['name']}-{ordinal}"
        return any(
            reference["kind"] == "Pod" and reference["name"] == pod
            for claim in self._found(statefulset, ordinal)
            for reference in claim["metadata"].get("ownerReferences", ())
        )

    def settle(self, statefulset: JSON, ordinal: int, pod: JSON | None, *, wanted: bool) -> None:
        """Let a pod's claims belong to what they are to go with, if to anything.

        `pod` is None for one that has just been made; `wanted` tells whether its place is asked for.
        """
        for claim in self._found(statefulset, ordinal):
            owners = claim["metadata"].get("ownerReferences", [])
            due = _owners_due(statefulset, ordinal, pod, owners, wanted=wanted)
            if due != owners:
                changed = {**claim, "metadata": {**claim["metadata"], "ownerReferences": due}}
                self._store.update(CLAIMS, changed, manager=MANAGER)

    def _found(self, statefulset: JSON, ordinal: int) -> Iterator[JSON]:
        for name in claim_names(statefulset, ordinal).values():
            if (claim := self._find(statefulset, name)) is not None:
                yield claim

    def _find(self, statefulset: JSON, name: str) -> JSON | None:
        try:
            return self._store.get(CLAIMS, statefulset["metadata"]["namespace"], name)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _ensure(self, statefulset: JSON, claim: JSON, ordinal: int) -> ApiError | None:
        """Make one claim unless it is there; return why it is not to be had."""
        name = claim["metadata"]["name"]
        there = self._find(statefulset, name)
        if there is not None:
            going = "deletionTimestamp" in there["metadata"]
            return (
                ApiError(HTTPStatus.CONFLICT, "Conflict", f"pvc {name} is being deleted") if going else None
            )
        of = statefulset["metadata"]["name"]
        try:
            self._store.create(CLAIMS, claim, manager=MANAGER)
        except ApiError as error:
            message = f"Create Claim {name} for Pod {of}-{ordinal} in StatefulSet {of} failed error: {error}"
            self._events.record(statefulset, "Warning", "FailedCreate", message)
            return ApiError(error.status, error.reason, f"failed to create PVC {name}: {error}")
        message = f"Create Claim {name} Pod {of}-{ordinal} in StatefulSet {of} success"
        self._events.record(statefulset, "Normal", "SuccessfulCreate", message)
        return None


def _claims_of(statefulset: JSON, ordinal: int) -> Iterator[JSON]:
    """Yield the claims that a pod with this ordinal is to have."""
    names = claim_names(statefulset, ordinal)
    for template in statefulset["spec"].get("volumeClaimTemplates") or []:
        given = template.get("metadata") or {}
        metadata: JSON = {
            "name": names[given["name"]],
            "namespace": statefulset["metadata"]["namespace"],
            "labels": {
                **given.get("labels", {}),
                **(statefulset["spec"]["selector"].get("matchLabels") or {}),
            },
        }
        if given.get("annotations"):
            metadata["annotations"] = given["annotations"]
        yield copy(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": template["spec"],
            }
        )


def _policy(statefulset: JSON, when: str) -> str:
    policy = statefulset["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return str(policy.get(when, "Retain"))


def _owners_due(
    statefulset: JSON, ordinal: int, pod: JSON | None, owners: list[JSON], *, wanted: bool
) -> list[JSON]:
    """Return the owners that a claim is to have, given those it has."""
    if _has_strange_owner(statefulset, ordinal, pod, owners):
        return owners
    ours = {statefulset["metadata"]["uid"], pod["metadata"]["uid"] if pod else ""}
    due = [owner for owner in owners if owner["uid"] not in ours]
    goes_with_pod = not wanted and _policy(statefulset, "whenScaled") == "Delete"
    if goes_with_pod and pod is not None:
        due.append(owner_reference(pod))
    elif not goes_with_pod and _policy(statefulset, "whenDeleted") == "Delete":
        due.append(owner_reference(statefulset))
    return due


def _has_strange_owner(statefulset: JSON, ordinal: int, pod: JSON | None, owners: list[JSON]) -> bool:
    """Whether a claim belongs to an earlier set or pod of this name, or is another controller's."""
    name = statefulset["metadata"]["name"]
    ours = {("StatefulSet", name): statefulset, ("Pod", f"{name}-{ordinal}"): pod}
    for owner in owners:
        key = (owner["kind"], owner["name"])
        if key not in ours:
            if owner.get("controller"):
                return True
            continue
        known = ours[key]
        if known is None or owner["uid"] != known["metadata"]["uid"]:
            return True
    return False
