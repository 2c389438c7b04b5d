"""A real PostgreSQL with Airflow's table, with and without PgBouncer before it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest

from autoscaler.config.airflow import AirflowSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import Hint
from autoscaler.core.model import Quality, fresh
from autoscaler.metrics_sources import airflow_db
from autoscaler.metrics_sources.airflow_db import Databases, TaskGroups
from autoscaler.metrics_sources.failure import SourceFailed
from autoscaler.metrics_sources.postgres import conninfo
from tests.brokers.servers import FakeClock, free_port
from tests.metrics_sources.servers import PgBouncer, Postgres, stop
from tests.waiting import eventually

SECONDS = 2.0
AIRFLOW = AirflowSettings()


@pytest.fixture
def databases(clock: FakeClock) -> Iterator[Databases]:
    """All databases in use."""
    found = Databases(clock)
    yield found
    found.close()


def told(said: TaskGroups, airflow: AirflowSettings = AIRFLOW, *queues: str) -> Hint:
    """Return what a database's word means for a target."""
    target = TargetSettings("data", "airflow-worker", queues or ("default",), airflow=airflow)
    return airflow_db.hint(fresh(said.groups, "airflow database"), target)


def refusal(databases: Databases, url: str, seconds: float = SECONDS) -> SourceFailed:
    """Return the failure of reading."""
    with pytest.raises(SourceFailed) as raised:
        databases.read(url, seconds, 0)
    return raised.value


@pytest.mark.servers
def test_only_queued_and_running_tasks_of_its_queues_are_demand(
    postgres: Postgres, databases: Databases
) -> None:
    """What is scheduled or deferred is explained, what is done or elsewhere is left out."""
    for state, tasks in {"queued": 3, "running": 4, "scheduled": 5, "deferred": 6, "success": 70}.items():
        postgres.add(state, "default", tasks=tasks)
        postgres.add(state, "other", tasks=tasks)
    said = databases.read(postgres.url(), SECONDS, 0)
    assert told(said).tasks.value == 7
    assert told(said).explanation == (
        "5 scheduled wait for a pool or for parallelism, which no worker can give; "
        "6 deferred wait in the triggerer and want no slot"
    )
    assert told(said, AIRFLOW, "default", "other").tasks.value == 14
    assert (
        told(said, AIRFLOW, "empty").tasks.value,
        told(said, AIRFLOW, "empty").explanation,
    ) == (0, "")


@pytest.mark.servers
def test_tasks_of_other_executors_are_left_out(postgres: Postgres, databases: Databases) -> None:
    """A task that names none is of the default executor, which may be another one."""
    names = {None: 1, "CeleryExecutor": 2, "KubernetesExecutor": 4, "team:Celery": 8}
    for name, tasks in names.items():
        postgres.add("queued", "default", name, tasks=tasks)
    said = databases.read(postgres.url(), SECONDS, 0)
    assert told(said).tasks.value == 1 + 2
    assert told(said, AirflowSettings(default_executor=False)).tasks.value == 2
    assert told(said, AirflowSettings(executors=("team:Celery",), default_executor=False)).tasks.value == 8


@pytest.mark.servers
def test_the_age_of_the_oldest_queued_task(postgres: Postgres, databases: Databases) -> None:
    """By the database's own clock, and of its own queues."""
    postgres.add("queued", "default", age=413)
    postgres.add("queued", "default", age=3)
    postgres.add("running", "default", age=1000)
    postgres.add("queued", "other", age=2000)
    said = fresh(databases.read(postgres.url(), SECONDS, 0).groups, "airflow database")
    oldest = airflow_db.oldest_queued(said, TargetSettings("data", "w", ("default",))).value
    assert oldest is not None
    assert 413 <= oldest < 450
    assert airflow_db.oldest_queued(said, TargetSettings("data", "w", ("empty",))).quality is Quality.UNKNOWN


@pytest.mark.servers
def test_one_connection_and_one_query_serve_all_targets(
    postgres: Postgres, databases: Databases, clock: FakeClock
) -> None:
    """An answer that is young enough is shared; the connection is kept, and closed when nobody uses it."""
    postgres.add("queued", "default")
    first = databases.read(postgres.url(), SECONDS, 5)
    postgres.add("queued", "default")
    clock.advance(4)
    assert databases.read(postgres.url(), SECONDS, 5) is not first
    assert databases.read(postgres.url(), SECONDS, 5) == first
    clock.advance(2)
    assert told(databases.read(postgres.url(), SECONDS, 5)).tasks.value == 2
    (connection,) = postgres.clients()
    state = postgres.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", connection)
    assert state == [("idle",)]
    databases.forget([postgres.url()])
    assert postgres.clients() == [connection]
    databases.forget([])
    eventually(lambda: not postgres.clients())


