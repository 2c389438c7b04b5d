"""One target, one tick: observe, decide, act, report."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from autoscaler.bidding import Bidder
from autoscaler.config.model import TargetSettings
from autoscaler.contest import Contests
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Cordon, Outcome, OutcomeKind, Reading, WorkerSet, unknown
from autoscaler.core.overrides import Key
from autoscaler.core.policy import Policy
from autoscaler.core.queues import is_glob
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.standing import ANSWERS_IN_A_ROW
from autoscaler.observe import Memory, Moment, observe
from autoscaler.plan import STILL_FRESH_SECONDS, Plan, older
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
from autoscaler.recollection import Recollection

SETTLING_SECONDS = 10.0
"""How long after tasks have begun to wait workers may still be filling up with them."""

LAST_QUESTION_SECONDS = 10.0
"""How long the last question to workers that go may take; those who go have taken no tasks meanwhile."""


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
        self._bidder = Bidder(target, policy, cluster, contests, clock)
        self._memory = Recollection(policy, cluster, reporter)
        self._reporter = reporter
        self._clock = clock
        self._wall = wall
        self.look_into_lists = True
        self.closing = False
        self.drains = True
        self.excluded = False
        self._parted = False
        self._waiting_since: float | None = None
        self._claim = threading.Lock()

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
        workers = self._cluster.worker_set(self.target.ref)
        snapshot = self._snapshot(workers, broker)
        if snapshot is None:
            self._bidder.withdraw()
            self._reporter.unseen(self.target.ref, workers.detail)
            return None
        history = self._memory.history(snapshot)
        self._memory.tell(snapshot)
        self.excluded = snapshot.overrides.get(Key.EXCLUDE) is not None
        snapshot, decision = self._bidder.decided(snapshot, history)
        self.look_into_lists = not snapshot.workers.pods or bool(decision.later_tasks)
        return Plan(broker, snapshot, history, decision)

    def bid(self, broker: Reading[BrokerAccount]) -> None:
        """Have others that draw on the same quotas know what this target wants, before any decides."""
        if not self._bidder.contested:
            return
        snapshot = self._snapshot(self._cluster.worker_set(self.target.ref), broker)
        if snapshot is not None:
            self._bidder.bid(snapshot, self._memory.history(snapshot))

    def _snapshot(self, workers: Reading[WorkerSet], broker: Reading[BrokerAccount]) -> Snapshot | None:
        moment = Moment(self._clock(), self._wall())
        memory = Memory(self._recalled(workers), self.closing)
        return observe(self.target, moment, workers, broker, self._workforce, self._hints, memory)

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
        self._parted = plan.snapshot.closing
        self._memory.acted(plan, outcome)
        self._reporter.report(plan.snapshot, decision, outcome)
        return outcome

    def _remember_cordons(self, plan: Plan) -> str:
        """Write down which workers are to take no tasks before any is told; return why that failed."""
        if not plan.changes_cordons:
            return ""
        return self._cordons.record(self.target.ref, plan.decision.uid, plan.decision.cordons)
