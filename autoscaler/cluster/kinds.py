"""The parts of Kubernetes objects that are needed here, and nothing else of them.

Decoding straight into these skips everything else of an answer, which for a thousand StatefulSets is
a hundred times cheaper than the official client's typed models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

ItemT = TypeVar("ItemT")


class Struct(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A Kubernetes object or a part of one, by its own field names in camelCase."""


class OwnerReference(Struct, frozen=True):
    """Whose pod a pod is."""

    kind: str = ""
    uid: str = ""
    controller: bool = False


class Meta(Struct, frozen=True):
    """ObjectMeta."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    owner_references: tuple[OwnerReference, ...] | None = ()


class KeyRef(Struct, frozen=True):
    """A key of a Secret or of a ConfigMap."""

    name: str = ""
    key: str = ""
    optional: bool = False


class EnvSource(Struct, frozen=True):
    """Where the value of an environment variable comes from."""

    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None


class EnvVar(Struct, frozen=True):
    """An environment variable of a container."""

    name: str = ""
    value: str = ""
    value_from: EnvSource | None = None


class NameRef(Struct, frozen=True):
    """A Secret or a ConfigMap as a whole."""

    name: str = ""
    optional: bool = False


class EnvFrom(Struct, frozen=True):
    """Every key of a Secret or of a ConfigMap as an environment variable."""

    prefix: str = ""
    secret_ref: NameRef | None = None
    config_map_ref: NameRef | None = None


class Execution(Struct, frozen=True):
    """A command that is run in a container."""

    command: tuple[str, ...] | None = ()


class Hook(Struct, frozen=True):
    """What happens at a moment of a container's life."""

    exec: Execution | None = None


class Lifecycle(Struct, frozen=True):
    """What happens before a container is told to end, and by which signal it is told."""

    pre_stop: Hook | None = None
    stop_signal: str = ""


class Container(Struct, frozen=True):
    """A container of a pod template."""

    name: str = ""
    command: tuple[str, ...] | None = ()
    args: tuple[str, ...] | None = ()
    env: tuple[EnvVar, ...] | None = ()
    env_from: tuple[EnvFrom, ...] | None = ()
    lifecycle: Lifecycle | None = None


class PodSpec(Struct, frozen=True):
    """The containers of a pod template, and how long they have to end."""

    containers: tuple[Container, ...] | None = ()
    termination_grace_period_seconds: int | None = None


class TemplateMeta(Struct, frozen=True):
    """The labels of the pods to be made."""

    labels: dict[str, str] | None = None


class PodTemplate(Struct, frozen=True):
    """What a worker's pods are made from."""

    metadata: TemplateMeta = TemplateMeta()
    spec: PodSpec = PodSpec()


class Condition(Struct, frozen=True):
    """One condition of a pod or of a Deployment, and since when it is what it is."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class Running(Struct, frozen=True):
    """Since when a container runs."""

    started_at: str = ""


class Waiting(Struct, frozen=True):
    """Why a container does not run, neither yet nor again."""

    reason: str = ""
    message: str = ""


class Terminated(Struct, frozen=True):
    """How a container has ended."""

    reason: str = ""
    exit_code: int = 0


class ContainerState(Struct, frozen=True):
    """What a container is doing."""

    running: Running | None = None
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, frozen=True):
    """How a container is, and how it was before its last restart."""

    name: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    restart_count: int = 0


class PodStatus(Struct, frozen=True):
    """How a pod is."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] | None = ()
    init_container_statuses: tuple[ContainerStatus, ...] | None = ()
    container_statuses: tuple[ContainerStatus, ...] | None = ()


class ClaimRef(Struct, frozen=True):
    """A PersistentVolumeClaim of the pod's namespace."""

    claim_name: str = ""


class Volume(Struct, frozen=True):
    """A volume of a pod, as far as it is one that is claimed."""

    persistent_volume_claim: ClaimRef | None = None


class MadePodSpec(Struct, frozen=True):
    """What counts of the spec of a pod that was made: the containers are known from its template."""

    volumes: tuple[Volume, ...] | None = ()


class Pod(Struct, frozen=True):
    """A worker."""

    metadata: Meta
    spec: MadePodSpec = MadePodSpec()
    status: PodStatus = PodStatus()

    @property
    def owner(self) -> str:
        """The uid of the object that made the pod, empty for a pod on its own."""
        return next((ref.uid for ref in self.metadata.owner_references or () if ref.controller), "")

    def started_at(self, container: str | None) -> float | None:
        """Return since when a container runs, in seconds since the epoch, None while it does not.

        Without a name it is the one that has run the longest: their order says nothing.
        """
        since = [
            datetime.fromisoformat(status.state.running.started_at).timestamp()
            for status in self.status.container_statuses or ()
            if status.state.running is not None and container in {None, status.name}
        ]
        return min(since, default=None)

    def occupied(self, container: str | None) -> bool:
        """Return whether a container may be running: False where the status proves that none is.

        One that waits, be it for its image or for its next try, does not run; one that has ended may be
        started at any moment. Without a name all of them count.
        """
        statuses = [s for s in self.status.container_statuses or () if container in {None, s.name}]
        if not statuses:
            return self.status.phase != "Pending"
        return any(status.state.waiting is None for status in statuses)

    @property
    def ready(self) -> bool:
        """Whether the pod is Ready."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions or ())

    def condition(self, name: str) -> Condition | None:
        """Return a condition of the pod, None where nobody has told it yet."""
        return next((c for c in self.status.conditions or () if c.type == name), None)


class Secret(Struct, frozen=True):
    """A Secret, its values in base64."""

    data: dict[str, str] | None = None


class ConfigMap(Struct, frozen=True):
    """A ConfigMap, its values as text."""

    metadata: Meta
    data: dict[str, str] | None = None


class ScaleSpec(Struct, frozen=True):
    """The replicas of a Scale, which leaves them out at zero."""

    replicas: int = 0


class Scale(Struct, frozen=True):
    """The `/scale` of a worker set."""

    metadata: Meta
    spec: ScaleSpec = ScaleSpec()


class StatusCause(Struct, frozen=True):
    """One cause of a refusal, by the API server's own word for it."""

    reason: str = ""


class StatusDetails(Struct, frozen=True):
    """What programs are told of a refusal."""

    causes: tuple[StatusCause, ...] | None = ()


class Status(Struct, frozen=True):
    """Why the API server said no."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: StatusDetails | None = None

    @property
    def causes(self) -> frozenset[str]:
        """The causes that are given beside the reason, such as `NamespaceTerminating`."""
        return frozenset(cause.reason for cause in (self.details and self.details.causes) or ())


class ListMeta(Struct, frozen=True):
    """How far a list goes, and of what time it is."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Listing(Struct, Generic[ItemT], frozen=True):
    """A page of a list."""

    metadata: ListMeta = ListMeta()
    items: tuple[ItemT, ...] | None = ()


class Bookmark(Struct, frozen=True):
    """What counts of a bookmark's object: the rest of it is empty, and may be null where lists stand."""

    metadata: ListMeta = ListMeta()


class WatchEvent(Struct, frozen=True):
    """One line of a watch, its object still to be decoded by what the type says."""

    type: str
    object: msgspec.Raw
