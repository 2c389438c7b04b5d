"""What is asked again and again, one poll each: a Prometheus, a target's database, its health.

A poll asks and remembers, and never raises; what it remembers is read at any time, from memory. A
server that hangs is left alone for a while by everybody who would ask it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from autoscaler.breaker import Circuit
from autoscaler.config.hints import HintSettings
from autoscaler.config.model import PrometheusSettings, TargetSettings
from autoscaler.core.account import Hint
from autoscaler.core.model import Reading, TargetRef, stale
from autoscaler.metrics_sources import airflow_db, airflow_health, airflow_metrics
from autoscaler.metrics_sources.addresses import filled_in
from autoscaler.metrics_sources.airflow_db import Databases, TaskGroup
from autoscaler.metrics_sources.airflow_health import Health, HealthEndpoint
from autoscaler.metrics_sources.failure import SourceFailed
from autoscaler.metrics_sources.memory import Memory, derived
from autoscaler.metrics_sources.prometheus import PrometheusServer
from autoscaler.ports import BrokerUnknown

Clock = Callable[[], float]
Slots = Callable[[TargetRef], int | None]
Locate = Callable[[TargetSettings], str]
"""Returns the URL of the database of a target's Airflow, after a while. Raises `BrokerUnknown`."""

SHARED_SHARE = 0.5
"""An answer that is younger than this share of the interval serves all targets of a database."""
RELOCATED_AFTER_SECONDS = 60.0
"""The shortest time between two looks for a database's URL."""


