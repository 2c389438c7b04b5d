"""The loop: everybody in time, nobody held up."""

import threading
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from autoscaler.config.model import ControllerSettings, TargetSettings
from autoscaler.contest import Contests
from autoscaler.core.model import Outcome, OutcomeKind
from autoscaler.daemon import Daemon, next_due
from autoscaler.reconcile import Reconciler
from tests.builders import NOW
from tests.fakes import (
    PATIENCE_SECONDS,
    Clock,
    FakeBrokers,
    FakeCluster,
    FakeCordons,
    FakeHints,
    FakeQuotas,
    FakeReader,
    FakeReporter,
    FakeUrls,
    FakeWorkforce,
)


class Bench:
    """A daemon for the targets of a cluster, each with a queue of its own name."""

    def __init__(
        self,
        cluster: FakeCluster,
        brokers: FakeBrokers,
        urls: FakeUrls,
        *names: str,
        queues: tuple[str, ...] = (),
        queues_by_name: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        most: Mapping[str, int] = MappingProxyType({}),
        threads: int = 4,
    ) -> None:
        self.reporter = FakeReporter()
        self.workforce = FakeWorkforce()
        self.cordons = FakeCordons()
        self.clock = Clock()
        targets = [
            TargetSettings(
                "data", name, queues_by_name.get(name, queues or (name,)), max_replicas=most.get(name, 10)
            )
            for name in names or cluster.sets
        ]
        self.quotas = FakeQuotas()
        contests = Contests(self.quotas, [target.ref for target in targets], self.clock)
        self.daemon = Daemon(
            ControllerSettings(threads=threads),
            [
                Reconciler(
                    target,
                    target.policy(1.0),
                    cluster=cluster,
                    workforce=self.workforce,
                    hints=FakeHints(),
                    scaler=cluster,
                    orders=self.workforce,
                    cordons=self.cordons,
                    contests=contests,
                    reporter=self.reporter,
                    clock=self.clock,
                    wall=lambda: NOW,
                )
                for target in targets
            ],
            urls=urls,
            brokers=brokers,
            reporter=self.reporter,
            clock=self.clock,
        )

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.close()


def test_targets_of_one_broker_are_read_together():
    """Two targets, one broker, one read, both served, and their workers asked for their slots."""
    cluster, reader = FakeCluster(a=0, b=0), FakeReader({"a": 3, "b": 4})
    with Bench(cluster, FakeBrokers(one=reader), FakeUrls({"a": "one", "b": "one"})) as bench:
        tick = bench.daemon.tick(PATIENCE_SECONDS)
    assert (reader.reads, tick.served, tick.good) == (1, 2, True)
    assert (cluster.replicas("a"), cluster.replicas("b")) == (3, 4)
    assert bench.workforce.attended == [("a", "one", True), ("b", "one", True)]


def test_a_queue_that_two_targets_consume_is_split_between_them():
    """Twelve tasks for one of up to 10 workers and one of up to 2: ten and two, and none twice."""
    cluster, reader = FakeCluster(a=0, b=0), FakeReader({"mail": 12})
    bench = Bench(
        cluster, FakeBrokers(one=reader), FakeUrls({"a": "one", "b": "one"}), queues=("mail",), most={"b": 2}
    )
    with bench:
        bench.daemon.tick(PATIENCE_SECONDS)
    assert (cluster.replicas("a"), cluster.replicas("b")) == (10, 2)


def test_an_excluded_target_takes_no_part_in_a_shared_queue():
    """From the look after the one that sees it on, the other one has all of it; its silence is no fault."""
    cluster, reader = FakeCluster(a=0, b=0), FakeReader({"mail": 8})
    cluster.annotate("a", exclude="true")
    bench = Bench(cluster, FakeBrokers(one=reader), FakeUrls({"a": "one", "b": "one"}), queues=("mail",))
    with bench:
        bench.daemon.tick(PATIENCE_SECONDS)
        assert (cluster.replicas("a"), cluster.replicas("b")) == (0, 4)
        bench.daemon.tick(PATIENCE_SECONDS)
        assert (cluster.replicas("a"), cluster.replicas("b")) == (0, 8)
        reader.silent = True
        assert bench.daemon.tick(PATIENCE_SECONDS).blind == 1


