"""Watches: every change that a client asked for, in order, for as long as it wants to listen.

A watch begins with what it missed since the version that it names, or with all there is, and then
follows. Everything in here runs in the server's event loop; changes come in from the threads that
make them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from autoscaler.sandbox.api.calls import Call
from autoscaler.sandbox.api.tables import table_of, wants_table
from autoscaler.sandbox.errors import bad_request, forbidden_value, invalid
from autoscaler.sandbox.event_log import ADDED, DELETED, MODIFIED, Event
from autoscaler.sandbox.objects import selectors, shapes
from autoscaler.sandbox.objects.event_forms import shown
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.selectors import Selector
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import ApiError, Store

DEFAULT_SECONDS = 1800.0
BOOKMARK_BEFORE_END_SECONDS = 2.0
_LONGEST_QUEUE = 10_000
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True)
class WatchWish:
    """What a watch asks for; `since` None begins with all there is.

    `seconds` need not be whole ones, as they must with a real API server, which helps tests.
    """

    kind: Kind
    namespace: str | None
    selector: Selector
    since: int | None
    seconds: float
    bookmarks: bool
    initial_events: bool
    call: Call


@dataclass(slots=True, eq=False)
class Stream:
    """The changes that a watch has yet to send.

    `sent` is the version up to which its client knows everything; `closed` when the watch is to end,
    because the server stops or the client does not keep up.
    """

    wish: WatchWish
    queue: deque[Event] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    closed: bool = False


def read_wish(call: Call) -> WatchWish:
    """Return what a watch asks for. Raises `ApiError` 400 or 422."""
    params, kind = call.params, call.route.kind
    initial = call.flag("sendInitialEvents")
    match = params.get("resourceVersionMatch", "")
    if initial and match != "NotOlderThan":
        rule = "resourceVersionMatch is required and must be NotOlderThan with sendInitialEvents"
        raise invalid("meta.k8s.io", "ListOptions", "", [forbidden_value("resourceVersionMatch", rule)])
    if match and not initial:
        rule = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise invalid("meta.k8s.io", "ListOptions", "", [forbidden_value("resourceVersionMatch", rule)])
    fields = params.get("fieldSelector", "")
    if call.route.name:
        fields = ",".join(part for part in (fields, f"metadata.name={call.route.name}") if part)
    try:
        since = int(params.get("resourceVersion") or 0)
        seconds = float(params.get("timeoutSeconds") or DEFAULT_SECONDS)
    except ValueError as error:
        raise bad_request(f"invalid watch options: {error}") from error
    return WatchWish(
        kind=kind,
        namespace=call.route.namespace,
        selector=selectors.parse(kind, params.get("labelSelector", ""), fields),
        since=None if initial or not since else since,
        seconds=seconds,
        bookmarks=call.flag("allowWatchBookmarks"),
        initial_events=initial,
        call=call,
    )


class Watches:
    """All open watches of a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._streams: dict[tuple[str, str | None], set[Stream]] = {}
        self._seen = store.version

    def dispatch(self, event: Event) -> None:
        """Queue a change for the watches that it concerns."""
        self._seen = event.version
        for place in ((event.resource, event.namespace), (event.resource, None)):
            for stream in self._streams.get(place, ()):
                stream.queue.append(event)
                stream.closed = stream.closed or len(stream.queue) > _LONGEST_QUEUE
                stream.woken.set()

    def open(self, wish: WatchWish) -> Stream:
        """Begin to queue changes for a watch."""
        stream = Stream(wish)
        self._streams.setdefault(_place(wish), set()).add(stream)
        return stream

    def close(self, stream: Stream) -> None:
        """Stop to queue changes for a watch."""
        self._streams[_place(stream.wish)].discard(stream)

    def end_all(self) -> None:
        """Let all watches end in peace."""
        for streams in self._streams.values():
            for stream in streams:
                stream.closed = True
                stream.woken.set()

    def beginning(self, stream: Stream) -> bytes:
        """Return what a watch sends first: what it missed, or all there is, or that it is too late."""
        wish = stream.wish
        if wish.since is None:
            objects, stream.sent = self._store.snapshot(wish.kind.resource, wish.namespace)
            lines = [self._line(wish, ADDED, obj) for obj in objects if wish.selector.matches(obj)]
            if wish.initial_events and wish.bookmarks:
                lines.append(self._bookmark(wish, stream.sent, _INITIAL_END))
            return b"".join(lines)
        stream.sent = wish.since
        try:
            missed = self._store.changes(wish.kind.resource, wish.since)
        except ApiError as error:
            stream.closed = True
            return _encoded("ERROR", error.body())
        return self._lines(stream, missed)

    def waiting(self, stream: Stream) -> bytes:
        """Return what has been queued for a watch since it was asked last."""
        stream.woken.clear()
        events = list(stream.queue)
        stream.queue.clear()
        return self._lines(stream, events)

    def bookmark(self, stream: Stream) -> bytes:
        """Return a bookmark at the newest version of which the watch has seen everything."""
        stream.sent = max(stream.sent, self._seen)
        return self._bookmark(stream.wish, stream.sent, {})

    def _lines(self, stream: Stream, events: list[Event]) -> bytes:
        found: list[bytes] = []
        for event in events:
            if event.version > stream.sent:
                stream.sent = event.version
                found += self._told(stream.wish, event)
        return b"".join(found)

    def _told(self, wish: WatchWish, event: Event) -> Iterator[bytes]:
        """Yield what a watch is told of a change: entering a selection is ADDED, leaving it DELETED."""
        if wish.namespace not in {None, event.namespace}:
            return
        obj = shown(wish.kind, event.object)
        old = None if event.previous is None else shown(wish.kind, event.previous)
        was = old is not None and wish.selector.matches(old)
        is_now = event.type != DELETED and wish.selector.matches(obj)
        if is_now:
            yield self._line(wish, MODIFIED if was else ADDED, obj)
        elif was and old is not None:
            yield self._line(wish, DELETED, obj if event.type == DELETED else _last_seen(old, obj))

    def _line(self, wish: WatchWish, change: str, obj: JSON) -> bytes:
        if wants_table(wish.call.accept):
            version = obj["metadata"]["resourceVersion"]
            obj = table_of(wish.kind, [obj], version, self._store.clock(), wish.call.params)
        return _encoded(change, obj)

    def _bookmark(self, wish: WatchWish, version: int, annotations: JSON) -> bytes:
        obj = shapes.empty(wish.kind)
        obj["metadata"] = {"resourceVersion": str(version)}
        if annotations:
            obj["metadata"]["annotations"] = annotations
        if wish.kind.kind in {"StatefulSet", "Deployment", "ReplicaSet"}:
            obj["spec"]["replicas"] = 0
        if wants_table(wish.call.accept):
            obj = table_of(wish.kind, [], str(version), self._store.clock(), wish.call.params)
        return _encoded("BOOKMARK", obj)


def _place(wish: WatchWish) -> tuple[str, str | None]:
    return wish.kind.storage, wish.namespace


def _last_seen(old: JSON, new: JSON) -> JSON:
    """Return an object as it was while selected, under the version with which it left."""
    version = new["metadata"]["resourceVersion"]
    return old | {"metadata": old["metadata"] | {"resourceVersion": version}}


def _encoded(change: str, obj: JSON) -> bytes:
    return msgspec.json.encode({"type": change, "object": obj}) + b"\n"
