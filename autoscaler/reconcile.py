"""One target, one tick: observe, decide, act, report."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from autoscaler.arrivals import Arrivals
from autoscaler.config.model import TargetSettings
from autoscaler.contest import Contests
from autoscaler.core.account import BrokerAccount
from autoscaler.core.allotment import Contender
from autoscaler.core.decide import decide
from autoscaler.core.foreign import notices
from autoscaler.core.history import History
from autoscaler.core.hpa import shared
from autoscaler.core.hpa_notices import notice
from autoscaler.core.limits.view import NAMED
from autoscaler.core.model import (
    Cordon,
    Decision,
    Notice,
    Outcome,
    OutcomeKind,
    Reading,
    Step,
    WorkerSet,
    stale,
    unknown,
)
from autoscaler.core.others import Write
from autoscaler.core.override_notices import Heard
from autoscaler.core.overrides import Key
from autoscaler.core.policy import AtDeadline, Policy
from autoscaler.core.quarters import Contest, Quarters, is_exceeded
from autoscaler.core.queues import is_glob
from autoscaler.core.rollouts import begun
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.standing import ANSWERS_IN_A_ROW
from autoscaler.core.writers import latest
from autoscaler.departures import Departure
from autoscaler.observe import Memory, Moment, observe
from autoscaler.ports import (
    Cluster,
    Cordons,
    DepthQuery,
    DepthReader,
    Hints,
    Orders,
    Reporter,
    Scaler,
    Workforce,
)

SETTLING_SECONDS = 10.0
"""How long after tasks have begun to wait workers may still be filling up with them."""

STILL_FRESH_SECONDS = 1.0
"""How long after it a reading still counts as made now."""

LAST_QUESTION_SECONDS = 10.0
"""How long the last question to workers that go may take; those who go have taken no tasks meanwhile."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision with what it was made from, not yet carried out."""

    broker: Reading[BrokerAccount]
    snapshot: Snapshot
    history: History
    decision: Decision

    @property
    def writes(self) -> bool:
        """Whether carrying it out asks the cluster for something."""
        return self.decision.changes_scale or self.changes_cordons or bool(self.going)

    @property
    def changes_cordons(self) -> bool:
        """Whether other cordons are to be remembered than those that are."""
        return set(self.decision.cordons) != set(self.snapshot.cordons or ())

    @property
    def going(self) -> tuple[str, ...]:
        """The pods with a worker that it takes away, or would if that said now that it is idle."""
        return (*self.decision.departing, *self.decision.ripe)

    def without(self, answered: frozenset[str], policy: Policy) -> Plan:
        """Return the plan, which removes nobody if one who would go has not answered the last question."""
        silent = [pod for pod in self.decision.departing if pod not in answered | self._forced(policy)]
        if not silent:
            return self
        message = f"no answer to the last question from {', '.join(silent[:NAMED])}"
        step = Step("drain", self.decision.current, "LastQuestionUnanswered", message)
        steps = (*self.decision.steps, step)
        return replace(self, decision=replace(self.decision, steps=steps, departing=(), ripe=(), floor=None))

    def _forced(self, policy: Policy) -> frozenset[str]:
        """Return the pods that may go without an answer, their deadline having passed."""
        if policy.drain.at_deadline is not AtDeadline.LOWER:
            return frozenset()
        latest = self.snapshot.now - policy.drain.deadline_seconds
        cordons = self.decision.cordons
        return frozenset(c.pod for c in cordons if c.since is not None and c.since < latest)


