"""A store with its controllers and containers that only pretend, in a time that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from autoscaler.sandbox.agenda import Agenda
from autoscaler.sandbox.controllers.deployment import DeploymentController
from autoscaler.sandbox.controllers.garbage import GarbageCollector
from autoscaler.sandbox.controllers.replicaset import ReplicaSetController
from autoscaler.sandbox.controllers.statefulset import StatefulSetController
from autoscaler.sandbox.event_log import Event
from autoscaler.sandbox.kubelet.containers import ContainerSpec, NullContainers
from autoscaler.sandbox.kubelet.node import Rules
from autoscaler.sandbox.kubelet.pod_runner import PodRunner
from autoscaler.sandbox.store import JSON, Store

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NAMESPACE, NAME = "test", "worker"


class World:
    """Everything between the store and the containers, without a thread."""

    def __init__(
        self,
        *,
        startup_seconds: float = 0.0,
        ending_seconds: float = 0.0,
        passes: Callable[[ContainerSpec], bool] = lambda _: True,
        rules: Rules | None = None,
        features: Collection[str] = (),
        room: int | None = None,
        crashes_after: Callable[[ContainerSpec], float | None] = lambda _: None,
    ) -> None:
        self.seconds = 0.0
        self.changes: list[Event] = []
        self.store = Store(clock=self.clock, features=features)
        self.store.subscribe(self.changes.append)
        self.agenda = Agenda(lambda: self.seconds)
        self.containers = NullContainers(
            self.agenda, ending_seconds=ending_seconds, passes=passes, crashes_after=crashes_after
        )
        self.runner = PodRunner(
            self.store,
            self.agenda,
            self.clock,
            self.containers,
            startup_seconds=(startup_seconds, startup_seconds),
            rules=rules,
            room=room,
        )
        self.parts = (
            GarbageCollector(self.store, self.agenda),
            StatefulSetController(self.store, self.agenda, self.clock),
            ReplicaSetController(self.store, self.agenda, self.clock),
            DeploymentController(self.store, self.agenda, self.clock),
            self.runner,
        )
        self.start()

    def start(self) -> None:
        """Start the controllers and the nodes."""
        for part in self.parts:
            part.start()

    def stop(self) -> None:
        """Stop them."""
        for part in self.parts:
            part.stop()

    def clock(self) -> datetime:
        """Return the time in UTC."""
        return BEGIN + timedelta(seconds=self.seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that happens meanwhile."""
        end = self.seconds + seconds
        self.agenda.run_due()
        while (at := self.agenda.next_at) is not None and at <= end:
            self.seconds = max(self.seconds, at)
            self.agenda.run_due()
        self.seconds = end

    def settle(self) -> None:
        """Let happen what happens at once."""
        self.advance(0.0)

    def create(self, replicas: int = 0, **spec: Any) -> None:
        """Create the set and let it settle."""
        self.store.create("statefulsets.apps", statefulset(replicas, **spec))
        self.settle()

    def set(self) -> JSON:
        """Return the set as it stands."""
        return self.store.get("statefulsets.apps", NAMESPACE, NAME)

    def change(self, **spec: Any) -> None:
        """Change fields of the set's spec and let it settle."""
        changed = self.set()
        changed["spec"] |= spec
        self.store.update("statefulsets.apps", changed)
        self.settle()

    def scale(self, replicas: int) -> None:
        """Ask for so many replicas and let it settle."""
        self.change(replicas=replicas)

    def pods(self) -> list[JSON]:
        """Return the pods, by name."""
        return self.store.list("pods", NAMESPACE)[0]

    def pod(self, ordinal: int) -> JSON:
        """Return one of the set's pods."""
        return self.store.get("pods", NAMESPACE, f"{NAME}-{ordinal}")

    def ordinals(self, *, terminating: bool | None = None) -> list[int]:
        """Return the ordinals of the pods there are, all or those that are ending or not."""
        found = [pod for pod in self.pods() if terminating in {None, "deletionTimestamp" in pod["metadata"]}]
        return sorted(int(pod["metadata"]["name"].rpartition("-")[2]) for pod in found)

    def delete_pod(self, ordinal: int, grace_seconds: int | None = None) -> None:
        """Delete one of the set's pods and let it settle."""
        self.store.delete("pods", NAMESPACE, f"{NAME}-{ordinal}", grace_seconds=grace_seconds)
        self.settle()

    def events(self, reason: str) -> list[JSON]:
        """Return the core Events with a reason, in order of their first appearance."""
        found, _ = self.store.list("events", NAMESPACE, fields=f"reason={reason}")
        return sorted(found, key=lambda event: int(event["metadata"]["name"].rpartition(".")[2], 16))

    def allow_pods(self, limit: int) -> None:
        """Let a quota allow so many pods."""
        quota = {"metadata": {"name": "team", "namespace": NAMESPACE}, "spec": {"hard": {"pods": str(limit)}}}
        if self.store.list("resourcequotas", NAMESPACE)[0]:
            self.store.update("resourcequotas", quota)
        else:
            self.store.create("resourcequotas", quota)

    def statuses(self) -> list[JSON]:
        """Return every status that the set has had, in order."""
        found: list[JSON] = []
        for change in self.changes:
            status = change.object.get("status")
            if change.resource == "statefulsets.apps" and status and status not in found[-1:]:
                found.append(status)
        return found


def statefulset(replicas: int, **spec: Any) -> JSON:
    """Return a worker set, Parallel unless the spec says otherwise."""
    return {
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "serviceName": NAME,
            "selector": {"matchLabels": {"component": "worker"}},
            "template": template(),
            **spec,
        },
    }


def template(container: JSON | None = None, *, annotations: JSON | None = None, **spec: Any) -> JSON:
    """Return a pod template with one container; the keywords are fields of the pods' spec."""
    return {
        "metadata": {
            "labels": {"component": "worker"},
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": {"containers": [{"name": "worker", "image": "celery", **(container or {})}], **spec},
    }


def bare_pod(name: str, container: JSON | None = None, **spec: Any) -> JSON:
    """Return a pod that belongs to no set; the keywords are fields of its spec."""
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"component": "worker"}},
        "spec": template(container, **spec)["spec"],
    }


def names(objects: Iterable[JSON]) -> list[str]:
    """Return the names of objects."""
    return [obj["metadata"]["name"] for obj in objects]
