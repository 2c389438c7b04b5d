"""What changed lately, so that a watch can go on from where it stopped."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from autoscaler.sandbox.errors import expired
from autoscaler.sandbox.objects.values import JSON

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


@dataclass(frozen=True, slots=True)
class Event:
    """One change: `previous` is None for a new object, `object` the last state of a deleted one.

    Both are shared with the store: look, do not change. `propagation` is what the caller of a
    deletion wants for the dependents (Background, Foreground or Orphan), "" where nothing was said.
    """

    type: str
    resource: str
    object: JSON
    previous: JSON | None
    version: int
    propagation: str = ""

    @property
    def namespace(self) -> str:
        """The namespace of the object, "" for one without."""
        return str(self.object["metadata"].get("namespace", ""))


class EventLog:
    """The last `length` changes of one resource."""

    def __init__(self, length: int) -> None:
        self._events: deque[Event] = deque()
        self._length = length
        self._forgotten = 0

    def append(self, event: Event) -> None:
        """Remember a change, and forget the oldest one where there are too many."""
        self._events.append(event)
        if len(self._events) > self._length:
            self._forgotten = self._events.popleft().version

    def forget(self, version: int) -> None:
        """Forget everything, so that no version before this one can be resumed from."""
        self._events.clear()
        self._forgotten = version

    def since(self, version: int) -> list[Event]:
        """Return the changes after a version, oldest first.

        Raises `ApiError` 410 when some of them are forgotten.
        """
        if version < self._forgotten:
            raise expired(f"too old resource version: {version} ({self._forgotten})")
        found: list[Event] = []
        for event in reversed(self._events):
            if event.version <= version:
                break
            found.append(event)
        return found[::-1]
