"""What Airflow itself may be asked about a target's tasks."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.config.setting import setting
from autoscaler.config.sources import SecretKey


@dataclass(frozen=True, slots=True)
class AirflowSettings:
    """Airflow's own word on a target's tasks, as hints: they may raise the demand, never shrink it.

    Metrics come from the Prometheus of [prometheus]. Nothing is asked of Airflow by default.
    """

    metrics: str | None = setting(
        "whose metrics to read: those of Airflow's official chart or those of Astronomer's",
        None,
        choices=("official", "astronomer"),
        example='"official"',
    )
    release: str | None = setting(
        "name of the Helm release; the target's name up to -worker otherwise",
        None,
        at_least=1,
        example='"airflow"',
    )
    selector: str | None = setting(
        "label matchers of PromQL that tell this Airflow's series from others', {namespace} and {release} "
        'filled in; namespace="{namespace}" for the official chart, release="{release}" for Astronomer\'s',
        None,
        at_least=1,
        example='\'job="airflow",release="{release}"\'',
    )
    executors: tuple[str, ...] = setting(
        "names under which this Airflow knows its Celery executor",
        ("CeleryExecutor", "airflow.providers.celery.executors.celery_executor.CeleryExecutor"),
        at_least=1,
    )
    default_executor: bool = setting("tasks that name no executor are Celery's", True)
    all_queues: bool = setting(
        "its workers serve every queue of this Airflow, so that totals of the executor count for it", False
    )
    health_url: str | None = setting(
        "where Airflow tells its health: /health of version 2, /api/v2/monitor/health of version 3, "
        "{namespace} and {release} filled in",
        None,
        at_least=1,
        example='"http://{release}-api-server.{namespace}:8080/api/v2/monitor/health"',
    )
    interval_seconds: float = setting(
        "time between two looks at the health and the database", 15.0, at_least=1, at_most=3600
    )
    timeout_seconds: float = setting(
        "longest wait for the health and the database", 3.0, at_least=0.1, at_most=60
    )


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Airflow's metadata database, PostgreSQL, from which the states of tasks are read as a hint.

    It is not read unless one of the sources of its URL is named.
    """

    url: str | None = setting(
        "the database's URL, as SQLAlchemy writes it; prefer a Secret",
        None,
        at_least=1,
        example='"postgresql://reader@postgres.example/airflow"',
        secret=True,
    )
    url_env: str | None = setting(
        "environment variable of the daemon that holds the URL", None, at_least=1, example='"AIRFLOW_DB"'
    )
    url_file: str | None = setting(
        "file that holds the URL, read again for each connection",
        None,
        at_least=1,
        example='"/etc/airflow/db"',
    )
    secret: SecretKey | None = setting(
        "Secret in the target's namespace that holds the URL",
        None,
        example='{ name = "airflow-metadata", key = "connection" }',
    )
    url_from: str | None = setting(
        "the pod template as the source: the URL is the one in the worker's own environment",
        None,
        choices=("pod-template",),
        example='"pod-template"',
    )
    template_env: tuple[str, ...] = setting(
        "environment variables of the pod template to look for, the first found wins",
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"),
        at_least=1,
    )

    @property
    def used(self) -> bool:
        """Whether a source of the URL is named."""
        sources = (self.url, self.url_env, self.url_file, self.secret, self.url_from)
        return any(source is not None for source in sources)
