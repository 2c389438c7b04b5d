"""A cluster whose pods are processes, in real time, and what tests want to know of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.kubelet.node import Rules
from autoscaler.sandbox.kubelet.processes import ProcessContainers
from autoscaler.sandbox.store import JSON
from tests.sandbox.world import NAME, NAMESPACE, statefulset, template


class Live(SandboxCluster):
    """A sandbox that starts pods at once."""

    def __init__(self, *, rules: Rules | None = None, work_folder: Path | None = None) -> None:
        super().__init__(
            runner="process", startup_seconds=0.0, rules=rules, work_folder=work_folder, patience_seconds=0.5
        )

    def run(self, script: str, replicas: int = 1, container: JSON | None = None, **spec: Any) -> None:
        """Create a set whose pods run a Python script."""
        command = {"command": [sys.executable, "-u", "-c", script]}
        made = statefulset(replicas, template=template({**command, **(container or {})}, **spec))
        self.store.create("statefulsets.apps", made)

    def scale(self, replicas: int) -> None:
        """Ask for so many replicas."""

        def asked(old: JSON) -> JSON:
            return {**old, "spec": {**old["spec"], "replicas": replicas}}

        self.store.modify("statefulsets.apps", NAMESPACE, NAME, asked)

    def ready(self) -> int:
        """Return how many replicas are ready."""
        status = self.store.get("statefulsets.apps", NAMESPACE, NAME).get("status", {})
        return int(status.get("readyReplicas", 0))

    def said(self, ordinal: int = 0) -> str:
        """Return what a pod of the set has written."""
        return self.log(NAMESPACE, f"{NAME}-{ordinal}")

    @property
    def sessions(self) -> tuple[int, ...]:
        """The numbers of the sessions that run."""
        assert isinstance(self.containers, ProcessContainers)
        return self.containers.running

    def container_status(self, ordinal: int = 0) -> JSON:
        """Return the status of a pod's container, empty before there is one."""
        pods, _ = self.store.list("pods", NAMESPACE, fields=f"metadata.name={NAME}-{ordinal}")
        found: JSON = pods[0].get("status", {}).get("containerStatuses", [{}])[0] if pods else {}
        return found

    def expect(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds, and fail when it does not."""
        assert self.until(holds), f"waited in vain for {what}"
