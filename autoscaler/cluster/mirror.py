"""A copy of one list of objects, kept up to date without asking for it again and again.

`Mirror` is the copy: what a list, a watch or an answer to our own write says is merged into it by
resourceVersion, so that an event from before a write never undoes what the write's answer has told.
`Watcher` is the thread that feeds it: list once, watch from there on, begin again with a list only when
the API server no longer knows the place. In steady state nothing is polled.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog
import urllib3

from autoscaler.cluster.client import Api, ApiError, unreachable
from autoscaler.cluster.kinds import Listing, Meta, Status, WatchEvent

PAGE = 500
SHORTEST_WATCH_SECONDS = 240
LONGEST_WATCH_SECONDS = 300
LONGEST_SILENCE_SECONDS = 90.0
SHORTEST_LIFE_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0

log = structlog.get_logger()


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
        self._lost_at: float | None = None
        self._synced = threading.Event()
        self.trouble = "not listed yet"

    def get(self, namespace: str, name: str) -> ItemT | None:
        """Return an object as it was last seen."""
        with self._lock:
            return self._items.get((namespace, name))

    def group(self, key: str) -> tuple[ItemT, ...]:
        """Return the objects of a group, by name."""
        with self._lock:
            found = self._groups.get(key, {})
            return tuple(found[address] for address in sorted(found))

    @property
    def synced(self) -> bool:
        """Whether a whole list has arrived."""
        return self._synced.is_set()

    def wait_synced(self, seconds: float) -> bool:
        """Wait for the first whole list, and return whether it has come."""
        return self._synced.wait(seconds)

    @property
    def blind_seconds(self) -> float:
        """For how long no watch has been open: zero while one is."""
        lost_at = self._lost_at
        return 0.0 if lost_at is None else self._clock() - lost_at

    def connected(self) -> None:
        """Take note that a watch is open."""
        self._lost_at = None
        self.trouble = ""

    def lost(self, trouble: str) -> None:
        """Take note that no watch is open, and why."""
        self.trouble = trouble
        if self._lost_at is None:
            self._lost_at = self._clock()

    def replace(self, items: list[ItemT]) -> None:
        """Take a whole list: what is not in it is gone."""
        with self._lock:
            before, self._items, self._groups = self._items, {}, {}
            for item in items:
                known = before.get(_address(item))
                self._keep(known if known is not None and _newer(known, item) else item)
        self._synced.set()

    def put(self, item: ItemT) -> None:
        """Take an object, unless a newer state of it is here already."""
        with self._lock:
            known = self._items.get(_address(item))
            if known is not None and _newer(known, item):
                return
            if known is not None:
                self._drop(known)
            self._keep(item)

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


class PlaceLost(Exception):
    """The API server no longer knows the version to go on from."""


class Watcher(Generic[ItemT]):
    """The thread that feeds a mirror from one list of the API, `page` objects at a time.

    `clock` returns monotonic seconds; `rng` spreads the pauses after a trouble, and the ends of watches.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        kind: type[ItemT],
        mirror: Mirror[ItemT],
        *,
        label_selector: str = "",
        clock: Callable[[], float],
        rng: random.Random | None = None,
        page: int = PAGE,
    ) -> None:
        self._clock = clock
        self._page = page
        self._api = api
        self._path = path
        self._selection = {"labelSelector": label_selector} if label_selector else {}
        self._mirror = mirror
        self._listing = msgspec.json.Decoder(Listing[kind])  # type: ignore[valid-type]  # a type made at run time
        self._item = msgspec.json.Decoder(kind)
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not a secret
        self._stopping = threading.Event()
        self._open: urllib3.response.BaseHTTPResponse | None = None
        self._version = ""
        self._pause = FIRST_PAUSE_SECONDS
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Begin to feed the mirror."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, seconds: float = 5.0) -> None:
        """End the thread, waiting for it no longer than the given time."""
        self._stopping.set()
        response = self._open
        if response is not None:
            _cut(response)
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch()
            except PlaceLost:
                self._version = ""
                self._wait()
            except ApiError as error:
                if self._stopping.is_set():
                    return
                self._trouble(error)

    def _trouble(self, error: ApiError) -> None:
        trouble = f"{error.reason}: {error.message}"
        if trouble != self._mirror.trouble:
            log.warning("watch interrupted", path=self._path, reason=error.reason, error=error.message)
        self._mirror.lost(trouble)
        self._wait()

    def _wait(self) -> None:
        self._stopping.wait(self._pause * self._rng.uniform(0.5, 1.0))
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _list(self) -> None:
        items: list[ItemT] = []
        page = ""
        while True:
            query = {**self._selection, "limit": str(self._page), **({"continue": page} if page else {})}
            try:
                raw = self._api.get(self._path, msgspec.Raw, query)
            except ApiError as error:
                if error.status == HTTPStatus.GONE and page:
                    raise PlaceLost from error
                raise
            listing = self._listing.decode(raw)
            items.extend(listing.items or ())
            page = listing.metadata.continue_
            if not page:
                break
        self._mirror.replace(items)
        self._version = listing.metadata.resource_version

    def _watch(self) -> None:
        query = {
            **self._selection,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(self._rng.randint(SHORTEST_WATCH_SECONDS, LONGEST_WATCH_SECONDS)),
        }
        opened = self._clock()
        try:
            with self._api.stream(self._path, query, LONGEST_SILENCE_SECONDS) as response:
                self._open = response
                if self._stopping.is_set():
                    return
                self._mirror.connected()
                for line in _lines(response):
                    self._take(line)
        except urllib3.exceptions.ReadTimeoutError:
            log.debug("watch was silent, opening another", path=self._path)
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(error) from error
        except ApiError as error:
            if error.status == HTTPStatus.GONE:
                raise PlaceLost from error
            raise
        finally:
            self._open = None
        if self._clock() - opened < SHORTEST_LIFE_SECONDS:
            raise ApiError(0, "WatchEnded", "the watch ended as soon as it was open")
        self._pause = FIRST_PAUSE_SECONDS

    def _take(self, line: bytes) -> None:
        try:
            event = msgspec.json.decode(line, type=WatchEvent)
            if event.type == "ERROR":
                self._refused(msgspec.json.decode(event.object, type=Status))
            item = self._item.decode(event.object)
        except msgspec.DecodeError as error:
            raise ApiError(0, "NotUnderstood", f"a watch event that makes no sense: {error}") from error
        if event.type == "DELETED":
            self._mirror.remove(item)
        elif event.type != "BOOKMARK":
            self._mirror.put(item)
        self._version = item.metadata.resource_version or self._version
        self._pause = FIRST_PAUSE_SECONDS

    def _refused(self, status: Status) -> None:
        if status.code == HTTPStatus.GONE:
            raise PlaceLost
        raise ApiError(status.code, status.reason, status.message)


def _lines(response: urllib3.response.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the lines of an answer as they arrive."""
    rest = b""
    for chunk in response.stream(None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line)


def _cut(response: urllib3.response.BaseHTTPResponse) -> None:
    """End an answer that another thread is reading."""
    try:
        response.shutdown()
    except (ValueError, RuntimeError, OSError):
        response.close()
