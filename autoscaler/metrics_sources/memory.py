"""The last answer of a source, with the age and the quality that it has by now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from autoscaler.core.model import Reading, fresh, stale, unknown

T = TypeVar("T")

FORGOTTEN_AFTER_SECONDS = 3600.0
"""An answer of so long ago says nothing about now."""


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    """The last answer: `at` is the monotonic time from when on it may have been outdated."""

    value: T
    at: float


class Memory(Generic[T]):
    """Remembers one source's last answer and failure. Safe to use from several threads.

    `clock` returns monotonic seconds. An answer is fresh for `fresh_seconds` unless a failure follows it.
    """

    def __init__(self, source: str, fresh_seconds: float, clock: Callable[[], float]) -> None:
        self._source = source
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._known: _Known[T] | None = None
        self._failure = ""
        self._lock = threading.Lock()

    def learn(self, value: T, at: float) -> None:
        """Take in an answer to a question that was asked at a monotonic time."""
        with self._lock:
            self._known, self._failure = _Known(value, at), ""

    def fail(self, detail: str) -> None:
        """Take note that there was no answer, and why."""
        with self._lock:
            self._failure = detail

    def reading(self) -> Reading[T]:
        """Return the answer as a reading: fresh, stale with the reason, or unknown with the reason."""
        with self._lock:
            known, failure = self._known, self._failure
        if known is None:
            return unknown(self._source, failure or "it has not been asked yet")
        age = max(0.0, self._clock() - known.at)
        if age > FORGOTTEN_AFTER_SECONDS:
            return unknown(self._source, failure or f"its last answer is {age:.0f} s old")
        if failure:
            return stale(known.value, self._source, age, failure)
        if age > self._fresh_seconds:
            return stale(known.value, self._source, age, f"its last answer is {age:.0f} s old")
        return fresh(known.value, self._source, age)


def derived(reading: Reading[T], value: int | None, why: str = "") -> Reading[int]:
    """Return a number that was worked out from a reading, with the reading's age and quality.

    Without a number it is unknown, for the reason given.
    """
    if reading.value is None:
        return unknown(reading.source, reading.detail)
    if value is None:
        return unknown(reading.source, why)
    return replace(
        fresh(value, reading.source, reading.age_seconds), quality=reading.quality, detail=reading.detail
    )
