"""The memory of which workers take no tasks because of us, in ConfigMaps of the daemon's own namespace.

It is there, and not on the workload, so that whoever may edit that cannot have us take workers out of
service, and so that we need no right to write to it. There is one ConfigMap for each target that has
any cordon, named by the target's uid, and none for the others. A watch keeps a copy of them; what is
written is in the copy before anything depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from http import HTTPStatus

import msgspec

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import ConfigMap
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.watch import Watcher
from autoscaler.core.model import Cordon, Reading, TargetRef, fresh, unknown
from autoscaler.core.writers import FIELD_MANAGER

PREFIX = "celery-autoscaler-drain-"
KEY = "cordons"
LABELS = {
    "app.kubernetes.io/managed-by": "celery-autoscaler",
    "app.kubernetes.io/component": "drain",
}
SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())
_DECODER = msgspec.json.Decoder(tuple[Cordon, ...])


class ConfigMapCordons:
    """Implements `Cordons`."""

    def __init__(self, api: Api, namespace: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._mirror: Mirror[ConfigMap] = Mirror(clock, group_by=_address)
        self._watcher = Watcher(
            api, self._path, ConfigMap, self._mirror, label_selector=SELECTOR, clock=clock
        )
        self._decoded: dict[str, tuple[ConfigMap, Reading[tuple[Cordon, ...]]]] = {}

    def start(self) -> None:
        """Begin to read them."""
        self._watcher.start()

    def stop(self) -> None:
        """Read them no more."""
        self._watcher.stop()

    def wait_settled(self, seconds: float) -> bool:
        """Wait until they were read or refused, and return whether it was in time."""
        return self._mirror.wait_settled(seconds)

    def recall(self, target: TargetRef, uid: str) -> Reading[tuple[Cordon, ...]]:
        """Return the cordons of a target. See `Cordons`.

        An object that was deleted without its pods, and made anew, has them under its former uid.
        """
        if not self._mirror.synced:
            where = f"ConfigMaps of {self._namespace}"
            return unknown(where, f"{where}: {self._mirror.trouble}")
        found = self._mirror.get(self._namespace, f"{PREFIX}{uid}") or self._former(target)
        if found is None:
            return fresh((), "ConfigMap")
        known = self._decoded.get(uid)
        if known is None or known[0] is not found:
            known = self._decoded[uid] = found, _read(found)
        return known[1]

    def _former(self, target: TargetRef) -> ConfigMap | None:
        return next(iter(self._mirror.group(_key(target))), None)

    def record(self, target: TargetRef, uid: str, cordons: Sequence[Cordon]) -> str:
        """Write them, or delete the ConfigMap where there are none. See `Cordons`."""
        name = f"{PREFIX}{uid}"
        known = self._mirror.get(self._namespace, name)
        try:
            if not cordons:
                self._delete(name, known)
            elif known is None:
                self._mirror.learn(
                    self._api.create(self._path, _manifest(name, target, cordons), FIELD_MANAGER, ConfigMap)
                )
            else:
                patch = {
                    "metadata": {"resourceVersion": known.metadata.resource_version},
                    "data": {KEY: _encoded(cordons)},
                }
                self._mirror.learn(
                    self._api.merge_patch(f"{self._path}/{name}", patch, FIELD_MANAGER, ConfigMap)
                )
            for other in self._mirror.group(_key(target)):
                if other.metadata.name != name:
                    self._delete(other.metadata.name, other)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND and known is not None:
                self._mirror.remove(known)
            return f"ConfigMap {self._namespace}/{name}: {error.message}"
        return ""

    def strays(self, targets: Collection[TargetRef]) -> tuple[str, ...]:
        """Return the other targets of which cordons are remembered, as kind, namespace and name.

        Nobody gives those workers their queues back.
        """
        ours = {_key(target) for target in targets}
        return tuple(sorted({_address(found) for found in self._mirror.items()} - ours))

    def _delete(self, name: str, known: ConfigMap | None) -> None:
        if known is None:
            return
        try:
            version = known.metadata.resource_version
            self._api.delete(f"{self._path}/{name}", {"resourceVersion": version})
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        self._mirror.remove(known)


def _key(target: TargetRef) -> str:
    return f"{target.kind} {target}"


def _address(found: ConfigMap) -> str:
    data = found.data or {}
    return f"{data.get('kind', '')} {data.get('target', '')}"


def _read(found: ConfigMap) -> Reading[tuple[Cordon, ...]]:
    try:
        return fresh(_DECODER.decode((found.data or {}).get(KEY, "[]")), "ConfigMap")
    except msgspec.MsgspecError as error:
        where = f"{found.metadata.namespace}/{found.metadata.name}"
        return unknown("ConfigMap", f"ConfigMap {where} holds something else under {KEY!r}: {error}")


def _encoded(cordons: Collection[Cordon]) -> str:
    return msgspec.json.encode(cordons).decode()


def _manifest(name: str, target: TargetRef, cordons: Collection[Cordon]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": LABELS},
        "data": {"target": str(target), "kind": target.kind, KEY: _encoded(cordons)},
    }
