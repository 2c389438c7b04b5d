"""How often Events are told: what repeats itself is counted, and no object gets too many.

Both rules are client-go's (tools/record/events_cache.go in Kubernetes), so that Events of this daemon
behave as those of any controller: 25 of an object at once, then one in five minutes, and the same again
within ten minutes raises the count of the first. One thing differs: warnings have an allowance of their
own, lest a busy target's changes use up the room for its troubles.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from autoscaler.core.events import Event

BURST = 25
REFILL_SECONDS = 300.0
SAME_SECONDS = 600.0
REMEMBERED = 8192
"""Objects and Events that are remembered at most; what is forgotten counts as new."""

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Latest(Generic[KeyT, ValueT]):
    """The values that were set last, at most so many of them."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._values: OrderedDict[KeyT, ValueT] = OrderedDict()

    def get(self, key: KeyT) -> ValueT | None:
        """Return a value, None where there is none or it was forgotten."""
        return self._values.get(key)

    def set(self, key: KeyT, value: ValueT) -> None:
        """Remember a value, and forget the oldest of too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def forget(self, key: KeyT) -> None:
        """Remember a value no more."""
        self._values.pop(key, None)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many Events of one object may be told now: `left` of them at monotonic second `at`."""

    left: float
    at: float

    def later(self, now: float) -> Allowance:
        """Return what is allowed at a later time, before any Event is told then."""
        return Allowance(min(BURST, self.left + (now - self.at) / REFILL_SECONDS), now)


class Allowances:
    """What is allowed of each object, its warnings apart."""

    def __init__(self) -> None:
        self._known: Latest[tuple[str, bool], Allowance] = Latest()

    def take(self, event: Event, now: float) -> bool:
        """Return whether an Event may be told at a monotonic second, and count it if so."""
        key = event.uid, event.warning
        allowed = (self._known.get(key) or Allowance(BURST, now)).later(now)
        if allowed.left < 1:
            return False
        self._known.set(key, Allowance(allowed.left - 1, now))
        return True


@dataclass(frozen=True, slots=True)
class Series:
    """An Event that was told: its object's name, how often, and the last time in monotonic seconds."""

    name: str
    count: int
    last: float


class SeriesMemory:
    """The Events that may still be counted on."""

    def __init__(self) -> None:
        self._known: Latest[tuple[str, str, str], Series] = Latest()

    def find(self, event: Event, now: float) -> Series | None:
        """Return the same Event as it was told within the last minutes, None without one."""
        known = self._known.get(_key(event))
        return None if known is None or now - known.last > SAME_SECONDS else known

    def told(self, event: Event, series: Series) -> None:
        """Take note that an Event was told."""
        self._known.set(_key(event), series)

    def forget(self, event: Event) -> None:
        """Take note that the object of an Event is gone."""
        self._known.forget(_key(event))


def _key(event: Event) -> tuple[str, str, str]:
    return event.uid, event.reason, event.message
