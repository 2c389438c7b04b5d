"""What a kubelet needs of whatever runs its containers, and a stand-in that runs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from autoscaler.sandbox.agenda import Agenda

KILLED = 137  # the exit code of a container that was killed: 128 and SIGKILL


class StartError(Exception):
    """A container's process cannot be started."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What to run: a pod's first container, its environment resolved."""

    namespace: str
    pod: str
    uid: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    folder: str = ""


class Container(Protocol):
    """A running container."""

    def terminate(self) -> None:
        """Ask its first process to end (SIGTERM)."""
        ...

    def kill(self) -> None:
        """End everything in it (SIGKILL)."""
        ...

    def execute(self, command: tuple[str, ...], seconds: float, done: Callable[[bool], None]) -> None:
        """Run a command in it for so many seconds at most; `done` hears whether it exited with 0."""
        ...


class Containers(Protocol):
    """Whatever runs containers. The callbacks come on the agenda."""

    def start(self, spec: ContainerSpec, exited: Callable[[int], None]) -> Container:
        """Start a container; `exited` hears its exit code (128 + n after signal n).

        Raises `StartError` when there is nothing to start.
        """
        ...

    def stop(self) -> None:
        """End all that runs."""
        ...


class NullContainers:
    """Containers without processes: they run until they are told to end, and end with 0.

    It takes them `ending_seconds` to end. `passes` answers their probes, `crashes_after` tells after how
    many seconds one exits with 1 by itself, None for one that does not. What runs stands in `running`, by
    namespace and pod, so that a test can let one crash.
    """

    def __init__(
        self,
        agenda: Agenda,
        *,
        ending_seconds: float = 0.0,
        passes: Callable[[ContainerSpec], bool] = lambda _: True,
        crashes_after: Callable[[ContainerSpec], float | None] = lambda _: None,
    ) -> None:
        self.agenda = agenda
        self.ending_seconds = ending_seconds
        self.passes = passes
        self.crashes_after = crashes_after
        self.running: dict[tuple[str, str], NullContainer] = {}

    def start(self, spec: ContainerSpec, exited: Callable[[int], None]) -> NullContainer:
        """Pretend to start a container."""
        container = NullContainer(self, spec, exited)
        self.running[spec.namespace, spec.pod] = container
        seconds = self.crashes_after(spec)
        if seconds is not None:
            self.agenda.later(seconds, lambda: container.exit(1))
        return container

    def stop(self) -> None:
        """Forget all that runs."""
        self.running.clear()


class NullContainer:
    """A container that is not there."""

    def __init__(self, among: NullContainers, spec: ContainerSpec, exited: Callable[[int], None]) -> None:
        self.spec = spec
        self._among = among
        self._exited: Callable[[int], None] | None = exited

    def exit(self, code: int) -> None:
        """Let it end, by itself or not; it ends but once."""
        exited, self._exited = self._exited, None
        if exited is None:
            return
        key = (self.spec.namespace, self.spec.pod)
        if self._among.running.get(key) is self:
            del self._among.running[key]
        self._among.agenda.soon(lambda: exited(code))

    def terminate(self) -> None:
        """End in good time."""
        self._among.agenda.later(self._among.ending_seconds, lambda: self.exit(0))

    def kill(self) -> None:
        """End at once."""
        self.exit(KILLED)

    def execute(self, command: tuple[str, ...], seconds: float, done: Callable[[bool], None]) -> None:  # noqa: ARG002 - nothing is run, whatever it is
        """Say what the test wants to hear."""
        self._among.agenda.soon(lambda: done(self._among.passes(self.spec)))
