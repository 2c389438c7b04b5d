"""All hints together: what is asked when, and what a tick reads meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from autoscaler.config.airflow import AirflowSettings, DatabaseSettings
from autoscaler.config.hints import HintSettings
from autoscaler.config.model import PrometheusSettings, TargetSettings
from autoscaler.core.account import Hint
from autoscaler.core.model import Quality
from autoscaler.metrics_sources.hints import Hints
from autoscaler.ports import BrokerUnknown
from tests.brokers.servers import FakeClock
from tests.metrics_sources.servers import Answer, Postgres, WebServer
from tests.waiting import eventually

ORDERS = HintSettings("orders", "orders{ns='{namespace}'}")
TARGET = TargetSettings("data", "airflow-worker", ("default",), hints=(ORDERS,))


class FakePrometheus(WebServer):
    """Answers each query with the number that it is given, and refuses the others."""

    def __init__(self, **numbers: float) -> None:
        self.numbers = numbers
        super().__init__(self._number)

    def queries(self) -> list[str]:
        """Return what it was asked, in order."""
        return [parse_qs(urlsplit(path).query)["query"][0] for path, _ in self.asked]

    def _number(self, path: str) -> Answer:
        query = parse_qs(urlsplit(path).query)["query"][0]
        name = query.partition("{")[0]
        if name not in self.numbers:
            return 400, {}, b'{"errorType": "bad_data", "error": "unknown"}'
        result = [{"metric": {}, "value": [0, str(self.numbers[name])]}]
        return 200, {}, json.dumps({"data": {"result": result}}).encode()


class Urls:
    """The URLs of databases by target, and a count of how often they were looked for."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.looks = 0

    def find(self, target: TargetSettings) -> str:
        """Return what was put here."""
        self.looks += 1
        if target.name not in self.known:
            raise BrokerUnknown("Secret data/gone: not found")
        return self.known[target.name]


@pytest.fixture
def urls() -> Urls:
    """Start without any."""
    return Urls()


Gather = Callable[..., Hints]


@pytest.fixture
def gather(clock: FakeClock, urls: Urls) -> Iterator[Gather]:
    """Gather hints for targets from a Prometheus, or none."""
    with ExitStack() as stack:

        def start(
            url: str | None, *targets: TargetSettings, interval: float = 3600.0, seconds: float = 5.0
        ) -> Hints:
            settings = PrometheusSettings(url=url, interval_seconds=interval, timeout_seconds=seconds)
            hints = Hints(settings, urls.find, lambda _: 16, clock)
            stack.callback(hints.close)
            hints.start()
            hints.watch(targets)
            return hints

        yield start


def known(hints: Hints, target: TargetSettings = TARGET) -> tuple[Hint, ...]:
    """Return a target's hints once all of them were asked for."""
    eventually(
        lambda: all("not been asked" not in hint.tasks.detail for hint in hints.hints(target.ref)),
        "all are asked",
    )
    return hints.hints(target.ref)


@pytest.mark.parametrize(
    ("means", "number", "tasks"),
    [("tasks", 2.2, 3), ("workers", 2, 32), ("veto", 70, 1), ("veto", 0, 0), ("tasks", 0, 0)],
)
def test_a_number_means_tasks_workers_or_a_veto(
    gather: Gather, means: str, number: float, tasks: int
) -> None:
    """A worker that is wanted stands for all its slots, a veto for one task."""
    target = replace(TARGET, hints=(replace(ORDERS, means=means),))
    with FakePrometheus(orders=number) as prometheus:
        (hint,) = known(gather(prometheus.url, target))
        assert (hint.name, hint.tasks.value, hint.tasks.quality) == ("orders", tasks, Quality.FRESH)
        assert prometheus.queries() == ["orders{ns='data'}"]


@pytest.mark.parametrize(
    ("alive", "quality"), [(1, Quality.FRESH), (0, Quality.STALE), (None, Quality.STALE)]
)
def test_a_number_is_believed_while_its_provider_lives(
    gather: Gather, alive: float | None, quality: Quality
) -> None:
    """It may be frozen; a query that cannot tell is no proof of life."""
    target = replace(TARGET, hints=(replace(ORDERS, alive_query="lives"),))
    numbers = {"orders": 5.0} | ({} if alive is None else {"lives": alive})
    with FakePrometheus(**numbers) as prometheus:
        (hint,) = known(gather(prometheus.url, target))
    assert (hint.tasks.value, hint.tasks.quality) == (5, quality)
    assert bool(hint.explanation) == (quality is Quality.STALE)


