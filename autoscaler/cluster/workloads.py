"""The kinds of worker sets that can be scaled, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from autoscaler.cluster.kinds import Condition, Meta, Struct
from autoscaler.cluster.managed_fields import ManagedMeta
from autoscaler.cluster.quota_kinds import Claim, SizedPodTemplate
from autoscaler.core.model import Rollout, TargetRef, WorkerPod
from autoscaler.core.rollouts import Progress, Revisions, rollout_of_deployment, rollout_of_set

PLURALS = {"StatefulSet": "statefulsets", "Deployment": "deployments"}
REVISION = "deployment.kubernetes.io/revision"
"""The annotation in which a Deployment's controller counts its templates."""

COMPLETE = "NewReplicaSetAvailable"
"""Why a Deployment's Progressing holds once its rollout is over; to be scaled does not change that."""


class Ordinals(Struct, frozen=True):
    """From which ordinal the pods of a set are counted."""

    start: int = 0


class RollingUpdate(Struct, frozen=True):
    """Below which ordinal pods are not updated."""

    partition: int | None = 0


class UpdateStrategy(Struct, frozen=True):
    """How pods are replaced when their template changes."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class StatefulSetSpec(Struct, frozen=True):
    """What is asked for. `replicas` is 1 where it is left out, as for the API server."""

    replicas: int = 1
    pod_management_policy: str = ""
    ordinals: Ordinals | None = None
    update_strategy: UpdateStrategy = UpdateStrategy()
    template: SizedPodTemplate = SizedPodTemplate()
    volume_claim_templates: tuple[Claim, ...] | None = ()


class StatefulSetStatus(Struct, frozen=True):
    """How far a rollout has come."""

    replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""


class StatefulSet(Struct, frozen=True):
    """A worker set."""

    revision_label: ClassVar[str] = "controller-revision-hash"

    metadata: ManagedMeta
    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()

    @property
    def parallel(self) -> bool:
        """Whether its pods are started and ended all at once."""
        return self.spec.pod_management_policy == "Parallel"

    def rollout(self, pods: Sequence[WorkerPod]) -> Rollout | None:
        """Return its rollout as far as its pods have come, None where nothing is replaced."""
        partition = self.partition if self.spec.update_strategy.type == "RollingUpdate" else None
        revisions = Revisions(self.status.current_revision, self.status.update_revision, partition)
        return rollout_of_set(revisions, self.spec.replicas, pods, self.metadata.name, self.first_ordinal)

    @property
    def partition(self) -> int:
        """Below which place a rollout replaces no pods."""
        rolling = self.spec.update_strategy.rolling_update
        return (rolling.partition or 0) if rolling is not None else 0

    @property
    def first_ordinal(self) -> int:
        """From which ordinal its pods are counted."""
        return self.spec.ordinals.start if self.spec.ordinals else 0

    @property
    def not_made(self) -> str:
        """Nothing: why it cannot make a pod a StatefulSet tells by events alone."""
        return ""

    def place(self, pod: str) -> int | None:
        """Return a pod's place in the set by its name, counted from the first ordinal."""
        ordinal = pod.removeprefix(f"{self.metadata.name}-")
        if pod == ordinal or not (ordinal.isascii() and ordinal.isdecimal()):
            return None
        return int(ordinal) - self.first_ordinal


class DeploymentSpec(Struct, frozen=True):
    """What is asked for. `replicas` is 1 where it is left out, as for the API server.

    The pods start all at once, which a StatefulSet would call Parallel.
    """

    replicas: int = 1
    paused: bool = False
    pod_management_policy: str = "Parallel"
    template: SizedPodTemplate = SizedPodTemplate()


class DeploymentStatus(Struct, frozen=True):
    """How far a rollout has come."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: tuple[Condition, ...] | None = ()


class Deployment(Struct, frozen=True):
    """A worker set whose pods have no ordinals."""

    revision_label: ClassVar[str] = "pod-template-hash"

    metadata: ManagedMeta
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    @property
    def parallel(self) -> bool:
        """Whether its pods are started and ended all at once, as they always are."""
        return True

    def rollout(self, pods: Sequence[WorkerPod]) -> Rollout | None:
        """Return its rollout as its controller tells it, None where nothing is replaced."""
        del pods  # whose templates are told by their ReplicaSets
        meta, status = self.metadata, self.status
        progressing = _condition(status, "Progressing")
        told = Progress(
            revision=(meta.annotations or {}).get(REVISION, ""),
            seen=status.observed_generation >= meta.generation,
            complete=progressing is not None and progressing.reason == COMPLETE,
            wanted=self.spec.replicas,
            replicas=status.replicas,
            updated=status.updated_replicas,
            unavailable=status.unavailable_replicas,
            paused=self.spec.paused,
        )
        return rollout_of_deployment(told)

    @property
    def partition(self) -> int:
        """Nothing: a Deployment has none."""
        return 0

    @property
    def first_ordinal(self) -> int:
        """Nothing to count from: its pods have no ordinals."""
        return 0

    @property
    def not_made(self) -> str:
        """Why its controller cannot make a pod, empty where it can."""
        failure = _condition(self.status, "ReplicaFailure")
        if failure is None or failure.status != "True":
            return ""
        return f"{failure.reason}: {failure.message}"

    def place(self, pod: str) -> None:
        """Return nothing: a pod's name tells no place."""


def _condition(status: DeploymentStatus, name: str) -> Condition | None:
    return next((one for one in status.conditions or () if one.type == name), None)


class ReplicaSet(Struct, frozen=True):
    """What makes the pods of one template of a Deployment."""

    metadata: Meta

    @property
    def owner(self) -> str:
        """The uid of the object that made it, empty for one on its own."""
        return next((ref.uid for ref in self.metadata.owner_references or () if ref.controller), "")


Workload = StatefulSet | Deployment
KINDS: dict[str, type[StatefulSet] | type[Deployment]] = {
    "StatefulSet": StatefulSet,
    "Deployment": Deployment,
}


def path_of(target: TargetRef) -> str:
    """Return the path of a target's object in the API."""
    return f"/apis/apps/v1/namespaces/{target.namespace}/{PLURALS[target.kind]}/{target.name}"
