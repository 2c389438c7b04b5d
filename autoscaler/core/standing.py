"""How far a worker is from being proven idle.

A worker is proven idle when it has confirmed that it consumes nothing, the broker's last outstanding
delivery has had the time to be handed back, and two answers in a row, both asked for after that, tell
of no task but those that are not due. A pod that runs no worker is proven idle by its status. Silence
proves nothing: a worker that shuts down, a busy solo pool and a worker whose broker connection is gone
do not answer, and each may be running a task.

Without remote control there is the broker's word alone, and that counts when it has been for a whole
window that nobody has a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from autoscaler.core.account import WorkerAccount
from autoscaler.core.limits.view import View
from autoscaler.core.model import Cordon, WorkerPod
from autoscaler.core.snapshot import Snapshot

ANSWERS_IN_A_ROW = 2
ABOUT_DUE_SECONDS = 5.0
"""A task that a worker keeps until its time, and that is due so soon, might begin before the worker ends."""


class Standing(Enum):
    """The stages, in words for people."""

    EMPTY = "runs no worker"
    IDLE = "is idle"
    SETTLING = "is idle, which is being made sure of"
    OPEN = "still takes tasks"
    BUSY = "is busy"
    ABOUT_DUE = "keeps a task that is about to be due"
    SILENT = "does not answer, which counts as busy"
    UNHEARD = "has not answered yet, which counts as busy"
    UNASKED = "is not asked, and no quiet time has shown it idle"


@dataclass(frozen=True, slots=True)
class Worker:
    """A pod that has a place in its set, with what is known of it."""

    pod: WorkerPod
    place: int
    account: WorkerAccount | None
    cordon: Cordon | None

    @property
    def stays(self) -> bool:
        """Whether there is a worker in it that nobody has ended."""
        return self.pod.occupied and not self.pod.terminating


def crew_of(snapshot: Snapshot) -> tuple[Worker, ...]:
    """Return the workers by place, without the cordons of processes that are gone."""
    accounts: Mapping[str, WorkerAccount] = dict(snapshot.crew)
    cordons = {cordon.pod: cordon for cordon in snapshot.cordons or ()}

    def cordon_of(pod: WorkerPod) -> Cordon | None:
        known = cordons.get(pod.name)
        if known is None or known.started_at in {None, pod.started_at}:
            return known
        return Cordon(pod.name, since=known.since)

    if snapshot.target.kind != "StatefulSet":
        placed = _by_usefulness(snapshot, accounts, cordons)
    else:
        placed = [(pod.place, pod) for pod in snapshot.workers.pods if pod.place is not None]
    workers = (Worker(pod, place, accounts.get(pod.name), cordon_of(pod)) for place, pod in placed)
    return tuple(sorted(workers, key=lambda worker: worker.place))


def _by_usefulness(
    snapshot: Snapshot, accounts: Mapping[str, WorkerAccount], cordons: Mapping[str, Cordon]
) -> list[tuple[int, WorkerPod]]:
    """Return the pods of a Deployment, which have no ordinals, by the order in which they had best stay.

    The busy ones first, then the idle ones, those that take no tasks already behind the others; last
    those that are not Ready, which go first whatever is asked for, and of equals the younger.
    """

    def key(pod: WorkerPod) -> tuple[bool, bool, bool, bool, float, str]:
        account = accounts.get(pod.name)
        idle = account is not None and account.active == 0 and account.reserved == 0
        began = pod.started_at if pod.started_at is not None else snapshot.now
        return not pod.occupied, not pod.ready, idle, pod.name in cordons, began, pod.name

    stay = sorted((pod for pod in snapshot.workers.pods if not pod.terminating), key=key)
    return list(enumerate(stay))


def standing(worker: Worker, view: View) -> Standing:
    """Return how far a worker is from being proven idle."""
    if not worker.stays:
        return Standing.EMPTY
    if not view.policy.remote_control:
        return Standing.IDLE if _quiet(view) else Standing.UNASKED
    account = worker.account
    if account is None or account.active is None or account.reserved is None:
        return Standing.UNHEARD
    if account.active or (account.reserved and not view.policy.drain.return_reserved):
        return Standing.BUSY
    if any(due <= view.snapshot.now + ABOUT_DUE_SECONDS for due in account.eta or ()):
        return Standing.ABOUT_DUE
    return _made_sure(account, view)


def _made_sure(account: WorkerAccount, view: View) -> Standing:
    """Return how sure it is that a worker which last said that it is idle still is, and remains so."""
    if _proofs(account, view) >= ANSWERS_IN_A_ROW:
        return Standing.IDLE
    if not account.is_fresh:
        return Standing.SILENT
    return Standing.OPEN if account.cordoned_seconds is None else Standing.SETTLING


def is_ripe(worker: Worker, view: View) -> bool:
    """Return whether nothing is missing to be proven idle but answers: its cordon counts already."""
    account = worker.account
    if account is None or account.cordoned_seconds is None:
        return False
    settled = account.cordoned_seconds >= view.policy.drain.settle_seconds
    return settled and standing(worker, view) is Standing.SETTLING


def _proofs(account: WorkerAccount, view: View) -> int:
    """Return how many answers in a row say that it is idle, all asked for after its cordon counted."""
    rules = view.policy.drain
    if account.cordoned_seconds is None:
        return 0
    counted = account.cordoned_seconds - rules.settle_seconds
    return sum(
        answer.age_seconds <= counted and not answer.active and (rules.return_reserved or not answer.reserved)
        for answer in account.answers
    )


def _quiet(view: View) -> bool:
    """Return whether the broker has said for a whole window that nobody has a task."""
    window = view.policy.scale_down.stabilization_window_seconds
    return view.idle and view.history.idle_seconds(view.snapshot.at, view.policy) >= window


def overdue(worker: Worker, view: View) -> bool:
    """Return whether the deadline of a worker's drain has passed."""
    since = None if worker.cordon is None else worker.cordon.since
    return since is not None and view.snapshot.now - since > view.policy.drain.deadline_seconds
