"""The stand-in cluster's store: every write goes through it, a client's as well as a controller's.

So all of them meet the same rules: defaults, validation, optimistic locking, owners of fields,
admission. Threads may share a store; nothing in here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from autoscaler.sandbox import errors
from autoscaler.sandbox.admission.plugins import Admission, completing_plugins, judging_plugins
from autoscaler.sandbox.admission.quota import charge_quota
from autoscaler.sandbox.admission.quota_count import follow_quotas
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import ADDED, DELETED, MODIFIED, Event
from autoscaler.sandbox.memory import Memory
from autoscaler.sandbox.objects import lifecycle, owners, selectors
from autoscaler.sandbox.objects.decode import decode
from autoscaler.sandbox.objects.deletion import grace_seconds_of, mark_deleted
from autoscaler.sandbox.objects.event_forms import shown, stored
from autoscaler.sandbox.objects.kinds import Kind, kind_of
from autoscaler.sandbox.objects.lifecycle import Record
from autoscaler.sandbox.objects.owners import UPDATE, Owner
from autoscaler.sandbox.objects.preconditions import check_basis, check_uid, decoding
from autoscaler.sandbox.objects.values import JSON, copy, stamp, utc_now

Objects = list[JSON]
Events = list[Event]

__all__ = ["ADDED", "DELETED", "JSON", "MODIFIED", "ApiError", "Event", "Store", "utc_now"]


class Store:
    """Objects by resource, namespace and name; "" is the namespace of what has none.

    `clock` gives the time in UTC; `event_log` is how many changes of each resource a watch may lag
    behind. `admission` is a list of plug-ins, each given the store, the resource and a new object,
    that return it or raise `ApiError`; quotas and limit ranges are among them.
    `features` are the feature gates that are on, such as "HPAScaleToZero".
    What is handed out is a copy, but for the objects of events and snapshots, which are shared.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = utc_now,
        event_log: int = 1000,
        features: Collection[str] = (),
    ) -> None:
        self.clock = clock
        self.features = frozenset(features)
        self.admission: list[Admission] = judging_plugins()
        self._completing = completing_plugins()
        self._memory = Memory(event_log)
        follow_quotas(self)

    @property
    def version(self) -> int:
        """The number of changes so far, which is the resourceVersion of the last one."""
        return self._memory.version

    def create(
        self,
        resource: str,
        obj: JSON,
        *,
        manager: str = "sandbox",
        dry_run: bool = False,
        record: Record | None = None,
    ) -> JSON:
        """Store a new object and return it; `record` settles who owns which field, else `manager` does.

        Raises `ApiError`: 400, 403, 409 where the name is taken, 422.
        """
        kind = kind_of(resource)
        with self._memory.writing():
            now = stamp(self.clock())
            record = record or _recorder(Owner(manager, UPDATE, kind.api_version), now)
            with decoding(kind):
                sent = decode(kind, obj)
            new = lifecycle.created(
                kind, sent, now, record, lambda obj: self._complete(kind, obj), features=self.features
            )
            new = stored(kind, new)
            for plug_in in self.admission:
                new = plug_in(self, kind.storage, new)
            if kind.kept and self._memory.find(kind.storage, _key(new)):
                raise errors.already_exists(kind, _key(new)[1])
            if kind.kept and not dry_run:
                charge_quota(self, kind.storage, new)
                self._memory.put(kind.storage, _key(new), new)
            return copy(shown(kind, new))

    def get(self, resource: str, namespace: str, name: str) -> JSON:
        """Return an object. Raises `ApiError` 404."""
        kind = kind_of(resource)
        return copy(shown(kind, self._find(kind, namespace, name)))

    def list(
        self, resource: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[Objects, int]:
        """Return the objects that match, by namespace and name, and the store's version."""
        selector = selectors.parse(kind_of(resource), labels, fields)
        objects, version = self.snapshot(resource, namespace)
        return [copy(obj) for obj in objects if selector.matches(obj)], version

    def snapshot(self, resource: str, namespace: str | None = None) -> tuple[Objects, int]:
        """Return all objects as they are, without a copy: look, do not change."""
        kind = kind_of(resource)
        with self._memory.lock:
            objects, version = self._memory.items(kind.storage, namespace), self._memory.version
        return [shown(kind, obj) for obj in objects], version

    def update(
        self,
        resource: str,
        obj: JSON,
        *,
        manager: str = "sandbox",
        subresource: str = "",
        dry_run: bool = False,
    ) -> JSON:
        """Replace an object and return it: all but its status, or only that, or only the replicas.

        The latter through `subresource` "status" and "scale". Raises `ApiError`: 400, 404, 409 where
        the object carries a resourceVersion or a uid that is not current, 422.
        """
        namespace, name = _key(obj)
        return self.modify(
            resource,
            namespace,
            name,
            lambda _old: obj,
            manager=manager,
            subresource=subresource,
            dry_run=dry_run,
        )

    def modify(
        self,
        resource: str,
        namespace: str,
        name: str,
        change: Callable[[JSON], JSON],
        *,
        manager: str = "sandbox",
        subresource: str = "",
        dry_run: bool = False,
        record: Record | None = None,
    ) -> JSON:
        """Replace an object by what `change` makes of a copy of it, with nobody else in between.

        `record` as for `create`. Raises what `change` raises, and what `update` raises.
        """
        kind = kind_of(resource)
        with self._memory.writing():
            old = shown(kind, self._find(kind, namespace, name))
            with decoding(kind):
                sent = decode(kind, change(copy(old)))
            check_basis(kind, old, sent)
            owner = Owner(manager, UPDATE, kind.api_version, subresource)
            record = record or _recorder(owner, stamp(self.clock()))
            new = lifecycle.replaced(kind, old, sent, subresource, record, features=self.features)
            if not subresource:
                charge_quota(self, kind.storage, new, old, dry_run=dry_run)
            if new is not old and not dry_run:
                self._replace(kind, stored(kind, new))
            return copy(new)

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        uid: str = "",
        propagation: str = "",
        dry_run: bool = False,
    ) -> JSON:
        """Delete an object and return its last state. Raises `ApiError`: 404, 409 for another uid.

        A pod on a node is only marked, and goes when it is deleted with `grace_seconds` 0; what has
        finalizers is marked too and goes with the last of them. Of a namespace everything goes.
        `propagation` is handed on in the event.
        """
        kind = kind_of(resource)
        with self._memory.writing():
            old = self._find(kind, namespace, name)
            check_uid(kind, old, uid)
            new = copy(old)
            grace = grace_seconds_of(kind, old, grace_seconds)
            stays = grace > 0 or bool(new["metadata"].get("finalizers"))
            if stays:
                mark_deleted(new["metadata"], grace, self.clock())
            if not dry_run and not (stays and new == old):
                self._remove(kind, new, stays=stays, propagation=propagation)
        return copy(shown(kind, new))

    def changes(self, resource: str, version: int) -> Events:
        """Return the changes of a resource after a version. Raises `ApiError` 410 for an old one."""
        with self._memory.lock:
            return self._memory.since(kind_of(resource).storage, version)

    def forget_changes(self) -> None:
        """Forget all changes so far, as a compaction does: older watches get 410."""
        with self._memory.lock:
            self._memory.forget_changes()

    def load(self, resource: str, obj: JSON) -> None:
        """Store an object as it is, from a recording or a backup, if possible under its version."""
        kind = kind_of(resource)
        with self._memory.writing():
            new = stored(kind, {"apiVersion": kind.api_version, "kind": kind.kind} | copy(obj))
            version = int(new["metadata"].get("resourceVersion", 0))
            self._memory.version = max(self._memory.version, version - 1)
            self._memory.put(kind.storage, _key(new), new)

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back after each change, in order and outside of the lock. Returns how to stop it.

        Events appear under "events" alone, in the form of core v1.
        """
        return self._memory.subscribe(callback)

    def _complete(self, kind: Kind, obj: JSON) -> None:
        """Let the plug-ins complete a new object in place."""
        for plug_in in self._completing:
            plug_in(self, kind.storage, obj)

    def _find(self, kind: Kind, namespace: str, name: str) -> JSON:
        found = self._memory.find(kind.storage, (namespace, name))
        if found is None:
            raise errors.not_found(kind, name)
        return found

    def _replace(self, kind: Kind, new: JSON) -> None:
        """Store an object, or let it go when it has only been waiting for its last finalizer."""
        meta = new["metadata"]
        waiting = "deletionTimestamp" in meta and not meta.get("deletionGracePeriodSeconds")
        self._remove(kind, new, stays=not waiting or bool(meta.get("finalizers")), propagation="")

    def _remove(self, kind: Kind, new: JSON, *, stays: bool, propagation: str) -> None:
        key = _key(new)
        if stays:
            self._memory.put(kind.storage, key, new)
            return
        self._memory.drop(kind.storage, key, new, propagation)
        if kind.resource == "namespaces":
            for resource in self._memory.resources():
                for obj in self._memory.items(resource, key[1]):
                    self._memory.drop(resource, _key(obj), copy(obj), propagation)


def _key(obj: JSON) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta.get("namespace") or "", meta["name"]


def _recorder(owner: Owner, now: str) -> Record:
    return lambda old, new: owners.record_update(old, new, owner, now)
