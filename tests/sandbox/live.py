"""The same parts as in `world`, with real processes, in real time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoscaler.sandbox.agenda import Agenda
from autoscaler.sandbox.controllers.garbage import GarbageCollector
from autoscaler.sandbox.controllers.statefulset import StatefulSetController
from autoscaler.sandbox.kubelet.node import Rules
from autoscaler.sandbox.kubelet.pod_runner import PodRunner
from autoscaler.sandbox.kubelet.processes import ProcessContainers
from autoscaler.sandbox.sessions import Warden
from autoscaler.sandbox.store import JSON, Store
from tests.sandbox.world import NAME, NAMESPACE, statefulset, template

PATIENCE_SECONDS = 30.0


class Live:
    """A store whose pods are processes; used as a context manager."""

    def __init__(self, logs: Path, *, rules: Rules | None = None, folder: Path | None = None) -> None:
        self.store = Store()
        self.agenda = Agenda()
        self.warden = Warden()
        self.containers = ProcessContainers(
            self.agenda, logs, self.warden, folder=folder or logs, patience_seconds=0.5
        )
        self.runner = PodRunner(
            self.store, self.agenda, self.store.clock, self.containers, rules=rules or Rules()
        )
        self._parts = (
            GarbageCollector(self.store, self.agenda),
            StatefulSetController(self.store, self.agenda, self.store.clock),
            self.runner,
        )
        self._changed = threading.Condition()
        self.store.subscribe(self._notify)

    def __enter__(self) -> Live:
        """Start everything."""
        for part in self._parts:
            part.start()
        self.agenda.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self.agenda.stop()
        for part in self._parts:
            part.stop()
        self.warden.close()

    def run(self, script: str, replicas: int = 1, container: JSON | None = None, **spec: Any) -> None:
        """Create a set whose pods run a Python script."""
        command = {"command": [sys.executable, "-u", "-c", script]}
        made = statefulset(replicas, template=template({**command, **(container or {})}, **spec))
        self.store.create("statefulsets.apps", made)

    def scale(self, replicas: int) -> None:
        """Ask for so many replicas."""
        changed = self.store.get("statefulsets.apps", NAMESPACE, NAME)
        changed["spec"]["replicas"] = replicas
        del changed["metadata"]["resourceVersion"]
        self.store.update("statefulsets.apps", changed)

    def ready(self) -> int:
        """Return how many replicas are ready."""
        status = self.store.get("statefulsets.apps", NAMESPACE, NAME).get("status", {})
        return int(status.get("readyReplicas", 0))

    def log(self, ordinal: int = 0) -> str:
        """Return what a pod has written."""
        return self.containers.log(NAMESPACE, f"{NAME}-{ordinal}")

    def container_status(self, ordinal: int = 0) -> JSON:
        """Return the status of a pod's container, empty before there is one."""
        pods, _ = self.store.list("pods", NAMESPACE, fields=f"metadata.name={NAME}-{ordinal}")
        found: JSON = pods[0].get("status", {}).get("containerStatuses", [{}])[0] if pods else {}
        return found

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds, looking again after each change of the store, and now and then."""
        with self._changed:
            for _ in range(int(PATIENCE_SECONDS / 0.05)):
                if holds():
                    return
                self._changed.wait(0.05)
        raise AssertionError(f"waited in vain for {what}")

    def _notify(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()