def test_one_wrong_query_leaves_the_others_alone(gather: Gather) -> None:
    """The server answered: it is no reason to spare it."""
    wrong = [HintSettings(f"wrong-{number}", "wrong") for number in range(3)]
    target = replace(TARGET, hints=(*wrong, ORDERS, *[replace(one, name=f"{one.name}b") for one in wrong]))
    with FakePrometheus(orders=4) as prometheus:
        found = {hint.name: hint.tasks for hint in known(gather(prometheus.url, target))}
    assert found.pop("orders").value == 4
    assert {tasks.detail for tasks in found.values()} == {"answers with status 400: unknown"}
    assert {tasks.quality for tasks in found.values()} == {Quality.UNKNOWN}


def test_a_negative_number_is_no_number_of_tasks(gather: Gather) -> None:
    """Such as Airflow's -1 for a pool without an end."""
    with FakePrometheus(orders=-1) as prometheus:
        (hint,) = known(gather(prometheus.url, TARGET))
    assert (hint.tasks.value, hint.tasks.detail) == (None, "the query yields a negative number")


def test_a_prometheus_that_hangs_is_asked_one_query_and_holds_up_nobody(
    gather: Gather, clock: FakeClock
) -> None:
    """What it said before is stale, and all other targets are told so without waiting for it."""
    targets = [replace(TARGET, name=f"airflow-{number}-worker") for number in range(50)]
    with FakePrometheus(orders=4) as prometheus:
        hints = gather(prometheus.url, *targets, interval=3600.0, seconds=0.3)
        eventually(lambda: hints.hints(targets[-1].ref)[0].tasks.is_fresh)
        prometheus.hold.set()
        before = len(prometheus.asked)
        clock.advance(5 * 3600)
        (hint,) = hints.hints(targets[7].ref)
        assert (hint.tasks.value, hint.tasks.quality) == (None, Quality.UNKNOWN)  # forgotten after an hour
        eventually(lambda: "did not answer" in hints.hints(targets[7].ref)[0].tasks.detail)
        eventually(lambda: "next try in 1 s" in hints.hints(targets[7].ref)[0].tasks.detail)
        assert len(prometheus.asked) == before + 1


def test_a_hint_ages(gather: Gather, clock: FakeClock) -> None:
    """It is fresh for three intervals and a timeout, then stale, and forgotten after an hour."""
    with FakePrometheus(orders=4) as prometheus:
        hints = gather(prometheus.url, TARGET, interval=100.0)
        known(hints)
        prometheus.hold.set()
        seen = []
        for seconds in (305, 1, 3300):
            clock.advance(seconds)
            tasks = hints.hints(TARGET.ref)[0].tasks
            seen.append((tasks.value, tasks.quality))
        assert seen == [(4, Quality.FRESH), (4, Quality.STALE), (None, Quality.UNKNOWN)]


def test_jobs_come_and_go_with_their_targets(gather: Gather) -> None:
    """A target that stays keeps what is known of it, a changed one is asked anew."""
    other = replace(TARGET, name="other-worker")
    with FakePrometheus(orders=4) as prometheus, WebServer(lambda _: (500, {}, b"")) as web:
        hints = gather(prometheus.url, TARGET, other)
        known(hints)
        healthy = replace(other, airflow=AirflowSettings(health_url=web.url + "/health"))
        hints.watch([TARGET, healthy])
        assert hints.hints(TARGET.ref)[0].tasks.value == 4
        eventually(lambda: "status 500" in hints.hints(other.ref)[1].tasks.detail)
        jobs = {job.name for job in hints._scheduler.get_jobs()}
        assert jobs == {"prometheus", "health StatefulSet data/other-worker"}
        hints.watch([])
        assert (hints.hints(TARGET.ref), hints._scheduler.get_jobs()) == ((), [])
        hints.watch([TARGET])
        assert known(hints)[0].tasks.value == 4


