"""The stand-in cluster in one piece: API server, controllers and nodes, gone without a trace after use.

Demos and tests start one, apply manifests as they would to Kubernetes, and let the daemon loose on
its URL.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from autoscaler.sandbox.agenda import Agenda, Backoff
from autoscaler.sandbox.api.access import User
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.controllers.deployment import DeploymentController
from autoscaler.sandbox.controllers.garbage import GarbageCollector
from autoscaler.sandbox.controllers.hpa import HorizontalPodAutoscalerController
from autoscaler.sandbox.controllers.hpa_settings import HpaSettings, MetricValue, PodCpu
from autoscaler.sandbox.controllers.quota_resync import QuotaResync
from autoscaler.sandbox.controllers.replicaset import ReplicaSetController
from autoscaler.sandbox.controllers.statefulset import StatefulSetController
from autoscaler.sandbox.controllers.work_queue import RETRIES
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import Event
from autoscaler.sandbox.kubelet.containers import Containers, ContainerSpec, NullContainers
from autoscaler.sandbox.kubelet.cpu import CpuMeter
from autoscaler.sandbox.kubelet.node import Ending, Rules
from autoscaler.sandbox.kubelet.pod_runner import PodRunner
from autoscaler.sandbox.kubelet.processes import ProcessContainers
from autoscaler.sandbox.objects.hpa_rules import HPA_SCALE_TO_ZERO
from autoscaler.sandbox.objects.kinds import KINDS, Kind
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.sessions import Warden
from autoscaler.sandbox.store import Store

_LOOK_AGAIN_SECONDS = 0.05


class SandboxCluster:
    """A cluster on this machine, from `start` to `stop`; used as a context manager.

    With `runner` "process" pods are processes, with "null" they pretend to run, and take
    `ending_seconds` to end. `startup_seconds`, or a time drawn from that range by `seed`, lies between
    a pod's creation and its start. `tokens` are those of `ApiServer`. Logs of pods and the kubeconfig
    go to `folder`, by default one that is removed again; commands run in `work_folder`, by default
    the current one. `rules` are the kubelet's, `retries` the pauses of the controllers after
    a refusal. On stopping, processes have `patience_seconds` to end. The nodes hold `room` pods. Of pods
    that pretend to run `passes` answers the probes, and `crashes_after` tells when they crash.

    HorizontalPodAutoscalers look every `hpa_sync_seconds`; with `hpa_scale_to_zero` they may have a
    minReplicas of 0 (the gate HPAScaleToZero). `pod_cpu` tells the cores that a pod uses, by namespace
    and name, None where that is not known; "processes" measures those of the pods. `metric_value` tells
    the value of an Object or External metric, by namespace and name. Without them there are no metrics.
    """

    def __init__(
        self,
        *,
        runner: Literal["process", "null"] = "process",
        startup_seconds: float | tuple[float, float] = 2.0,
        ending_seconds: float = 0.0,
        seed: int = 0,
        tokens: Mapping[str, User | str] | None = None,
        folder: Path | None = None,
        work_folder: Path | None = None,
        rules: Rules | None = None,
        retries: Backoff = RETRIES,
        patience_seconds: float = 2.0,
        hpa_sync_seconds: float = 15.0,
        hpa_scale_to_zero: bool = False,
        pod_cpu: PodCpu | Literal["processes"] | None = None,
        metric_value: MetricValue | None = None,
        room: int | None = None,
        passes: Callable[[ContainerSpec], bool] = lambda _: True,
        crashes_after: Callable[[ContainerSpec], float | None] = lambda _: None,
    ) -> None:
        self.store = Store(features={HPA_SCALE_TO_ZERO} if hpa_scale_to_zero else ())
        self.api = ApiServer(self.store, tokens=tokens, pod_log=self._printed)
        self.folder: Path
        self.runner: PodRunner
        self.containers: Containers
        self._kind = runner
        self._startup_seconds = (
            startup_seconds if isinstance(startup_seconds, tuple) else (startup_seconds, startup_seconds)
        )
        self._ending_seconds = ending_seconds
        self._seed = seed
        self._token = next(iter(tokens), None) if tokens else None
        self._given_folder = folder
        self._work_folder = work_folder
        self._rules = rules
        self._retries = retries
        self._patience_seconds = patience_seconds
        self._hpa_sync_seconds = hpa_sync_seconds
        self._pod_cpu = pod_cpu
        self._metric_value = metric_value
        self._room = room
        self._passes = passes
        self._crashes_after = crashes_after
        self._changed = threading.Event()
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return self.api.url

    @property
    def kubeconfig(self) -> Path:
        """The file that leads clients here, with the first of the tokens."""
        return self.folder / "kubeconfig"

    @property
    def endings(self) -> tuple[Ending, ...]:
        """What ended each pod that has ended, in order."""
        return self.runner.endings

    def start(self) -> None:
        """Start all parts. What one of them raises ends the others."""
        agenda = Agenda()
        with ExitStack() as undo:
            self.folder = self._make_folder(undo)
            undo.callback(self.store.subscribe(self._notify))
            self.containers = self._make_containers(agenda, undo)
            self.runner = PodRunner(
                self.store,
                agenda,
                self.store.clock,
                self.containers,
                startup_seconds=self._startup_seconds,
                seed=self._seed,
                rules=self._rules,
                room=self._room,
            )
            controllers = [
                controller(self.store, agenda, self.store.clock, retries=self._retries)
                for controller in (StatefulSetController, ReplicaSetController, DeploymentController)
            ]
            background = (
                GarbageCollector(self.store, agenda),
                QuotaResync(self.store, agenda),
                HorizontalPodAutoscalerController(
                    self.store, agenda, self.store.clock, self._hpa_settings(agenda)
                ),
            )
            for part in (self.runner, *background, *controllers):
                undo.callback(part.stop)
                part.start()
            undo.callback(agenda.stop)
            agenda.start()
            undo.callback(self.api.stop)
            self.api.start()
            undo.callback(self.kubeconfig.unlink, missing_ok=True)
            self.api.write_kubeconfig(self.kubeconfig, token=self._token)
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """End all parts and every process, and remove the folder unless it was given. Twice is fine."""
        self._undo.close()

    def apply(self, manifest: JSON) -> JSON:
        """Create an object, and its namespace where needed, or replace what is said of it.

        Returns it as it is stored. Raises `ApiError` for what an API server refuses, KeyError for a kind that
        the sandbox does not know.
        """
        kind = _kind_of(manifest)
        meta = dict(manifest["metadata"])
        if kind.namespaced:
            meta.setdefault("namespace", "default")
            self._ensure_namespace(meta["namespace"])

        def replaced(old: JSON) -> JSON:
            return {**old, **manifest, "metadata": {**old["metadata"], **meta}}

        try:
            return self.store.create(kind.resource, {**manifest, "metadata": meta})
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        return self.store.modify(kind.resource, meta.get("namespace", ""), meta["name"], replaced)

    def log(self, namespace: str, pod: str) -> str:
        """Return what the last pod of this name has printed, empty before it has run."""
        return (self._printed(namespace, pod) or b"").decode(errors="replace")

    def until(self, holds: Callable[[], object], seconds: float = 30.0) -> bool:
        """Wait until something holds; False when it does not within so many seconds.

        It is looked at after each change in the store, and now and then, since it may be elsewhere.
        """
        deadline = time.monotonic() + seconds
        self._changed.clear()
        while not holds():
            if time.monotonic() >= deadline:
                return False
            self._changed.wait(_LOOK_AGAIN_SECONDS)
            self._changed.clear()
        return True

    def _make_folder(self, undo: ExitStack) -> Path:
        if self._given_folder is not None:
            self._given_folder.mkdir(parents=True, exist_ok=True)
            return self._given_folder
        folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _make_containers(self, agenda: Agenda, undo: ExitStack) -> Containers:
        if self._kind == "null":
            return NullContainers(
                agenda,
                ending_seconds=self._ending_seconds,
                passes=self._passes,
                crashes_after=self._crashes_after,
            )
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        warden = Warden(self.folder if self._given_folder is None else None)
        undo.callback(warden.close)
        return ProcessContainers(
            agenda,
            logs,
            warden,
            folder=self._work_folder or Path.cwd(),
            patience_seconds=self._patience_seconds,
        )

    def _hpa_settings(self, agenda: Agenda) -> HpaSettings:
        """Return how the autoscalers look; a processor is measured three times between two looks."""
        cpu = self._pod_cpu
        if cpu == "processes":
            if not isinstance(self.containers, ProcessContainers):
                raise ValueError('pod_cpu "processes" needs pods that are processes: runner "process"')
            meter = CpuMeter(agenda, self.containers.sessions_of_pods, self._hpa_sync_seconds / 3)
            meter.start()
            cpu = meter.cores
        return HpaSettings(
            sync_seconds=self._hpa_sync_seconds,
            metric_window_seconds=self._hpa_sync_seconds,
            pod_cpu=cpu,
            metric_value=self._metric_value,
        )

    def _ensure_namespace(self, name: str) -> None:
        try:
            self.store.create("namespaces", {"metadata": {"name": name}})
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def _printed(self, namespace: str, pod: str) -> bytes | None:
        if isinstance(self.containers, ProcessContainers):
            return self.containers.log(namespace, pod)
        return None

    def _notify(self, _: Event) -> None:
        self._changed.set()


def _kind_of(manifest: JSON) -> Kind:
    names = (manifest["apiVersion"], manifest["kind"])
    for kind in KINDS:
        if (kind.api_version, kind.kind) == names:
            return kind
    raise KeyError(f"the sandbox does not know {names[1]} of {names[0]}")
