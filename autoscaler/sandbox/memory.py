"""Objects, the count of their changes, and who wants to hear of them: the part with the lock.

Objects in here are never changed, only replaced, so that they can be handed out without a copy to
whoever promises to look only.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autoscaler.sandbox.event_log import ADDED, DELETED, MODIFIED, Event, EventLog
from autoscaler.sandbox.objects.values import JSON

Key = tuple[str, str]
Subscriber = Callable[[Event], None]

_log = logging.getLogger(__name__)


class Memory:
    """Objects by resource and by (namespace, name).

    Look under `lock` at what belongs together, and write within `writing`.
    """

    def __init__(self, event_log: int) -> None:
        self.lock = threading.RLock()
        self.version = 0
        self._depth = 0
        self._log_length = event_log
        self._objects: dict[str, dict[Key, JSON]] = {}
        self._logs: dict[str, EventLog] = {}
        self._pending: deque[Event] = deque()
        self._delivering = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock, and tell of the changes once it is free again, however often it is held."""
        outermost = False
        try:
            with self.lock:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                    outermost = not self._depth
        finally:
            if outermost:
                self._deliver()

    def find(self, resource: str, key: Key) -> JSON | None:
        """Return an object, None where there is none."""
        return self._objects.get(resource, {}).get(key)

    def items(self, resource: str, namespace: str | None) -> list[JSON]:
        """Return the objects of one namespace, or with None of all, by namespace and name."""
        kept = self._objects.get(resource, {})
        return [kept[key] for key in sorted(kept) if namespace in {None, key[0]}]

    def resources(self) -> tuple[str, ...]:
        """Return the resources that have or had objects."""
        return tuple(self._objects)

    def put(self, resource: str, key: Key, new: JSON) -> None:
        """Store an object under the next version, and remember the change."""
        old = self.find(resource, key)
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self._objects.setdefault(resource, {})[key] = new
        self._remember(Event(MODIFIED if old else ADDED, resource, new, old, self.version))

    def drop(self, resource: str, key: Key, last: JSON, propagation: str) -> None:
        """Forget an object under the next version; `last` is how it is shown for the last time."""
        old = self._objects[resource].pop(key)
        self.version += 1
        last["metadata"]["resourceVersion"] = str(self.version)
        self._remember(Event(DELETED, resource, last, old, self.version, propagation))

    def since(self, resource: str, version: int) -> list[Event]:
        """Return the changes of a resource after a version. Raises `ApiError` 410."""
        return self._log_of(resource).since(version)

    def forget_changes(self) -> None:
        """Forget all changes so far, as a compaction does."""
        for resource in self._objects:
            self._log_of(resource).forget(self.version)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call back after each change, in order and outside of the lock. Returns how to stop it."""
        with self.lock:
            self._subscribers = (*self._subscribers, subscriber)

        def unsubscribe() -> None:
            with self.lock:
                self._subscribers = tuple(other for other in self._subscribers if other is not subscriber)

        return unsubscribe

    def _deliver(self) -> None:
        """Tell the subscribers what they have not heard yet.

        One thread at a time tells, the others leave their changes to it; a subscriber that writes
        hears of its own change once it has returned.
        """
        while self._pending and self._delivering.acquire(blocking=False):
            try:
                while self._pending:
                    event = self._pending.popleft()
                    for subscriber in self._subscribers:
                        _tell(subscriber, event)
            finally:
                self._delivering.release()

    def _log_of(self, resource: str) -> EventLog:
        return self._logs.setdefault(resource, EventLog(self._log_length))

    def _remember(self, event: Event) -> None:
        self._log_of(event.resource).append(event)
        self._pending.append(event)


def _tell(subscriber: Subscriber, event: Event) -> None:
    try:
        subscriber(event)
    except Exception:  # noqa: BLE001 - one broken subscriber must not stop the others
        _log.exception("a subscriber failed on %s of %s", event.type, event.resource)
