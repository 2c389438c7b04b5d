"""Asking the cluster for replicas, on proof that what the decision was based on still holds.

The patch tests the uid and the replicas, not the resourceVersion: a status update, of which there are
many while pods come and go, must not refuse it, and a foreign write of the replicas must. `Scale` leaves
the replicas out at zero, so from zero the test is for an empty spec.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import Scale, StatefulSet
from autoscaler.cluster.view import ClusterView
from autoscaler.core.model import Decision, Outcome, OutcomeKind, TargetRef

FIELD_MANAGER = "autoscaler"
CONTRADICTIONS = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


class ApiScaler:
    """Implements `Scaler` by a JSON patch of `/scale`."""

    def __init__(self, api: Api, view: ClusterView) -> None:
        self._api = api
        self._view = view

    def scale(self, decision: Decision) -> Outcome:
        """Ask for the decision's replicas. See `Scaler`."""
        path = f"{_path(decision.target)}/scale"
        try:
            answer = self._api.json_patch(path, operations(decision), FIELD_MANAGER, Scale)
        except ApiError as error:
            if error.status in CONTRADICTIONS:
                return self._refused(decision, error)
            kind = OutcomeKind.REFUSED if error.status in REFUSALS else OutcomeKind.FAILED
            return Outcome(kind, decision.current, error.message)
        self._view.learn(self._rescaled(decision.target, answer))
        return Outcome(OutcomeKind.APPLIED, answer.spec.replicas)

    def _rescaled(self, target: TargetRef, answer: Scale) -> StatefulSet:
        known = self._view.stateful_set(target)
        if known is None or known.metadata.uid != answer.metadata.uid:
            return self._live(target)
        return msgspec.structs.replace(
            known,
            metadata=msgspec.structs.replace(
                known.metadata, resource_version=answer.metadata.resource_version
            ),
            spec=msgspec.structs.replace(known.spec, replicas=answer.spec.replicas),
        )

    def _refused(self, decision: Decision, refusal: ApiError) -> Outcome:
        """Tell a conflict from a value that the API server does not take, by reading what is there."""
        try:
            live = self._live(decision.target)
        except ApiError as error:
            return Outcome(OutcomeKind.FAILED, decision.current, f"refused, then: {error.message}")
        self._view.learn(live)
        if live.metadata.uid != decision.uid:
            return Outcome(OutcomeKind.CONFLICT, live.spec.replicas, "it was deleted and made anew")
        if live.spec.replicas != decision.current or refusal.status == HTTPStatus.CONFLICT:
            message = f"replicas are {live.spec.replicas}, not {decision.current}: somebody else wrote them"
            return Outcome(OutcomeKind.CONFLICT, live.spec.replicas, message)
        return Outcome(OutcomeKind.REFUSED, live.spec.replicas, refusal.message)

    def _live(self, target: TargetRef) -> StatefulSet:
        return self._api.get(_path(target), StatefulSet)


class DryRunScaler:
    """Implements `Scaler` by doing nothing."""

    def scale(self, decision: Decision) -> Outcome:
        """Say what would have been asked for."""
        return Outcome(OutcomeKind.DRY_RUN, decision.current, f"would have asked for {decision.replicas}")


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


def _path(target: TargetRef) -> str:
    return f"/apis/apps/v1/namespaces/{target.namespace}/statefulsets/{target.name}"
