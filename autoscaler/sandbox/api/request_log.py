"""What was asked of the server, for tests and demos to look at."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request and the status that it got; a watch is noted when it begins.

    `resource` is the plural with its group, "" for what is no resource; `user` is "" for a caller
    whom the server did not know.
    """

    at: datetime
    user: str
    verb: str
    method: str
    path: str
    params: Mapping[str, str]
    resource: str
    subresource: str
    namespace: str
    name: str
    body: str
    status: int


class RequestLog:
    """The last `length` requests."""

    def __init__(self, length: int) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=length)
        self._lock = threading.Lock()

    def append(self, record: RequestRecord) -> None:
        """Note a request."""
        with self._lock:
            self._records.append(record)

    def records(self) -> tuple[RequestRecord, ...]:
        """Return the requests, oldest first."""
        with self._lock:
            return tuple(self._records)

    def clear(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._records.clear()
