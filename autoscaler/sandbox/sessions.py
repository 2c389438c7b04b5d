"""Processes of the sandbox, each in a session of its own, none of which may outlive it.

A pod's container ends with everything in it; a process that ends leaves its children. So each
starts a session, and ending it ends the whole session. And should this process die without a chance
to clean up, a small process beside it, the warden, notices that by the end of a pipe and ends all
sessions that are left. (A parent-death signal would reach the first process of a session alone, and
already when the thread that started it ends.)

It looks into /proc, so it is for Linux. This file is also the warden's program, run without the
package: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PROC = Path("/proc")
_ROUNDS, _PAUSE_SECONDS = 200, 0.01


def members(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            state, _, _, sid, *_ = entry.read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue  # it ended while we looked
        if int(sid) == session and state not in {"Z", "X"}:
            found.append(int(entry.parent.name))
    return found


def kill(session: int) -> None:
    """Kill all processes of a session, those that they start meanwhile included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)
    for _ in range(_ROUNDS):
        left = members(session)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


class Warden:
    """Ends what it watches when this process is gone, however it went.

    It then also removes `folder`, if one is given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        command = [sys.executable, "-I", "-S", __file__, *([str(folder)] if folder else [])]
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, session: int) -> None:
        """Watch a session from now on."""
        self._say(f"+{session}")

    def release(self, session: int) -> None:
        """Watch a session no longer: it has ended."""
        self._say(f"-{session}")

    def close(self) -> None:
        """Send the warden home. What it still watches is ended."""
        self._process.communicate()

    def _say(self, line: str) -> None:
        pipe = self._process.stdin
        with self._lock, contextlib.suppress(BrokenPipeError):  # without a warden there is no one to tell
            if pipe is not None and not pipe.closed:
                pipe.write(f"{line}\n".encode())
                pipe.flush()


class Session:
    """A process that was started in a session of its own, and whatever it starts in turn.

    `ended` is called on a thread of this object with the exit code (negative: the signal) once the
    process has ended and the rest of its session with it. Raises OSError when there is nothing to run.
    """

    def __init__(
        self,
        command: Sequence[str],
        warden: Warden,
        ended: Callable[[int], None],
        *,
        environment: Mapping[str, str],
        folder: Path,
        output: IO[bytes],
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - running a pod's command is what this is for
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._warden = warden
        self._ended = ended
        self._lock = threading.Lock()
        self._reaped = False
        warden.watch(self.pid)
        self._waiter = threading.Thread(target=self._wait, name=f"sandbox-wait-{self.pid}", daemon=True)
        self._waiter.start()

    def signal(self, number: int) -> None:
        """Send a signal to the first process alone, as a kubelet does to a container's."""
        with self._lock:
            if not self._reaped:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill everything in the session."""
        with self._lock:
            if not self._reaped:
                kill(self.pid)

    def join(self, seconds: float | None = None) -> bool:
        """Wait until everything has ended; False when it has not within so many seconds."""
        self._waiter.join(seconds)
        return not self._waiter.is_alive()

    def _wait(self) -> None:
        # Until it is reaped its number cannot go to another session, so the rest can be ended safely.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            kill(self.pid)
            code = self._process.wait()
            self._reaped = True
        self._warden.release(self.pid)
        self._ended(code)


def end(sessions: Iterable[Session], patience_seconds: float) -> None:
    """Ask all to end, kill after so many seconds those that have not, and wait for them."""
    asked = list(sessions)
    for session in asked:
        session.signal(signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    for session in asked:
        if not session.join(max(0.0, deadline - time.monotonic())):
            session.kill()
            session.join()


def _keep_watch(lines: Iterable[str], folder: str | None) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[int] = set()
    for line in lines:
        session = int(line[1:])
        if line.startswith("+"):
            watched.add(session)
        else:
            watched.discard(session)
    for session in watched:
        kill(session)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _keep_watch(sys.stdin, sys.argv[1] if len(sys.argv) > 1 else None)
