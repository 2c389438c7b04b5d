"""One target among those that draw on the same quotas: what it shows of itself, and its turn to decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from autoscaler.arrivals import Arrivals
from autoscaler.config.model import TargetSettings
from autoscaler.contest import Contests
from autoscaler.core.allotment import Contender
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Decision, WorkerSet
from autoscaler.core.policy import Policy
from autoscaler.core.quarters import Contest, Quarters, is_exceeded
from autoscaler.core.snapshot import Snapshot
from autoscaler.ports import Cluster


class Bidder:
    """Decides for one target, in turn with others where quotas limit it; `clock` in monotonic seconds."""

    def __init__(
        self,
        target: TargetSettings,
        policy: Policy,
        cluster: Cluster,
        contests: Contests,
        clock: Callable[[], float],
    ) -> None:
        self._ref = target.ref
        self._priority = target.quota_priority
        self._reserves = target.reserves
        self._policy = policy
        self._cluster = cluster
        self._contests = contests
        self._clock = clock
        self._arrivals = Arrivals()
        contests.join(target.ref, self._looked_at)

    @property
    def contested(self) -> bool:
        """Whether quotas limit it and others draw on them too."""
        return self._contests.contested(self._ref) and self._contests.quarters(self._ref) is not None

    def withdraw(self) -> None:
        """Want nothing any more: the target is gone."""
        self._contests.withdraw(self._ref)

    def decided(self, snapshot: Snapshot, history: History) -> tuple[Snapshot, Decision]:
        """Decide, and where quotas limit it do so in turn with others that draw on them."""
        ref = self._ref
        quarters = self._contests.quarters(ref)
        if quarters is None:
            self._contests.withdraw(ref)
            detail = self._contests.pending(ref)
            snapshot = replace(snapshot, quotas_detail=detail) if detail else snapshot
            return snapshot, decide(snapshot, self._policy, history)
        with self._contests.turn(ref) as rivals:
            own = self._contender(snapshot.at, snapshot.workers, quarters)
            lately = self._contests.spoken_for(ref, quarters.limits)
            exceeded = quarters.exceeded or is_exceeded(lately)
            contest = Contest(quarters.limits, lately, exceeded, own, rivals)
            admitted = contest.admitted
            settled = self._arrivals.settled(snapshot.at, short=admitted < own.asked)
            snapshot = replace(snapshot, contest=replace(contest, firm=admitted if settled else own.asked))
            decision = decide(snapshot, self._policy, history)
            self._contests.speak(own, decision.wanted, decision.replicas)
        return snapshot, decision

    def bid(self, snapshot: Snapshot, history: History) -> None:
        """Have others that draw on the same quotas know what this target wants, before any decides."""
        quarters = self._contests.quarters(self._ref)
        if quarters is None:
            return
        decision = decide(snapshot, self._policy, history)
        with self._contests.turn(self._ref):
            contender = self._contender(snapshot.at, snapshot.workers, quarters)
            self._contests.speak(contender, decision.wanted, contender.asked)

    def _looked_at(self) -> Contender | None:
        """Return what others of its namespace are to see of the target, None where there is nothing."""
        ref = self._ref
        quarters, workers = self._contests.quarters(ref), self._cluster.worker_set(ref).value
        if quarters is None or workers is None:
            return None
        return self._contender(self._clock(), workers, quarters)

    def _contender(self, at: float, workers: WorkerSet, quarters: Quarters) -> Contender:
        """Return the target as the quotas of its namespace see it, while it or another one has its turn."""
        self._arrivals.see(at, workers)
        return Contender(
            target=self._ref,
            shape=quarters.shape,
            places=workers.places,
            asked=workers.replicas,
            priority=self._priority,
            reserves=self._reserves,
            kept_claims=quarters.claims,
            first_ordinal=quarters.first_ordinal,
            uncounted=self._arrivals.uncounted(at),
            leaving=workers.leaving + self._arrivals.still_counted,
        )
