"""Feeding a mirror without asking again and again.

List once, watch from there on, begin again with a list only when the API server no longer knows the
place. In steady state nothing is polled; every trouble is followed by a pause that grows and differs
from daemon to daemon.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Generic

import msgspec
import structlog
import urllib3

from autoscaler.cluster.client import Api, ApiError, unreachable
from autoscaler.cluster.kinds import Listing, Status, WatchEvent
from autoscaler.cluster.mirror import ItemT, Mirror

PAGE = 500
SHORTEST_WATCH_SECONDS = 240
LONGEST_WATCH_SECONDS = 300
LONGEST_SILENCE_SECONDS = 90.0
SHORTEST_LIFE_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
REFUSALS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})

log = structlog.get_logger()


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
        self._mirror.lost(trouble, refused=error.status in REFUSALS)
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
