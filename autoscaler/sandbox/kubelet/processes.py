"""Containers that are processes of this machine, their output in a file for each pod."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autoscaler.sandbox.agenda import Agenda
from autoscaler.sandbox.kubelet.containers import ContainerSpec, StartError
from autoscaler.sandbox.sessions import Session, Warden, end

_HANDED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "TZ")
_NOT_STARTED = 127


def image_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what stands in for the environment of an image: this machine's, as far as it matters.

    The scripts of the running Python, `celery` among them, come first in its PATH.
    """
    own = os.environ if environ is None else environ
    path = os.pathsep.join((str(Path(sys.executable).parent), own.get("PATH", os.defpath)))
    return {name: own[name] for name in _HANDED_ON if name in own} | {"PATH": path}


class ProcessContainers:
    """Runs containers as processes in sessions of their own, none of which outlives this one.

    The output of the pods goes to files in `logs`. Commands run in `folder` unless their container
    names another that exists. `stop` gives the processes `patience_seconds` to end.
    """

    def __init__(
        self, agenda: Agenda, logs: Path, warden: Warden, *, folder: Path, patience_seconds: float = 2.0
    ) -> None:
        self._agenda = agenda
        self._logs = logs
        self._warden = warden
        self._folder = folder
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._sessions: set[Session] = set()
        self._latest: dict[tuple[str, str], Path] = {}
        self._pods: dict[tuple[str, str], int] = {}

    def start(self, spec: ContainerSpec, exited: Callable[[int], None]) -> ProcessContainer:
        """Start a container's process. Raises `StartError`."""
        if not spec.command:
            raise StartError("no command specified: the sandbox has no images to take one from")
        log = self._logs / f"{spec.namespace}_{spec.pod}_{spec.uid}.log"
        self._latest[spec.namespace, spec.pod] = log

        def ended(code: int) -> None:
            self._agenda.soon(lambda: exited(_exit_code(code)))

        session = self._open(spec, spec.command, log, ended)
        with self._lock:
            self._pods[spec.namespace, spec.pod] = session.pid
        return ProcessContainer(self, session, spec)

    @property
    def running(self) -> tuple[int, ...]:
        """The numbers of the sessions that run, those of probes and hooks included."""
        with self._lock:
            return tuple(sorted(session.pid for session in self._sessions))

    def sessions_of_pods(self) -> Mapping[tuple[str, str], int]:
        """Return the session of each running pod's container, by namespace and name."""
        with self._lock:
            running = {session.pid for session in self._sessions}
            self._pods = {pod: pid for pod, pid in self._pods.items() if pid in running}
            return dict(self._pods)

    def log(self, namespace: str, pod: str) -> bytes | None:
        """Return what the last pod of this name has written, None before one has run."""
        path = self._latest.get((namespace, pod))
        return path.read_bytes() if path is not None and path.exists() else None

    def execute(
        self, spec: ContainerSpec, command: Sequence[str], seconds: float, done: Callable[[bool], None]
    ) -> None:
        """Run a command beside a container, killed after so many seconds."""

        def ended(code: int) -> None:
            self._agenda.soon(lambda: done(code == 0))

        try:
            session = self._open(spec, command, Path(os.devnull), ended)
        except StartError:
            ended(_NOT_STARTED)
        else:
            self._agenda.later(seconds, session.kill)  # which does nothing once it has ended

    def stop(self) -> None:
        """End every process, and wait until all have ended."""
        with self._lock:
            left = list(self._sessions)
        end(left, self._patience_seconds)

    def _open(
        self, spec: ContainerSpec, command: Sequence[str], log: Path, ended: Callable[[int], None]
    ) -> Session:
        def closed(code: int) -> None:
            with self._lock:
                self._sessions.discard(session)
            ended(code)

        wanted = Path(spec.folder) if spec.folder else self._folder
        with self._lock, log.open("ab") as output:
            try:
                session = Session(
                    command,
                    self._warden,
                    closed,
                    environment=dict(spec.environment),
                    folder=wanted if wanted.is_dir() else self._folder,
                    output=output,
                )
            except OSError as error:
                raise StartError(str(error)) from error
            self._sessions.add(session)
        return session


class ProcessContainer:
    """A container whose first process is the first of a session."""

    def __init__(self, among: ProcessContainers, session: Session, spec: ContainerSpec) -> None:
        self._among = among
        self._session = session
        self._spec = spec

    @property
    def pid(self) -> int:
        """The number of its first process."""
        return self._session.pid

    def terminate(self) -> None:
        """Send SIGTERM to its first process."""
        self._session.signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill everything in its session."""
        self._session.kill()

    def execute(self, command: tuple[str, ...], seconds: float, done: Callable[[bool], None]) -> None:
        """Run a command with the container's environment, in a session of its own."""
        self._among.execute(self._spec, command, seconds, done)


def _exit_code(code: int) -> int:
    """Return an exit code as Kubernetes shows it: 128 + n for signal n."""
    return 128 - code if code < 0 else code
