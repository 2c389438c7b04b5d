"""The minReplicas that users gave their HorizontalPodAutoscalers, remembered while we have others in force.

Each is written down before the first of ours, and again when its user has changed it. Nobody could tell
afterwards what to restore otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from autoscaler.cluster.client import Api
from autoscaler.cluster.kinds import ConfigMap
from autoscaler.cluster.notes import Notes
from autoscaler.core.model import Reading, TargetRef, fresh, unknown

COMPONENT = "hpa"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an HPA's user had for its minReplicas."""

    target: TargetRef
    name: str
    uid: str
    own: int

    def __str__(self) -> str:
        return f"HPA {self.target.namespace}/{self.name}"


class FloorNotes:
    """The memory of them, in ConfigMaps of the daemon's own namespace."""

    def __init__(self, api: Api, namespace: str, clock: Callable[[], float]) -> None:
        self._notes = Notes(api, namespace, COMPONENT, clock)

    def start(self) -> None:
        """Begin to read them."""
        self._notes.start()

    def stop(self) -> None:
        """Read them no more."""
        self._notes.stop()

    def wait_settled(self, seconds: float) -> bool:
        """Wait until they were read or refused, and return whether it was in time."""
        return self._notes.wait_settled(seconds)

    @property
    def trouble(self) -> str:
        """Why they have not been read yet, empty once they have."""
        return self._notes.trouble

    def own(self, uid: str) -> Reading[int | None]:
        """Return what is remembered of an HPA, None where nothing is; unknown until they have been read."""
        if self._notes.trouble:
            return unknown("ConfigMap", self._notes.trouble)
        found = self._notes.get(uid)
        if found is None:
            return fresh(None, "ConfigMap")
        remembered = _read(found)
        if remembered is None:
            where = f"{found.metadata.namespace}/{found.metadata.name}"
            return unknown("ConfigMap", f"ConfigMap {where} holds something else")
        return fresh(remembered.own, "ConfigMap")

    def remember(self, kept: Remembered) -> str:
        """Write one down, in place of whatever is remembered of its target; return why that failed."""
        data = {"hpa": kept.name, "uid": kept.uid, "minReplicas": str(kept.own)}
        failure = self._notes.write(kept.uid, kept.target, data)
        others = (one for one in self._notes.of(kept.target) if (one.data or {}).get("uid") != kept.uid)
        for other in () if failure else tuple(others):
            failure = failure or self._notes.erase(other)
        return failure

    def forget(self, uid: str) -> str:
        """Remember nothing of an HPA any more; return why that failed."""
        return self._notes.erase(self._notes.get(uid))

    def all(self) -> tuple[Remembered, ...]:
        """Return all that are remembered."""
        return _readable(self._notes.all())

    def strays(self, targets: Collection[TargetRef]) -> tuple[Remembered, ...]:
        """Return those of other targets."""
        return _readable(self._notes.strays(targets))


def _readable(found: Collection[ConfigMap]) -> tuple[Remembered, ...]:
    return tuple(kept for kept in map(_read, found) if kept is not None)


def _read(found: ConfigMap) -> Remembered | None:
    """Return what a ConfigMap says, None where it says something else: somebody has edited it."""
    data = found.data or {}
    namespace, _, name = data.get("target", "").partition("/")
    hpa, uid, own = data.get("hpa", ""), data.get("uid", ""), data.get("minReplicas", "")
    if not (namespace and name and hpa and uid and own.isascii() and own.isdecimal()):
        return None
    return Remembered(TargetRef(namespace, name, data.get("kind", "")), hpa, uid, int(own))