class Reconciler:
    """A target and what is remembered of it from tick to tick.

    The memory belongs to one object of the cluster: a target that was deleted and made anew starts
    with a new one. Whoever plans first takes the target by `claim`, and `release`s it when the plan has
    been carried out, so that no two ticks decide about it at once. `look_into_lists` says whether it
    matters to its next decision if tasks that wait are due: while it has no workers, and while some are
    known that are not due. `closing` says that the daemon is about to end, `drains` whether it is there
    for long enough to drain anything, `excluded` that an annotation has the target left alone.
    """

    def __init__(
        self,
        target: TargetSettings,
        policy: Policy,
        *,
        cluster: Cluster,
        workforce: Workforce,
        hints: Hints,
        scaler: Scaler,
        orders: Orders,
        cordons: Cordons,
        contests: Contests,
        reporter: Reporter,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.target = target
        self._declared = target
        self._has_globs = any(map(is_glob, target.queues))
        self._policy = policy
        self._cluster = cluster
        self._workforce = workforce
        self._hints = hints
        self._scaler = scaler
        self._orders = orders
        self._cordons = cordons
        self._contests = contests
        contests.join(target.ref, self._looked_at)
        self._reserves = target.reserves
        self._arrivals = Arrivals()
        self._reporter = reporter
        self._clock = clock
        self._wall = wall
        self.look_into_lists = True
        self.closing = False
        self.drains = True
        self.excluded = False
        self._heard = Heard()
        self._told_of_hpas: Notice | None = None
        self._parted = False
        self._waiting_since: float | None = None
        self._claim = threading.Lock()
        self._uid = ""
        self._history: History | None = None
        self._departure: Departure | None = None

    def find_queues(self, reader: DepthReader) -> str:
        """Know which queues the target's globs stand for; return why that is not known, if it is not.

        `target` has these queues in place of the globs from then on.
        """
        if not self._has_globs:
            return ""
        found = reader.queues(self._query(self._declared))
        if found.value is None:
            return found.detail
        if found.value != self.target.queues:
            self.target = replace(self._declared, queues=found.value)
        return ""

    @property
    def query(self) -> DepthQuery:
        """What to ask its broker."""
        return self._query(self.target)

    def _query(self, target: TargetSettings) -> DepthQuery:
        return DepthQuery(target.ref, target.queues, target.broker, self.look_into_lists)

    def claim(self) -> bool:
        """Take the target for one tick, and return whether it was free."""
        return self._claim.acquire(blocking=False)

    def release(self) -> None:
        """Leave the target to the next tick."""
        self._claim.release()

    def plan(self, broker: Reading[BrokerAccount]) -> Plan | None:
        """Observe and decide, which takes no time; None where the target cannot be seen."""
        ref = self.target.ref
        workers = self._cluster.worker_set(ref)
        moment = Moment(self._clock(), self._wall())
        memory = Memory(self._recalled(workers), self.closing)
        snapshot = observe(self.target, moment, workers, broker, self._workforce, self._hints, memory)
        if snapshot is None:
            self._contests.withdraw(ref)
            self._reporter.unseen(ref, workers.detail)
            return None
        history = self._remembered(snapshot)
        self._see_who_went(snapshot)
        self._see_hpas(snapshot)
        self._hear_overrides(snapshot)
        snapshot, decision = self._decided(snapshot, history)
        self.look_into_lists = not snapshot.workers.pods or bool(decision.later_tasks)
        return Plan(broker, snapshot, history, decision)

    def _decided(self, snapshot: Snapshot, history: History) -> tuple[Snapshot, Decision]:
        """Decide, and where quotas limit it do so in turn with others that draw on them."""
        ref = snapshot.target
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

    def bid(self, broker: Reading[BrokerAccount]) -> None:
        """Have others that draw on the same quotas know what this target wants, before any decides."""
        ref = self.target.ref
        if not self._contests.contested(ref):
            return
        quarters = self._contests.quarters(ref)
        if quarters is None:
            return
        workers = self._cluster.worker_set(ref)
        moment = Moment(self._clock(), self._wall())
        memory = Memory(self._recalled(workers), self.closing)
        snapshot = observe(self.target, moment, workers, broker, self._workforce, self._hints, memory)
        if snapshot is None:
            return
        decision = decide(snapshot, self._policy, self._remembered(snapshot))
        with self._contests.turn(ref):
            contender = self._contender(snapshot.at, snapshot.workers, quarters)
            self._contests.speak(contender, decision.wanted, contender.asked)

    def _looked_at(self) -> Contender | None:
        """Return what others of its namespace are to see of the target, None where there is nothing."""
        ref = self.target.ref
        quarters, workers = self._contests.quarters(ref), self._cluster.worker_set(ref).value
        if quarters is None or workers is None:
            return None
        return self._contender(self._clock(), workers, quarters)

    def _contender(self, at: float, workers: WorkerSet, quarters: Quarters) -> Contender:
        """Return the target as the quotas of its namespace see it, while it or another one has its turn."""
        self._arrivals.see(at, workers)
        return Contender(
            target=self.target.ref,
            shape=quarters.shape,
            places=workers.places,
            asked=workers.replicas,
            priority=self.target.quota_priority,
            reserves=self._reserves,
            kept_claims=quarters.claims,
            first_ordinal=quarters.first_ordinal,
            uncounted=self._arrivals.uncounted(at),
            leaving=workers.leaving + self._arrivals.still_counted,
        )

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
        self.excluded = snapshot.overrides.get(Key.EXCLUDE) is not None

    def _recalled(self, workers: Reading[WorkerSet]) -> Reading[tuple[Cordon, ...]]:
        if not self.drains:
            return unknown("drain", "a single look begins no drain")
        uid = "" if workers.value is None else workers.value.uid
        return self._cordons.recall(self.target.ref, uid)

    @property
    def cordons(self) -> int:
        """How many workers take no tasks because of us, as far as is known."""
        recalled = self._recalled(self._cluster.worker_set(self.target.ref)).value
        return sum(not cordon.returned for cordon in recalled or ())

    @property
    def holds_floor(self) -> bool:
        """Whether an HPA's minimum is ours, and nobody has seen yet if it can be restored at the end."""
        workers = self._cluster.worker_set(self.target.ref).value
        hpas = () if workers is None else workers.hpas.value or ()
        return not self._parted and any(hpa.floored for hpa in hpas)

    @property
    def busy(self) -> bool:
        """Whether a plan is being carried out."""
        return self._claim.locked()

    def attend(self, url: str, plan: Plan) -> None:
        """Have the workers listened to and asked, as far as a plan calls for it; takes no time.

        It is urgent to know what they hold when nothing else speaks against sending them home, and while
        they fill up with tasks of which they run some and reserve others.
        """
        snapshot, decision = plan.snapshot, plan.decision
        alone = self.excluded and not decision.cordons
        if alone or (not snapshot.workers.pods and not decision.replicas):
            self._workforce.leave(self.target, url)
            return
        urgent = not self._settled(snapshot)
        leaving = decision.draining
        self._workforce.attend(self.target, url, snapshot.workers, urgent=urgent, leaving=leaving)

    def _settled(self, snapshot: Snapshot) -> bool:
        """Return whether tasks have been waiting for so long that workers are full of them."""
        account = snapshot.broker.value
        if account is None:
            return True
        if not any(queue.messages > len(queue.eta) for queue in account.queues):
            self._waiting_since = None
            return False
        if self._waiting_since is None:
            self._waiting_since = snapshot.at
        return snapshot.at - self._waiting_since >= SETTLING_SECONDS

    def carry_out(self, plan: Plan, url: str) -> Outcome:
        """Act on a plan, report, remember, and return what came of it.

        A conflict drops the decision: what was read live is decided on once more, and a second conflict
        is left to the next tick.
        """
        outcome = self._carry_out(plan, url)
        if outcome.kind is OutcomeKind.CONFLICT:
            again = self._again(plan)
            if again is not None:
                outcome = self._carry_out(again, url)
        return outcome

    def _carry_out(self, plan: Plan, url: str) -> Outcome:
        """Act on what is left of a plan when the workers that are to go have been asked once more.

        Whoever could be proven idle by answering twice is asked twice.
        """
        for _ in range(ANSWERS_IN_A_ROW):
            if not plan.going or not self.target.remote_control:
                break
            ripe = plan.decision.ripe
            answered = self._workforce.make_sure(self.target, url, plan.going)
            again = self._again(plan, LAST_QUESTION_SECONDS)
            if again is None:
                return Outcome(OutcomeKind.UNCHANGED, plan.decision.current, "it is not seen any more")
            plan = again.without(answered, self._policy)
            if not ripe:
                break
        return self._act(plan, url)

    def _again(self, plan: Plan, allowance_seconds: float = STILL_FRESH_SECONDS) -> Plan | None:
        """Decide once more on the same reading of the broker, which has aged."""
        return self.plan(older(plan.broker, self._clock() - plan.snapshot.at, allowance_seconds))

    def _act(self, plan: Plan, url: str) -> Outcome:
        decision = plan.decision
        failure = self._remember_cordons(plan)
        orders = [order for order in decision.orders if order.consume or not (failure or self.closing)]
        # Nobody is called back to work while an HPA may still lower past him.
        floor_first = decision.floor is not None and decision.floor.to > decision.floor.was
        if orders and not floor_first:
            self._orders.give(self.target, url, orders)
        if failure and decision.replicas <= decision.current:
            outcome = Outcome(OutcomeKind.FAILED, decision.current, f"no worker is drained: {failure}")
        elif decision.changes_scale:
            outcome = self._scaler.scale(decision)
        else:
            outcome = Outcome(OutcomeKind.UNCHANGED, decision.current)
        if orders and floor_first:
            self._orders.give(self.target, url, orders)
        if outcome.kind is OutcomeKind.APPLIED and decision.departing and self.target.kind == "Deployment":
            self._departure = Departure.of(decision, plan.snapshot.workers)
        self._parted = plan.snapshot.closing
        if outcome.kind is not OutcomeKind.CONFLICT:
            self._history = _after(plan.history, decision, outcome, self._policy)
        self._reporter.report(plan.snapshot, decision, outcome)
        return outcome

    def _remember_cordons(self, plan: Plan) -> str:
        """Write down which workers are to take no tasks before any is told; return why that failed."""
        if not plan.changes_cordons:
            return ""
        return self._cordons.record(self.target.ref, plan.decision.uid, plan.decision.cordons)

    def _remembered(self, snapshot: Snapshot) -> History:
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


def older(
    reading: Reading[BrokerAccount], seconds: float, allowance_seconds: float = STILL_FRESH_SECONDS
) -> Reading[BrokerAccount]:
    """Return a reading as it is after a while: one that was fresh may still call up, but not send home."""
    if reading.value is None or seconds < allowance_seconds:
        return reading
    return stale(
        reading.value, reading.source, reading.age_seconds + seconds, "read before a write that took long"
    )


def _after(history: History, decision: Decision, outcome: Outcome, policy: Policy) -> History:
    history = history.record(decision, policy)
    if outcome.kind is OutcomeKind.APPLIED and outcome.replicas != decision.current:
        return history.moved(decision.at, outcome.replicas - decision.current)
    return history
