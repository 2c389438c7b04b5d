"""A real Prometheus that scrapes an Airflow's exporter, and small servers that misbehave."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from autoscaler.config.airflow import AirflowSettings
from autoscaler.config.model import PrometheusSettings, TargetSettings
from autoscaler.core.account import Hint
from autoscaler.core.model import Quality, fresh
from autoscaler.metrics_sources import airflow_metrics
from autoscaler.metrics_sources.failure import SourceFailed
from autoscaler.metrics_sources.prometheus import PrometheusServer
from tests.metrics_sources.conftest import ALL_QUEUES, WatchedAirflow
from tests.metrics_sources.servers import Answer, DrippingServer, PrometheusProcess, WebServer
from tests.waiting import eventually

RUNNING = "airflow_executor_running_tasks"


@contextmanager
def asking(url: str, seconds: float = 5.0, **settings: object) -> Iterator[PrometheusServer]:
    """Ask the Prometheus at a URL."""
    with closing(PrometheusServer(PrometheusSettings(timeout_seconds=seconds, **settings), url)) as server:  # type: ignore[arg-type]  # as the test has them
        yield server


def refusal(ask: Callable[[], object]) -> SourceFailed:
    """Return the failure of asking."""
    with pytest.raises(SourceFailed) as raised:
        ask()
    return raised.value


def hint(airflow: WatchedAirflow, whose: TargetSettings) -> Hint:
    """Return what the metrics mean for a target."""
    with asking(airflow.url) as server:
        parts = server.parts(airflow_metrics.query(whose))
    return airflow_metrics.hint(fresh(parts, "prometheus"), whose.airflow)


def once(airflow: WatchedAirflow, whose: TargetSettings, holds: Callable[[Hint], object]) -> Hint:
    """Return the hint as soon as something holds for it."""
    found: list[Hint] = []

    def looked() -> object:
        found.append(hint(airflow, whose))
        return holds(found[-1])

    eventually(looked, f"the hint is as it should be, but {found[-1:]}")
    return found[-1]


@pytest.mark.servers
class TestPrometheus:
    """A real one."""

    def test_numbers(self, airflow: WatchedAirflow) -> None:
        """A scalar, one series and several, which are added up; whatever is no number has a reason."""
        airflow.page.lines = ["a 1.5", "a{b='c'} 2".replace("'", '"'), "gone NaN"]
        with asking(airflow.url) as server:
            eventually(lambda: server.number("count(a) or vector(0)") == 4)
            assert server.number("3 * 2") == 6
            assert server.number("sum(a)") == 7
            assert server.number("a") == 7
            refusals = {query: refusal(lambda query=query: server.number(query)) for query in REFUSED}  # type: ignore[misc]  # a default of its own
        assert [query for query, error in refusals.items() if REFUSED[query] not in str(error)] == []
        assert all(error.reached for error in refusals.values())

    def test_one_that_hangs_is_given_up_in_time(self, prometheus: PrometheusProcess) -> None:
        """And answers again when it has come to itself."""
        with asking(prometheus.url, 0.5) as server:
            assert server.number("1") == 1
            prometheus.pause()
            began = time.monotonic()
            error = refusal(lambda: server.number("1"))
            took = time.monotonic() - began
            prometheus.resume()
            eventually(lambda: server.number("1") == 1)
        assert (str(error), error.reached) == ("did not answer within 0.5 s", False)
        assert took < 5

    def test_one_that_is_gone(self, prometheus: PrometheusProcess) -> None:
        """It is known at once."""
        prometheus.close()
        with asking(prometheus.url) as server:
            error = refusal(lambda: server.number("1"))
        assert (str(error), error.reached) == ("cannot be reached", False)


REFUSED: Mapping[str, str] = {
    "nothing_of_that_name": "the query yields no series",
    "gone": "the query yields a number that is not finite",
    "1 / 0": "the query yields a number that is not finite",
    "a[5m]": "the query yields ranges rather than numbers",
    '"text"': "the query yields something that is no number",
    "sum(": "1:5: parse error: unclosed left parenthesis",
}


@pytest.mark.servers
class TestAirflow:
    """What Airflow's metrics mean."""

    def test_bare_and_labelled_series_are_never_added_up(self, airflow: WatchedAirflow) -> None:
        """Nor what was scraped twice: 10 handed to Celery and 2 held back are 12, with 24 series in sight."""
        airflow.page.lines = [
            "airflow_executor_queued_tasks 2",
            'airflow_executor_queued_tasks{executor="CeleryExecutor"} 2',
            "airflow_executor_running_tasks 10",
            'airflow_executor_running_tasks{executor="CeleryExecutor"} 10',
            'airflow_executor_running_tasks{executor="KubernetesExecutor"} 40',
        ]
        with asking(airflow.url) as server:
            eventually(
                lambda: (
                    server.number(f"count({RUNNING}{{namespace='{airflow.namespace}'}}) or vector(0)")
                    == 2 * 3
                )
            )
        found = once(airflow, airflow.target(), lambda hint: hint.tasks.is_fresh)
        assert (found.tasks.value, found.tasks.quality, found.explanation) == (12, Quality.FRESH, "")

    def test_an_airflow_with_one_executor_sends_bare_series(self, airflow: WatchedAirflow) -> None:
        """As version 2 does."""
        airflow.page.lines = ["airflow_executor_queued_tasks 0", "airflow_executor_running_tasks 9"]
        assert once(airflow, airflow.target(), lambda hint: hint.tasks.value).tasks.value == 9

    def test_a_bare_series_beside_others_executors_is_not_celerys(self, airflow: WatchedAirflow) -> None:
        """It is whichever executor wrote last."""
        airflow.page.lines = [
            "airflow_executor_running_tasks 40",
            'airflow_executor_running_tasks{executor="KubernetesExecutor"} 40',
        ]
        found = once(airflow, airflow.target(), lambda hint: "counts" in hint.tasks.detail)
        assert (found.tasks.value, found.tasks.quality) == (None, Quality.UNKNOWN)

    def test_tasks_are_told_by_queue(self, airflow: WatchedAirflow) -> None:
        """And those of other queues left out, whatever characters their names have."""
        airflow.page.lines = [
            f'airflow_ti_{state}{{queue="{queue}",dag_id="d{number}",task_id="t"}} {number}'
            for state in ("queued", "running", "deferred", "scheduled")
            for queue, number in (("a.b", 1), ("a.b", 2), ("axb", 16), ('q\\"\\\\', 4), ("default", 32))
        ]
        own = airflow.target(AirflowSettings(metrics="official"), "a.b", 'q"\\')
        assert once(airflow, own, lambda hint: hint.tasks.value).tasks.value == 2 * (1 + 2 + 4)

    def test_totals_are_no_demand_of_one_queue(self, airflow: WatchedAirflow) -> None:
        """Another worker set may serve the rest, unless the configuration says that there is none."""
        airflow.page.lines = ["airflow_executor_queued_tasks 0", "airflow_executor_running_tasks 9"]
        own = airflow.target(AirflowSettings(metrics="official"))
        found = once(airflow, own, lambda hint: "by queue" in hint.tasks.detail)
        assert found.tasks.value is None

    def test_a_dead_scheduler_leaves_frozen_gauges(self, airflow: WatchedAirflow) -> None:
        """Its counter stands still while the exporter is up: the gauges are not believed."""
        airflow.page.alive = False
        airflow.page.lines = ["airflow_executor_queued_tasks 0", "airflow_executor_running_tasks 9"]
        found = once(airflow, airflow.target(), lambda hint: hint.tasks.quality is Quality.STALE)
        assert found.tasks.value == 9
        assert found.explanation == "the scheduler has sent no heartbeat for 2m: its gauges may be frozen"

    def test_without_a_heartbeat_gauges_have_to_move(self, airflow: WatchedAirflow) -> None:
        """A chart may have dropped the counter."""
        airflow.page.alive = None
        gauges = ["airflow_executor_queued_tasks 0", 'airflow_pool_open_slots{pool="p"} 3']
        airflow.page.lines = [*gauges, "airflow_executor_running_tasks 9"]
        found = once(airflow, airflow.target(), lambda hint: hint.tasks.quality is Quality.STALE)
        assert found.explanation.startswith("no gauge has moved for 10m")
        airflow.page.lines = [*gauges, "airflow_executor_running_tasks 8"]
        once(airflow, airflow.target(), lambda hint: (hint.tasks.is_fresh, hint.tasks.value) == (True, 8))

    def test_an_old_sample_is_not_believed(self, airflow: WatchedAirflow) -> None:
        """An exporter may say itself of when its numbers are."""
        old = int((time.time() - 200) * 1000)
        airflow.page.lines = [f"airflow_executor_running_tasks 9 {old}"]
        found = once(airflow, airflow.target(), lambda hint: hint.tasks.quality is Quality.STALE)
        assert found.tasks.detail == "the last sample is more than 120 s old"

    def test_full_pools_are_explained(self, airflow: WatchedAirflow) -> None:
        """So are a used-up parallelism and a scheduler that falls behind; bare series mean nothing."""
        airflow.page.lines = [
            "airflow_executor_running_tasks 32",
            "airflow_executor_open_slots 0",
            "airflow_pool_starving_tasks 70",
            'airflow_pool_starving_tasks{pool="small"} 3',
            'airflow_pool_starving_tasks{pool="smaller"} 4',
            'airflow_dagrun_schedule_delay{dag_id="d",quantile="0.5"} 90',
        ]
        found = once(airflow, airflow.target(), lambda hint: "late" in hint.explanation)
        assert found.explanation == (
            "7 tasks wait for a slot of their pool: more workers would not help them; "
            "the executor's parallelism is used up: it hands no more tasks to Celery; "
            "DAG runs start 90 s late: the scheduler falls behind"
        )

    def test_another_airflows_series_say_nothing(self, airflow: WatchedAirflow) -> None:
        """No series is not zero."""
        airflow.page.lines = ["airflow_executor_running_tasks 9"]
        other = TargetSettings("other", "airflow-worker", ("default",), airflow=ALL_QUEUES)
        once(airflow, airflow.target(), lambda hint: hint.tasks.value)
        found = hint(airflow, other)
        assert (found.tasks.value, found.tasks.quality) == (None, Quality.UNKNOWN)
        assert "selector" in found.tasks.detail

    def test_the_selector_can_be_said(self, airflow: WatchedAirflow) -> None:
        """With the names of the target in it."""
        airflow.page.lines = ['airflow_executor_running_tasks{release="astro"} 9']
        astronomer = airflow.target(AirflowSettings(metrics="astronomer", all_queues=True, release="astro"))
        said = airflow.target(
            AirflowSettings(
                metrics="official", all_queues=True, release="astro", selector='release="{release}"'
            )
        )
        for own in (astronomer, said):
            assert once(airflow, own, lambda hint: hint.tasks.value).tasks.value == 9


