"""What the daemon must not forget, in ConfigMaps of its own namespace.

It is there, and not on the objects that it is about, so that whoever may edit those cannot have us act on
what we never wrote, and so that we need no right to write to them. There is one ConfigMap for each object
that there is anything to remember of, named by its uid. A watch keeps a copy of them; what is written is in
the copy before anything depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import ConfigMap
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.watch import Watcher
from autoscaler.core.model import TargetRef
from autoscaler.core.writers import FIELD_MANAGER


class Notes:
    """The ConfigMaps of one component of the daemon; each says of which target it is."""

    def __init__(self, api: Api, namespace: str, component: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._prefix = prefix(component)
        self._labels = labels(component)
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._mirror: Mirror[ConfigMap] = Mirror(clock, group_by=address)
        selector = ",".join(f"{name}={value}" for name, value in self._labels.items())
        self._watcher = Watcher(
            api, self._path, ConfigMap, self._mirror, label_selector=selector, clock=clock
        )
        self.namespace = namespace

    def start(self) -> None:
        """Begin to read them."""
        self._watcher.start()

    def stop(self) -> None:
        """Read them no more."""
        self._watcher.stop()

    def wait_settled(self, seconds: float) -> bool:
        """Wait until they were read or refused, and return whether it was in time."""
        return self._mirror.wait_settled(seconds)

    @property
    def trouble(self) -> str:
        """Why they have not been read yet, empty once they have."""
        return "" if self._mirror.synced else f"ConfigMaps of {self.namespace}: {self._mirror.trouble}"

    def get(self, uid: str) -> ConfigMap | None:
        """Return the one of an object."""
        return self._mirror.get(self.namespace, self._prefix + uid)

    def of(self, target: TargetRef) -> tuple[ConfigMap, ...]:
        """Return those that are of a target, under whatever uid."""
        return self._mirror.group(key(target))

    def all(self) -> tuple[ConfigMap, ...]:
        """Return all of them."""
        return self._mirror.items()

    def write(self, uid: str, target: TargetRef, data: Mapping[str, str]) -> str:
        """Make or change the one of an object, provided that nobody else has; return why that failed."""
        name, known = self._prefix + uid, self.get(uid)
        content = {"target": str(target), "kind": target.kind, **data}
        try:
            if known is None:
                body = {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": name, "labels": self._labels},
                    "data": content,
                }
                self._mirror.learn(self._api.create(self._path, body, FIELD_MANAGER, ConfigMap))
            else:
                patch = {"metadata": {"resourceVersion": known.metadata.resource_version}, "data": content}
                path = f"{self._path}/{name}"
                self._mirror.learn(self._api.merge_patch(path, patch, FIELD_MANAGER, ConfigMap))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND and known is not None:
                self._mirror.remove(known)
            return self._failure(name, error)
        return ""

    def erase(self, known: ConfigMap | None) -> str:
        """Delete one, provided that nobody else has changed it; return why that failed."""
        if known is None:
            return ""
        name = known.metadata.name
        try:
            version = known.metadata.resource_version
            self._api.delete(f"{self._path}/{name}", {"resourceVersion": version})
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                return self._failure(name, error)
        self._mirror.remove(known)
        return ""

    def strays(self, targets: Collection[TargetRef]) -> tuple[ConfigMap, ...]:
        """Return those that are of none of these targets."""
        ours = {key(target) for target in targets}
        return tuple(found for found in self.all() if address(found) not in ours)

    def _failure(self, name: str, error: ApiError) -> str:
        return f"ConfigMap {self.namespace}/{name}: {error.message}"


def prefix(component: str) -> str:
    """Return what the names of a component's ConfigMaps begin with."""
    return f"celery-autoscaler-{component}-"


def labels(component: str) -> dict[str, str]:
    """Return the labels of a component's ConfigMaps."""
    return {
        "app.kubernetes.io/managed-by": "celery-autoscaler",
        "app.kubernetes.io/component": component,
    }


def key(target: TargetRef) -> str:
    """Return a target's kind, namespace and name."""
    return f"{target.kind} {target}"


def address(found: ConfigMap) -> str:
    """Return the same of the target that a ConfigMap is of."""
    data = found.data or {}
    return f"{data.get('kind', '')} {data.get('target', '')}"