@pytest.mark.servers
def test_pgbouncer_in_transaction_mode(
    postgres: Postgres, pgbouncer: PgBouncer, databases: Databases
) -> None:
    """Nothing is prepared, and nothing that was set outlasts the transaction on the shared connection."""
    postgres.add("queued", "default")
    for _ in range(8):
        assert told(databases.read(postgres.url(pgbouncer.port), SECONDS, 0)).tasks.value == 1
    with psycopg.connect(postgres.url(pgbouncer.port).replace("+psycopg2", "")) as other:
        assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert other.execute("SHOW transaction_read_only").fetchone() == ("off",)
        assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


@pytest.mark.servers
def test_a_query_that_waits_is_ended_by_the_server(postgres: Postgres, databases: Databases) -> None:
    """A lock on the table, such as of a migration; the connection goes on working after it."""
    with psycopg.connect(postgres.owner_url) as migration:
        migration.execute("LOCK TABLE task_instance")
        error = refusal(databases, postgres.url(), 0.3)
        migration.rollback()
    assert (str(error), error.reached) == ("did not finish the query within 0.3 s", True)
    pids = postgres.clients()
    assert databases.read(postgres.url(), 0.3, 0).groups == ()
    assert postgres.clients() == pids


@pytest.mark.servers
def test_a_server_that_hangs_is_cut_off_and_left_alone(
    postgres: Postgres, databases: Databases, clock: FakeClock
) -> None:
    """It accepts, and says nothing: psycopg alone would wait for ever."""
    databases.read(postgres.url(), 0.2, 0)
    (connection,) = postgres.clients()
    stop(connection)
    began = time.monotonic()
    try:
        error = refusal(databases, postgres.url(), 0.2)
        took = time.monotonic() - began
        refused = refusal(databases, postgres.url(), 0.2)
    finally:
        os.kill(connection, signal.SIGCONT)
    assert (str(error), error.reached) == ("did not answer within 1.2 s", False)
    assert took < 10
    assert str(refused) == "did not answer within 1.2 s; next try in 1 s"
    clock.advance(1.5)
    assert databases.read(postgres.url(), 0.2, 0).groups == ()


def test_a_server_that_accepts_and_says_nothing(databases: Databases) -> None:
    """Is given up after the least time that libpq knows."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:hunter2@127.0.0.1:{silent.getsockname()[1]}/airflow?sslmode=disable"
        error = refusal(databases, url, 0.2)
    assert (str(error), error.reached) == ("did not answer within 2 s", False)


@pytest.mark.servers
def test_a_connection_that_was_closed_is_made_anew(postgres: Postgres, databases: Databases) -> None:
    """A restart of the server or of PgBouncer is not told as a failure."""
    databases.read(postgres.url(), SECONDS, 0)
    (connection,) = postgres.clients()
    postgres.execute("SELECT pg_terminate_backend(%s)", connection)
    eventually(lambda: not postgres.clients())
    assert databases.read(postgres.url(), SECONDS, 0).groups == ()


@pytest.mark.servers
def test_what_is_refused_is_told_without_credentials(postgres: Postgres, databases: Databases) -> None:
    """And does not keep other databases of the server from being read."""
    wrong = refusal(databases, postgres.url(password="hunter2"))
    assert str(wrong) == "refused the connection, perhaps for its password"
    nobody = refusal(databases, f"postgresql://reader:hunter2@127.0.0.1:{free_port()}/airflow")
    assert str(nobody) == "cannot be connected to"
    assert databases.read(postgres.url(), SECONDS, 0).groups == ()
    postgres.execute("REVOKE ALL ON task_instance FROM reader")
    assert str(refusal(databases, postgres.url())) == "the user may not read the table"
    postgres.make_table(columns="")
    assert str(refusal(databases, postgres.url())).startswith("its table lacks a column")
    postgres.execute("DROP TABLE task_instance")
    assert str(refusal(databases, postgres.url())).startswith("it has no such table")


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("mysql+pymysql://u:hunter2@h/db", "only PostgreSQL databases are read, not mysql"),
        ("sqlite:////airflow.db", "only PostgreSQL databases are read, not sqlite"),
        ("hunter2", "the database's URL cannot be taken apart"),
        ("postgresql://u:hunter2@h:port/db", "the database's URL cannot be taken apart"),
        ("postgresql://h/db?hunter2=1", "the database's URL has something that libpq does not understand"),
    ],
)
def test_urls_that_are_not_read(url: str, detail: str) -> None:
    """The reason repeats nothing of them."""
    with pytest.raises(SourceFailed) as raised:
        conninfo(url)
    assert str(raised.value) == detail


@pytest.mark.parametrize("kind", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_sqlalchemys_spellings(kind: str) -> None:
    """The driver is Airflow's affair."""
    assert (
        conninfo(f" {kind}://u:p%40@h:6543/db?sslmode=prefer\n")
        == "postgresql://u:p%40@h:6543/db?sslmode=prefer"
    )


def test_without_the_driver_it_is_told_what_to_install() -> None:
    """The daemon starts all the same: the driver is an extra."""
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from autoscaler.metrics_sources import hints, airflow_db\n"
        "try: airflow_db.Databases().read('postgresql://h/db', 1, 0)\n"
        "except airflow_db.SourceFailed as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "reading it needs more: pip install 'celery-autoscaler[airflow]'\n"
