"""What becomes of the owned when their owner is deleted: they go too, unless they were to stay."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from autoscaler.sandbox.agenda import Agenda
from autoscaler.sandbox.controllers.ownership import MANAGER, owned_by
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import DELETED, Event
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

OWNERS = frozenset({"deployments.apps", "pods", "replicasets.apps", "statefulsets.apps"})
OWNED = ("pods", "controllerrevisions.apps", "replicasets.apps", "persistentvolumeclaims")


class GarbageCollector:
    """Deletes in the background what belonged to a deleted owner, or orphans it where that was asked."""

    def __init__(self, store: Store, agenda: Agenda) -> None:
        self._store = store
        self._agenda = agenda
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Follow deletions from now on."""
        self._unsubscribe = self._store.subscribe(self._on_event)

    def stop(self) -> None:
        """Follow them no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _on_event(self, event: Event) -> None:
        if event.type == DELETED and event.resource in OWNERS:
            self._agenda.soon(lambda: self._collect(event))

    def _collect(self, event: Event) -> None:
        uid = event.object["metadata"]["uid"]
        for resource in OWNED:
            for item in self._store.list(resource, event.namespace)[0]:
                if owned_by(item, uid):
                    self._release(resource, item["metadata"], uid, event.propagation)

    def _release(self, resource: str, metadata: JSON, owner: str, propagation: str) -> None:
        namespace, name = metadata["namespace"], metadata["name"]

        def freed(item: JSON) -> JSON:
            owners = [other for other in item["metadata"].get("ownerReferences", ()) if other["uid"] != owner]
            return {**item, "metadata": {**item["metadata"], "ownerReferences": owners}}

        try:
            if propagation == "Orphan":
                self._store.modify(resource, namespace, name, freed, manager=MANAGER)
            else:
                self._store.delete(resource, namespace, name, uid=metadata["uid"])
        except ApiError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise
