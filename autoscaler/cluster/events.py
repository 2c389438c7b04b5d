"""Events, written into the namespace of the target by a thread of their own.

They are core/v1 Events with a count and a first and last time, as client-go's recorder writes them. An
Event of the newer events.k8s.io/v1 may have neither (validation/events.go in Kubernetes), and in a series
of them the last time stays null for whoever reads core/v1: `kubectl get events --sort-by=.lastTimestamp`,
and much that exports Events, would not find it. `kubectl describe` shows both alike.

An Event is worth less than a tick: handing one over never waits, what is too much is dropped and
counted, and what the API server does not take is tried a few times and then left.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec
import structlog

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.event_rates import Allowances, Series, SeriesMemory
from autoscaler.core.events import Event, EventFate
from autoscaler.core.writers import FIELD_MANAGER

COMPONENT = "autoscaler"
MESSAGE_BYTES = 1024
LONGEST_STEM = 230  # of a name, of which 253 characters are allowed
QUEUED = 4096
PAUSES_SECONDS = (1.0, 5.0)
"""The pauses before an Event that got no answer, or an excuse, is tried again."""

FLUSH_SECONDS = 2.0
NAMESPACE_TERMINATING = "NamespaceTerminating"

log = structlog.get_logger()

Trouble = tuple[str, str, int, str]
"""Why Events are not taken: the namespace where it is one's own matter, the verb, the status, the reason."""


class ApiEvents:
    """Implements `EventSink`.

    `instance` names this process, such as its pod's name; `clock` returns monotonic seconds; `count` is
    told what came of each Event. `queued` Events may wait.
    """

    def __init__(
        self,
        api: Api,
        instance: str,
        clock: Callable[[], float],
        count: Callable[[EventFate], None],
        *,
        pauses_seconds: Sequence[float] = PAUSES_SECONDS,
        queued: int = QUEUED,
    ) -> None:
        self._api = api
        self._instance = instance
        self._clock = clock
        self._count = count
        self._pauses = tuple(pauses_seconds)
        self._most = queued
        self._waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._allowances = Allowances()
        self._lock = threading.Lock()
        self._series = SeriesMemory()
        self._names = 0
        self._troubles: frozenset[Trouble] = frozenset()
        self._stopping = threading.Event()
        self._too_late = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to write them."""
        self._thread.start()

    def stop(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write what waits within so many seconds, and leave the rest; nothing is tried twice any more."""
        if self._thread.ident is None:
            return
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join(seconds)
        self._too_late.set()
        if self._thread.is_alive():
            log.warning("ended before every Event was written", left=self._waiting.qsize())

    def post(self, event: Event) -> None:
        """Have an Event written, unless there are too many. See `EventSink`."""
        with self._lock:
            if not self._allowances.take(event, self._clock()):
                fate = EventFate.RATE_LIMITED
            elif self._waiting.qsize() >= self._most:
                fate = EventFate.QUEUE_FULL
            else:
                self._waiting.put(event)
                return
        self._count(fate)

    def _run(self) -> None:
        while (event := self._waiting.get()) is not None:
            self._count(EventFate.LEFT if self._too_late.is_set() else self._fate(event))

    def _fate(self, event: Event) -> EventFate:
        try:
            return self._written(event)
        except Exception:  # whatever it was, this thread is all that writes Events
            log.exception("an Event broke", target=str(event.target), reason=event.reason)
            return EventFate.FAILED

    def _written(self, event: Event) -> EventFate:
        """Write an Event, trying again what may pass, and return what came of it."""
        self._names += 1
        name = _name(event, self._names)
        pauses = list(self._pauses)
        while True:
            try:
                self._write(event, name)
            except ApiError as error:
                if _may_pass(error) and pauses and not self._stopping.wait(pauses.pop(0)):
                    continue
                self._tell_of(event, error)
                return EventFate.FAILED if _may_pass(error) else EventFate.REFUSED
            over = {"", event.target.namespace}
            self._troubles = frozenset(one for one in self._troubles if one[0] not in over)
            return EventFate.POSTED

    def _write(self, event: Event, name: str) -> None:
        """Count on the same Event, or create it. Raises `ApiError`.

        Trying twice does no harm: the name and the count are the same, and a name that is taken is ours,
        taken by a try whose answer was lost.
        """
        path = f"/api/v1/namespaces/{event.target.namespace}/events"
        now = self._clock()
        known = self._series.find(event, now)
        if known is not None:
            patch = {"count": known.count + 1, "lastTimestamp": _stamp(event.at)}
            try:
                self._api.merge_patch(f"{path}/{known.name}", patch, FIELD_MANAGER, msgspec.Raw)
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                self._series.forget(event)
            else:
                self._series.told(event, Series(known.name, known.count + 1, now))
                return
        try:
            self._api.create(path, manifest(event, name, self._instance), FIELD_MANAGER, msgspec.Raw)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        self._series.told(event, Series(name, 1, now))

    def _tell_of(self, event: Event, error: ApiError) -> None:
        """Log why an Event was not taken, once until one is; a namespace that goes is no trouble."""
        if error.status == HTTPStatus.NOT_FOUND or NAMESPACE_TERMINATING in error.causes:
            return
        namespace = event.target.namespace
        verb = "create" if self._series.find(event, self._clock()) is None else "patch"
        forbidden = error.status == HTTPStatus.FORBIDDEN
        trouble = (namespace if forbidden else "", verb, error.status, error.reason)
        if trouble in self._troubles:
            return
        self._troubles |= {trouble}
        sentence = "Events cannot be written"
        if forbidden:
            sentence = (
                f"Events of namespace {namespace} cannot be written: it takes the right to {verb} events "
                "there, which `autoscaler rbac` prints"
            )
        log.warning(sentence, target=str(event.target), reason=error.reason, error=error.message)


def manifest(event: Event, name: str, instance: str) -> dict[str, object]:
    """Return the object for an Event that is told for the first time."""
    target, stamp = event.target, _stamp(event.at)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": target.namespace},
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": target.kind,
            "namespace": target.namespace,
            "name": target.name,
            "uid": event.uid,
        },
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "message": cut(event.message),
        "count": 1,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
    }


def cut(message: str) -> str:
    """Return a message in at most 1024 bytes, of which the last say so where something is missing."""
    encoded = message.encode(errors="replace")
    if len(encoded) <= MESSAGE_BYTES:
        return encoded.decode()
    mark = "…"
    return encoded[: MESSAGE_BYTES - len(mark.encode())].decode(errors="ignore") + mark


def _name(event: Event, number: int) -> str:
    stem = event.target.name[:LONGEST_STEM].rstrip("-.")
    return f"{stem}.{int(event.at * 1e9) + number:x}"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _may_pass(error: ApiError) -> bool:
    """Return whether the same request may be taken later: no answer, too many requests, or its own fault."""
    return (
        error.status in {0, HTTPStatus.TOO_MANY_REQUESTS} or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )
