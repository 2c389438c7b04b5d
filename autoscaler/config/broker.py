"""Where a target's broker is, and how to speak to it."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.config.setting import setting
from autoscaler.config.sources import SecretKey


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where a target's broker is, and how its keys are laid out.

    Exactly one of the sources of the URL is used; `url_from` when none is named.
    """

    url: str | None = setting(
        "the broker's URL; prefer a Secret when it holds a password",
        None,
        at_least=1,
        example='"redis://redis.example:6379/0"',
        secret=True,
    )
    url_env: str | None = setting(
        "environment variable of the daemon that holds the URL",
        None,
        at_least=1,
        example='"BROKER_URL"',
    )
    url_file: str | None = setting(
        "file that holds the URL, read again after an authentication failure",
        None,
        at_least=1,
        example='"/etc/broker/url"',
    )
    secret: SecretKey | None = setting(
        "Secret in the target's namespace that holds the URL",
        None,
        example='{ name = "airflow-broker-url", key = "connection" }',
    )
    url_from: str | None = setting(
        "the pod template as the source: the URL is the one in the worker's own environment",
        None,
        choices=("pod-template",),
        example='"pod-template"',
    )
    template_env: tuple[str, ...] = setting(
        "environment variables of the pod template to look for, the first found wins",
        ("AIRFLOW__CELERY__BROKER_URL", "CELERY_BROKER_URL", "BROKER_URL"),
        at_least=1,
    )
    container: str | None = setting(
        "container of the pod template that runs the worker; the first one otherwise",
        None,
        at_least=1,
        example='"worker"',
    )
    global_keyprefix: str = setting("prefix of every key, as in Celery's transport options", "")
    priority_steps: tuple[int, ...] = setting(
        "priorities that have a list of their own, as in Celery's transport options",
        (0, 3, 6, 9),
        at_least=1,
    )
    sep: str = setting(
        "separator between queue and priority, as in Celery's transport options",
        "\x06\x16",
        at_least=1,
    )
    visibility_timeout_seconds: float = setting(
        "time after which a worker gives back what a dead one left, as in Celery's transport options; "
        "Airflow's is 86400",
        3600.0,
        at_least=1,
        at_most=604800,
    )
    master_name: str | None = setting(
        "name of the master that Sentinels watch, for a sentinel:// URL, as in Celery's transport options",
        None,
        at_least=1,
        example='"mymaster"',
    )
    sentinel_password: str | None = setting(
        "password of the Sentinels themselves, as in sentinel_kwargs of Celery's transport options",
        None,
        at_least=1,
        example='"secret"',
        secret=True,
    )
    timeout_seconds: float = setting(
        "longest wait for the broker, to connect and for each answer", 1.0, at_least=0.05, at_most=30
    )
    answer_timeout_seconds: float = setting(
        "longest wait for a worker's answer to remote control", 1.0, at_least=0.1, at_most=30
    )
    event_exchange: str = setting(
        "exchange of the workers' events, as in Celery's setting of that name", "celeryev", at_least=1
    )
    event_queue_prefix: str = setting(
        "beginning of the names of queues of events, as in Celery's setting of that name",
        "celeryev",
        at_least=1,
    )
    control_exchange: str = setting(
        "name before .pidbox of remote control's exchange, as in Celery's setting of that name",
        "celery",
        at_least=1,
    )
    management: bool = setting("ask RabbitMQ's management API for what is unacknowledged", True)
    management_url: str | None = setting(
        "RabbitMQ's management API; the broker's host and credentials, where it names no others",
        None,
        at_least=1,
        example='"https://rabbitmq.example:15671"',
        secret=True,
    )
    management_url_file: str | None = setting(
        "file that holds management_url, in place of it; read each time",
        None,
        at_least=1,
        example='"/etc/broker/management-url"',
    )
    management_interval_seconds: float = setting(
        "time between two calls of RabbitMQ's management API", 5.0, at_least=1, at_most=300
    )
