"""ReplicaSets become pods: all at once, with names of chance, the cheapest to lose deleted first.

Each look follows pkg/controller/replicaset (syncReplicaSet): pods that are over or told to end are
no replicas any more, so one that takes its time to end is replaced at once, and the count drops as
soon as a pod is told to. Orphans are not adopted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from autoscaler.sandbox.agenda import Agenda, Backoff
from autoscaler.sandbox.controllers.batches import LARGEST, in_batches
from autoscaler.sandbox.controllers.finding import Key, find, key_of
from autoscaler.sandbox.controllers.ownership import MANAGER, controller_of, owner_reference
from autoscaler.sandbox.controllers.pod_order import deletion_order, is_active
from autoscaler.sandbox.controllers.recorder import EventRecorder
from autoscaler.sandbox.controllers.replica_status import SETS, replica_status
from autoscaler.sandbox.controllers.set_pods import is_terminating, seconds_until_available
from autoscaler.sandbox.controllers.work_queue import RETRIES, WorkQueue
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import Event
from autoscaler.sandbox.objects.selectors import label_text
from autoscaler.sandbox.objects.values import JSON, copy
from autoscaler.sandbox.store import Store

PODS = "pods"


class ReplicaSetController:
    """Keeps as many pods of every ReplicaSet in the store as its spec says.

    `clock` returns aware UTC. `retries` is the pause after a failed look, as after a refused pod.
    """

    def __init__(
        self, store: Store, agenda: Agenda, clock: Callable[[], datetime], *, retries: Backoff = RETRIES
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = EventRecorder(store, clock, "replicaset-controller")
        self._queue: WorkQueue[Key] = WorkQueue(agenda, self._look, retries)
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Look at every ReplicaSet there is, and from now on at each that changes."""
        self._unsubscribe = self._store.subscribe(self._on_event)
        for replicaset in self._store.list(SETS)[0]:
            self._queue.add(key_of(replicaset))

    def stop(self) -> None:
        """Look no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _on_event(self, event: Event) -> None:
        if event.resource == SETS:
            self._queue.add(key_of(event.object))
        elif event.resource == PODS:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "ReplicaSet":
                self._queue.add((event.object["metadata"]["namespace"], owner["name"]))

    def _look(self, key: Key) -> None:
        replicaset = find(self._store, SETS, key)
        if replicaset is None:
            return
        pods = self._active_pods(replicaset)
        refusal = None if is_terminating(replicaset) else self._bring_about(replicaset, pods)
        now = self._clock()
        status = replica_status(replicaset, pods, refusal, now)
        if status != replicaset.get("status"):
            told = {**replicaset, "status": status}
            self._store.update(SETS, told, manager=MANAGER, subresource="status")
        if refusal is not None:
            raise refusal
        self._look_again_when_available(replicaset, pods, now)

    def _active_pods(self, replicaset: JSON) -> list[JSON]:
        uid, found = replicaset["metadata"]["uid"], []
        for pod in self._store.snapshot(PODS, replicaset["metadata"]["namespace"])[0]:
            owner = controller_of(pod)
            if owner is not None and owner["uid"] == uid and is_active(pod):
                found.append(pod)
        return found

    def _bring_about(self, replicaset: JSON, pods: list[JSON]) -> ApiError | None:
        """Create or delete what is missing or too much; return why that could not be done in full."""
        surplus = len(pods) - int(replicaset["spec"].get("replicas", 1))
        try:
            if surplus < 0:
                in_batches(range(min(-surplus, LARGEST)), lambda _: self._create(replicaset))
            elif surplus > 0:
                for pod in self._chosen(replicaset, pods, min(surplus, LARGEST)):
                    self._delete(replicaset, pod)
        except ApiError as refusal:
            return refusal
        return None

    def _chosen(self, replicaset: JSON, pods: list[JSON], count: int) -> list[JSON]:
        return deletion_order(pods, self._related_pods(replicaset), self._clock())[:count]

    def _related_pods(self, replicaset: JSON) -> list[JSON]:
        """Return the pods of all ReplicaSets that belong to the same Deployment."""
        namespace, owner = replicaset["metadata"]["namespace"], controller_of(replicaset)
        if owner is None:
            return []
        found: dict[str, JSON] = {}
        for other in self._store.snapshot(SETS, namespace)[0]:
            others = controller_of(other)
            if others is not None and others["uid"] == owner["uid"]:
                labels = label_text(other["spec"]["selector"])
                pods = self._store.list(PODS, namespace, labels=labels)[0]
                found.update({pod["metadata"]["uid"]: pod for pod in pods})
        return list(found.values())

    def _create(self, replicaset: JSON) -> None:
        try:
            pod = self._store.create(PODS, _pod_of(replicaset), manager=MANAGER)
        except ApiError as error:
            message = f"Error creating: {error.message}"
            self._events.record(replicaset, "Warning", "FailedCreate", message)
            raise
        message = f"Created pod: {pod['metadata']['name']}"
        self._events.record(replicaset, "Normal", "SuccessfulCreate", message)

    def _delete(self, replicaset: JSON, pod: JSON) -> None:
        metadata = pod["metadata"]
        try:
            self._store.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        except ApiError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise
            return  # it went by itself
        message = f"Deleted pod: {metadata['name']}"
        self._events.record(replicaset, "Normal", "SuccessfulDelete", message)

    def _look_again_when_available(self, replicaset: JSON, pods: list[JSON], now: datetime) -> None:
        min_ready = replicaset["spec"].get("minReadySeconds", 0)
        pauses = [seconds_until_available(pod, min_ready, now) for pod in pods]
        soonest = min((pause for pause in pauses if pause), default=None)
        if soonest is not None:
            self._queue.add_after(key_of(replicaset), soonest)


def _pod_of(replicaset: JSON) -> JSON:
    """Return a pod as the ReplicaSet creates it from its template."""
    metadata, template = replicaset["metadata"], copy(replicaset["spec"]["template"])
    given = template.get("metadata", {})
    kept = {field: given[field] for field in ("labels", "annotations", "finalizers") if given.get(field)}
    named = {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]}
    owners = {"ownerReferences": [owner_reference(replicaset)]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named | kept | owners, "spec": template["spec"]}
