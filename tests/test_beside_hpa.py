"""One target beside an HPA, tick by tick: the order in which things are written and told."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.config.model import TargetSettings
from autoscaler.config.scaling import ScaleDownSettings
from autoscaler.contest import Contests
from autoscaler.core.hpa import Hpa
from autoscaler.core.model import Decision, Outcome, OutcomeKind, Reading, WorkerPod, fresh, stale
from autoscaler.reconcile import Reconciler
from tests.builders import NOW, cordon, depth, worker
from tests.core.test_hpa import floored, hpa
from tests.fakes import Clock, FakeCluster, FakeCordons, FakeHints, FakeQuotas, FakeReporter, FakeWorkforce


class Bench:
    """A reconciler of target `w`, whose three workers are idle, in mode floor; `log` is what happened."""

    def __init__(self, one: Hpa, mode: str = "floor") -> None:
        self.cluster = FakeCluster(w=3)
        self.see(fresh((one,), "HPAs"))
        self.workforce = FakeWorkforce()
        self.workforce.accounts = dict(worker(f"w-{n}") for n in range(3))
        self.cordons = FakeCordons()
        self.cordons.known["uid-w"] = tuple(cordon(f"w-{n}") for n in range(3))
        self.reporter = FakeReporter()
        self.clock = Clock()
        self.log: list[str] = []
        self.answer = OutcomeKind.APPLIED
        target = TargetSettings(
            "data",
            "w",
            ("default",),
            hpa=mode,
            scale_down=ScaleDownSettings(stabilization_window_seconds=0.0),
        )
        self.reconciler = Reconciler(
            target,
            target.policy(1.0),
            cluster=self.cluster,
            workforce=self.workforce,
            hints=FakeHints(),
            scaler=self,
            orders=self,
            cordons=self.cordons,
            contests=Contests(FakeQuotas(), [target.ref], self.clock),
            reporter=self.reporter,
            clock=self.clock,
            wall=lambda: NOW + self.clock() - 1000.0,
        )

    def see(self, hpas: Reading[tuple[Hpa, ...]]) -> None:
        """Have these HPAs on the target."""
        pods = [
            WorkerPod(f"w-{n}", ready=True, terminating=False, started_at=NOW - 500.0, place=n)
            for n in range(3)
        ]
        self.cluster.put("w", 3, pods=pods)
        workers = self.cluster.sets["w"].value
        assert workers is not None
        self.cluster.sets["w"] = fresh(replace(workers, hpas=hpas), "cluster")

    def scale(self, decision: Decision) -> Outcome:
        """Note it. See `Scaler`."""
        self.log.append(f"{decision.floor}, {decision.current} → {decision.replicas}")
        return Outcome(self.answer, decision.replicas)

    def give(self, target, url, orders) -> None:
        """Note them. See `Orders`."""
        self.log += [f"{order.pod} {'back' if order.consume else 'out'}" for order in orders]

    def tick(self, ready: int) -> Outcome:
        """Let a second pass, decide and act."""
        self.clock.advance(1.0)
        plan = self.reconciler.plan(depth(ready))
        assert plan is not None
        return self.reconciler.carry_out(plan, "url")


def test_nobody_is_called_back_before_the_floor_is_raised():
    """The HPA could still lower past him."""
    bench = Bench(floored(at=1))
    assert bench.tick(3).kind is OutcomeKind.APPLIED
    raised = "minReplicas of HPA cpu 1 → 3, 3 → 3"
    assert bench.log == [raised, "w-0 back", "w-1 back", "w-2 back"]


def test_where_the_floor_stays_nobody_waits():
    """Workers are called back first, then more are asked for; so it is on the way down."""
    bench = Bench(hpa(least=3))
    bench.tick(3)
    assert bench.log == ["w-0 back", "w-1 back", "w-2 back"]
    bench = Bench(floored(at=3))
    bench.cordons.known.clear()
    bench.workforce.accounts = dict(worker(f"w-{n}", cordoned=False) for n in range(3))
    bench.tick(0)
    assert bench.log == ["w-0 out", "w-1 out", "w-2 out"]


def test_an_unanswered_last_question_leaves_the_floor():
    """Whoever stays must not be lowered past."""
    bench = Bench(floored(at=3))
    bench.workforce.mute = frozenset({"w-1"})
    outcome = bench.tick(0)
    assert outcome.kind is OutcomeKind.UNCHANGED
    assert not any("minReplicas" in line for line in bench.log)
    bench.workforce.mute = frozenset()
    bench.tick(0)
    assert bench.log[-1] == "minReplicas of HPA cpu 3 → 1, 3 → 0"


def test_an_hpa_is_told_of_once_and_again_when_it_has_changed():
    """Not when its minimum is ours, nor when its metrics move, nor while it is not known."""
    bench = Bench(hpa(least=3))
    told: tuple[Reading[tuple[Hpa, ...]], ...] = (
        fresh((hpa(least=3),), "HPAs"),
        fresh((floored(least=3, at=5),), "HPAs"),
        fresh((hpa(least=3, replicas=3, load=0.5, inactive="FailedGetResourceMetric"),), "HPAs"),
        stale((hpa(least=3),), "HPAs", 9.0, "cut"),
        fresh((hpa(least=2),), "HPAs"),
        fresh((), "HPAs"),
        fresh((hpa(least=2),), "HPAs"),
    )
    for seen in told:
        bench.see(seen)
        bench.tick(3)
    assert [notice.message.partition(" scales")[0] for notice in bench.reporter.notices] == [
        "HPA cpu (3 to 10 on cpu)",
        "HPA cpu (2 to 10 on cpu)",
        "HPA cpu (2 to 10 on cpu)",
    ]


def test_at_the_end_a_floor_is_looked_after_once():
    """Restored or not, nobody waits for it longer than that."""
    bench = Bench(floored(at=3))
    bench.tick(3)
    assert bench.reconciler.holds_floor
    bench.reconciler.closing = True
    bench.tick(3)
    assert not bench.reconciler.holds_floor
    assert bench.log[-1] == "minReplicas of HPA cpu 3 → 1, its own, 3 → 3"
    assert not Bench(hpa()).reconciler.holds_floor
    gone = Bench(floored())
    gone.cluster.sets.clear()
    assert not gone.reconciler.holds_floor
