"""The kinds of worker sets that can be scaled, and what is read of them."""

from __future__ import annotations

from autoscaler.cluster.kinds import Meta, Struct
from autoscaler.cluster.managed_fields import ManagedMeta
from autoscaler.cluster.quota_kinds import Claim, SizedPodTemplate
from autoscaler.core.model import TargetRef

PLURALS = {"StatefulSet": "statefulsets", "Deployment": "deployments"}


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
    updated_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""


class StatefulSet(Struct, frozen=True):
    """A worker set."""

    metadata: ManagedMeta
    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()

    @property
    def parallel(self) -> bool:
        """Whether its pods are started and ended all at once."""
        return self.spec.pod_management_policy == "Parallel"

    @property
    def updating(self) -> bool:
        """Whether a rollout replaces pods at present.

        With OnDelete nobody replaces any, and the revisions differ for good; with a partition they differ
        for as long as that stands, and those above it count.
        """
        strategy, status = self.spec.update_strategy, self.status
        if strategy.type != "RollingUpdate" or status.current_revision in {"", status.update_revision}:
            return False
        partition = (strategy.rolling_update.partition or 0) if strategy.rolling_update else 0
        return not partition or status.updated_replicas < status.replicas - partition

    @property
    def first_ordinal(self) -> int:
        """The ordinal of the first pod."""
        return self.spec.ordinals.start if self.spec.ordinals else 0

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
    pod_management_policy: str = "Parallel"
    template: SizedPodTemplate = SizedPodTemplate()


class DeploymentStatus(Struct, frozen=True):
    """How far a rollout has come."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0


class Deployment(Struct, frozen=True):
    """A worker set whose pods have no ordinals."""

    metadata: ManagedMeta
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    @property
    def parallel(self) -> bool:
        """Whether its pods are started and ended all at once, as they always are."""
        return True

    @property
    def updating(self) -> bool:
        """Whether a rollout replaces pods at present, or may be about to."""
        status = self.status
        unseen = status.observed_generation < self.metadata.generation
        return unseen or status.updated_replicas != status.replicas

    def place(self, pod: str) -> None:
        """Return nothing: a pod's name tells no place."""


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
