"""All that one look at a StatefulSet sees, and what follows from it without doing anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from autoscaler.sandbox.controllers.revisions import Revision
from autoscaler.sandbox.controllers.set_pods import ordinal_of, seconds_until_available
from autoscaler.sandbox.objects.values import JSON


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a pod: its ordinal, and the pod while there is one."""

    ordinal: int
    pod: JSON | None


@dataclass(frozen=True, slots=True)
class View:
    """All that one look at a set saw."""

    statefulset: JSON
    current: Revision
    update: Revision
    pods: tuple[JSON, ...]
    now: datetime

    @property
    def first(self) -> int:
        """The lowest ordinal."""
        return int(self.statefulset["spec"].get("ordinals", {}).get("start", 0))

    @property
    def ordinals(self) -> range:
        """The ordinals that are to have a pod."""
        return range(self.first, self.first + int(self.statefulset["spec"].get("replicas", 1)))

    @property
    def slots(self) -> list[Slot]:
        """A slot for each ordinal, lowest first."""
        name = self.statefulset["metadata"]["name"]
        there = {ordinal_of(pod, name): pod for pod in self.pods}
        return [Slot(ordinal, there.get(ordinal)) for ordinal in self.ordinals]

    @property
    def surplus(self) -> list[JSON]:
        """The pods beyond the ordinals, highest first."""
        name = self.statefulset["metadata"]["name"]
        numbered = [(ordinal_of(pod, name) or 0, pod) for pod in self.pods]
        outside = [(ordinal, pod) for ordinal, pod in numbered if ordinal not in self.ordinals]
        return [pod for _, pod in sorted(outside, key=lambda pair: pair[0], reverse=True)]

    @property
    def one_by_one(self) -> bool:
        """Whether pods start and end one at a time (OrderedReady)."""
        return bool(self.statefulset["spec"].get("podManagementPolicy") != "Parallel")

    @property
    def partition(self) -> int | None:
        """The index from which a rolling update replaces pods, None where pods wait to be deleted."""
        strategy = self.statefulset["spec"].get("updateStrategy", {})
        if strategy.get("type") == "OnDelete":
            return None
        return int(strategy.get("rollingUpdate", {}).get("partition", 0))

    def is_available(self, pod: JSON) -> bool:
        """Whether a pod has been Ready for the set's `minReadySeconds`."""
        return self.seconds_until_available(pod) == 0

    def seconds_until_available(self, pod: JSON) -> float | None:
        """Return how long a pod still has to stay Ready, None when it is not."""
        return seconds_until_available(pod, self.statefulset["spec"].get("minReadySeconds", 0), self.now)

    def revision_for(self, ordinal: int) -> Revision:
        """Return the revision that a new pod is made from: below the partition the current one."""
        held = self.partition is not None and ordinal < self.first + self.partition
        return self.current if held else self.update
