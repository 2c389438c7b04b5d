"""What Airflow's metadata database says of the tasks of a target.

`queued` tasks have been handed to the executor and `running` ones are in a worker: both want a slot.
`scheduled` ones wait for a pool or for parallelism, which no worker can give, and `deferred` ones wait
in the triggerer: they explain, and count for nothing. A task belongs to a target by its queue, and
where an Airflow has several executors also by the one that it names; none named means the default.

Needs the column `executor` of Airflow 2.10 and later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from autoscaler.breaker import Circuit
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import Hint
from autoscaler.core.model import Reading, unknown
from autoscaler.core.queues import matches
from autoscaler.metrics_sources.failure import SourceFailed
from autoscaler.metrics_sources.memory import derived

if TYPE_CHECKING:
    from autoscaler.metrics_sources.postgres import PostgresLine

NAME = "airflow database"
LINES_KEPT = 16
"""More connections than these are closed after each use: a PostgreSQL has few to give."""

NO_DRIVER = "reading it needs more: pip install 'celery-autoscaler[airflow]'"

STATEMENT = """
SELECT state, queue, executor, count(*), extract(epoch FROM max(now() - queued_dttm))::float8
FROM task_instance
WHERE state IN ('queued', 'running', 'scheduled', 'deferred')
GROUP BY state, queue, executor
"""


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """Tasks of one state, queue and executor: how many, and the age of the oldest since it was queued."""

    state: str
    queue: str | None
    executor: str | None
    tasks: int
    oldest_seconds: float | None


@dataclass(slots=True)
class _Database:
    """One database: its connection, what it said last, and the health of its server."""

    line: PostgresLine
    circuit: Circuit
    lock: threading.Lock
    said: tuple[TaskGroup, ...] = ()
    said_at: float | None = None


@dataclass(frozen=True, slots=True)
class TaskGroups:
    """All that a database said, at a monotonic time."""

    groups: tuple[TaskGroup, ...]
    at: float


class Databases:
    """All metadata databases in use: one connection each, asked once for all targets that share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._databases: dict[str, _Database] = {}
        self._circuits: dict[str, Circuit] = {}
        self._lock = threading.Lock()

    def read(self, url: str, seconds: float, may_be_old_seconds: float) -> TaskGroups:
        """Return what a database says, or said less than `may_be_old_seconds` ago. Raises `SourceFailed`.

        Takes a few times `seconds` at most: to connect, and for the statement.
        """
        info = _postgres().conninfo(url)
        database = self._database(info, seconds)
        with database.lock:
            now = self._clock()
            if database.said_at is not None and now - database.said_at < may_be_old_seconds:
                return TaskGroups(database.said, database.said_at)
            if not database.circuit.admit(now):
                raise SourceFailed(database.circuit.refusal(now), reached=False)
            database.said = self._ask(database)
            database.said_at = now
            return TaskGroups(database.said, now)

    def forget(self, urls_in_use: Iterable[str]) -> None:
        """Hang up on all databases but those with one of these URLs."""
        used = {info for info in map(_conninfo, urls_in_use) if info}
        with self._lock:
            gone = [self._databases.pop(info) for info in set(self._databases) - used]
            servers = {_postgres().server(info) for info in used}
            self._circuits = {name: one for name, one in self._circuits.items() if name in servers}
        for database in gone:
            with database.lock:
                database.line.close()

    def close(self) -> None:
        """Hang up on all."""
        self.forget(())

    def _database(self, info: str, seconds: float) -> _Database:
        with self._lock:
            database = self._databases.get(info)
            if database is None:
                postgres = _postgres()
                circuit = self._circuits.setdefault(postgres.server(info), Circuit())
                database = _Database(postgres.PostgresLine(info, seconds), circuit, threading.Lock())
                self._databases[info] = database
            return database

    def _ask(self, database: _Database) -> tuple[TaskGroup, ...]:
        """Ask, and tell the circuit what came of it."""
        try:
            rows = database.line.ask(STATEMENT)
        except SourceFailed as error:
            if error.reached:
                database.circuit.succeeded()
            else:
                database.circuit.failed(self._clock(), str(error))
            raise
        except BaseException:
            database.circuit.failed(self._clock(), "asking it failed")
            raise
        finally:
            if len(self._databases) > LINES_KEPT:
                database.line.close()
        database.circuit.succeeded()
        return tuple(TaskGroup(*row) for row in rows)


def _postgres() -> ModuleType:
    """Return the module that needs the driver, which is an extra. Raises `SourceFailed`."""
    try:
        from autoscaler.metrics_sources import postgres  # noqa: PLC0415  # see above
    except ImportError as error:
        raise SourceFailed(NO_DRIVER, reached=True) from error
    return postgres


def _conninfo(url: str) -> str:
    """Return a URL as libpq understands it, empty where it does not."""
    try:
        return str(_postgres().conninfo(url))
    except SourceFailed:
        return ""


def hint(told: Reading[tuple[TaskGroup, ...]], target: TargetSettings) -> Hint:
    """Return what a database's word means for a target."""
    if told.value is None:
        return Hint(NAME, derived(told, None))
    own = tuple(_own(told.value, target))
    tasks = _count(own, "queued") + _count(own, "running")
    return Hint(NAME, derived(told, tasks), "; ".join(_explanations(own)))


def oldest_queued(told: Reading[tuple[TaskGroup, ...]], target: TargetSettings) -> Reading[float]:
    """Return for how many seconds the target's oldest queued task has been waiting; unknown without one."""
    if told.value is None:
        return unknown(told.source, told.detail)
    ages = [
        group.oldest_seconds
        for group in _own(told.value, target)
        if group.state == "queued" and group.oldest_seconds is not None
    ]
    if not ages:
        return unknown(told.source, "no task of its queues is queued")
    return Reading(max(ages), told.source, told.quality, told.age_seconds, told.detail)


def _own(groups: Iterable[TaskGroup], target: TargetSettings) -> Iterable[TaskGroup]:
    airflow = target.airflow
    for group in groups:
        named = group.executor
        celery = airflow.default_executor if named is None else named in airflow.executors
        if celery and matches(target.queues, group.queue or ""):
            yield group


def _count(groups: Iterable[TaskGroup], state: str) -> int:
    return sum(group.tasks for group in groups if group.state == state)


def _explanations(groups: tuple[TaskGroup, ...]) -> Iterable[str]:
    scheduled, deferred = _count(groups, "scheduled"), _count(groups, "deferred")
    if scheduled:
        yield f"{scheduled} scheduled wait for a pool or for parallelism, which no worker can give"
    if deferred:
        yield f"{deferred} deferred wait in the triggerer and want no slot"
