"""Airflow's own metrics, as its charts' statsd exporters offer them: what they say of one target.

One query a target fetches everything, each number under a label of its own, so that a thousand targets
cost Prometheus a thousand small queries a round and not ten thousand. It is written so that

- the bare and the labelled series of one executor are never added up: where Airflow knows several
  executors it sends both, and the bare one is whichever wrote last;
- a series that is scraped twice, or comes from two exporters, counts once;
- a number that Airflow does not send is missing, and not zero.

When the scheduler dies its gauges stay what they were, for ever. So the heartbeat, which is a counter,
is asked for too: while it stands still no gauge is believed. Where a chart has no heartbeat, gauges that
have not moved for a while are not believed either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from autoscaler.config.airflow import AirflowSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import Hint
from autoscaler.core.model import Reading, stale, unknown
from autoscaler.core.queues import expression, literal
from autoscaler.metrics_sources.addresses import filled_in
from autoscaler.metrics_sources.memory import derived
from autoscaler.metrics_sources.prometheus import PART

NAME = "airflow metrics"
HEARTBEAT_WINDOW = "2m"
MOVES_WINDOW = "10m"
OLD_SAMPLE_SECONDS = 120.0
"""A statsd exporter is scraped every 15 to 60 s."""
LATE_RUN_SECONDS = 60.0

SELECTORS: Mapping[str, str] = {
    "official": 'namespace="{namespace}"',
    "astronomer": 'release="{release}"',
}
"""How the charts' series are told from those of other releases unless the configuration says it."""


NO_EXECUTOR, ANY_EXECUTOR = 'executor=""', 'executor!=""'


@dataclass(frozen=True, slots=True)
class _Series:
    """How to select the series of one target: by these matchers, with these queues and executors."""

    matchers: str
    queues: str
    executors: str

    def of(self, metric: str, *matchers: str) -> str:
        """Return the selector of a metric."""
        return f"{metric}{{{','.join((self.matchers, *matchers))}}}"


def query(target: TargetSettings) -> str:
    """Return the PromQL that yields all numbers of a target, each labelled with the name of its part."""
    airflow = target.airflow
    kind = airflow.metrics or "official"
    series = _Series(
        filled_in(airflow.selector or SELECTORS[kind], target),
        f"queue=~{_any_of(map(expression, target.queues))}",
        f"executor=~{_any_of(map(literal, airflow.executors))}",
    )
    parts = {**_of_both(series), **(_of_official(series) if kind == "official" else {})}
    return " or ".join(f'label_replace({text}, "{PART}", "{part}", "", "")' for part, text in parts.items())


def _of_both(series: _Series) -> dict[str, str]:
    """Return the parts that both charts offer."""
    heartbeat = series.of("airflow_scheduler_heartbeat")
    running = series.of("airflow_executor_running_tasks")
    open_slots = series.of("airflow_pool_open_slots", 'pool!=""')
    starving = series.of("airflow_pool_starving_tasks", 'pool!=""')
    return {
        "heartbeats": f"sum(increase({heartbeat}[{HEARTBEAT_WINDOW}]))",
        "moves": f"sum(changes({running}[{MOVES_WINDOW}])) + sum(changes({open_slots}[{MOVES_WINDOW}]))",
        "sampled": f"time() - max(timestamp({running}))",
        "executor_queued": _of_executor(series, "airflow_executor_queued_tasks"),
        "executor_running": _of_executor(series, "airflow_executor_running_tasks"),
        "executor_open": _of_executor(series, "airflow_executor_open_slots"),
        "starving": f"sum(max by (pool) ({starving}))",
    }


def _of_official(series: _Series) -> dict[str, str]:
    """Return the parts that Astronomer's chart drops."""
    delay = series.of("airflow_dagrun_schedule_delay", 'quantile="0.5"')
    return {
        "queue_queued": _of_queues(series, "airflow_ti_queued"),
        "queue_running": _of_queues(series, "airflow_ti_running"),
        "late": f"max({delay})",
    }


