"""Airflow's health endpoint, of both versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import pytest

from autoscaler.core.model import Quality, fresh, stale
from autoscaler.metrics_sources import airflow_health
from autoscaler.metrics_sources.airflow_health import Health, HealthEndpoint
from autoscaler.metrics_sources.failure import SourceFailed
from tests.metrics_sources.servers import Answer, WebServer

NOW = 1_750_000_000.0
DATE = "Sun, 15 Jun 2025 15:06:40 GMT"


def body(
    scheduler: str = "healthy", heartbeat: str | None = "2025-06-15T15:06:37+00:00", database: str = "healthy"
) -> bytes:
    """Return what the endpoint says."""
    return json.dumps(
        {
            "metadatabase": {"status": database},
            "scheduler": {"status": scheduler, "latest_scheduler_heartbeat": heartbeat},
            "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
        }
    ).encode()


def health(answer: Callable[[str], Answer], wall: float = NOW, path: str = "/health") -> Health:
    """Return what is read from an endpoint."""
    with WebServer(answer) as web, closing(HealthEndpoint(web.url + path, 5.0, lambda: wall)) as endpoint:
        return endpoint.read()


@pytest.mark.parametrize(
    ("said", "explanation"),
    [
        (body(), ""),
        (body(heartbeat="2025-06-15T15:06:37.123456+00:00"), ""),
        (
            body(scheduler="unhealthy"),
            "Airflow's scheduler has sent no heartbeat since 2025-06-15 15:06:37 UTC",
        ),
        (
            body(heartbeat="2025-06-15T15:05:37Z"),
            "Airflow's scheduler has sent no heartbeat since 2025-06-15 15:05:37 UTC",
        ),
        (body(scheduler="unhealthy", heartbeat=None), "Airflow's scheduler has never sent a heartbeat"),
        (body(database="unhealthy"), "Airflow does not reach its metadata database"),
    ],
)
def test_what_it_says_is_explained(said: bytes, explanation: str) -> None:
    """And counts no tasks."""
    found = airflow_health.hint(fresh(health(lambda _: (200, {"Date": DATE}, said)), "airflow health"))
    assert (found.explanation, found.tasks.value, found.tasks.quality) == (explanation, None, Quality.UNKNOWN)


def test_the_heartbeats_age_is_by_the_servers_clock() -> None:
    """Ours may be an hour ahead; where it tells no time, ours has to do."""
    told = health(lambda _: (200, {"Date": DATE}, body()), wall=NOW + 3600)
    assert airflow_health.hint(fresh(told, "airflow health")).explanation == ""
    told = health(lambda _: (200, {}, body()), wall=NOW + 3600)
    assert "no heartbeat since" in airflow_health.hint(fresh(told, "airflow health")).explanation


def test_what_was_said_before_it_fell_silent_is_no_explanation() -> None:
    """It may have come back."""
    told = health(lambda _: (200, {"Date": DATE}, body(scheduler="unhealthy")))
    found = airflow_health.hint(stale(told, "airflow health", 60.0, "cannot be reached"))
    assert (found.explanation, found.tasks.detail) == ("", "cannot be reached")


def test_a_url_without_a_path_is_tried_for_both_versions() -> None:
    """Airflow 3's first."""
    asked = []

    def answer(path: str) -> Answer:
        asked.append(path)
        return (200, {}, body()) if path == "/health" else (404, {}, b"{}")

    assert health(answer, path="/").scheduler_healthy
    assert asked == ["/api/v2/monitor/health", "/health"]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ((500, {}, b"secret"), "answers with status 500"),
        ((200, {}, b"<html>login</html>"), "its answer is not one of Airflow's health endpoint"),
        ((200, {}, body(heartbeat="yesterday")), "its answer is not one of Airflow's health endpoint"),
        ((302, {"Location": "/login"}, b""), "redirects elsewhere, which is not followed"),
    ],
)
def test_what_is_no_answer_has_a_reason(answer: Answer, detail: str) -> None:
    """That repeats nothing of it."""
    with pytest.raises(SourceFailed) as raised:
        health(lambda _: answer)
    assert str(raised.value) == detail
