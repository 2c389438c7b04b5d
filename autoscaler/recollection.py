"""What is remembered of one target from tick to tick, and what people are told once about it.

The memory belongs to one object of the cluster: a target that was deleted and made anew starts with a new
one. Whatever others have done since the last look is found by it, and told.
"""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.foreign import notices
from autoscaler.core.history import History
from autoscaler.core.hpa import shared
from autoscaler.core.hpa_notices import notice
from autoscaler.core.model import Decision, Notice, Outcome, OutcomeKind
from autoscaler.core.others import Write
from autoscaler.core.override_notices import Heard
from autoscaler.core.policy import Policy
from autoscaler.core.rollouts import begun
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import latest
from autoscaler.departures import Departure
from autoscaler.plan import Plan
from autoscaler.ports import Cluster, Reporter


class Recollection:
    """The memory of one target."""

    def __init__(self, policy: Policy, cluster: Cluster, reporter: Reporter) -> None:
        self._policy = policy
        self._cluster = cluster
        self._reporter = reporter
        self._uid = ""
        self._history: History | None = None
        self._departure: Departure | None = None
        self._heard = Heard()
        self._told_of_hpas: Notice | None = None

    def history(self, snapshot: Snapshot) -> History:
        """Return what is remembered, once it is known whether others have written the replicas."""
        workers, history = snapshot.workers, self._history
        if history is None or self._uid != workers.uid:
            self._uid = workers.uid
            history = self._arrived(snapshot)
        elif workers.replicas != history.others.standing:
            history = self._overwritten(snapshot, history)
        self._history = history.looked(snapshot)
        rollout = begun(history.rolling, self._history.rolling, snapshot)
        if rollout is not None:
            self._reporter.notice(snapshot.target, rollout)
        return self._history

    def tell(self, snapshot: Snapshot) -> None:
        """Tell what has happened to the target since the last look, once for each."""
        self._see_who_went(snapshot)
        self._see_hpas(snapshot)
        self._hear_overrides(snapshot)

    def acted(self, plan: Plan, outcome: Outcome) -> None:
        """Remember a decision and what came of it."""
        decision, workers = plan.decision, plan.snapshot.workers
        chosen = decision.departing and decision.target.kind == "Deployment"
        if chosen and outcome.kind is OutcomeKind.APPLIED:
            self._departure = Departure.of(decision, workers)
        if outcome.kind is not OutcomeKind.CONFLICT:
            self._history = _after(plan.history, decision, outcome, self._policy)

    def _arrived(self, snapshot: Snapshot) -> History:
        """Return the memory at a first look, which is never taken for somebody's write."""
        history = History.seeded(snapshot.at, snapshot.workers.replicas)
        writer = latest(self._cluster.replica_writers(snapshot.target))
        grace = self._policy.manual_grace_seconds
        return replace(history, others=history.others.resumed(snapshot.at, snapshot.now, writer, grace))

    def _overwritten(self, snapshot: Snapshot, history: History) -> History:
        """Return the memory after a write that is not ours, which is told: what pods end is not our doing."""
        self._departure = None
        writer = latest(self._cluster.replica_writers(snapshot.target))
        write = Write(history.others.standing, snapshot.workers.replicas, writer)
        share = shared(snapshot.hpas.value or (), self._policy.hpa)
        after = history.overwritten(snapshot.at, write, self._policy, shared=share)
        for one in notices(write, snapshot, history.others, after.others, shared=share):
            self._reporter.notice(snapshot.target, one)
        return after

    def _see_who_went(self, snapshot: Snapshot) -> None:
        """Tell of pods that went in place of others, once for each lowering of the replicas."""
        departure = self._departure
        if departure is not None and departure.over(snapshot.workers):
            self._departure = None
            missed = departure.missed(snapshot.workers)
            if missed is not None:
                self._reporter.notice(snapshot.target, missed)

    def _see_hpas(self, snapshot: Snapshot) -> None:
        """Tell of HPAs on the target, once and when something about them changes."""
        seen = notice(snapshot.hpas, self._policy.hpa)
        if seen is not None and seen != self._told_of_hpas:
            self._reporter.notice(snapshot.target, seen)
        if seen is not None or snapshot.hpas.is_fresh:
            self._told_of_hpas = seen

    def _hear_overrides(self, snapshot: Snapshot) -> None:
        """Tell what the annotations have begun or ceased to order, and what is ignored of them."""
        heard = Heard.of(snapshot, self._policy)
        for one in heard.since(self._heard):
            self._reporter.notice(snapshot.target, one)
        self._heard = heard


def _after(history: History, decision: Decision, outcome: Outcome, policy: Policy) -> History:
    history = history.record(decision, policy)
    if outcome.kind is OutcomeKind.APPLIED and outcome.replicas != decision.current:
        return history.moved(decision.at, outcome.replicas - decision.current)
    return history