def test_queues_named_by_a_glob_are_unknown_until_they_are_found_and_then_added_up():
    """Nothing shrinks before; then each target asks for the queues that its glob stands for."""
    cluster, reader = FakeCluster(a=2, b=0), FakeReader({"etl-1": 3, "etl-2": 4, "mail": 9})
    bench = Bench(cluster, FakeBrokers(one=reader), FakeUrls({"a": "one", "b": "one"}), queues=("etl-*",))
    with bench:
        blind = bench.daemon.tick(PATIENCE_SECONDS)
        assert (blind.blind, cluster.replicas("a"), reader.queries) == (2, 2, [])
        reader.names = ("etl-1", "etl-2", "mail")
        bench.daemon.tick(PATIENCE_SECONDS)
    assert [query.queues for query in reader.queries] == [("etl-1", "etl-2")] * 2
    assert cluster.replicas("a") + cluster.replicas("b") == 7


def test_a_queue_by_a_glob_is_shared_with_whoever_names_it():
    """Twelve tasks for two targets of up to ten workers: six each, however they name the queue."""
    cluster, reader = FakeCluster(a=0, b=0), FakeReader({"mail": 12}, names=("mail",))
    queues = {"a": ("ma*",), "b": ("mail",)}
    bench = Bench(cluster, FakeBrokers(one=reader), FakeUrls({"a": "one", "b": "one"}), queues_by_name=queues)
    with bench:
        bench.daemon.tick(PATIENCE_SECONDS)
    assert (cluster.replicas("a"), cluster.replicas("b")) == (6, 6)


def test_a_broker_that_hangs_delays_nobody_else():
    """While one broker is waited for, the other's targets go on tick by tick; then its own do."""
    cluster = FakeCluster(a=0, b=0)
    hanging, well = FakeReader({"a": 1}), FakeReader({"b": 1})
    hanging.gate.clear()
    brokers = FakeBrokers(hanging=hanging, well=well)
    with Bench(cluster, brokers, FakeUrls({"a": "hanging", "b": "well"})) as bench:
        first = bench.daemon.tick(0.2)
        well.ready["b"] = 5
        second = bench.daemon.tick(0.2)
        assert (first.late, second.late, hanging.reads) == (1, 1, 1)
        assert cluster.replicas("b") == 5
        hanging.gate.set()
        third = bench.daemon.tick(PATIENCE_SECONDS)
    assert (third.late, cluster.replicas("a")) == (0, 1)


def test_a_write_that_hangs_delays_nobody_else():
    """The API server does not answer for one target: the other one of the same broker is scaled."""
    cluster, reader = FakeCluster(a=0, b=0), FakeReader({"a": 1, "b": 1})
    gate = threading.Event()

    def answer(decision):
        assert decision.target.name != "a" or gate.wait(PATIENCE_SECONDS)

    cluster.answer = answer
    with Bench(cluster, FakeBrokers(one=reader), FakeUrls({"a": "one", "b": "one"})) as bench:
        first = bench.daemon.tick(0.2)
        reader.ready["b"] = 2
        second = bench.daemon.tick(0.2)
        assert (first.late, second.late, cluster.replicas("b")) == (1, 1, 2)
        gate.set()
        while bench.daemon.tick(PATIENCE_SECONDS).late:
            pass
    assert cluster.replicas("a") == 1
    assert [name for name, _, _ in cluster.asked] == ["a", "b", "b"]


