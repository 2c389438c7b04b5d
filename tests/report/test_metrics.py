"""What Prometheus is told, and what the probes answer."""

import math
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.core.account import BrokerAccount, Delivered, Hint, QueueMessages
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Outcome, OutcomeKind, fresh, stale, unknown
from autoscaler.report.http import ReportServer
from autoscaler.report.metrics import MetricsReporter
from tests.builders import NOW, TARGET, annotated, depth, policy, snapshot
from tests.fakes import Clock

WORKER = frozenset({"data", "worker"})


@pytest.fixture
def bench():
    """Serve a reporter, with a probe that can be told what is wrong."""
    clock = Clock()
    reporter = MetricsReporter(clock, dry_run=False)
    wrong = [""]
    server = ReportServer("127.0.0.1", 0, reporter.registry, {"/readyz": lambda: wrong[0]})
    yield clock, reporter, wrong, f"http://127.0.0.1:{server.port}"
    server.close()


def scrape(url: str) -> dict[tuple[str, frozenset[str]], float]:
    """Return every sample by name and the values of its labels."""
    with urllib.request.urlopen(f"{url}/metrics") as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def say(clock, reporter, replicas, reading, kind, held=None):
    """Report a decision made now."""
    seen = snapshot(replicas, reading, at=clock.now)
    decision = decide(seen, held or policy(), History.seeded(0.0, replicas))
    reporter.report(seen, decision, Outcome(kind, replicas))
    return decision


def test_a_targets_numbers(bench):
    """Wanted, there, ready, demand, what binds, and how old the reading is."""
    clock, reporter, _, url = bench
    say(clock, reporter, 2, depth(9), OutcomeKind.FAILED, policy(most=5))
    reporter.ticked(0.02)
    seen = scrape(url)
    assert seen["autoscaler_desired_replicas", WORKER] == 5
    assert seen["autoscaler_current_replicas", WORKER] == 2
    assert seen["autoscaler_ready_replicas", WORKER] == 2
    assert seen["autoscaler_demand_slots", WORKER] == 9
    assert seen["autoscaler_limited", WORKER | {"max_replicas"}] == 1
    assert seen["autoscaler_limited", WORKER | {"min_replicas"}] == 0
    assert seen["autoscaler_reading_age_seconds", WORKER | {"broker"}] == 0
    assert seen["autoscaler_decisions_total", frozenset({"failed"})] == 1
    assert seen["autoscaler_dry_run", frozenset()] == 0
    assert seen["autoscaler_tick_seconds_count", frozenset()] == 1


@pytest.mark.parametrize(
    ("ready", "oldest_at", "age"),
    [(0, None, 0.0), (3, NOW - 7.5, 7.5), (3, NOW + 1.0, 0.0), (3, None, math.nan)],
)
def test_how_long_the_oldest_task_has_waited(bench, ready, oldest_at, age):
    """Zero when none waits; not a number while nobody knows."""
    _, reporter, _, url = bench
    queues = (QueueMessages("default", ((0, ready),)),)
    account = BrokerAccount(queues, fresh(Delivered(), "redis"), oldest_at=oldest_at)
    seen = snapshot(0, fresh(account, "redis"))
    reporter.report(seen, decide(seen, policy(), History.seeded(0.0, 0)), Outcome(OutcomeKind.UNCHANGED, 0))
    assert scrape(url)["autoscaler_oldest_waiting_seconds", WORKER] == pytest.approx(age, nan_ok=True)


def test_what_hints_say(bench):
    """The number of a fresh one alone."""
    _, reporter, _, url = bench
    hints = (
        Hint("orders", fresh(5, "prometheus")),
        Hint("airflow metrics", stale(9, "prometheus", 60.0, "frozen")),
        Hint("airflow health", unknown("airflow health", "counts nothing")),
    )
    for _ in range(2):
        seen = snapshot(0, depth(1), hints=hints)
        reporter.report(
            seen, decide(seen, policy(), History.seeded(0.0, 0)), Outcome(OutcomeKind.UNCHANGED, 0)
        )
    numbers = scrape(url)
    assert numbers["autoscaler_hint_tasks", WORKER | {"orders"}] == 5
    assert math.isnan(numbers["autoscaler_hint_tasks", WORKER | {"airflow metrics"}])
    assert math.isnan(numbers["autoscaler_hint_tasks", WORKER | {"airflow health"}])


