"""Who set the replicas and an autoscaler's bounds, when, and who of them undid what another had done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from autoscaler.sandbox.event_log import DELETED, Event
from autoscaler.sandbox.objects import owners

SETS = "statefulsets.apps"
AUTOSCALERS = "horizontalpodautoscalers.autoscaling"
FOLLOWED = ((SETS, "replicas"), (AUTOSCALERS, "minReplicas"), (AUTOSCALERS, "maxReplicas"))


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a number, `at` seconds after the beginning, by the manager that owns the field then."""

    at: float
    field: str
    before: int
    after: int
    manager: str


@dataclass(frozen=True, slots=True)
class Reversal:
    """A change, and how another manager undid some of it soon after."""

    change: Change
    answer: Change


class Timeline:
    """Follows a cluster's store from now on. `monotonic` returns seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._lock = threading.Lock()
        self._changes: list[Change] = []

    def note(self, event: Event) -> None:
        """Take note of a change in the store."""
        if event.previous is None or event.type == DELETED:
            return
        for resource, field in FOLLOWED:
            before = event.previous["spec"].get(field, 0) if event.resource == resource else 0
            after = event.object["spec"].get(field, 0) if event.resource == resource else 0
            if before != after:
                at = round(self._monotonic() - self._began, 2)
                with self._lock:
                    self._changes.append(Change(at, field, before, after, _owner(event, field)))

    def changes(self, *fields: str) -> tuple[Change, ...]:
        """Return the changes of some fields, oldest first."""
        with self._lock:
            return tuple(change for change in self._changes if change.field in fields)


def reversals(changes: Sequence[Change], within_seconds: float) -> tuple[Reversal, ...]:
    """Return each change that takes back something which another manager did within so many seconds.

    Each replica counts by itself: it was last added or taken away by somebody. The change is told beside
    the last one of which it takes something back.
    """
    found, last = [], dict[int, Change]()
    for answer in changes:
        replicas = range(min(answer.before, answer.after), max(answer.before, answer.after))
        undone = [
            last[replica]
            for replica in replicas
            if replica in last
            and last[replica].manager != answer.manager
            and answer.at - last[replica].at <= within_seconds
        ]
        if undone:
            found.append(Reversal(max(undone, key=lambda change: change.at), answer))
        last |= dict.fromkeys(replicas, answer)
    return tuple(found)


def zeros(changes: Iterable[Change]) -> tuple[int, int]:
    """Return how often zero was reached, and how often it was left."""
    kept = tuple(changes)
    return sum(change.after == 0 for change in kept), sum(change.before == 0 for change in kept)


def _owner(event: Event, field: str) -> str:
    path = ("f:spec", f"f:{field}")
    return next((claim.owner.manager for claim in owners.read(event.object) if path in claim.paths), "")
