"""Moving the minimum of a HorizontalPodAutoscaler, before the replicas are moved with it.

The patch tests the uid and the minimum that the decision was based on: whoever has changed it meanwhile is
heard first. Its user's own is written down before, and restored when nobody needs it moved any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.floor_notes import FloorNotes, Remembered
from autoscaler.cluster.hpa_kinds import HorizontalPodAutoscaler
from autoscaler.cluster.hpas import ClusterHpas, collection
from autoscaler.cluster.scale import CONTRADICTIONS, REFUSALS
from autoscaler.core.hpa import Floor
from autoscaler.core.model import Decision, Outcome, OutcomeKind
from autoscaler.core.writers import FIELD_MANAGER
from autoscaler.ports import Scaler


class FlooringScaler:
    """Implements `Scaler` around another one: the floor first, then the replicas.

    Without the one the other would not stand: a floor that cannot be moved leaves the replicas as they are,
    unless it was only to be restored.
    """

    def __init__(self, api: Api, hpas: ClusterHpas, notes: FloorNotes, scaler: Scaler) -> None:
        self._api = api
        self._hpas = hpas
        self._notes = notes
        self._scaler = scaler

    def scale(self, decision: Decision) -> Outcome:
        """Ask for the decision's floor and replicas. See `Scaler`."""
        floor = decision.floor
        if floor is None:
            return self._scaler.scale(decision)
        moved = self._moved(floor, decision)
        stops = moved.kind is not OutcomeKind.APPLIED and not floor.released
        if stops or decision.replicas == decision.current:
            return moved
        return self._scaler.scale(decision)

    def _moved(self, floor: Floor, decision: Decision) -> Outcome:
        failure = "" if floor.released else self._remembered(floor, decision)
        if not failure and floor.was != floor.to:
            try:
                self._hpas.learn(patched(self._api, decision.target.namespace, floor))
            except ApiError as error:
                return self._refused(floor, decision, error)
        if not failure and floor.released:
            failure = self._notes.forget(floor.uid)
        kind = OutcomeKind.FAILED if failure else OutcomeKind.APPLIED
        return Outcome(kind, decision.current, failure)

    def _remembered(self, floor: Floor, decision: Decision) -> str:
        """Have the user's own minimum written down; return why it is not."""
        known = self._notes.own(floor.uid)
        if known.is_fresh and known.value == floor.own:
            return ""
        return self._notes.remember(Remembered(decision.target, floor.name, floor.uid, floor.own))

    def _refused(self, floor: Floor, decision: Decision, refusal: ApiError) -> Outcome:
        """Tell a conflict from a value that the API server does not take, by reading what is there."""
        said = f"minReplicas of HPA {floor.name}: {refusal.message}"
        if refusal.status not in CONTRADICTIONS:
            kind = OutcomeKind.REFUSED if refusal.status in REFUSALS else OutcomeKind.FAILED
            return Outcome(kind, decision.current, said)
        try:
            live = self._api.get(path_of(decision.target.namespace, floor.name), HorizontalPodAutoscaler)
        except ApiError as error:
            return Outcome(OutcomeKind.FAILED, decision.current, f"{said}, then: {error.message}")
        self._hpas.learn(live)
        same = live.metadata.uid == floor.uid and live.spec.min_replicas == floor.was
        if same and live.spec.max_replicas < floor.to:
            return Outcome(OutcomeKind.CONFLICT, decision.current, f"{said}: its maximum has been lowered")
        if same and refusal.status != HTTPStatus.CONFLICT:
            return Outcome(OutcomeKind.REFUSED, decision.current, said)
        message = f"somebody else has changed HPA {floor.name}"
        return Outcome(OutcomeKind.CONFLICT, decision.current, message)


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of restoring a user's own minimum: a sentence, and whether nothing is left to do."""

    message: str
    done: bool


def restore(api: Api, notes: FloorNotes, kept: Remembered) -> Restored:
    """Restore what a user had, unless he has changed it since; forget it then."""
    try:
        what = _restored(api, kept)
    except ApiError as error:
        what = Restored(f"{kept}: its minReplicas {kept.own} cannot be restored: {error.message}", done=False)
    failure = notes.forget(kept.uid) if what.done else ""
    return Restored(f"{what.message}, but {failure}", done=False) if failure else what


def _restored(api: Api, kept: Remembered) -> Restored:
    try:
        live = api.get(path_of(kept.target.namespace, kept.name), HorizontalPodAutoscaler)
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return Restored(f"{kept} is gone", done=True)
        raise
    now = live.spec.min_replicas
    if live.metadata.uid != kept.uid or not live.min_written_by(FIELD_MANAGER):
        return Restored(f"{kept}: its minReplicas {now} is not ours, and left as it is", done=True)
    if now != kept.own:
        patched(
            api, kept.target.namespace, Floor(kept.name, kept.uid, now, kept.own, kept.own, released=True)
        )
    return Restored(f"{kept}: minReplicas {now} → {kept.own}, its own", done=True)


def patched(api: Api, namespace: str, floor: Floor) -> HorizontalPodAutoscaler:
    """Move a minimum and return the HPA as it is then. Raises `ApiError`."""
    path = path_of(namespace, floor.name)
    return api.json_patch(path, operations(floor), FIELD_MANAGER, HorizontalPodAutoscaler)


def operations(floor: Floor) -> list[dict[str, Any]]:
    """Return the JSON patch of a move, with what it was based on as its precondition."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": floor.uid},
        {"op": "test", "path": "/spec/minReplicas", "value": floor.was},
        {"op": "replace", "path": "/spec/minReplicas", "value": floor.to},
    ]


def path_of(namespace: str, name: str) -> str:
    """Return the path of an HPA."""
    return f"{collection(namespace)}/{name}"
