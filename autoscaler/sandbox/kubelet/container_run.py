"""A pod's container from its first start to its last exit: probed, and restarted when it crashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from autoscaler.sandbox.agenda import Timer
from autoscaler.sandbox.kubelet.containers import Container, ContainerSpec, StartError
from autoscaler.sandbox.kubelet.environment import ConfigError, command_of, environment_of
from autoscaler.sandbox.kubelet.node import Node
from autoscaler.sandbox.kubelet.pod_record import PodRecord
from autoscaler.sandbox.kubelet.pod_status import ContainerView, terminated, waiting
from autoscaler.sandbox.kubelet.probe import Probe
from autoscaler.sandbox.objects.values import JSON, stamp

IMAGE_PULL = "sandbox/image-pull"  # "fail" in a pod's annotation of this name: it has no image
_START_ERROR = 128


class ContainerRun:
    """The first container of a pod. `over` hears the exit code when it has ended and stays so."""

    def __init__(self, node: Node, record: PodRecord, pod: JSON, over: Callable[[int], None]) -> None:
        self.view = ContainerView(waiting("ContainerCreating"))
        self.container: Container | None = None
        self._node = node
        self._record = record
        metadata, name = pod["metadata"], pod["spec"]["containers"][0]["name"]
        self._called = f"container={name} pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        self._policy: str = pod["spec"].get("restartPolicy", "Always")
        self._over = over
        self._next: Timer | None = None
        self.halted = False
        self._probe: Probe | None = None
        self._started_at = node.agenda.now()
        self._crashes = 0

    def start_after(self, seconds: float) -> None:
        """Start it after so many seconds."""
        self._record.show(self.view, "Pending")
        self._after(seconds, self._start)

    def retry_pull(self) -> None:
        """Start it now if it has waited for its image."""
        if self._is_waiting_for("ImagePullBackOff"):
            self._after(0.0, self._start)

    def halt(self) -> None:
        """Neither start, restart nor probe it any more."""
        self.halted = True
        if self._next is not None:
            self._next.cancel()

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        """Do something next, in place of what was to be done next."""
        if self._next is not None:
            self._next.cancel()
        self._next = self._node.agenda.later(seconds, call)

    def _start(self) -> None:
        pod = self._record.read()
        if pod is None:
            return
        container = pod["spec"]["containers"][0]
        if (pod["metadata"].get("annotations") or {}).get(IMAGE_PULL) == "fail":
            self._wait("ImagePullBackOff", f'Back-off pulling image "{container.get("image", "")}"')
            return
        self._record.address = self._record.address or self._node.address()
        try:
            spec = self._spec(pod, container)
        except ConfigError as error:
            self._wait("CreateContainerConfigError", str(error))
            self._after(self._node.rules.config_retry_seconds, self._start)
            return
        self._run(spec, Probe.of(container))

    def _run(self, spec: ContainerSpec, probe: Probe | None) -> None:
        self._started_at, self._probe = self._node.agenda.now(), probe
        running: JSON = {"running": {"startedAt": stamp(self._node.clock())}}
        try:
            self.container = self._node.containers.start(spec, self._exited)
        except StartError as error:
            self._exited(_START_ERROR, "StartError", str(error))
            return
        self._show(replace(self.view, state=running, ready=probe is None))
        if probe is not None:
            self._after(probe.initial_delay_seconds, self._ask)

    def _spec(self, pod: JSON, container: JSON) -> ContainerSpec:
        """Return what to run. Raises `ConfigError`."""
        metadata = pod["metadata"]
        pod = {**pod, "status": {**pod.get("status", {}), "podIP": self._record.address}}
        given = {**self._node.image_environment, "HOSTNAME": metadata["name"], "POD_NAME": metadata["name"]}
        variables = environment_of(self._node.store, pod, container, given)
        return ContainerSpec(
            namespace=metadata["namespace"],
            pod=metadata["name"],
            uid=metadata["uid"],
            command=command_of(container, variables),
            environment=tuple(variables.items()),
            folder=container.get("workingDir", ""),
        )

    def _ask(self) -> None:
        """Run the readiness probe."""
        container, probe = self.container, self._probe
        if container is not None and probe is not None:
            container.execute(
                probe.command, probe.timeout_seconds, lambda passed: self._heard(container, passed=passed)
            )

    def _heard(self, container: Container, *, passed: bool) -> None:
        if self._probe is None or container is not self.container or self.halted:
            return
        self._probe = self._probe.heard(passed=passed)
        if self._probe.ready != self.view.ready:
            self._show(replace(self.view, ready=self._probe.ready))
        self._after(self._probe.period_seconds, self._ask)

    def _exited(self, code: int, reason: str = "", message: str = "") -> None:
        self.container = None
        ended = terminated(self.view, code, self._node.clock(), reason, message)
        self.view = replace(self.view, state=ended, ready=False)
        restarts = self._policy == "Always" or (self._policy == "OnFailure" and code != 0)
        if self.halted or not restarts:
            self._over(code)
        else:
            self._show(self.view)
            self._come_back()

    def _come_back(self) -> None:
        """Restart it: at once after the first crash, then after longer and longer pauses."""
        backoff = self._node.rules.restarts
        if self._node.agenda.now() - self._started_at >= 2 * backoff.longest_seconds:
            self._crashes = 0
        pause = backoff.pause_seconds(self._crashes) if self._crashes else 0.0
        self._crashes += 1
        self.view = replace(self.view, last_state=self.view.state)
        if pause:
            self._wait("CrashLoopBackOff", f"back-off {pause:g}s restarting failed {self._called}")
        self._after(pause, self._restart)

    def _restart(self) -> None:
        self.view = replace(self.view, restarts=self.view.restarts + 1)
        self._start()

    def _show(self, view: ContainerView) -> None:
        """Tell how it is. A pod is Running from the first start of its container on."""
        self.view = view
        has_run = "waiting" not in view.state or bool(view.last_state)
        self._record.show(view, "Running" if has_run else "Pending")

    def _wait(self, reason: str, message: str) -> None:
        self._show(replace(self.view, state=waiting(reason, message), ready=False))

    def _is_waiting_for(self, reason: str) -> bool:
        return bool(self.view.state.get("waiting", {}).get("reason") == reason)
