"""All that a limit may look at, and what one is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.core.demand import Demand
from autoscaler.core.evidence import missing_evidence
from autoscaler.core.history import History
from autoscaler.core.model import Step
from autoscaler.core.overrides import Overrides
from autoscaler.core.policy import Policy
from autoscaler.core.snapshot import Snapshot

NAMED = 3
"""How many pods a sentence names."""


@dataclass(frozen=True, slots=True)
class View:
    """All that a limit may look at; the bounds of `policy` are those in force."""

    snapshot: Snapshot
    policy: Policy
    history: History
    demand: Demand | None

    @property
    def current(self) -> int:
        """The replicas asked for at present."""
        return self.snapshot.workers.replicas

    @property
    def overrides(self) -> Overrides:
        """What people order by annotation at present."""
        return self.snapshot.overrides

    @property
    def idle(self) -> bool:
        """Whether it is certain that there is nothing to do: no task, and nobody who might have one."""
        return (
            self.snapshot.broker.is_fresh
            and self.demand is not None
            and self.demand.replicas == 0
            and not missing_evidence(self.snapshot, self.policy)
        )


Limit = Callable[[int, View], Step | None]
"""Given what is proposed so far, returns a step where the limit binds and None where it does not."""
