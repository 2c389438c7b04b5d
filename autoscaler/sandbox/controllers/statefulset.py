"""StatefulSets become pods, in the order and with the pauses that users of Kubernetes see.

An autoscaler is judged by what happens after it has set a number: pods that appear one by one or
all at once, that wait for an unready one below, that a quota refuses and that come only long after
it was raised. Each look at a set follows pkg/controller/statefulset (updateStatefulSet): first the
replicas, then the surplus, then the update, the status after each. A pod that is refused ends the look,
so that a set with a place to fill that its quota has no room for does not come down either: of the pods
beyond fewer replicas none goes until every place below has its pod.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

from autoscaler.sandbox.agenda import Agenda, Backoff
from autoscaler.sandbox.controllers.batches import in_batches
from autoscaler.sandbox.controllers.ownership import MANAGER, controller_of, owner_reference
from autoscaler.sandbox.controllers.recorder import EventRecorder
from autoscaler.sandbox.controllers.revisions import Revisions
from autoscaler.sandbox.controllers.set_claims import Claims
from autoscaler.sandbox.controllers.set_pods import (
    is_healthy,
    is_over,
    is_terminating,
    ordinal_of,
    pod_of,
    revision_of,
)
from autoscaler.sandbox.controllers.set_status import status_of
from autoscaler.sandbox.controllers.set_view import Slot, View
from autoscaler.sandbox.controllers.work_queue import RETRIES, WorkQueue
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import DELETED, Event
from autoscaler.sandbox.objects.selectors import label_text
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

SETS = "statefulsets.apps"
PODS = "pods"

Item = TypeVar("Item")
Key = tuple[str, str]


class StatefulSetController:
    """Keeps the pods of every StatefulSet in the store as its spec says.

    `clock` returns aware UTC. `retries` is the pause after a failed look, as after a refused pod.
    """

    def __init__(
        self, store: Store, agenda: Agenda, clock: Callable[[], datetime], *, retries: Backoff = RETRIES
    ) -> None:
        self._store = store
        self._clock = clock
        self._revisions = Revisions(store)
        self._events = EventRecorder(store, clock, "statefulset-controller")
        self._claims = Claims(store, self._events)
        self._queue: WorkQueue[Key] = WorkQueue(agenda, self._look, retries)
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Look at every set there is, and from now on at each that changes."""
        self._unsubscribe = self._store.subscribe(self._on_event)
        for statefulset in self._store.list(SETS)[0]:
            self._queue.add(_key(statefulset))

    def stop(self) -> None:
        """Look no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _on_event(self, event: Event) -> None:
        if event.resource == SETS:
            self._queue.add(_key(event.object))
        elif event.resource == PODS:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "StatefulSet":
                self._queue.add((event.object["metadata"]["namespace"], owner["name"]))
            elif owner is None and event.type != DELETED:
                self._offer(event.object)

    def _offer(self, orphan: JSON) -> None:
        """Look at the sets that might adopt a pod which belongs to nobody."""
        namespace = orphan["metadata"]["namespace"]
        for statefulset in self._store.list(SETS, namespace)[0]:
            if ordinal_of(orphan, statefulset["metadata"]["name"]) is not None:
                self._queue.add((namespace, statefulset["metadata"]["name"]))

    def _look(self, key: Key) -> None:
        try:
            statefulset = self._store.get(SETS, *key)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return
        current, update = self._revisions.of(statefulset)
        view = View(statefulset, current, update, self._pods(statefulset), self._clock())
        try:
            if not is_terminating(statefulset):
                self._bring_about(view)
        finally:
            self._report(view)
        self._look_again_when_available(key, view)

    def _pods(self, statefulset: JSON) -> tuple[JSON, ...]:
        """Return the set's pods, after taking in those that nobody owns."""
        metadata = statefulset["metadata"]
        selector = label_text(statefulset["spec"]["selector"])
        pods = []
        for pod in self._store.list(PODS, metadata["namespace"], labels=selector)[0]:
            owner = controller_of(pod)
            if ordinal_of(pod, metadata["name"]) is None:
                continue
            if owner is None and not is_terminating(pod):
                pods.append(self._adopt(statefulset, pod))
            elif owner is not None and owner["uid"] == metadata["uid"]:
                pods.append(pod)
        return tuple(pods)

    def _adopt(self, statefulset: JSON, pod: JSON) -> JSON:
        owners = [*pod["metadata"].get("ownerReferences", ()), owner_reference(statefulset)]
        adopted = {**pod, "metadata": {**pod["metadata"], "ownerReferences": owners}}
        return self._store.update(PODS, adopted, manager=MANAGER)

    def _bring_about(self, view: View) -> None:
        slots, surplus = view.slots, view.surplus
        if _each(slots, lambda slot: self._tend(view, slot), one_by_one=view.one_by_one):
            return
        if _each(surplus, lambda pod: self._let_go(view, pod), one_by_one=view.one_by_one):
            return
        unhealthy = [slot.pod for slot in slots if slot.pod is None or not is_healthy(slot.pod)]
        unhealthy += [pod for pod in reversed(surplus) if not is_healthy(pod)]
        first = unhealthy[0] if unhealthy else None
        if _each(surplus, lambda pod: self._condemn(view, pod, first), one_by_one=view.one_by_one):
            return
        self._roll(view, slots)

    def _tend(self, view: View, slot: Slot) -> bool:
        """See to one replica; True when those above must wait for it, were they to come in order."""
        if slot.pod is None:
            if not self._claims.are_stale(view.statefulset, slot.ordinal):
                self._create(view, slot.ordinal)
            return True
        if is_over(slot.pod):
            if not is_terminating(slot.pod):
                self._delete(view, slot.pod)
            return True
        if slot.pod["status"].get("phase") == "Pending":
            self._claims.ensure(view.statefulset, slot.ordinal)
        waits = not (is_healthy(slot.pod) and view.is_available(slot.pod))
        if not (waits and view.one_by_one):
            self._claims.settle(view.statefulset, slot.ordinal, slot.pod, wanted=True)
        return waits

    def _let_go(self, view: View, pod: JSON) -> bool:
        """Let a surplus pod's claims go with it where the set says so; nobody waits for that."""
        ordinal = ordinal_of(pod, view.statefulset["metadata"]["name"])
        if ordinal is not None:
            self._claims.settle(view.statefulset, ordinal, pod, wanted=False)
        return False

    def _condemn(self, view: View, pod: JSON, first_unhealthy: JSON | None) -> bool:
        """See to one surplus pod; True when those below must wait for it, were they to go in order."""
        if is_terminating(pod):
            return True
        if view.one_by_one and pod is not first_unhealthy and not view.is_available(pod):
            return True
        self._delete(view, pod)
        return True

    def _roll(self, view: View, slots: Sequence[Slot]) -> None:
        """Replace the highest pod that is not of the update's revision, once those above are healthy."""
        if view.partition is None:
            return
        for slot in reversed(slots[view.partition :]):
            if slot.pod is None:
                return
            if revision_of(slot.pod) != view.update.name and not is_terminating(slot.pod):
                self._delete(view, slot.pod)
                return
            if not is_healthy(slot.pod):
                return

    def _create(self, view: View, ordinal: int) -> None:
        pod = pod_of(view.statefulset, ordinal, view.revision_for(ordinal))
        name, of = pod["metadata"]["name"], view.statefulset["metadata"]["name"]
        try:
            self._claims.ensure(view.statefulset, ordinal)
            self._store.create(PODS, pod, manager=MANAGER)
        except ApiError as error:
            message = f"Create Pod {name} in StatefulSet {of} failed error: {error.message}"
            self._events.record(view.statefulset, "Warning", "FailedCreate", message)
            raise
        self._claims.settle(view.statefulset, ordinal, None, wanted=True)
        message = f"Create Pod {name} in StatefulSet {of} successful"
        self._events.record(view.statefulset, "Normal", "SuccessfulCreate", message)

    def _delete(self, view: View, pod: JSON) -> None:
        metadata, of = pod["metadata"], view.statefulset["metadata"]["name"]
        self._store.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        message = f"Delete Pod {metadata['name']} in StatefulSet {of} successful"
        self._events.record(view.statefulset, "Normal", "SuccessfulDelete", message)

    def _report(self, view: View) -> None:
        status = status_of(view.statefulset, view.current, view.update, view.pods, view.now)
        if status != view.statefulset.get("status"):
            self._store.update(
                SETS, {**view.statefulset, "status": status}, manager=MANAGER, subresource="status"
            )

    def _look_again_when_available(self, key: Key, view: View) -> None:
        pauses = [view.seconds_until_available(pod) for pod in view.pods]
        soonest = min((pause for pause in pauses if pause), default=None)
        if soonest is not None:
            self._queue.add_after(key, soonest)


def _key(statefulset: JSON) -> Key:
    return statefulset["metadata"]["namespace"], statefulset["metadata"]["name"]


def _each(items: Sequence[Item], act: Callable[[Item], bool], *, one_by_one: bool) -> bool:
    """Act on all items; True when the rest of the look must wait.

    One by one it ends at the first item that says so. Otherwise it goes in batches, whose refusals
    end it: the pods above are not tried.
    """
    if one_by_one:
        return any(act(item) for item in items)
    in_batches(items, act)
    return False
