"""A world with Deployments and ReplicaSets, and what tests want to know of them."""

from __future__ import annotations

from typing import Any

from autoscaler.sandbox.store import JSON
from tests.sandbox.world import NAME, NAMESPACE, World, template

DEPLOYMENTS, SETS = "deployments.apps", "replicasets.apps"
PREFIX = "deployment.kubernetes.io/"


class FleetWorld(World):
    """A world in which the worker set is a Deployment, or a ReplicaSet alone."""

    def deploy(self, replicas: int, **spec: Any) -> None:
        """Create the Deployment and let it settle."""
        self.store.create(DEPLOYMENTS, deployment(replicas, **spec))
        self.settle()

    def deployment(self) -> JSON:
        """Return the Deployment as it stands."""
        return self.store.get(DEPLOYMENTS, NAMESPACE, NAME)

    def redeploy(self, **spec: Any) -> None:
        """Change fields of the Deployment's spec and let it settle."""
        changed = self.deployment()
        changed["spec"] |= spec
        self.store.update(DEPLOYMENTS, changed)
        self.settle()

    def sets(self) -> list[JSON]:
        """Return the ReplicaSets in the order of their revisions."""
        found = self.store.list(SETS, NAMESPACE)[0]
        return sorted(found, key=lambda item: int(item["metadata"]["annotations"][f"{PREFIX}revision"]))

    def sizes(self) -> list[int]:
        """Return how many pods each ReplicaSet is to have, in the order of their revisions."""
        return [item["spec"]["replicas"] for item in self.sets()]

    def staying(self) -> list[JSON]:
        """Return the pods that were not told to end."""
        return [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]

    def counts(self) -> dict[str, int]:
        """Return the counts of the Deployment's status without the word Replicas."""
        status = self.deployment()["status"]
        return {
            name.removesuffix("Replicas"): count
            for name, count in status.items()
            if name.lower().endswith("replicas")
        }

    def condition(self, name: str) -> tuple[str, str]:
        """Return a condition of the Deployment: its status and its reason."""
        (found,) = [item for item in self.deployment()["status"]["conditions"] if item["type"] == name]
        return found["status"], found["reason"]

    def annotate(self, resource: str, name: str, annotations: dict[str, str]) -> None:
        """Add annotations to an object and let it settle."""
        changed = self.store.get(resource, NAMESPACE, name)
        changed["metadata"]["annotations"] = changed["metadata"].get("annotations", {}) | annotations
        self.store.update(resource, changed)
        self.settle()

    def scale_set(self, replicas: int) -> None:
        """Ask a ReplicaSet that is alone for so many replicas and let it settle."""
        changed = self.store.get(SETS, NAMESPACE, NAME)
        changed["spec"]["replicas"] = replicas
        self.store.update(SETS, changed)
        self.settle()


def deployment(replicas: int, **spec: Any) -> JSON:
    """Return a worker Deployment."""
    return {
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"component": "worker"}},
            "template": template(),
            **spec,
        },
    }


def replicaset(replicas: int, **spec: Any) -> JSON:
    """Return a worker ReplicaSet that belongs to no Deployment."""
    return deployment(replicas, **spec)


def rolling(surge: int | str, unavailable: int | str) -> JSON:
    """Return a strategy that rolls."""
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }


def version(number: int, container: JSON | None = None) -> JSON:
    """Return the template of a version of the worker."""
    return template({**(container or {}), "image": f"celery:{number}"})