def test_a_target_that_comes_back_during_a_slow_poll_is_asked_at_once(gather: Gather) -> None:
    """Its old poll may still wait for an answer: that is another job, and no reason to skip this one."""
    with FakePrometheus(orders=4) as prometheus:
        prometheus.hold.set()
        hints = gather(prometheus.url, TARGET, seconds=0.5)
        eventually(lambda: prometheus.asked)
        hints.watch([])
        prometheus.hold.clear()
        hints.watch([TARGET])
        eventually(lambda: hints.hints(TARGET.ref)[0].tasks.value == 4, seconds=10.0)


def test_without_a_prometheus_hints_say_so(gather: Gather) -> None:
    """Rather than nothing at all."""
    target = replace(TARGET, airflow=AirflowSettings(metrics="official"))
    found = [(hint.name, hint.tasks.detail) for hint in gather(None, target).hints(target.ref)]
    reason = "the configuration names no Prometheus"
    assert found == [("orders", reason), ("airflow metrics", reason)]


def test_a_wall_clock_set_back_does_not_silence_the_hints(gather: Gather, clock: FakeClock) -> None:
    """The scheduler waits for a time that is a day away; whoever reads an overdue hint has it asked for."""
    with FakePrometheus(orders=4) as prometheus:
        hints = gather(prometheus.url, TARGET)
        known(hints)
        (job,) = hints._scheduler.get_jobs()
        job.modify(next_run_time=datetime.now(UTC) + timedelta(days=1))
        prometheus.numbers["orders"] = 6
        hints.hints(TARGET.ref)
        assert len(prometheus.asked) == 1
        clock.advance(4 * 3600 + 1)
        eventually(lambda: hints.hints(TARGET.ref)[0].tasks.value == 6)


DATABASE = replace(
    TARGET,
    hints=(),
    airflow=AirflowSettings(interval_seconds=3600.0),
    airflow_database=DatabaseSettings(url_from="pod-template"),
)


@pytest.mark.servers
def test_targets_of_a_database_share_its_connection(gather: Gather, postgres: Postgres, urls: Urls) -> None:
    """And it is closed when the last of them goes."""
    postgres.add("queued", "default", tasks=3, age=100)
    targets = [replace(DATABASE, name=f"a{number}-worker") for number in range(4)]
    urls.known = {target.name: postgres.url() for target in targets}
    hints = gather(None, *targets)
    for target in targets:
        (hint,) = known(hints, target)
        assert (hint.name, hint.tasks.value, hint.tasks.quality) == ("airflow database", 3, Quality.FRESH)
        oldest = hints.oldest_queued(target.ref)
        assert oldest.value is not None
        assert 100 <= oldest.value < 160
    assert len(postgres.clients()) == 1
    hints.watch(targets[:1])
    assert len(postgres.clients()) == 1
    hints.watch([])
    eventually(lambda: not postgres.clients())


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        (None, "Secret data/gone: not found"),
        ("mysql://u:hunter2@h/db", "only PostgreSQL databases are read, not mysql"),
    ],
)
def test_a_database_that_cannot_be_found_has_a_reason(
    gather: Gather, urls: Urls, url: str | None, detail: str
) -> None:
    """Without credentials."""
    if url is not None:
        urls.known = {DATABASE.name: url}
    hints = gather(None, DATABASE)
    (hint,) = known(hints, DATABASE)
    assert (hint.tasks.value, hint.tasks.detail) == (None, detail)
    assert hints.oldest_queued(DATABASE.ref).quality is Quality.UNKNOWN


@pytest.mark.servers
def test_a_changed_password_is_looked_up_again(
    gather: Gather, postgres: Postgres, urls: Urls, clock: FakeClock
) -> None:
    """Once a minute at most, so that a missing Secret is not asked for all the time."""
    urls.known = {DATABASE.name: postgres.url(password="old")}
    hints = gather(None, DATABASE)
    assert "refused" in known(hints, DATABASE)[0].tasks.detail
    urls.known = {DATABASE.name: postgres.url()}
    clock.advance(5 * 3600)
    eventually(lambda: hints.hints(DATABASE.ref)[0].tasks.value == 0)
    assert urls.looks == 2
