"""How many more pods a namespace admits, by asking for one more until it is refused. No threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.sandbox.controllers.recorder import EventRecorder
from autoscaler.sandbox.controllers.revisions import Revision
from autoscaler.sandbox.controllers.set_claims import Claims
from autoscaler.sandbox.controllers.set_pods import pod_of
from autoscaler.sandbox.store import JSON, ApiError, Store


@dataclass(frozen=True, slots=True)
class Room:
    """How many were admitted, and the refusal of the one after them; None where all were."""

    count: int
    refusal: ApiError | None = None


def room_for_pods(store: Store, pod: JSON, at_most: int = 50) -> Room:
    """Create copies of a pod, with a number behind its name, until one is refused."""

    def create(number: int) -> None:
        metadata = {**pod["metadata"], "name": f"{pod['metadata']['name']}-{number}"}
        store.create("pods", {**pod, "metadata": metadata})

    return _room(create, range(at_most))


def room_for_replicas(store: Store, statefulset: JSON, first: int = 0, at_most: int = 50) -> Room:
    """Create the replicas of a stored set from ordinal `first` on, claims first, until one is refused.

    The set is one that `store.create("statefulsets.apps", …)` has returned; no controller may run.
    """
    claims = Claims(store, EventRecorder(store, store.clock, "room"))
    revision = Revision("only", statefulset["spec"]["template"])

    def create(ordinal: int) -> None:
        claims.ensure(statefulset, ordinal)
        store.create("pods", pod_of(statefulset, ordinal, revision))

    return _room(create, range(first, first + at_most))


def _room(create: Callable[[int], None], numbers: range) -> Room:
    for count, number in enumerate(numbers):
        try:
            create(number)
        except ApiError as refusal:
            return Room(count, refusal)
    return Room(len(numbers))