def test_what_is_ordered_by_annotation(bench):
    """A series for each order that there has been, 1 while it is in force; none where nobody orders."""
    _, reporter, _, url = bench

    def order(**annotations: str) -> None:
        seen = annotated(snapshot(0, depth(9)), **annotations)
        reporter.report(
            seen, decide(seen, policy(), History.seeded(0.0, 0)), Outcome(OutcomeKind.UNCHANGED, 0)
        )

    def ordered() -> dict[str, float]:
        return {
            next(iter(labels - WORKER)): value
            for (name, labels), value in scrape(url).items()
            if name == "autoscaler_override"
        }

    order()
    assert ordered() == {}
    order(paused="true", max_replicas="3", min_replicas="slip")
    assert ordered() == {"paused": 1, "max-replicas": 1}
    assert scrape(url)["autoscaler_limited", WORKER | {"paused"}] == 1
    order(max_replicas="4", paused="true until 1970-01-01T00:00:00Z")
    assert ordered() == {"paused": 0, "max-replicas": 1}
    assert scrape(url)["autoscaler_limited", WORKER | {"paused"}] == 0


def test_unknown_is_not_zero(bench):
    """A demand that is not known is NaN; a target out of sight and a broken tick are counted."""
    clock, reporter, _, url = bench
    say(clock, reporter, 2, unknown("redis", "silent"), OutcomeKind.UNCHANGED)
    assert math.isnan(scrape(url)["autoscaler_demand_slots", WORKER])
    assert math.isnan(scrape(url)["autoscaler_oldest_waiting_seconds", WORKER])
    assert math.isnan(scrape(url)["autoscaler_reading_age_seconds", WORKER | {"broker"}])
    reporter.unseen(TARGET, "gone")
    reporter.failed(TARGET, ValueError())
    seen = scrape(url)
    assert seen["autoscaler_target_unseen", WORKER] == 1
    assert seen["autoscaler_target_errors_total", WORKER] == 1


def test_reaction_is_timed_from_the_look_before(bench):
    """Nothing there at 1000, tasks seen at 1001 and answered at 1001.2: at most 1.2 s."""
    clock, reporter, _, url = bench
    say(clock, reporter, 0, depth(0), OutcomeKind.UNCHANGED)
    clock.advance(1.0)
    seen = snapshot(0, depth(4), at=clock.now)
    decision = decide(seen, policy(), History.seeded(0.0, 0))
    clock.advance(0.2)
    reporter.report(seen, decision, Outcome(OutcomeKind.APPLIED, 4))
    seen_metrics = scrape(url)
    assert seen_metrics["autoscaler_reaction_seconds_count", frozenset()] == 1
    assert seen_metrics["autoscaler_reaction_seconds_sum", frozenset()] == pytest.approx(1.2)


def test_a_write_that_failed_for_long_is_a_slow_reaction(bench):
    """The clock runs from before the first look that called for more, through every failure."""
    clock, reporter, _, url = bench
    say(clock, reporter, 0, depth(0), OutcomeKind.UNCHANGED)
    for kind in (OutcomeKind.FAILED, OutcomeKind.FAILED, OutcomeKind.APPLIED):
        clock.advance(20.0)
        say(clock, reporter, 0, depth(4), kind)
    assert scrape(url)["autoscaler_reaction_seconds_sum", frozenset()] == pytest.approx(60.0)


def test_every_metric_is_documented():
    """And nothing else is."""
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    reporter = MetricsReporter(Clock(), dry_run=True)
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in reporter.registry.collect()
    }
    assert names == documented


def test_probes(bench):
    """200 while nothing is wrong, 503 with the reason, 404 for anything else."""
    _, _, wrong, url = bench
    with urllib.request.urlopen(f"{url}/readyz") as response:
        assert (response.status, response.read()) == (200, b"ok\n")
    wrong[0] = "no tick has ended yet"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}/readyz")
    assert (refused.value.code, refused.value.read()) == (503, b"no tick has ended yet\n")
    refused.value.close()
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(f"{url}/secrets")
    assert missing.value.code == 404
    missing.value.close()
