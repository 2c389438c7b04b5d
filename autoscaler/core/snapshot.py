"""Everything that was seen of one target at one time."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.core.account import BrokerAccount, Hint, WorkerAccount
from autoscaler.core.model import Quality, Reading, TargetRef, WorkerSet


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a decision is made from.

    `at` is monotonic seconds, `now` the same moment in seconds since the epoch, in which messages tell
    their times. `slots` is the number of tasks that one worker runs at a time. `crew` is what the
    target's own workers say, by pod name, `crew_detail` why they cannot be heard or asked; `strangers`
    are workers heard of that consume its queues and are none of its pods.
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
