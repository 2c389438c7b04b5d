"""Events at the targets themselves, for whoever asks `kubectl describe`.

A dry run has no reporter of this kind: it writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from autoscaler.core.events import Event, Told, event_of_error, event_of_notice, events_of
from autoscaler.core.model import Decision, Notice, Outcome, TargetRef
from autoscaler.core.snapshot import Snapshot
from autoscaler.ports import EventSink
from autoscaler.report.log import CREDENTIALS

WAITING = 8
"""Notices that may wait for a target's first decision; the oldest go first."""

NOTHING = Told()


class EventReporter:
    """Implements `Reporter` by Events.

    `clock` returns monotonic seconds, `wall` seconds since the epoch. An Event is about one object, by
    its uid, which a decision knows. A notice is about the object of the last decision; one that comes
    before there was any waits for it.
    """

    def __init__(self, sink: EventSink, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._told: dict[TargetRef, Told] = {}
        self._waiting: dict[TargetRef, tuple[Event, ...]] = {}

    def report(self, snapshot: Snapshot, decision: Decision, outcome: Outcome) -> None:  # noqa: ARG002  # the decision says it all
        """Tell of a change, and of what has begun to stand in the way. See `Reporter`."""
        target = decision.target
        with self._lock:
            told = self._told.get(target, NOTHING)
            self._told[target], events = events_of(told, decision, outcome, self._wall())
            waiting = self._waiting.pop(target, ())
        for event in waiting:
            self._post(replace(event, uid=decision.uid))
        for event in events:
            self._post(event)

    def unseen(self, target: TargetRef, reason: str) -> None:
        """Tell nothing: there is no object to tell it of. See `Reporter`."""

    def notice(self, target: TargetRef, notice: Notice) -> None:
        """Tell it. See `Reporter`."""
        with self._lock:
            uid = self._told.get(target, NOTHING).uid
            event = event_of_notice(uid, target, notice, self._wall())
            if not uid:
                self._waiting[target] = (*self._waiting.get(target, ()), event)[-WAITING:]
                return
        self._post(event)

    def failed(self, target: TargetRef, error: BaseException) -> None:
        """Tell that it broke, once for each kind of error in a row. See `Reporter`."""
        with self._lock:
            told = self._told.get(target, NOTHING)
            kind = type(error).__name__
            self._told[target], events = event_of_error(told, target, kind, self._clock(), self._wall())
        for event in events:
            self._post(event)

    def _post(self, event: Event) -> None:
        """Hand an Event on without credentials: whoever may read Events need not be allowed to know them."""
        self._sink.post(replace(event, message=CREDENTIALS.sub("***@", event.message)))
