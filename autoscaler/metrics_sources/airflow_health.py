"""What Airflow's health endpoint says of its scheduler.

A dead scheduler hands no task to Celery and lets its gauges stand, so whoever wonders why nothing
happens ought to be told. The age of the heartbeat is reckoned with the server's own clock where it
tells the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
import requests

from autoscaler.core.account import Hint
from autoscaler.core.model import Reading, unknown
from autoscaler.metrics_sources.failure import SourceFailed
from autoscaler.metrics_sources.http import bounded_session, failure
from autoscaler.metrics_sources.memory import derived

NAME = "airflow health"
COUNTS_NOTHING = "it counts no tasks"
OLD_HEARTBEAT_SECONDS = 30.0
"""Airflow's own `scheduler_health_check_threshold`."""
LATER_VERSION, EARLIER_VERSION = "/api/v2/monitor/health", "/health"


class _Scheduler(msgspec.Struct):
    status: str | None = None
    latest_scheduler_heartbeat: str | None = None


class _Database(msgspec.Struct):
    status: str | None = None


class _Answer(msgspec.Struct):
    scheduler: _Scheduler
    metadatabase: _Database


@dataclass(frozen=True, slots=True)
class Health:
    """What the endpoint said: `heartbeat_at` is None where it knows of no heartbeat.

    Times are seconds since the epoch, `said_at` by the server's clock.
    """

    scheduler_healthy: bool
    database_healthy: bool
    heartbeat_at: float | None
    said_at: float


class HealthEndpoint:
    """Asks one Airflow for its health. `wall` returns seconds since the epoch."""

    def __init__(self, url: str, seconds: float, wall: Callable[[], float] = time.time) -> None:
        self._base = url.rstrip("/")
        self._seconds = seconds
        self._wall = wall
        self._session = bounded_session(self._base, seconds)

    def read(self) -> Health:
        """Return what it says. Raises `SourceFailed`.

        A URL without a path is tried at the endpoints of Airflow 3 and 2.
        """
        if self._base.count("/") > len("//"):
            return self._health(self._base)
        try:
            return self._health(self._base + LATER_VERSION)
        except SourceFailed as error:
            if not error.reached:
                raise
            return self._health(self._base + EARLIER_VERSION)

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def _health(self, url: str) -> Health:
        try:
            response = self._session.get(url, timeout=self._seconds)
        except requests.RequestException as error:
            raise failure(error, self._seconds) from error
        if response.status_code != requests.codes.ok:
            raise SourceFailed(f"answers with status {response.status_code}", reached=True)
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
            heartbeat_at = _seconds(answer.scheduler.latest_scheduler_heartbeat)
        except ValueError as error:
            raise SourceFailed("its answer is not one of Airflow's health endpoint", reached=True) from error
        return Health(
            scheduler_healthy=answer.scheduler.status == "healthy",
            database_healthy=answer.metadatabase.status == "healthy",
            heartbeat_at=heartbeat_at,
            said_at=_date(response) or self._wall(),
        )


def hint(told: Reading[Health]) -> Hint:
    """Return what an Airflow's health means for its workers: it explains, and counts nothing."""
    health = told.value
    if health is None or not told.is_fresh:
        return Hint(NAME, unknown(told.source, told.detail))
    return Hint(NAME, derived(told, None, COUNTS_NOTHING), _explanation(health))


def _explanation(health: Health) -> str:
    if not health.database_healthy:
        return "Airflow does not reach its metadata database"
    if health.heartbeat_at is None:
        return "" if health.scheduler_healthy else "Airflow's scheduler has never sent a heartbeat"
    age = health.said_at - health.heartbeat_at
    if health.scheduler_healthy and age <= OLD_HEARTBEAT_SECONDS:
        return ""
    since = datetime.fromtimestamp(health.heartbeat_at, UTC)
    return f"Airflow's scheduler has sent no heartbeat since {since:%Y-%m-%d %H:%M:%S} UTC"


def _seconds(stamp: str | None) -> float | None:
    """Return a time in ISO 8601 as seconds since the epoch, UTC where it names no zone. Raises ValueError."""
    if not stamp:
        return None
    time_of_it = datetime.fromisoformat(stamp)
    return (time_of_it if time_of_it.tzinfo else time_of_it.replace(tzinfo=UTC)).timestamp()


def _date(response: requests.Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None
