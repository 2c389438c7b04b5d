"""Asking the cluster for replicas, on proof that what the decision was based on still holds.

The patch tests the uid and the replicas, not the resourceVersion: a status update, of which there are
many while pods come and go, must not refuse it, and a foreign write of the replicas must. `Scale` leaves
the replicas out at zero, so from zero the test is for an empty spec.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.deletion_cost import mark
from autoscaler.cluster.kinds import Scale
from autoscaler.cluster.view import ClusterView
from autoscaler.cluster.workloads import KINDS, StatefulSet, Workload, path_of
from autoscaler.core.model import Decision, Outcome, OutcomeKind, TargetRef
from autoscaler.core.writers import FIELD_MANAGER, latest

CONTRADICTIONS = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


class ApiScaler:
    """Implements `Scaler` by a JSON patch of `/scale`."""

    def __init__(self, api: Api, view: ClusterView, wall: Callable[[], float] = time.time) -> None:
        self._api = api
        self._view = view
        self._wall = wall

    def scale(self, decision: Decision) -> Outcome:
        """Ask for the decision's replicas. See `Scaler`."""
        if decision.target.kind == "Deployment" and decision.departing:
            trouble = mark(
                self._api, decision.target.namespace, decision.departing, FIELD_MANAGER, self._wall()
            )
            if trouble:
                return Outcome(OutcomeKind.FAILED, decision.current, trouble)
        try:
            answer = self._api.json_patch(
                _scale_path(decision.target), operations(decision), FIELD_MANAGER, Scale
            )
            self._learn(decision.target, answer)
        except ApiError as error:
            if error.status in CONTRADICTIONS:
                return self._refused(decision, error)
            kind = OutcomeKind.REFUSED if error.status in REFUSALS else OutcomeKind.FAILED
            return Outcome(kind, decision.current, error.message)
        return Outcome(OutcomeKind.APPLIED, answer.spec.replicas)

    def _refused(self, decision: Decision, refusal: ApiError) -> Outcome:
        """Tell a conflict from a value that the API server does not take, by reading what is there."""
        try:
            live = self._api.get(path_of(decision.target), KINDS[decision.target.kind])
            self._view.learn(live)
        except ApiError as error:
            return Outcome(OutcomeKind.FAILED, decision.current, f"refused, then: {error.message}")
        replicas = live.spec.replicas
        if live.metadata.uid != decision.uid:
            return Outcome(OutcomeKind.CONFLICT, replicas, "it was deleted and made anew")
        if replicas != decision.current:
            message = f"{latest(live.metadata.replica_writers).name} has asked for {replicas}"
            return Outcome(OutcomeKind.CONFLICT, replicas, message)
        if refusal.status == HTTPStatus.CONFLICT:
            return Outcome(OutcomeKind.CONFLICT, replicas, "somebody else wrote at the same time")
        return Outcome(OutcomeKind.REFUSED, replicas, refusal.message)

    def _learn(self, target: TargetRef, scale: Scale) -> None:
        """Have the view know what an answer says, before the watch tells."""
        known = self._view.workload(target)
        if known is None or known.metadata.uid != scale.metadata.uid:
            self._view.learn(self._api.get(path_of(target), KINDS[target.kind]))
            return
        self._view.learn(_scaled(known, scale))


class DryRunScaler:
    """Implements `Scaler` by doing nothing."""

    def scale(self, decision: Decision) -> Outcome:
        """Say what would have been asked for."""
        floor = "" if decision.floor is None else f", after {decision.floor}"
        message = f"would have asked for {decision.replicas}{floor}"
        return Outcome(OutcomeKind.DRY_RUN, decision.current, message)


def _scaled(known: Workload, scale: Scale) -> Workload:
    """Return an object as it is after its `/scale` has answered."""
    metadata = msgspec.structs.replace(known.metadata, resource_version=scale.metadata.resource_version)
    if isinstance(known, StatefulSet):
        spec = msgspec.structs.replace(known.spec, replicas=scale.spec.replicas)
        return msgspec.structs.replace(known, metadata=metadata, spec=spec)
    asked = msgspec.structs.replace(known.spec, replicas=scale.spec.replicas)
    return msgspec.structs.replace(known, metadata=metadata, spec=asked)


def operations(decision: Decision) -> list[dict[str, Any]]:
    """Return the JSON patch for a decision, with what it was based on as its precondition."""
    same_object = {"op": "test", "path": "/metadata/uid", "value": decision.uid}
    if decision.current == 0:
        return [
            same_object,
            {"op": "test", "path": "/spec", "value": {}},
            {"op": "add", "path": "/spec/replicas", "value": decision.replicas},
        ]
    return [
        same_object,
        {"op": "test", "path": "/spec/replicas", "value": decision.current},
        {"op": "replace", "path": "/spec/replicas", "value": decision.replicas},
    ]


def _scale_path(target: TargetRef) -> str:
    return f"{path_of(target)}/scale"
