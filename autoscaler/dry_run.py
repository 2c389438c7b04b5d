"""What a dry run does in place of telling workers anything: it imagines that they obey.

A drain in a dry run would never come to an end, as nobody is told to take no tasks. So the cordons are
remembered in memory alone, and the workers that they name are seen as if they had obeyed at once. What
they really run is still what decides: the dry run shows when the replicas would have been lowered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from autoscaler.config.model import TargetSettings
from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import Cordon, Order, Reading, TargetRef, WorkerPod, WorkerSet, fresh
from autoscaler.ports import Workforce


class ImaginedCordons:
    """Implements `Cordons`, `Orders` and `Workforce` around the real workforce.

    `clock` returns monotonic seconds.
    """

    def __init__(self, workforce: Workforce, clock: Callable[[], float]) -> None:
        self._workforce = workforce
        self._clock = clock
        self._cordons: dict[tuple[TargetRef, str], tuple[Cordon, ...]] = {}
        self._obeying: dict[tuple[TargetRef, str], float] = {}

    def recall(self, target: TargetRef, uid: str) -> Reading[tuple[Cordon, ...]]:
        """Return what was recorded. See `Cordons`."""
        return fresh(self._cordons.get((target, uid), ()), "dry run")

    def record(self, target: TargetRef, uid: str, cordons: Sequence[Cordon]) -> str:
        """Remember it until the end of the process. See `Cordons`."""
        self._cordons[target, uid] = tuple(cordons)
        return ""

    def give(self, target: TargetSettings, url: str, orders: Sequence[Order]) -> None:
        """Imagine that workers obey. See `Orders`."""
        del url  # nobody is told anything
        for order in orders:
            if order.consume:
                self._obeying.pop((target.ref, order.pod), None)
            else:
                self._obeying.setdefault((target.ref, order.pod), self._clock())

    def workers(self, target: TargetRef, pods: Sequence[WorkerPod]) -> Sequence[tuple[str, WorkerAccount]]:
        """Return what is known of workers, some of it imagined. See `Workforce`."""
        return tuple(
            (pod, self._imagined(target, pod, account))
            for pod, account in self._workforce.workers(target, pods)
        )

    def _imagined(self, target: TargetRef, pod: str, account: WorkerAccount) -> WorkerAccount:
        since = self._obeying.get((target, pod))
        if since is None:
            return account
        return replace(account, queues=(), cordoned_seconds=self._clock() - since)

    def slots(self, target: TargetRef) -> Reading[int]:
        """See `Workforce`."""
        return self._workforce.slots(target)

    def strangers(self, target: TargetRef) -> Reading[int]:
        """See `Workforce`."""
        return self._workforce.strangers(target)

    def detail(self, target: TargetRef) -> str:
        """See `Workforce`."""
        return self._workforce.detail(target)

    def attend(
        self,
        target: TargetSettings,
        url: str,
        workers: WorkerSet,
        *,
        urgent: bool,
        leaving: Collection[str] = (),
    ) -> None:
        """See `Workforce`."""
        self._workforce.attend(target, url, workers, urgent=urgent, leaving=leaving)

    def make_sure(self, target: TargetSettings, url: str, pods: Sequence[str]) -> frozenset[str]:
        """See `Workforce`."""
        return self._workforce.make_sure(target, url, pods)

    def leave(self, target: TargetSettings, url: str) -> None:
        """See `Workforce`."""
        self._workforce.leave(target, url)