def test_a_plan_that_waited_too_long_is_not_carried_out():
    """Others' writes hang: what was decided before tasks arrived is not done after, but decided anew."""
    cluster, reader = FakeCluster(a=0, b=3), FakeReader({"a": 1, "b": 9})
    gate = threading.Event()

    def answer(decision):
        assert decision.target.name != "a" or gate.wait(PATIENCE_SECONDS)

    cluster.answer = answer
    urls = FakeUrls({"a": "one", "b": "one"})
    with Bench(cluster, FakeBrokers(one=reader), urls, threads=1) as bench:
        assert bench.daemon.tick(0.2).late == 2
        bench.clock.advance(30.0)
        gate.set()
        while bench.daemon.tick(PATIENCE_SECONDS).late:
            pass
    assert [ask for ask in cluster.asked if ask[0] == "b"] == [("b", 3, 9)]
    decided = [decision.at for name, decision, _ in bench.reporter.reports if name == "b"]
    assert min(decided) == 1030.0


def test_one_broken_target_never_stops_the_others():
    """A bug that strikes one target is reported, tick after tick, and the rest is served."""
    cluster, reader = FakeCluster(a=0, b=0, c=0), FakeReader({"a": 1, "b": 1, "c": 1})

    def answer(decision):
        if decision.target.name == "a":
            raise RuntimeError("a bug in acting")

    cluster.answer = answer
    cluster.sets["c"] = None  # type: ignore[assignment]  # breaks observing
    urls = FakeUrls({"a": "one", "b": "one", "c": "one"})
    with Bench(cluster, FakeBrokers(one=reader), urls) as bench:
        tick = bench.daemon.tick(PATIENCE_SECONDS)
        bench.daemon.tick(PATIENCE_SECONDS)
    assert (tick.failed, tick.served, tick.good) == (2, 1, False)
    assert cluster.replicas("b") == 1
    assert sorted(name for name, _ in bench.reporter.failures) == ["a", "a", "c", "c"]


def test_a_broken_reader_is_an_unknown_demand():
    """A bug in reading shrinks nothing and stops nobody."""
    cluster = FakeCluster(a=2, b=0)
    brokers = FakeBrokers(bad=FakeReader(broken=True), good=FakeReader({"b": 1}))
    with Bench(cluster, brokers, FakeUrls({"a": "bad", "b": "good"})) as bench:
        tick = bench.daemon.tick(PATIENCE_SECONDS)
    assert (tick.served, tick.blind, tick.good) == (2, 1, False)
    assert (cluster.replicas("a"), cluster.replicas("b")) == (2, 1)
    assert [name for name, _ in bench.reporter.failures] == ["a"]


def test_a_broker_is_looked_for_and_used_in_the_same_tick():
    """A target whose URL has to be found first loses no tick over it."""
    cluster = FakeCluster(a=0)
    urls = FakeUrls({}, findable={"a": "one"})
    with Bench(cluster, FakeBrokers(one=FakeReader({"a": 2})), urls) as bench:
        tick = bench.daemon.tick(PATIENCE_SECONDS)
    assert (urls.looked, tick.good, cluster.replicas("a")) == (["a"], True, 2)


def test_looking_for_brokers_delays_no_reading():
    """The API server hangs while the brokers of many new targets are looked for: the others are served."""
    names = [f"new{number}" for number in range(12)]
    cluster = FakeCluster(a=0, **dict.fromkeys(names, 0))
    gate = threading.Event()

    class Hanging(FakeUrls):
        def look(self, target):
            assert gate.wait(PATIENCE_SECONDS)

    urls = Hanging({"a": "one"}, findable=dict.fromkeys(names, "one"))
    with Bench(cluster, FakeBrokers(one=FakeReader({"a": 2})), urls) as bench:
        bench.daemon.tick(0.2)
        assert bench.daemon.tick(0.2).served == len(names) + 1
        assert cluster.replicas("a") == 2
        gate.set()


def test_a_missing_secret_is_reported_and_disturbs_nobody():
    """The target without a broker keeps what it has, with the reason; the other is scaled."""
    cluster = FakeCluster(a=3, b=0)
    with Bench(cluster, FakeBrokers(one=FakeReader({"b": 1})), FakeUrls({"b": "one"})) as bench:
        tick = bench.daemon.tick(PATIENCE_SECONDS)
    assert (tick.blind, tick.served) == (1, 2)
    reports = {name: decision for name, decision, _ in bench.reporter.reports}
    assert reports["a"].replicas == 3
    assert "Secret data/broker: not found" in reports["a"].steps[0].message
    assert cluster.replicas("b") == 1


