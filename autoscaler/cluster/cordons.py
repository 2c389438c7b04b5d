"""The memory of which workers take no tasks because of us, in ConfigMaps of the daemon's own namespace.

There is one for each target that has any cordon, named by the target's uid, and none for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from autoscaler.cluster.client import Api
from autoscaler.cluster.kinds import ConfigMap
from autoscaler.cluster.notes import Notes, address, labels, prefix
from autoscaler.core.model import Cordon, Reading, TargetRef, fresh, unknown

COMPONENT = "drain"
PREFIX = prefix(COMPONENT)
LABELS = labels(COMPONENT)
KEY = "cordons"
_DECODER = msgspec.json.Decoder(tuple[Cordon, ...])


class ConfigMapCordons:
    """Implements `Cordons`."""

    def __init__(self, api: Api, namespace: str, clock: Callable[[], float]) -> None:
        self._notes = Notes(api, namespace, COMPONENT, clock)
        self._decoded: dict[str, tuple[ConfigMap, Reading[tuple[Cordon, ...]]]] = {}

    def start(self) -> None:
        """Begin to read them."""
        self._notes.start()

    def stop(self) -> None:
        """Read them no more."""
        self._notes.stop()

    def wait_settled(self, seconds: float) -> bool:
        """Wait until they were read or refused, and return whether it was in time."""
        return self._notes.wait_settled(seconds)

    def recall(self, target: TargetRef, uid: str) -> Reading[tuple[Cordon, ...]]:
        """Return the cordons of a target. See `Cordons`.

        An object that was deleted without its pods, and made anew, has them under its former uid.
        """
        if self._notes.trouble:
            return unknown(f"ConfigMaps of {self._notes.namespace}", self._notes.trouble)
        found = self._notes.get(uid) or next(iter(self._notes.of(target)), None)
        if found is None:
            return fresh((), "ConfigMap")
        known = self._decoded.get(uid)
        if known is None or known[0] is not found:
            known = self._decoded[uid] = found, _read(found)
        return known[1]

    def record(self, target: TargetRef, uid: str, cordons: Sequence[Cordon]) -> str:
        """Write them, or delete the ConfigMap where there are none. See `Cordons`."""
        if cordons:
            failure = self._notes.write(uid, target, {KEY: _encoded(cordons)})
        else:
            failure = self._notes.erase(self._notes.get(uid))
        for other in self._notes.of(target):
            if not failure and other.metadata.name != f"{PREFIX}{uid}":
                failure = self._notes.erase(other)
        return failure

    def strays(self, targets: Collection[TargetRef]) -> tuple[str, ...]:
        """Return the other targets of which cordons are remembered, as kind, namespace and name.

        Nobody gives those workers their queues back.
        """
        return tuple(sorted({address(found) for found in self._notes.strays(targets)}))


def _read(found: ConfigMap) -> Reading[tuple[Cordon, ...]]:
    try:
        return fresh(_DECODER.decode((found.data or {}).get(KEY, "[]")), "ConfigMap")
    except msgspec.MsgspecError as error:
        where = f"{found.metadata.namespace}/{found.metadata.name}"
        return unknown("ConfigMap", f"ConfigMap {where} holds something else under {KEY!r}: {error}")


def _encoded(cordons: Collection[Cordon]) -> str:
    return msgspec.json.encode(cordons).decode()
