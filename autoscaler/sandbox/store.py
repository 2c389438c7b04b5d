"""The stand-in cluster's memory: objects with versions, whose changes can be followed.

Everything that writes, the API server for its clients as well as the controllers, goes through one
`Store`, so all of them see the same rules: defaults, validation, optimistic locking, owners of
fields, admission. Threads may share it; nothing in here waits.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from autoscaler.sandbox import errors
from autoscaler.sandbox.event_log import ADDED, DELETED, MODIFIED, Event, EventLog
from autoscaler.sandbox.objects import selectors
from autoscaler.sandbox.objects.kinds import Kind, kind_of
from autoscaler.sandbox.objects.values import JSON, copy, dig, stamp, utc_now

__all__ = ["ADDED", "DELETED", "JSON", "MODIFIED", "Admission", "Event", "Store", "utc_now"]

_log = logging.getLogger(__name__)

Admission = Callable[["Store", str, JSON], JSON]


class Store:
    """Objects by resource, namespace and name; "" is the namespace of what has none.

    `clock` gives the time in UTC; `event_log` is how many changes of each resource a watch may lag
    behind. `admission` is a list of plug-ins, each given the store, the resource and a new object,
    that return the object to store or raise `ApiError`.
    """

    def __init__(self, *, clock: Callable[[], datetime] = utc_now, event_log: int = 1000) -> None:
        self.clock = clock
        self.admission: list[Admission] = []
        self._log_length = event_log
        self._lock = threading.RLock()
        self._objects: dict[str, dict[tuple[str, str], JSON]] = {}
        self._logs: dict[str, EventLog] = {}
        self._version = 0
        self._pending: deque[Event] = deque()
        self._delivering = threading.Lock()
        self._subscribers: list[Callable[[Event], None]] = []

    def create(self, resource: str, obj: JSON, *, manager: str = "sandbox", dry_run: bool = False) -> JSON:
        """Store a new object and return it. Raises `ApiError` (409 where the name is taken)."""
        kind = kind_of(resource)
        with self._lock:
            new = copy(obj)
            meta = new.setdefault("metadata", {})
            key = (meta.get("namespace", ""), meta["name"])
            if key in self._kept(kind):
                raise errors.already_exists(kind, meta["name"])
            new["apiVersion"], new["kind"] = kind.api_version, kind.kind
            meta["uid"] = str(uuid.uuid4())
            meta["creationTimestamp"] = stamp(self.clock())
            if kind.generations:
                meta["generation"] = 1
            for plug_in in self.admission:
                new = plug_in(self, resource, new)
            if not dry_run:
                self._commit(kind, ADDED, new, None)
            result: JSON = copy(new)
        self._deliver()
        return result

    def get(self, resource: str, namespace: str, name: str) -> JSON:
        """Return an object. Raises `ApiError` 404."""
        with self._lock:
            result: JSON = copy(self._find(kind_of(resource), namespace, name))
        return result

    def list(
        self, resource: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[list[JSON], int]:
        """Return the objects that match, by namespace and name, and the store's version."""
        kind = kind_of(resource)
        selector = selectors.parse(kind, labels, fields)
        with self._lock:
            found = [
                copy(obj)
                for key, obj in sorted(self._kept(kind).items())
                if namespace in {None, key[0]} and selector.matches(obj)
            ]
            return found, self._version

    def update(
        self,
        resource: str,
        obj: JSON,
        *,
        manager: str = "sandbox",
        subresource: str = "",
        dry_run: bool = False,
    ) -> JSON:
        """Replace an object, or with `subresource` "status" its status alone, and return it.

        Raises `ApiError`: 404, or 409 where the object carries a resourceVersion that is not current.
        """
        kind = kind_of(resource)
        with self._lock:
            meta = obj["metadata"]
            old = self._find(kind, meta.get("namespace", ""), meta["name"])
            if meta.get("resourceVersion") not in {None, "", old["metadata"]["resourceVersion"]}:
                raise errors.conflict(kind, meta["name"])
            new = copy(old)
            if subresource == "status":
                new["status"] = copy(obj.get("status", {}))
            else:
                new = copy(obj) | ({"status": copy(old["status"])} if "status" in old else {})
                for field in ("uid", "creationTimestamp", "generation", "resourceVersion"):
                    if field in old["metadata"]:
                        new["metadata"][field] = old["metadata"][field]
                if kind.generations and new.get("spec") != old.get("spec"):
                    new["metadata"]["generation"] += 1
            if not dry_run and new != old:
                self._commit(kind, MODIFIED, new, old)
            result: JSON = copy(new)
        self._deliver()
        return result

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        uid: str = "",
        propagation: str = "",
    ) -> JSON:
        """Delete an object and return its last state. Raises `ApiError`: 404, 409 for another uid.

        A pod on a node is only marked, and goes when it is deleted with `grace_seconds` 0.
        """
        kind = kind_of(resource)
        with self._lock:
            old = self._find(kind, namespace, name)
            if uid not in {"", old["metadata"]["uid"]}:
                raise errors.conflict(kind, name, "the UID does not match")
            grace = self._grace(kind, old, grace_seconds)
            if grace and "deletionTimestamp" in old["metadata"]:
                return self.get(resource, namespace, name)
            new = copy(old)
            if grace:
                meta = new["metadata"]
                meta["deletionGracePeriodSeconds"] = grace
                meta["deletionTimestamp"] = stamp(self.clock() + timedelta(seconds=grace))
                meta["generation"] += 1
            self._commit(kind, MODIFIED if grace else DELETED, new, old, propagation)
            result: JSON = copy(new)
        self._deliver()
        return result

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back after each change, in order and outside of the lock. Returns how to stop it."""
        self._subscribers = [*self._subscribers, callback]

        def unsubscribe() -> None:
            self._subscribers = [known for known in self._subscribers if known is not callback]

        return unsubscribe

    def _kept(self, kind: Kind) -> dict[tuple[str, str], JSON]:
        return self._objects.setdefault(kind.storage, {})

    def _find(self, kind: Kind, namespace: str, name: str) -> JSON:
        found = self._kept(kind).get((namespace, name))
        if found is None:
            raise errors.not_found(kind, name)
        return found

    def _grace(self, kind: Kind, obj: JSON, asked: int | None) -> int:
        if kind.resource != "pods" or not dig(obj, "spec", "nodeName"):
            return 0
        if asked is not None:
            return asked
        return int(dig(obj, "spec", "terminationGracePeriodSeconds") or 30)

    def _commit(self, kind: Kind, change: str, new: JSON, old: JSON | None, propagation: str = "") -> None:
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        key = (new["metadata"].get("namespace", ""), new["metadata"]["name"])
        if change == DELETED:
            del self._kept(kind)[key]
        else:
            self._kept(kind)[key] = new
        event = Event(change, kind.storage, new, old, self._version, propagation)
        log = self._logs.setdefault(kind.storage, EventLog(self._log_length))
        log.append(event)
        self._pending.append(event)

    def _deliver(self) -> None:
        while self._pending and self._delivering.acquire(blocking=False):
            try:
                while self._pending:
                    event = self._pending.popleft()
                    for callback in self._subscribers:
                        self._call(callback, event)
            finally:
                self._delivering.release()

    def _call(self, callback: Callable[[Event], Any], event: Event) -> None:
        try:
            callback(event)
        except Exception:  # noqa: BLE001 - one broken subscriber must not stop the others
            _log.exception("a subscriber failed on %s of %s", event.type, event.resource)