def _of_executor(series: _Series, metric: str) -> str:
    """Return a number of the Celery executors: from labelled series if there are any, else the bare one."""
    labelled = f"sum(max by (executor) ({series.of(metric, series.executors)}))"
    # a bare series beside labelled ones of other executors only is not Celery's
    bare = f"max({series.of(metric, NO_EXECUTOR)})"
    others = f"count({series.of(metric, ANY_EXECUTOR)})"
    return f"({labelled} or ({bare} unless {others}))"


def _of_queues(series: _Series, metric: str) -> str:
    return f"sum(max by (queue, dag_id, task_id) ({series.of(metric, series.queues)}))"


def _any_of(expressions: Iterable[str]) -> str:
    """Return a PromQL string with a regular expression that matches what one of some expressions does."""
    pattern = "|".join(expressions)
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def hint(told: Reading[Mapping[str, float]], airflow: AirflowSettings) -> Hint:
    """Return what the numbers mean for a target."""
    parts = told.value
    if parts is None:
        return Hint(NAME, derived(told, None))
    if not parts:
        return Hint(NAME, unknown(told.source, "no series of this Airflow: is the selector right?"))
    frozen = _frozen(parts)
    tasks = derived(told, _tasks(parts, airflow), _without_tasks(airflow))
    if frozen:
        return Hint(NAME, _not_believed(tasks, frozen), f"{frozen}: its gauges may be frozen")
    return Hint(NAME, tasks, "; ".join(_explanations(parts)))


def _tasks(parts: Mapping[str, float], airflow: AirflowSettings) -> int | None:
    """Return the tasks queued and running in the target's queues, None where nobody tells.

    `executor_running` is everything handed to Celery, waiting or not; `executor_queued` what the
    scheduler still holds back. Both are of all queues.
    """
    groups = [("queue_queued", "queue_running")]
    if airflow.all_queues:
        groups.append(("executor_queued", "executor_running"))
    sums = [
        math.fsum(max(parts[part], 0.0) for part in group if part in parts)
        for group in groups
        if not parts.keys().isdisjoint(group)
    ]
    return math.ceil(max(sums)) if sums else None


def _without_tasks(airflow: AirflowSettings) -> str:
    if airflow.all_queues:
        return "no series counts its tasks"
    return "no series counts tasks by queue, and all_queues is not set"


def _frozen(parts: Mapping[str, float]) -> str:
    """Return why the gauges are not to be believed, empty when they are."""
    heartbeats = parts.get("heartbeats")
    if heartbeats == 0:
        return f"the scheduler has sent no heartbeat for {HEARTBEAT_WINDOW}"
    if parts.get("sampled", 0.0) > OLD_SAMPLE_SECONDS:
        return f"the last sample is more than {OLD_SAMPLE_SECONDS:.0f} s old"
    if heartbeats is None and parts.get("moves") == 0:
        return f"no gauge has moved for {MOVES_WINDOW}, and there is no heartbeat to look at"
    return ""


def _not_believed(tasks: Reading[int], why: str) -> Reading[int]:
    if tasks.value is None:
        return tasks
    return stale(tasks.value, tasks.source, tasks.age_seconds, why)


def _explanations(parts: Mapping[str, float]) -> Iterator[str]:
    starving = parts.get("starving", 0.0)
    if starving > 0:
        yield f"{_tasks_of(starving)} for a slot of their pool: more workers would not help them"
    if parts.get("executor_open", 1.0) <= 0:
        yield "the executor's parallelism is used up: it hands no more tasks to Celery"
    late = parts.get("late", 0.0)
    if late > LATE_RUN_SECONDS:
        yield f"DAG runs start {late:.0f} s late: the scheduler falls behind"


def _tasks_of(number: float) -> str:
    count = math.ceil(number)
    return f"{count} {'task waits' if count == 1 else 'tasks wait'}"
