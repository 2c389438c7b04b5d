"""Deployments become ReplicaSets: one for each template they had, of which the latest gets the pods.

Each look follows pkg/controller/deployment (syncDeployment): a new number of replicas goes to the
ReplicaSets in their proportion, a new template rolls or recreates, the status comes after each step.
ReplicaSets that nobody owns are not adopted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from autoscaler.sandbox.agenda import Agenda, Backoff
from autoscaler.sandbox.controllers.deployment_status import (
    DEPLOYMENTS,
    deployment_status,
    seconds_until_late,
    with_pause,
)
from autoscaler.sandbox.controllers.finding import Key, find, key_of
from autoscaler.sandbox.controllers.fleet import REVISION, Fleet, count_of, size_of
from autoscaler.sandbox.controllers.ownership import MANAGER, controller_of
from autoscaler.sandbox.controllers.recorder import EventRecorder
from autoscaler.sandbox.controllers.replica_status import SETS
from autoscaler.sandbox.controllers.rollout import Resize, emptied, is_scaled, rolled, scaled
from autoscaler.sandbox.controllers.set_pods import is_over, is_terminating
from autoscaler.sandbox.controllers.template_sets import fleet_of, new_set, renewed, sized
from autoscaler.sandbox.controllers.work_queue import RETRIES, WorkQueue
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import DELETED, Event
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

PODS = "pods"


class DeploymentController:
    """Keeps the ReplicaSets of every Deployment in the store as its spec says.

    `clock` returns aware UTC. `retries` is the pause after a failed look.
    """

    def __init__(
        self, store: Store, agenda: Agenda, clock: Callable[[], datetime], *, retries: Backoff = RETRIES
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = EventRecorder(store, clock, "deployment-controller")
        self._queue: WorkQueue[Key] = WorkQueue(agenda, self._look, retries)
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Look at every Deployment there is, and from now on at each that changes."""
        self._unsubscribe = self._store.subscribe(self._on_event)
        for deployment in self._store.list(DEPLOYMENTS)[0]:
            self._queue.add(key_of(deployment))

    def stop(self) -> None:
        """Look no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _on_event(self, event: Event) -> None:
        if event.resource == DEPLOYMENTS:
            self._queue.add(key_of(event.object))
        elif event.resource == SETS:
            self._add_owner(event.object)
        elif event.resource == PODS and event.type == DELETED:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "ReplicaSet":
                replicaset = find(self._store, SETS, (event.namespace, owner["name"]))
                if replicaset is not None:
                    self._add_owner(replicaset)

    def _add_owner(self, replicaset: JSON) -> None:
        owner = controller_of(replicaset)
        if owner is not None and owner["kind"] == "Deployment":
            self._queue.add((replicaset["metadata"]["namespace"], owner["name"]))

    def _look(self, key: Key) -> None:
        deployment = find(self._store, DEPLOYMENTS, key)
        if deployment is None:
            return
        fleet = fleet_of(deployment, self._store.list(SETS, key[0])[0])
        if is_terminating(deployment):
            self._report(deployment, fleet, rolling_out=False)
            return
        fleet = self._renewed(with_pause(fleet, self._clock()))
        if deployment["spec"].get("paused") or is_scaled(fleet):
            self._report(deployment, self._resized(fleet, scaled(fleet)), rolling_out=False)
        elif fleet.rolls:
            self._roll(deployment, fleet)
        else:
            self._recreate(deployment, fleet)

    def _roll(self, deployment: JSON, fleet: Fleet) -> None:
        """Take one step of a rolling update."""
        complete = self._completed(fleet)
        resizes = rolled(complete)
        moved = self._resized(complete, resizes)
        if not resizes:
            self._forget_old(moved)
        self._report(deployment, moved, rolling_out=True, created=_made(fleet, moved))

    def _recreate(self, deployment: JSON, fleet: Fleet) -> None:
        """Take one step of a recreation: the new pods come when the last old one is gone."""
        resizes = emptied(fleet)
        if resizes or self._old_pods_run(fleet):
            self._report(deployment, self._resized(fleet, resizes), rolling_out=True)
            return
        complete = self._completed(fleet)
        resizes = [
            Resize(item, fleet.wanted) for item in complete.every[-1:] if size_of(item) != fleet.wanted
        ]
        moved = self._resized(complete, resizes)
        self._forget_old(moved)
        self._report(deployment, moved, rolling_out=True, created=_made(fleet, moved))

    def _old_pods_run(self, fleet: Fleet) -> bool:
        """Whether a pod of an old ReplicaSet is still there, be it only to end."""
        if count_of(fleet.old, "replicas"):
            return True
        old = {item["metadata"]["uid"] for item in fleet.old}
        for pod in self._store.snapshot(PODS, fleet.deployment["metadata"]["namespace"])[0]:
            owner = controller_of(pod)
            if owner is not None and owner["uid"] in old and not is_over(pod):
                return True
        return False

    def _renewed(self, fleet: Fleet) -> Fleet:
        """Hand on to the current ReplicaSet what the Deployment says of it."""
        if fleet.current is None:
            return fleet
        wanted = renewed(fleet.current, fleet)
        if wanted == fleet.current:
            return fleet
        return fleet.with_set(self._store.update(SETS, wanted, manager=MANAGER))

    def _completed(self, fleet: Fleet) -> Fleet:
        """Make the ReplicaSet of the template where there is none."""
        if fleet.current is not None:
            return fleet
        made = new_set(fleet)
        try:
            made = self._store.create(SETS, made, manager=MANAGER)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                self._count_collision(fleet.deployment)
            raise
        if size_of(made):
            self._tell_resize(fleet.deployment, made, 0)
        return replace(fleet, current=made)

    def _count_collision(self, deployment: JSON) -> None:
        """Count that a name was taken, which gives the next try another one."""
        status = deployment.get("status", {})
        counted = {**status, "collisionCount": status.get("collisionCount", 0) + 1}
        told = {**deployment, "status": counted}
        self._store.update(DEPLOYMENTS, told, manager=MANAGER, subresource="status")

    def _resized(self, fleet: Fleet, resizes: Iterable[Resize]) -> Fleet:
        for resize in resizes:
            wanted = sized(resize.replicaset, fleet, resize.size)
            if wanted == resize.replicaset:
                continue
            fleet = fleet.with_set(self._store.update(SETS, wanted, manager=MANAGER))
            if resize.size != size_of(resize.replicaset):
                self._tell_resize(fleet.deployment, wanted, size_of(resize.replicaset))
        return fleet

    def _tell_resize(self, deployment: JSON, replicaset: JSON, before: int) -> None:
        size, name = size_of(replicaset), replicaset["metadata"]["name"]
        where = "up" if size > before else "down"
        message = f"Scaled {where} replica set {name} from {before} to {size}"
        self._events.record(deployment, "Normal", "ScalingReplicaSet", message)

    def _forget_old(self, fleet: Fleet) -> None:
        """Delete the oldest of the old ReplicaSets that are empty, beyond the history that is to be kept."""
        beyond = len(fleet.old) - fleet.deployment["spec"].get("revisionHistoryLimit", 10)
        for item in fleet.old[: max(0, beyond)]:
            metadata = item["metadata"]
            seen = item["status"].get("observedGeneration", 0) >= metadata["generation"]
            if seen and not size_of(item) and not count_of([item], "replicas"):
                self._store.delete(SETS, *key_of(item), uid=metadata["uid"])

    def _report(self, deployment: JSON, fleet: Fleet, *, rolling_out: bool, created: str = "") -> None:
        """Write the status of a Deployment, and the revision that it has."""
        now = self._clock()
        status = deployment_status(fleet, now, rolling_out=rolling_out, created=created)
        told = {**deployment, "status": status}
        if fleet.current is not None:
            revision = {REVISION: fleet.current["metadata"]["annotations"][REVISION]}
            annotations = deployment["metadata"].get("annotations", {}) | revision
            told["metadata"] = {**deployment["metadata"], "annotations": annotations}
        if told != deployment:
            self._store.update(DEPLOYMENTS, told, manager=MANAGER, subresource="status")
        late = seconds_until_late(fleet, status, now) if rolling_out else None
        if late is not None:
            self._queue.add_after(key_of(deployment), late)


def _made(before: Fleet, after: Fleet) -> str:
    """Return the name of the ReplicaSet that a look has made, "" where it has made none."""
    return after.current["metadata"]["name"] if after.current and before.current is None else ""
