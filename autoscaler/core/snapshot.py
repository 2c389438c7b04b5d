"""Everything that was seen of one target at one time."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.core.account import BrokerAccount, Hint, WorkerAccount
from autoscaler.core.hpa import Hpa
from autoscaler.core.model import Cordon, Quality, Reading, TargetRef, WorkerSet
from autoscaler.core.overrides import Overrides
from autoscaler.core.quarters import Contest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a decision is made from.

    `at` is monotonic seconds, `now` the same moment in seconds since the epoch, in which messages tell
    their times. `slots` is the number of tasks that one worker runs at a time. `crew` is what the
    target's own workers say, by pod name, `crew_detail` why they cannot be heard or asked; `strangers`
    are workers heard of that consume its queues and are none of its pods. `cordons` are the workers
    that were told to take no tasks, None where that is not known, for the reason in `cordons_detail`.
    `closing` says that the daemon is about to end. `contest` is what the quotas of its namespace allow, None
    where there are none or they are not known yet, for the reason in `quotas_detail`.
    """

    target: TargetRef
    at: float
    now: float
    workers: WorkerSet
    workers_quality: Quality
    broker: Reading[BrokerAccount]
    slots: Reading[int]
    crew: tuple[tuple[str, WorkerAccount], ...] = ()
    crew_detail: str = ""
    strangers: int = 0
    hints: tuple[Hint, ...] = ()
    cordons: tuple[Cordon, ...] | None = ()
    cordons_detail: str = ""
    closing: bool = False
    contest: Contest | None = None
    quotas_detail: str = ""

    @property
    def hpas(self) -> Reading[tuple[Hpa, ...]]:
        """The HorizontalPodAutoscalers that scale it too."""
        return self.workers.hpas

    @property
    def overrides(self) -> Overrides:
        """What the target's annotations order now."""
        return self.workers.overrides.at(self.now)

    @property
    def withheld(self) -> tuple[str, ...]:
        """The pods whose workers consume nothing, and not because of us: somebody has told them so."""
        if self.cordons is None:
            return ()
        ours = {cordon.pod for cordon in self.cordons if cordon.queues}
        accounts = dict(self.crew)

        def consumes_nothing(pod: str) -> bool:
            account = accounts.get(pod)
            return account is not None and account.cordoned_seconds is not None

        return tuple(
            pod.name
            for pod in self.workers.pods
            if pod.ready and not pod.terminating and pod.name not in ours and consumes_nothing(pod.name)
        )