def answer(body: bytes, status: int = 200, **headers: str) -> Callable[[str], Answer]:
    """Return an answer to everything."""
    return lambda _: (status, headers, body)


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (answer(b"<html>"), "its answer is not one of Prometheus"),
        (answer(b"[]"), "its answer is not one of Prometheus"),
        (answer(b'{"data":{"result":[1,2,3]}}'), "its answer is not one of Prometheus"),
        (answer(b"secret", 503), "answers with status 503"),
        (answer(b"secret", 401), "answers with status 401"),
        (answer(b"secret", 400), "answers with status 400"),
        (answer(b"", 302, Location="http://127.0.0.1:1/"), "redirects elsewhere, which is not followed"),
        (answer(b" " * (5 << 20)), "its answer is larger than 4 MiB"),
    ],
)
def test_what_is_no_answer_has_a_reason(reply: Callable[[str], Answer], detail: str) -> None:
    """That repeats nothing of the answer."""
    with WebServer(reply) as web, asking(web.url) as server:
        error = refusal(lambda: server.number("1"))
    assert (str(error), error.reached) == (detail, True)


def test_a_trickle_of_an_answer_ends() -> None:
    """Though each byte comes in time."""
    with DrippingServer() as web, asking(web.url, 0.3) as server:
        began = time.monotonic()
        error = refusal(lambda: server.number("1"))
        took = time.monotonic() - began
    assert (str(error), error.reached) == ("did not answer within 0.3 s", False)
    assert took < 10


def test_an_answer_that_breaks_off_is_none() -> None:
    """It is shorter than it says."""
    with WebServer(lambda _: (200, {"Content-Length": "100"}, b"{")) as web, asking(web.url, 0.3) as server:
        error = refusal(lambda: server.number("1"))
    assert not error.reached


def test_headers_and_a_token_that_changes(tmp_path: Path) -> None:
    """The token is read anew, as Kubernetes renews it."""
    token = tmp_path / "token"
    ok = json.dumps({"data": {"result": [0, "1"]}}).encode()
    with (
        WebServer(answer(ok)) as web,
        asking(web.url, headers=("X-Scope-OrgID: a",), bearer_file=str(token)) as server,
    ):
        assert str(refusal(lambda: server.number("1"))) == "the file of its bearer token cannot be read"
        for word in ("first", "second"):
            token.write_text(f"{word}\n")
            assert server.number("1") == 1
    seen = [(headers["X-Scope-OrgID"], headers["Authorization"]) for _, headers in web.asked]
    assert seen == [("a", "Bearer first"), ("a", "Bearer second")]
