"""What the loop makes of replicas that somebody else has written."""

from dataclasses import replace

import pytest

from autoscaler.cluster.scale import DryRunScaler
from autoscaler.config.scaling import RateSettings, ScaleDownSettings, ScaleUpSettings
from autoscaler.core.model import Outcome, OutcomeKind, WorkerPod
from autoscaler.core.others import FIGHT_SECONDS, WRITES_TOLD
from autoscaler.core.writers import Writer
from tests.builders import NOW, depth, worker
from tests.test_reconcile import Bench

HELM = Writer("helm", "Apply", written_at=NOW)
SCALE = Writer("kubectl", "Update", "scale")
HPA = Writer("kube-controller-manager", "Update", "scale")


def write(bench: Bench, replicas: int, *writers: Writer) -> None:
    """Have somebody write the replicas; the pods stay what they are for now."""
    workers = bench.cluster.sets["w"].value
    assert workers is not None
    bench.cluster.put("w", replicas, pods=workers.pods)
    bench.cluster.writers["w"] = writers


def told(bench: Bench) -> list[str]:
    """Return the reasons of all notices."""
    return [notice.reason for notice in bench.reporter.notices]


def at_work(tasks: int = 10, **keys) -> Bench:
    """Return a bench with so many workers, each of them at work, that was looked at once."""
    bench = Bench(tasks, **keys)
    names = [f"w-{n}" for n in range(tasks)]
    pods = [
        WorkerPod(name, ready=True, terminating=False, started_at=NOW - 500.0, place=n)
        for n, name in enumerate(names)
    ]
    bench.cluster.put("w", tasks, pods=pods)
    bench.workforce.accounts = dict(worker(name, active=1, cordoned=False) for name in names)
    bench.tick(depth(unacked=tasks))
    return bench


SLOW = ScaleUpSettings(
    stabilization_window_seconds=300.0, policies=(RateSettings(type="Pods", value=1, period_seconds=60.0),)
)


@pytest.mark.parametrize("rules", [ScaleUpSettings(), SLOW], ids=["fast", "slow"])
def test_what_a_deploy_put_back_is_restored_at_once(rules):
    """Ten tasks run, Helm puts the replicas back to one: told once, and ten again in the same tick."""
    bench = at_work(scale_up=rules)
    write(bench, 1, HELM)
    assert bench.tick(depth(unacked=10)) == Outcome(OutcomeKind.APPLIED, 10)
    for _ in range(3):
        assert bench.tick(depth(unacked=10)).kind is OutcomeKind.UNCHANGED
    (notice,) = bench.reporter.notices
    assert (notice.reason, len(notice.pods)) == ("ForeignWrite", 9)
    assert "9 of them at work" in notice.message
    assert bench.cluster.asked == [("w", 1, 10)]


def test_a_foreign_write_in_the_way_of_a_patch_is_told_once():
    """It is seen in the conflict, decided on, and no news at the next tick."""
    bench = Bench(0)
    bench.cluster.foreign["w"] = 3
    assert bench.tick(depth(7)) == Outcome(OutcomeKind.APPLIED, 7)
    bench.tick(depth(7))
    assert [notice.message for notice in bench.reporter.notices] == [
        "replicas 0 → 3 by somebody; answered by what the demand asks for"
    ]


def test_neither_our_own_writes_nor_the_first_look_are_told():
    """Nor is what a target made anew, or a daemon that has just come up, finds there."""
    bench = Bench(2)
    bench.cluster.writers["w"] = (HELM,)
    bench.tick(depth(5))
    bench.tick(depth(6))
    bench.cluster.put("w", 1, uid="another")
    bench.tick(depth(1))
    assert told(bench) == []


def test_a_patch_that_was_taken_though_it_failed_is_no_foreign_write():
    """Its answer was lost on the way; the record names us."""
    bench = Bench(0)
    bench.cluster.answer = lambda _: Outcome(OutcomeKind.FAILED, 0, "no answer")
    bench.tick(depth(3))
    write(bench, 3, Writer("autoscaler", "Update", "scale"))
    bench.cluster.answer = lambda _: None
    assert bench.tick(depth(3)).kind is OutcomeKind.UNCHANGED
    assert told(bench) == []


def test_a_persons_zero_is_kept_for_the_grace_time():
    """Tasks wait, and nobody is called up before it has passed."""
    bench = at_work(2, manual_grace_seconds=30.0)
    write(bench, 0, SCALE)
    for _ in range(30):
        assert bench.tick(depth(5)).kind is OutcomeKind.UNCHANGED
    assert bench.reporter.reports[-1][1].reason == "ManualReplicas"
    assert bench.tick(depth(5)) == Outcome(OutcomeKind.APPLIED, 7)
    assert told(bench) == ["ForeignWrite"]


