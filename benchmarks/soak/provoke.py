"""A task sent at the worst moment: right after a cordon, when a worker says that it takes no more."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.stage.fleet import Target
from benchmarks.stage.stage import Stage

CANCELLED = b"Canceling queue "
LOOK_SECONDS = 0.03
ECHO_SECONDS = 8.0
"""For so long after a task that was sent at a worker's cordon its next cordon is of that task's making."""


class Provoker:
    """Sends one task right after every cordon, from when it is entered until it is left."""

    def __init__(self, stage: Stage) -> None:
        self.cordons = 0
        self.sent_after_cordons = 0
        self._stage = stage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._provoke, name="provoke")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _provoke(self) -> None:
        read: dict[Path, int] = {}
        sent_at: dict[Path, float] = {}
        by_queue = {target.queue: target for target in self._stage.targets}
        while not self._stop.wait(LOOK_SECONDS):
            for log in (self._stage.folder / "cluster" / "logs").iterdir():
                for line in _new_lines(log, read):
                    queue = line.rpartition(CANCELLED)[2].decode() if CANCELLED in line else ""
                    if queue in by_queue:
                        self._provoke_once(by_queue[queue], log, sent_at)

    def _provoke_once(self, target: Target, worker: Path, sent_at: dict[Path, float]) -> None:
        """Send a task after a cordon of a worker, unless it is the echo of the last such task."""
        self.cordons += 1
        if time.monotonic() - sent_at.get(worker, 0.0) > ECHO_SECONDS:
            sent_at[worker] = time.monotonic()
            self._stage.send(target, 0.1)
            self.sent_after_cordons += 1


def _new_lines(log: Path, read: dict[Path, int]) -> list[bytes]:
    """Return the whole lines that a log has got since it was last read."""
    begin = read.get(log, 0)
    if log.stat().st_size <= begin:
        return []
    with log.open("rb") as text:
        text.seek(begin)
        whole = text.read().rpartition(b"\n")[0]
    read[log] = begin + len(whole)
    return whole.splitlines()
