"""From all that is known of a target's tasks to slots wanted, and from slots to replicas.

A task wants a slot when it waits and is due, when it is with a worker, or when it will be due before a
worker that is called up now could run it. The broker and the workers see the tasks that are with
workers from two sides, each incompletely: with early acknowledgement the broker loses sight of a
running task, and a worker that is shutting down does not answer. So the larger of the two counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from autoscaler.core.account import BrokerAccount, Delivered
from autoscaler.core.evidence import unheard_of
from autoscaler.core.model import Step
from autoscaler.core.policy import Policy
from autoscaler.core.snapshot import Snapshot

CLOCK_SLACK_SECONDS = 10.0
"""How far the clocks of the nodes may differ: a worker dates what it takes, its kubelet its start."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Tasks of one target, counted by what they need now.

    `ready` ones wait and are due, `held` ones are with workers, `soon` ones will be due before a new
    worker could start. `orphaned` ones were left behind by workers that are gone: they want no slot,
    but after the visibility timeout a worker to give them back (`rescue`). `later` ones are not due for
    a while, the next of them at `next_due`. `hinted` is what the hint `hinted_by` knows of beyond all
    that; where there is nothing else it counts for nothing, since workers cannot run what their broker
    does not have.
    """

    ready: int
    held: int
    soon: int
    orphaned: int
    rescue: bool
    later: int
    next_due: float | None
    hinted: int
    hinted_by: str
    slots_per_worker: int

    @property
    def slots(self) -> int:
        """Slots wanted now, or by the time a new worker could run something."""
        return self.ready + self.held + self.soon + self.hinted

    @property
    def replicas(self) -> int:
        """Workers needed to give every task a slot, rounded up; one where something is to be rescued."""
        return max(-(-self.slots // self.slots_per_worker), int(self.rescue))


@dataclass(frozen=True, slots=True)
class _Held:
    """Tasks that the broker has delivered: with living workers, left by dead ones, and not due yet."""

    living: int
    shared: bool
    orphaned: int
    oldest_orphan_at: float | None
    eta: tuple[float, ...]


def measure(snapshot: Snapshot, policy: Policy) -> Demand | None:
    """Return the demand that a snapshot shows, None where a needed reading is unknown."""
    account, slots = snapshot.broker.value, snapshot.slots.value
    if account is None or slots is None:
        return None
    horizon = snapshot.now + policy.startup_seconds
    crew_busy, crew_eta = _crew(snapshot)
    left = _delivered(snapshot, account, crew_busy, crew_eta)
    waiting_eta = tuple(sorted(due for queue in account.queues for due in queue.eta))
    ready = sum(queue.messages for queue in account.queues) - len(waiting_eta)
    eta = sorted((*waiting_eta, *max(left.eta, crew_eta, key=len)))
    soon = bisect_right(eta, horizon)
    spare = max(0, snapshot.workers.replicas * slots - ready - soon - crew_busy) if left.shared else None
    held = max(crew_busy, left.living) if spare is None else _within(crew_busy, left.living, spare)
    hinted, hinted_by = max(
        ((hint.tasks.value or 0, hint.name) for hint in snapshot.hints if hint.tasks.is_fresh),
        default=(0, ""),
    )
    known = ready + soon + held
    return Demand(
        ready=ready,
        held=held,
        soon=soon,
        orphaned=left.orphaned,
        rescue=_rescue(left, snapshot, policy),
        later=len(eta) - soon,
        next_due=eta[soon] if soon < len(eta) else None,
        hinted=max(0, hinted - known) if known else 0,
        hinted_by=hinted_by,
        slots_per_worker=slots,
    )


def _within(known: int, claimed: int, spare: int) -> int:
    """Return what is known to be held, and of what may be others' as much as there is room for.

    It may be another target's, so it can hold the workers that there are, but never call up more.
    """
    return known + min(max(0, claimed - known), spare)


def _delivered(snapshot: Snapshot, account: BrokerAccount, busy: int, kept: tuple[float, ...]) -> _Held:
    """Tell the deliveries to living workers from those to workers that are gone.

    A worker holds nothing that was delivered before it started. A mere number of deliveries includes
    the tasks that workers keep until they are due, whose due times are `kept`.
    """
    delivered = account.delivered.value or Delivered()
    born = [pod.started_at for pod in snapshot.workers.pods if pod.started_at is not None]
    if snapshot.strangers:  # they may hold what none of our pods can
        orphaned = 0
    elif born:
        unborn = bisect_left(delivered.deliveries, min(born) - CLOCK_SLACK_SECONDS)
        orphaned = max(unborn, _disowned(snapshot, delivered, busy, kept))
    else:
        orphaned = len(delivered.deliveries) if not snapshot.workers.pods else 0
    living = len(delivered.deliveries) - orphaned + max(0, delivered.uncounted - len(kept))
    oldest = delivered.deliveries[0] if orphaned else None
    return _Held(living, delivered.shared, orphaned, oldest, delivered.eta)


def _disowned(snapshot: Snapshot, delivered: Delivered, busy: int, kept: tuple[float, ...]) -> int:
    """Return how many deliveries there are beyond those that all living workers together answer for.

    What was delivered some time before a worker answered is in its answer, has ended since, or waits for
    its rate limit, of which a worker says nothing. So a worker that was killed leaves what nobody answers
    for; but that is said only of what was delivered before some worker began, which may be in its place.
    """
    crew = dict(snapshot.crew)
    pods = [pod for pod in snapshot.workers.pods if pod.started_at is not None]
    accounts = [account for pod in pods if (account := crew.get(pod.name)) and account.eta is not None]
    if delivered.shared or len(accounts) < len(pods):
        return 0
    answered_at = snapshot.now - max(account.age_seconds for account in accounts)
    latest_birth = max(pod.started_at or 0.0 for pod in pods)
    until = min(answered_at - CLOCK_SLACK_SECONDS, latest_birth + CLOCK_SLACK_SECONDS)
    due = sum(at <= snapshot.now + CLOCK_SLACK_SECONDS for at in kept)
    return max(0, bisect_right(delivered.deliveries, until) - busy - due)


def _crew(snapshot: Snapshot) -> tuple[int, tuple[float, ...]]:
    """Return the tasks that the workers say they run or have reserved, and the due times they keep."""
    accounts = [account for _, account in snapshot.crew]
    busy = sum((account.active or 0) + (account.reserved or 0) for account in accounts)
    return busy, tuple(due for account in accounts for due in account.eta or ())


def _rescue(held: _Held, snapshot: Snapshot, policy: Policy) -> bool:
    """Whether tasks that were left behind can be given back now, and nobody is there to do it.

    A consumer of kombu's gives back what has been unacknowledged for longer than the visibility
    timeout; before that a worker would start in vain.
    """
    if held.oldest_orphan_at is None:
        return False
    return snapshot.now - held.oldest_orphan_at > policy.visibility_timeout_seconds


def demand_step(snapshot: Snapshot, demand: Demand | None) -> Step:
    """Return the first step of a decision: what the demand alone asks for."""
    current = snapshot.workers.replicas
    if demand is None:
        why = "; ".join(
            f"{reading.source}: {reading.detail}"
            for reading in (snapshot.broker, snapshot.slots)
            if reading.value is None
        )
        return Step("demand", current, "DemandUnknown", f"demand unknown ({why}), {current} kept")
    idle = "TasksLeftBehind" if demand.rescue else "NoWork"
    reason = "WorkWaiting" if demand.slots else idle
    return Step("demand", demand.replicas, reason, _sum_of(snapshot, demand))


def _sum_of(snapshot: Snapshot, demand: Demand) -> str:
    terms = [f"{demand.ready} ready", f"{demand.held} with workers"]
    if demand.soon:
        terms.append(f"{demand.soon} due soon")
    if demand.hinted:
        terms.append(f'{demand.hinted} more by the hint "{demand.hinted_by}"')
    age = "" if snapshot.broker.is_fresh else f", read {snapshot.broker.age_seconds:.0f} s ago"
    aside = []
    if demand.later and demand.next_due is not None:
        aside.append(f"{demand.later} not due for {demand.next_due - snapshot.now:.0f} s or more")
    if demand.orphaned:
        aside.append(f"{demand.orphaned} left behind by workers that are gone")
    unheard = unheard_of(snapshot)
    if unheard:
        why = f" ({snapshot.crew_detail})" if snapshot.crew_detail else ""
        aside.append(
            f"{len(unheard)} of the workers never heard{why}: what they have acknowledged early is not known"
        )
    aside += [f"{hint.name}: {hint.explanation}" for hint in snapshot.hints if hint.explanation]
    beside = f" ({', '.join(aside)})" if aside else ""
    slots = "1 slot" if demand.slots == 1 else f"{demand.slots} slots"
    return (
        f"{' + '.join(terms)} = {slots} wanted{age}{beside}; "
        f"{demand.slots_per_worker} a worker ({snapshot.slots.source}) makes {demand.replicas}"
    )
