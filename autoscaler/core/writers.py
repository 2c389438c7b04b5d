"""Who else writes a target's replicas: what an object's record of its field managers says of them.

The API server notes for each field who wrote it last, by a name that the writer gives itself or that is
taken from its user agent (everything before the first slash). The names here were seen in the records
that the tools leave or read in their source; a name that is not known is nobody's in particular. A user
agent begins with the name of the program's file, which on Windows ends in .exe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

FIELD_MANAGER = "autoscaler"
"""Our own name in the record."""

APPLY = "Apply"
SCALE = "scale"

COMMAND_LINES = frozenset({"kubectl", "oc"})
"""What scales when somebody types it, and applies what somebody has written down."""

PEOPLE = {
    "Mozilla": "a web console",
    "dashboard": "the Kubernetes Dashboard",
    "headlamp": "Headlamp",
    "k9s": "k9s",
    "kubectl-edit": "kubectl edit",
    "kubectl-patch": "kubectl patch",
    "node-fetch": "Lens",
    "rancher": "Rancher",
}
"""Tools by which people change what they look at. A browser calls itself Mozilla whatever the console."""

DEPLOY_TOOLS = {
    "HashiCorp": "Terraform",
    "Terraform": "Terraform",
    "argocd-application-controller": "Argo CD",
    "argocd-controller": "Argo CD",
    "fleetagent": "Fleet",
    "helm": "Helm",
    "helm-controller": "Flux",
    "kapp": "kapp",
    "kubectl-client-side-apply": "kubectl apply",
    "kubectl-create": "kubectl create",
    "kubectl-replace": "kubectl replace",
    "kustomize-controller": "Flux",
    "pulumi-kubernetes": "Pulumi",
}
"""Tools that write a whole object as somebody has written it down."""

HPAS = frozenset({"kube-controller-manager", "vpa-recommender"})
"""By whom a HorizontalPodAutoscaler scales; on GKE it goes by the second name."""

AUTOSCALERS = {"keda": "KEDA", "keda-operator": "KEDA"}


class WriterKind(StrEnum):
    """What a writer of replicas is, which decides how its writes are answered."""

    OURS = "ours"
    PERSON = "person"
    DEPLOY_TOOL = "deploy tool"
    HPA = "HorizontalPodAutoscaler"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Writer:
    """One entry of the record: who wrote the replicas, and how.

    `operation` is Update, or Apply for server-side apply; `subresource` is scale for whoever went through
    it. `written_at` is in seconds since the epoch, None where the record has no time, which is the rule
    for writes by way of `/scale`. `created` says that the object was made with them.
    """

    manager: str
    operation: str = "Update"
    subresource: str = ""
    written_at: float | None = None
    created: bool = False

    @property
    def kind(self) -> WriterKind:
        """What it is, by its name and its way in."""
        if self.manager == FIELD_MANAGER:
            return WriterKind.OURS
        if self.manager in HPAS and self.subresource == SCALE:
            return WriterKind.HPA
        if self._program in DEPLOY_TOOLS or (self.operation == APPLY and self.subresource != SCALE):
            return WriterKind.DEPLOY_TOOL
        if self._program in PEOPLE or self._program in COMMAND_LINES:
            return WriterKind.PERSON
        return WriterKind.OTHER

    @property
    def name(self) -> str:
        """What it is called by people."""
        known = {**PEOPLE, **DEPLOY_TOOLS, **AUTOSCALERS}
        if self.kind is WriterKind.HPA:
            return "a HorizontalPodAutoscaler"
        if self._program in COMMAND_LINES:
            what = "apply" if self.operation == APPLY else self.subresource
            return f"{self._program} {what}".strip()
        return known.get(self._program, self.manager) or "somebody"

    @property
    def _program(self) -> str:
        return self.manager.removesuffix(".exe")

    def __str__(self) -> str:
        if not self.manager:
            return self.name
        how = "server-side apply" if self.operation == APPLY else self.operation
        way = f" of {self.subresource}" if self.subresource else ""
        return f'{self.name} (field manager "{self.manager}", {how}{way})'


NOBODY = Writer("")
"""Whoever it was, the record does not say."""


def latest(writers: Sequence[Writer]) -> Writer:
    """Return who wrote the replicas last; several hold them when one has asked for what was there.

    One without a time goes first: it came by way of `/scale`, which leaves no other owner of what it
    changed.
    """
    return max(
        writers,
        key=lambda writer: (writer.written_at is None, writer.written_at or 0.0),
        default=NOBODY,
    )
