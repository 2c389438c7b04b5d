"""A dry run tells nobody anything, and shows what a live one would have done."""

from __future__ import annotations

from autoscaler.cluster.scale import DryRunScaler
from autoscaler.config.model import TargetSettings
from autoscaler.config.scaling import ScaleDownSettings
from autoscaler.contest import Contests
from autoscaler.core.model import Order, OutcomeKind, WorkerPod
from autoscaler.dry_run import ImaginedCordons
from autoscaler.reconcile import Reconciler
from tests.builders import NOW, depth, worker
from tests.fakes import Clock, FakeCluster, FakeHints, FakeQuotas, FakeReporter, FakeWorkforce


class Trial:
    """A reconciler in dry run, whose two workers are idle and consume."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cluster = FakeCluster(w=2)
        self.cluster.put(
            "w",
            2,
            pods=[
                WorkerPod(f"w-{n}", ready=True, terminating=False, started_at=NOW - 500.0, place=n)
                for n in range(2)
            ],
        )
        self.workforce = FakeWorkforce()
        self.workforce.accounts = dict(worker(f"w-{n}", cordoned=False) for n in range(2))
        self.imagined = ImaginedCordons(self.workforce, self.clock)
        self.reporter = FakeReporter()
        self.target = TargetSettings(
            "data", "w", ("default",), scale_down=ScaleDownSettings(stabilization_window_seconds=0.0)
        )
        self.reconciler = Reconciler(
            self.target,
            self.target.policy(1.0),
            cluster=self.cluster,
            workforce=self.imagined,
            hints=FakeHints(),
            scaler=DryRunScaler(),
            orders=self.imagined,
            cordons=self.imagined,
            contests=Contests(FakeQuotas(), [self.target.ref], self.clock),
            reporter=self.reporter,
            clock=self.clock,
            wall=lambda: NOW + self.clock() - 1000.0,
        )

    def tick(self, ready: int = 0) -> str:
        """Let a second pass, decide, and return what came of it."""
        self.clock.advance(1.0)
        plan = self.reconciler.plan(depth(ready))
        assert plan is not None
        self.reconciler.attend("url", plan)
        outcome = self.reconciler.carry_out(plan, "url")
        return outcome.message or outcome.kind.value


def test_workers_are_imagined_to_obey():
    """After the time that a cordon takes the replicas would have been lowered; nobody was told anything."""
    trial = Trial()
    assert [trial.tick() for _ in range(6)] == [
        *["unchanged"] * 4,
        *["would have asked for 0"] * 2,
    ]
    assert (trial.workforce.orders, trial.cluster.asked) == ([], [])
    assert trial.workforce.made_sure
    assert {kind for _, _, outcome in trial.reporter.reports for kind in [outcome.kind]} == {
        OutcomeKind.UNCHANGED,
        OutcomeKind.DRY_RUN,
    }


def test_what_they_really_run_is_what_counts():
    """One of them is busy for good: the other would have been spared, and none removed."""
    trial = Trial()
    trial.workforce.accounts["w-1"] = worker("w-1", active=1, cordoned=False)[1]
    assert {trial.tick() for _ in range(10)} == {"unchanged"}


def test_imagined_cordons_end_when_the_demand_is_back():
    """They are given back in imagination as well."""
    trial = Trial()
    for _ in range(3):
        trial.tick()
    assert trial.reconciler.cordons == 2
    for _ in range(2):
        trial.tick(ready=2)
    assert trial.reconciler.cordons == 0
    trial.imagined.give(trial.target, "url", [Order("w-0", ("default",), consume=True)])


def test_everything_else_is_asked_of_the_real_workforce():
    """Slots, strangers, what is not known, and whether anybody listens."""
    trial = Trial()
    ref = trial.target.ref
    assert trial.imagined.slots(ref).detail == "never answered"
    assert trial.imagined.strangers(ref).value == 0
    trial.workforce.trouble = "no heartbeats"
    assert trial.imagined.detail(ref) == "no heartbeats"
    trial.imagined.leave(trial.target, "url")
    assert trial.workforce.left == ["w"]
