"""Real servers for the tests of the hints."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from autoscaler.config.airflow import AirflowSettings
from autoscaler.config.model import TargetSettings
from tests.brokers.servers import FakeClock
from tests.metrics_sources.servers import (
    AirflowExporters,
    AirflowPage,
    PgBouncer,
    Postgres,
    PrometheusProcess,
    postgres_binaries,
)
from tests.waiting import eventually

AIRFLOWS = 16
ALL_QUEUES = AirflowSettings(metrics="official", all_queues=True)
StartPrometheus = Callable[[Sequence[tuple[int, Mapping[str, str]]]], PrometheusProcess]


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes when told to."""
    return FakeClock()


@pytest.fixture
def start_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartPrometheus]:
    """Start servers that end with the test."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed")
    with ExitStack() as stack:

        def start(targets: Sequence[tuple[int, Mapping[str, str]]]) -> PrometheusProcess:
            process = PrometheusProcess(binary, tmp_path_factory.mktemp("prometheus"), targets)
            stack.callback(process.close)
            return process

        yield start


@pytest.fixture
def prometheus(start_prometheus: StartPrometheus) -> PrometheusProcess:
    """One that scrapes nothing, to be mistreated."""
    return start_prometheus([])


@dataclass(frozen=True, slots=True)
class WatchedAirflow:
    """An Airflow whose metrics a Prometheus scrapes twice, as two jobs that found the same pod do."""

    url: str
    page: AirflowPage
    namespace: str

    def target(self, airflow: AirflowSettings = ALL_QUEUES, *queues: str) -> TargetSettings:
        """Return its workers."""
        return TargetSettings(self.namespace, "airflow-worker", queues or ("default",), airflow=airflow)


@pytest.fixture(scope="session")
def airflows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[WatchedAirflow]]:
    """Run one Prometheus for all tests, as it takes five seconds to begin: each has its own Airflow."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed")
    with AirflowExporters(AIRFLOWS) as exporters:
        targets = [
            (exporters.port, {"__metrics_path__": path, "namespace": f"data-{path[1:]}", "scraped": by})
            for path in exporters.pages
            for by in ("here", "there")
        ]
        process = PrometheusProcess(binary, tmp_path_factory.mktemp("prometheus"), targets)
        try:
            yield (
                WatchedAirflow(process.url, page, f"data-{path[1:]}")
                for path, page in exporters.pages.items()
            )
        finally:
            process.close()


@pytest.fixture
def airflow(airflows: Iterator[WatchedAirflow]) -> WatchedAirflow:
    """One that no other test has, with a scheduler that is alive."""
    found = next(airflows)
    found.page.alive = True
    return found


@pytest.fixture(scope="session")
def whole_postgres() -> Iterator[Postgres]:
    """Run one PostgreSQL for all tests."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server is not installed")
    postgres = Postgres(binaries)
    yield postgres
    postgres.close()


@pytest.fixture
def postgres(whole_postgres: Postgres) -> Postgres:
    """Start with an empty table, and without the connections of the test before."""
    eventually(lambda: not whole_postgres.clients(), "nobody is connected any more")
    whole_postgres.make_table()
    return whole_postgres


@pytest.fixture
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """Stand before the PostgreSQL."""
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if binary is None:
        pytest.skip("pgbouncer is not installed")
    bouncer = PgBouncer(binary, postgres)
    yield bouncer
    bouncer.close()
