"""Troubles on demand: answers that fail, come late or never, watches cut, connections refused.

Tests tell the server what is to go wrong next; any thread may.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.values import JSON

FOREVER = 1 << 62
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True, slots=True)
class Matching:
    """Which requests a fault is for; what is "" (or None) matches everything.

    `resource` is the plural with its group, as in "statefulsets.apps"; `subresource` "" matches
    requests without one, None any; `path` is a part of the path.
    """

    verb: str = ""
    resource: str = ""
    subresource: str | None = None
    path: str = ""

    def matches(self, verb: str, resource: str, subresource: str, path: str) -> bool:
        """Return whether a request is meant."""
        return (
            self.verb in {"", verb}
            and self.resource in {"", resource}
            and self.subresource in {None, subresource}
            and self.path in path
        )


ANY = Matching()


@dataclass(slots=True)
class Fault:
    """What is to happen to the next `times` requests that match."""

    matching: Matching
    times: int
    delay_seconds: float = 0.0
    hang: bool = False
    error: ApiError | None = None
    retry_after_seconds: int | None = None


class Switches(Protocol):
    """What a server can do about its connections."""

    def cut_watches(self) -> None:
        """Break the connections of all open watches."""

    def close_door(self) -> None:
        """Close the port and all connections."""

    def open_door(self) -> None:
        """Open the port again."""

    def release(self) -> None:
        """Go on with the requests that hang."""


class Faults:
    """What is to go wrong at a server with these switches."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def fail(
        self,
        status: int,
        matching: Matching = ANY,
        *,
        times: int = 1,
        message: str = "this was asked for",
        retry_after_seconds: int | None = None,
        causes: tuple[str, ...] = (),
    ) -> None:
        """Answer the next matching requests with a status, without doing anything.

        `causes` are words that the Status gives beside its reason, such as NamespaceTerminating.
        """
        reason = _REASONS.get(status, "Unknown")
        details: JSON = {} if retry_after_seconds is None else {"retryAfterSeconds": retry_after_seconds}
        details |= {"causes": [{"reason": cause} for cause in causes]} if causes else {}
        error = ApiError(status, reason, message, details or None)
        self._add(Fault(matching, times, error=error, retry_after_seconds=retry_after_seconds))

    def delay(self, seconds: float, matching: Matching = ANY, *, times: int = FOREVER) -> None:
        """Let the next matching requests wait before anything is done."""
        self._add(Fault(matching, times, delay_seconds=seconds))

    def hang(self, matching: Matching = ANY, *, times: int = FOREVER) -> None:
        """Take the next matching requests and do not answer before `clear`."""
        self._add(Fault(matching, times, hang=True))

    def cut_watches(self) -> None:
        """Break the connections of all open watches."""
        self._switches.cut_watches()

    def refuse_connections(self) -> None:
        """Close the port and all connections, as a server that is gone."""
        self._switches.close_door()

    def accept_connections(self) -> None:
        """Open the port again."""
        self._switches.open_door()

    def clear(self) -> None:
        """Let nothing go wrong any more; what hangs is answered."""
        with self._lock:
            self._faults.clear()
        self._switches.release()

    def take(self, verb: str, resource: str, subresource: str, path: str) -> list[Fault]:
        """Return what is to happen to a request, and count it: all that matches, up to a failure."""
        found: list[Fault] = []
        with self._lock:
            for fault in list(self._faults):
                if not fault.matching.matches(verb, resource, subresource, path):
                    continue
                found.append(fault)
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                if fault.error is not None:
                    break
        return found

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)