def test_a_url_of_an_unknown_kind_is_reported():
    """What no reader understands is an unknown demand."""
    with Bench(FakeCluster(a=1), FakeBrokers(), FakeUrls({"a": "carrier-pigeon"})) as bench:
        assert bench.daemon.tick(PATIENCE_SECONDS).blind == 1


def test_a_look_that_breaks_is_reported():
    """A bug in looking for the broker leaves the demand unknown."""
    urls = FakeUrls({}, findable={"a": None})
    with Bench(FakeCluster(a=1), FakeBrokers(), urls) as bench:
        assert bench.daemon.tick(PATIENCE_SECONDS).blind == 1
    assert [name for name, _ in bench.reporter.failures] == ["a"]


def test_rejected_credentials_are_doubted():
    """The Secret is looked at again when the broker does not take what it said."""
    urls = FakeUrls({"a": "one"})
    reader = FakeReader(silent=True, rejected_credentials=True)
    with Bench(FakeCluster(a=1), FakeBrokers(one=reader), urls) as bench:
        bench.daemon.tick(PATIENCE_SECONDS)
    assert urls.doubted == ["a"]


def test_a_target_that_is_not_there_is_counted():
    """What the cluster does not show is not served."""
    with Bench(FakeCluster(), FakeBrokers(one=FakeReader()), FakeUrls({"a": "one"}), "a") as bench:
        tick = bench.daemon.tick(PATIENCE_SECONDS)
    assert (tick.targets, tick.unseen, tick.good) == (1, 1, False)


def test_a_refused_write_is_no_success():
    """A tick with a write that was refused is not good."""
    cluster = FakeCluster(a=0)
    cluster.answer = lambda _: Outcome(OutcomeKind.REFUSED, 0, "forbidden")
    with Bench(cluster, FakeBrokers(one=FakeReader({"a": 1})), FakeUrls({"a": "one"})) as bench:
        assert bench.daemon.tick(PATIENCE_SECONDS).failed == 1


@pytest.mark.parametrize(
    ("due", "now", "following"),
    [(10.0, 10.2, 11.0), (10.0, 11.0, 11.0), (10.0, 11.1, 12.0), (10.0, 15.5, 16.0)],
)
def test_ticks_do_not_drift(due, now, following):
    """A late tick is followed by the next one of the same beat; missed ones are not made up for."""
    assert next_due(due, 1.0, now) == following


def test_a_single_look_begins_no_drain():
    """It grows what has to grow, and leaves what takes longer than a look to a daemon that stays."""
    cluster = FakeCluster(a=0, b=3)
    bench = Bench(cluster, FakeBrokers(url=FakeReader({"a": 2})), FakeUrls({"a": "url", "b": "url"}))
    bench.daemon.look_once(PATIENCE_SECONDS)
    assert (cluster.replicas("a"), cluster.replicas("b")) == (2, 3)
    bench.daemon.close()


def test_run_finishes_the_tick_at_hand():
    """Told to stop in the middle of a tick, the loop ends after it, with everything written."""
    cluster, reader = FakeCluster(a=0), FakeReader({"a": 2})
    reader.gate.clear()
    stop = threading.Event()
    ticks: list[float] = []
    with Bench(cluster, FakeBrokers(one=reader), FakeUrls({"a": "one"})) as bench:
        bench.daemon._interval = PATIENCE_SECONDS
        loop = threading.Thread(target=bench.daemon.run, args=(stop, ticks.append))
        loop.start()
        assert reader.reading.wait(PATIENCE_SECONDS)
        stop.set()
        reader.gate.set()
        loop.join(PATIENCE_SECONDS)
        assert not loop.is_alive()
    assert (len(ticks), cluster.replicas("a")) == (1, 2)
