"""What the cluster and the daemon did, written down while it happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autoscaler.sandbox.demo.evidence import Patch
from autoscaler.sandbox.event_log import Event


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the replicas asked for, at a time in seconds since the epoch."""

    at: float
    before: int
    after: int


class Journal:
    """Follows a cluster's store; `clock` returns seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._born: dict[str, float] = {}
        self._lives: list[float] = []
        self._ready: set[str] = set()
        self.replicas = 0
        self.changes: list[Change] = []

    def note(self, event: Event) -> None:
        """Take note of a change in the store."""
        if event.resource == "statefulsets.apps":
            self._note_set(event.object["spec"].get("replicas", 1))
        elif event.resource == "pods":
            self._note_pod(event)

    @property
    def pods(self) -> int:
        """Pods that exist."""
        with self._lock:
            return len(self._born)

    @property
    def ready(self) -> int:
        """Pods that are Ready and staying."""
        with self._lock:
            return len(self._ready)

    def worker_seconds(self) -> float:
        """Return the time that pods have existed, added up."""
        now = self._clock()
        with self._lock:
            return sum(self._lives) + sum(now - born for born in self._born.values())

    def reaction_seconds(self, burst_at: float) -> float | None:
        """Return the time from a burst to the next growth from zero, None without one."""
        return next(
            (c.at - burst_at for c in self.changes if c.at >= burst_at and c.before == 0 and c.after > 0),
            None,
        )

    def _note_set(self, replicas: int) -> None:
        with self._lock:
            if replicas != self.replicas:
                self.changes.append(Change(self._clock(), self.replicas, replicas))
                self.replicas = replicas

    def _note_pod(self, event: Event) -> None:
        metadata = event.object["metadata"]
        uid = metadata["uid"]
        with self._lock:
            if event.type == "DELETED":
                self._ready.discard(uid)
                born = self._born.pop(uid, None)
                if born is not None:
                    self._lives.append(self._clock() - born)
                return
            self._born.setdefault(uid, self._clock())
            if _is_ready(event.object) and "deletionTimestamp" not in metadata:
                self._ready.add(uid)
            else:
                self._ready.discard(uid)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions: Sequence[dict[str, Any]] = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


class DaemonLog:
    """Reads the log of the daemon as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.last = ""
        self.lines: list[dict[str, Any]] = []

    def follow(self) -> None:
        """Read what has come."""
        if not self._path.exists():
            return
        with self._path.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text.rpartition(b"\n")[0]
        self._read += len(whole) + (1 if whole else 0)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            self.lines.append(entry)
            if "wanted" in entry:
                self.last = str(entry["event"])

    def patches(self, since: float) -> tuple[Patch, ...]:
        """Return the changes of replicas that were applied, in seconds after a time since the epoch."""
        return tuple(
            Patch(
                at=round(datetime.fromisoformat(line["timestamp"]).timestamp() - since, 3),
                before=line["current"],
                after=line["wanted"],
                reason=line["reason"],
            )
            for line in self.lines
            if line.get("outcome") == "applied"
        )
