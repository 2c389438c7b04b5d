"""A copy of one list of objects, as a watch tells it.

What a list, a watch or an answer to our own write says is merged by resourceVersion, so that an event
from before a write never undoes what the write's answer has told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from autoscaler.cluster.kinds import Meta


class HasMeta(Protocol):
    """Anything that has ObjectMeta."""

    @property
    def metadata(self) -> Meta:
        """The object's name, uid and version."""
        ...


ItemT = TypeVar("ItemT", bound=HasMeta)


class Mirror(Generic[ItemT]):
    """The objects of one kind, by namespace and name, and by the group that `group_by` puts them in."""

    def __init__(self, clock: Callable[[], float], group_by: Callable[[ItemT], str] | None = None) -> None:
        self._clock = clock
        self._group_by = group_by
        self._lock = threading.Lock()
        self._items: dict[tuple[str, str], ItemT] = {}
        self._groups: dict[str, dict[tuple[str, str], ItemT]] = {}
        self._lists = 0
        self._learned: dict[tuple[str, str], int] = {}
        self._lost_at: float | None = None
        self._synced = threading.Event()
        self._settled = threading.Event()
        self.trouble = "not listed yet"

    def get(self, namespace: str, name: str) -> ItemT | None:
        """Return an object as it was last seen."""
        with self._lock:
            return self._items.get((namespace, name))

    def items(self) -> tuple[ItemT, ...]:
        """Return all objects, by namespace and name."""
        with self._lock:
            return tuple(self._items[address] for address in sorted(self._items))

    def group(self, key: str) -> tuple[ItemT, ...]:
        """Return the objects of a group, by name."""
        with self._lock:
            found = self._groups.get(key, {})
            return tuple(found[address] for address in sorted(found))

    @property
    def synced(self) -> bool:
        """Whether a whole list has arrived."""
        return self._synced.is_set()

    @property
    def settled(self) -> bool:
        """Whether a whole list has arrived, or the API server has said that there is none for us."""
        return self._settled.is_set()

    def wait_settled(self, seconds: float) -> bool:
        """Wait for that, and return whether it has come."""
        return self._settled.wait(seconds)

    @property
    def blind_seconds(self) -> float:
        """For how long no watch has been open: zero while one is."""
        lost_at = self._lost_at
        return 0.0 if lost_at is None else self._clock() - lost_at

    def connected(self) -> None:
        """Take note that a watch is open."""
        self._lost_at = None
        self.trouble = ""

    def lost(self, trouble: str, *, refused: bool = False) -> None:
        """Take note that no watch is open, and why; `refused` when the API server does not let us."""
        self.trouble = trouble
        if refused:
            self._settled.set()
        if self._lost_at is None:
            self._lost_at = self._clock()

    def begin(self) -> int:
        """Take note that a list is asked for, and return a mark for `replace`."""
        with self._lock:
            self._lists += 1
            return self._lists

    def replace(self, items: list[ItemT], mark: int) -> None:
        """Take a whole list: what is not in it is gone, and its versions count, even lower ones.

        Only what was learned of an object after the list was asked for may be newer than the list.
        """
        with self._lock:
            before, self._items, self._groups = self._items, {}, {}
            for item in items:
                known = before.get(_address(item))
                learned = known is not None and self._learned.get(_address(item), 0) >= mark
                self._keep(known if learned and known is not None and _newer(known, item) else item)
        self._synced.set()
        self._settled.set()

    def learn(self, item: ItemT) -> None:
        """Take an object that was read, or answered to a write, just now."""
        with self._lock:
            if self._take(item):
                self._learned[_address(item)] = self._lists

    def put(self, item: ItemT) -> None:
        """Take an object of a watch, unless a newer state of it is here already."""
        with self._lock:
            self._take(item)

    def _take(self, item: ItemT) -> bool:
        known = self._items.get(_address(item))
        if known is not None and _newer(known, item):
            return False
        if known is not None:
            self._drop(known)
        self._keep(item)
        return True

    def remove(self, item: ItemT) -> None:
        """Take an object's deletion, unless another one of its name is here already."""
        with self._lock:
            known = self._items.get(_address(item))
            if known is not None and known.metadata.uid == item.metadata.uid:
                self._drop(known)

    def _keep(self, item: ItemT) -> None:
        self._items[_address(item)] = item
        if self._group_by is not None:
            self._groups.setdefault(self._group_by(item), {})[_address(item)] = item

    def _drop(self, item: ItemT) -> None:
        self._items.pop(_address(item), None)
        if self._group_by is not None:
            key = self._group_by(item)
            group = self._groups.get(key, {})
            group.pop(_address(item), None)
            if not group:
                self._groups.pop(key, None)


def _address(item: HasMeta) -> tuple[str, str]:
    return item.metadata.namespace, item.metadata.name


def _newer(known: HasMeta, item: HasMeta) -> bool:
    """Whether what is known under a name is of a later version than what comes in under it.

    Versions are compared as numbers, which Kubernetes promises since 1.35 and did before; one that is
    no number is believed.
    """
    ours, theirs = known.metadata.resource_version, item.metadata.resource_version
    return ours.isdecimal() and theirs.isdecimal() and int(ours) > int(theirs)