class Poll(Protocol):
    """Something that is asked periodically."""

    def poll(self) -> None:
        """Ask, which may take a few seconds, and remember the answer. Never raises."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


def fresh_seconds(interval_seconds: float, timeout_seconds: float) -> float:
    """Return for how long an answer is fresh: two polls may be late, or fail to be made."""
    return 3 * interval_seconds + timeout_seconds


@dataclass(frozen=True, slots=True)
class Told:
    """The number of a configured hint, and why it is not to be believed; empty when it is."""

    value: float
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """One query, and where to remember its answer."""

    ask: Callable[[PrometheusServer], None]
    fail: Callable[[str], None]


class TargetQueries:
    """What one target wants to know of Prometheus, and what was answered."""

    def __init__(
        self, target: TargetSettings, settings: PrometheusSettings, clock: Clock, slots: Slots
    ) -> None:
        self.target = target
        self._clock = clock
        self._slots = slots
        lasting = fresh_seconds(settings.interval_seconds, settings.timeout_seconds)
        self._airflow: Memory[Mapping[str, float]] | None = None
        if target.airflow.metrics is not None:
            self._airflow = Memory("prometheus", lasting, clock)
        self._told: dict[HintSettings, Memory[Told]] = {
            hint: Memory("prometheus", lasting, clock) for hint in target.hints
        }

    def questions(self) -> Sequence[_Question]:
        """Return all questions."""
        found = [_Question(partial(self._ask, hint), memory.fail) for hint, memory in self._told.items()]
        if self._airflow is not None:
            found.append(_Question(self._ask_airflow, self._airflow.fail))
        return found

    def hints(self) -> tuple[Hint, ...]:
        """Return what the answers mean."""
        found = [self._hint(hint, memory.reading()) for hint, memory in self._told.items()]
        if self._airflow is not None:
            found.append(airflow_metrics.hint(self._airflow.reading(), self.target.airflow))
        return tuple(found)

    def _ask(self, hint: HintSettings, server: PrometheusServer) -> None:
        asked_at = self._clock()
        value = server.number(filled_in(hint.query, self.target))
        if value < 0:
            raise SourceFailed("the query yields a negative number", reached=True)
        doubt = "" if hint.alive_query is None else self._doubt(server, hint.alive_query)
        self._told[hint].learn(Told(value, doubt), asked_at)

    def _doubt(self, server: PrometheusServer, alive_query: str) -> str:
        try:
            alive = server.number(filled_in(alive_query, self.target)) > 0
        except SourceFailed as error:
            if not error.reached:
                raise
            return f"its alive_query fails: {error}"
        return "" if alive else "its alive_query says that whoever provides it is gone"

    def _ask_airflow(self, server: PrometheusServer) -> None:
        asked_at, parts = self._clock(), server.parts(airflow_metrics.query(self.target))
        if self._airflow is not None:
            self._airflow.learn(parts, asked_at)

    def _hint(self, hint: HintSettings, told: Reading[Told]) -> Hint:
        if told.value is None:
            return Hint(hint.name, derived(told, None))
        tasks = derived(told, self._tasks(hint, told.value.value))
        if told.value.doubt and tasks.value is not None:
            tasks = stale(tasks.value, tasks.source, tasks.age_seconds, told.value.doubt)
        return Hint(hint.name, tasks, told.value.doubt)

    def _tasks(self, hint: HintSettings, value: float) -> int:
        """Return the tasks that a number stands for: of a worker all its slots, of a veto a single one."""
        if hint.means == "veto":
            return int(value > 0)
        if hint.means == "workers":
            return math.ceil(value) * (self._slots(self.target.ref) or 1)
        return math.ceil(value)


class PrometheusPoll:
    """Asks a Prometheus everything that all targets want to know, one query after the other."""

    def __init__(
        self,
        server: PrometheusServer,
        circuit: Circuit,
        clock: Clock,
        slots: Slots,
        settings: PrometheusSettings,
    ) -> None:
        self._server = server
        self._circuit = circuit
        self._clock = clock
        self._slots = slots
        self._settings = settings
        self._queries: Mapping[TargetRef, TargetQueries] = {}
        self._first = 0
        self._closed = threading.Event()

    def watch(self, targets: Sequence[TargetSettings]) -> None:
        """Ask for these targets from now on, keeping what is known of those that are the same as before."""
        known = self._queries
        self._queries = {
            target.ref: known[target.ref]
            if target.ref in known and known[target.ref].target == target
            else TargetQueries(target, self._settings, self._clock, self._slots)
            for target in targets
        }

    def hints(self, target: TargetRef) -> tuple[Hint, ...]:
        """Return the hints for a target."""
        found = self._queries.get(target)
        return () if found is None else found.hints()

    def poll(self) -> None:
        """Ask every question once, each round beginning with another one so that none is always the trial."""
        questions = [one for queries in self._queries.values() for one in queries.questions()]
        first = self._first % max(len(questions), 1)
        self._first += 1
        for question in questions[first:] + questions[:first]:
            if self._closed.is_set():
                return
            self._put(question)

    def close(self) -> None:
        """Ask no more, and hang up."""
        self._closed.set()
        self._server.close()

    def _put(self, question: _Question) -> None:
        now = self._clock()
        if not self._circuit.admit(now):
            question.fail(self._circuit.refusal(now))
            return
        try:
            question.ask(self._server)
        except SourceFailed as error:
            question.fail(str(error))
            if not error.reached:
                self._circuit.failed(self._clock(), str(error))
                return
        except Exception as error:  # noqa: BLE001  # one broken question never stops the others
            question.fail(f"asking failed ({type(error).__name__})")
        self._circuit.succeeded()


class DatabasePoll:
    """Asks the database of a target's Airflow."""

    def __init__(self, target: TargetSettings, databases: Databases, locate: Locate, clock: Clock) -> None:
        self._target = target
        self._databases = databases
        self._find = locate
        self._clock = clock
        airflow = target.airflow
        lasting = fresh_seconds(airflow.interval_seconds, airflow.timeout_seconds)
        self._memory: Memory[tuple[TaskGroup, ...]] = Memory("airflow database", lasting, clock)
        self._located_at = -math.inf
        self._doubted = False
        self._closed = threading.Event()
        self.url = ""

    def poll(self) -> None:
        """Ask, and remember. After a failure the URL is looked for again, once a minute at most."""
        if self._closed.is_set():
            return
        airflow = self._target.airflow
        try:
            said = self._databases.read(
                self._locate(), airflow.timeout_seconds, SHARED_SHARE * airflow.interval_seconds
            )
        except SourceFailed as error:
            self._doubted = True
            self._memory.fail(str(error))
        except Exception as error:  # noqa: BLE001  # it has to be asked again
            self._memory.fail(f"asking failed ({type(error).__name__})")
        else:
            self._doubted = False
            self._memory.learn(said.groups, said.at)

    def hints(self) -> tuple[Hint, ...]:
        """Return what it said."""
        return (airflow_db.hint(self._memory.reading(), self._target),)

    def oldest_queued(self) -> Reading[float]:
        """Return for how many seconds the oldest queued task has been waiting."""
        return airflow_db.oldest_queued(self._memory.reading(), self._target)

    def close(self) -> None:
        """Ask no more; the connection belongs to the databases."""
        self._closed.set()

    def _locate(self) -> str:
        now = self._clock()
        due = now - self._located_at >= RELOCATED_AFTER_SECONDS
        if not self.url or (self._doubted and due):
            self._located_at = now
            try:
                self.url = self._find(self._target)
            except BrokerUnknown as error:
                raise SourceFailed(str(error), reached=True) from error
        return self.url


class HealthPoll:
    """Asks the health endpoint of a target's Airflow."""

    def __init__(self, target: TargetSettings, url: str, clock: Clock, wall: Clock = time.time) -> None:
        airflow = target.airflow
        self._endpoint = HealthEndpoint(filled_in(url, target), airflow.timeout_seconds, wall)
        lasting = fresh_seconds(airflow.interval_seconds, airflow.timeout_seconds)
        self._memory: Memory[Health] = Memory("airflow health", lasting, clock)
        self._circuit = Circuit()
        self._clock = clock
        self._closed = threading.Event()

    def poll(self) -> None:
        """Ask, unless it has just failed to answer, and remember."""
        now = self._clock()
        if self._closed.is_set() or not self._circuit.admit(now):
            return
        try:
            self._memory.learn(self._endpoint.read(), now)
        except SourceFailed as error:
            self._memory.fail(str(error))
            if not error.reached:
                self._circuit.failed(self._clock(), str(error))
                return
        except Exception as error:  # noqa: BLE001  # it has to be asked again
            self._memory.fail(f"asking failed ({type(error).__name__})")
        self._circuit.succeeded()

    def hints(self) -> tuple[Hint, ...]:
        """Return what it said."""
        return (airflow_health.hint(self._memory.reading()),)

    def close(self) -> None:
        """Ask no more, and hang up."""
        self._closed.set()
        self._endpoint.close()