def test_a_person_who_scales_up_wants_at_least_that():
    """No fewer for the grace time, more if the demand wants them."""
    bench = Bench(1, manual_grace_seconds=120.0)
    bench.tick(depth(1))
    write(bench, 4, SCALE)
    for _ in range(100):
        assert bench.tick(depth(1)).kind is OutcomeKind.UNCHANGED
    assert bench.tick(depth(6)) == Outcome(OutcomeKind.APPLIED, 6)


def test_no_grace_no_keeping():
    """With 0 a person's number is answered from the demand."""
    bench = at_work(2, manual_grace_seconds=0.0)
    write(bench, 0, SCALE)
    assert bench.tick(depth(5)) == Outcome(OutcomeKind.APPLIED, 7)


def test_a_number_that_the_record_dates_outlives_a_restart():
    """A person has scaled to zero by kubectl edit 8 minutes ago, and the daemon has just come up."""
    bench = Bench(0)
    bench.cluster.writers["w"] = (Writer("kubectl-edit", "Update", "", NOW - 480.0),)
    assert bench.tick(depth(5)).kind is OutcomeKind.UNCHANGED
    assert bench.tick(depth(5), seconds=118.0).kind is OutcomeKind.UNCHANGED
    assert bench.tick(depth(5), seconds=2.0).kind is OutcomeKind.APPLIED


def test_a_fight_is_given_up_for_a_while():
    """The fourth reversal in a row is left alone for a minute, and the next one for two."""
    bench = Bench(2)
    bench.tick(depth(5))
    for _ in range(3):
        write(bench, 1, HELM)
        assert bench.tick(depth(5)) == Outcome(OutcomeKind.APPLIED, 5)
    for seconds in (60, 120):
        write(bench, 1, HELM)
        for _ in range(seconds):
            assert bench.tick(depth(5)).kind is OutcomeKind.UNCHANGED
        assert bench.reporter.reports[-1][1].reason == "FightingWriter"
        assert bench.tick(depth(5)) == Outcome(OutcomeKind.APPLIED, 5)
    assert told(bench) == ["ForeignWrite"] * 4 + ["FightingWriter", "ForeignWrite", "FightingWriter"]


def test_pods_that_a_foreign_lowering_ends_are_not_told_as_our_miss():
    """We lower a Deployment by one, somebody else by more: which pods went is not our doing."""
    now = ScaleDownSettings(stabilization_window_seconds=0.0)
    bench = Bench(3, kind="Deployment", scale_down=now)
    pods = [WorkerPod(f"w-{n}", ready=True, terminating=False, started_at=NOW - 500.0) for n in "abc"]
    bench.cluster.put("w", 3, pods=pods)
    at_work = tuple(worker(f"w-{n}", active=1, cordoned=False) for n in "ab")
    bench.workforce.accounts = dict((*at_work, worker("w-c", cordoned=False)))
    bench.tick()
    bench.workforce.accounts = dict((*at_work, worker("w-c")))
    bench.tick()
    assert bench.cluster.asked == [("w", 3, 2)]
    bench.cluster.put("w", 1, pods=[replace(pod, terminating=pod.name != "w-c") for pod in pods])
    bench.cluster.writers["w"] = (HELM,)
    bench.tick()
    assert told(bench) == ["ForeignWrite"]


def test_an_hpa_beside_us_is_told_once():
    """It scales every few seconds."""
    bench = Bench(1)
    bench.tick(depth(3))
    for replicas in (4, 5):
        write(bench, replicas, HPA)
        bench.tick(depth(3))
    assert told(bench) == ["HpaWrite"]


@pytest.mark.parametrize("live", [True, False], ids=["live", "dry run"])
def test_who_writes_every_few_seconds_is_not_told_every_few_seconds(live):
    """Some other autoscaler, for an hour: a dry run beside it has nothing else to say than that."""
    bench = Bench(1, scaler=None if live else DryRunScaler())
    bench.tick(depth(3))
    for number in range(240):
        write(bench, 1 + number % 2, Writer("my-scaler", "Update", "scale"))
        for _ in range(15):
            bench.tick(depth(3))
    foreign = [notice for notice in bench.reporter.notices if notice.reason == "ForeignWrite"]
    assert len(foreign) == WRITES_TOLD + 1
    assert foreign[-1].message.endswith("; it writes again and again, of which no more is told")
    bench.tick(depth(3), seconds=FIGHT_SECONDS)
    write(bench, 7, Writer("my-scaler", "Update", "scale"))
    bench.tick(depth(3))
    assert told(bench).count("ForeignWrite") == WRITES_TOLD + 2


def test_a_dry_run_tells_the_same():
    """It writes nothing, and sees what others write."""
    bench = Bench(2, scaler=DryRunScaler())
    bench.tick(depth(5))
    write(bench, 4, HELM)
    assert bench.tick(depth(5)).kind is OutcomeKind.DRY_RUN
    write(bench, 0, SCALE)
    assert bench.tick(depth(5)).kind is OutcomeKind.UNCHANGED
    assert told(bench) == ["ForeignWrite", "ForeignWrite"]
