"""Every setting, with its default, its rule and its meaning: the one place that knows them.

The parser builds its checks, the example file its comments and the reference its tables from the
metadata that `setting` attaches to each field, so a key is written down once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autoscaler.core.model import TargetRef
from autoscaler.core.policy import (
    AtDeadline,
    DrainRules,
    Fallback,
    FallbackMode,
    Policy,
    RatePolicy,
    RateUnit,
    ScalingRules,
    SelectPolicy,
)

LONGEST_GAP_SECONDS = 30.0


def setting(
    doc: str,
    default: Any = ...,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    outer_aliases: tuple[str, ...] = (),
    example: str = "",
    secret: bool = False,
) -> Any:
    """Return a dataclass field for a key of the configuration file.

    `default` is left out for a required key. `at_least` and `at_most` bound a number (of items, for
    a list; of characters, for text). `aliases` are other names under which the key is accepted,
    `outer_aliases` those under which it is accepted in the table around its own. `example` is a TOML
    value to show where the default shows too little, and the value of a `secret` key is never shown.
    """
    metadata = {
        "doc": doc,
        "at_least": at_least,
        "at_most": at_most,
        "choices": choices,
        "aliases": aliases,
        "outer_aliases": outer_aliases,
        "example": example,
        "secret": secret,
    }
    if default is ...:
        return field(metadata=metadata, repr=not secret)
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True)
class RateSettings:
    """One rate policy of a direction."""

    type: str = setting(
        "what value counts: Pods, or Percent of the replicas",
        choices=tuple(unit.value for unit in RateUnit),
    )
    value: int = setting("the most change within the period", at_least=1)
    period_seconds: float = setting("the period", at_least=1, at_most=1800, aliases=("periodSeconds",))

    def rate(self) -> RatePolicy:
        """Return the policy in the core's terms."""
        return RatePolicy(RateUnit(self.type), self.value, self.period_seconds)


@dataclass(frozen=True, slots=True)
class DirectionSettings:
    """What the two directions have in common."""

    stabilization_window_seconds: float = setting(
        "grow only to the least that was asked for during this time",
        0.0,
        at_least=0,
        at_most=3600,
        aliases=("stabilizationWindowSeconds",),
    )
    tolerance: float | None = setting(
        "tolerance of this direction, in place of the target's",
        None,
        at_least=0,
        at_most=1,
        example="0.1",
    )
    select_policy: str = setting(
        "which of several policies holds; Disabled forbids this direction",
        SelectPolicy.MAX.value,
        choices=tuple(choice.value for choice in SelectPolicy),
        aliases=("selectPolicy",),
    )
    policies: tuple[RateSettings, ...] = setting(
        "rate limits; without any, all of a change is asked for in one patch",
        (),
        example='[{ type = "Pods", value = 10, period_seconds = 60 }]',
    )

    def rules(self, tolerance: float) -> ScalingRules:
        """Return the rules in the core's terms, `tolerance` being the target's."""
        return ScalingRules(
            stabilization_window_seconds=self.stabilization_window_seconds,
            tolerance=tolerance if self.tolerance is None else self.tolerance,
            select_policy=SelectPolicy(self.select_policy),
            policies=tuple(policy.rate() for policy in self.policies),
        )


@dataclass(frozen=True, slots=True)
class ScaleUpSettings(DirectionSettings):
    """How fast a target may grow."""


@dataclass(frozen=True, slots=True)
class ScaleDownSettings(DirectionSettings):
    """How soon and how fast a target may shrink."""

    stabilization_window_seconds: float = setting(
        "shrink only to the most that was asked for during this time",
        60.0,
        at_least=0,
        at_most=3600,
        aliases=("stabilizationWindowSeconds",),
        outer_aliases=("cooldownPeriod",),
    )


@dataclass(frozen=True, slots=True)
class DrainSettings:
    """How workers are taken out of service before they are removed."""

    settle_seconds: float = setting(
        "how long after it was confirmed that a worker takes no tasks this counts; on Redis the worker's "
        "brpop_timeout and a second",
        2.0,
        at_least=0,
        at_most=300,
    )
    deadline_seconds: float = setting(
        "how long a worker that is to go may take to be idle", 3600.0, at_least=0, at_most=604800
    )
    at_deadline: str = setting(
        "what then: wait on, or lower the replicas and leave its tasks to the pod's grace period",
        AtDeadline.WAIT.value,
        choices=tuple(choice.value for choice in AtDeadline),
    )
    return_reserved: bool = setting(
        "do not wait for tasks that a worker has reserved: when it ends it gives them back to the queue, but "
        "for one that it begins at that very moment, which is left to the grace period",
        False,
    )
    placement: bool = setting(
        "keep tasks on low ordinals: high ones that are not needed take no new tasks",
        True,
    )
    placement_after_seconds: float = setting(
        "how long they must not have been needed for that", 10.0, at_least=0, at_most=3600
    )

    def rules(self) -> DrainRules:
        """Return the rules in the core's terms."""
        return DrainRules(
            settle_seconds=self.settle_seconds,
            deadline_seconds=self.deadline_seconds,
            at_deadline=AtDeadline(self.at_deadline),
            return_reserved=self.return_reserved,
            placement=self.placement,
            placement_after_seconds=self.placement_after_seconds,
        )


@dataclass(frozen=True, slots=True)
class FallbackSettings:
    """What to do while a target's demand is unknown for long."""

    mode: str = setting(
        "hold what is there, hold it but at_least so many, or go to a static number",
        FallbackMode.HOLD.value,
        choices=tuple(mode.value for mode in FallbackMode),
    )
    replicas: int = setting("that number, within min_replicas and max_replicas", 0, at_least=0)
    after_seconds: float = setting(
        "how long the demand has to be unknown before", 120.0, at_least=0, at_most=86400
    )


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of a Secret in the target's namespace."""

    name: str = setting("name of the Secret", at_least=1)
    key: str = setting("key within it", at_least=1)


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


@dataclass(frozen=True, slots=True)
class HintSettings:
    """A number from Prometheus that says something about a target's demand."""

    name: str = setting("what it is called in logs and explanations", at_least=1)
    query: str = setting(
        "PromQL that yields one number, or several that are added up; {namespace}, {name} and {release} "
        "are filled in",
        at_least=1,
    )
    means: str = setting(
        "what the number counts: tasks that want a slot, workers that are wanted, or, being more than "
        "zero, a veto against scaling to zero",
        "tasks",
        choices=("tasks", "workers", "veto"),
    )
    alive_query: str | None = setting(
        "PromQL that yields more than zero while whoever provides the number is alive; its number is not "
        "believed otherwise",
        None,
        at_least=1,
    )


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One worker StatefulSet, or, as far as that can be done, a Deployment."""

    namespace: str = setting("namespace of the target", at_least=1, example='"data"')
    name: str = setting("name of the target", at_least=1, example='"airflow-worker"')
    queues: tuple[str, ...] = setting(
        "queues that its workers consume; their tasks are added up. A glob such as etl-* stands for all "
        "queues that it matches, [*] for the character",
        at_least=1,
        example='["default"]',
    )
    kind: str = setting(
        "kind of the target; prefer a StatefulSet: which pods of a Deployment go is decided by others",
        "StatefulSet",
        choices=("StatefulSet", "Deployment"),
    )
    min_replicas: int = setting(
        "never fewer replicas than this", 0, at_least=0, aliases=("minReplicas", "minReplicaCount")
    )
    max_replicas: int = setting(
        "never more replicas than this", 10, at_least=0, aliases=("maxReplicas", "maxReplicaCount")
    )
    tolerance: float = setting(
        "share by which tasks may differ from slots before anything changes",
        0.1,
        at_least=0,
        at_most=1,
    )
    slots_per_worker: int | None = setting(
        "tasks that one worker runs at a time; asked of the workers when not set",
        None,
        at_least=1,
        example="16",
    )
    worker_node: str = setting(
        "Celery's node name of a worker, {pod} being the pod's name", "celery@{pod}", at_least=1
    )
    remote_control: bool = setting(
        "ask workers what they hold; without it only their heartbeats are heard",
        True,
    )
    inspect_every_seconds: float = setting(
        "time between two questions to a worker while an answer could send it home",
        5.0,
        at_least=2,
        at_most=300,
    )
    stale_after_seconds: float = setting(
        "how long the last answer of a broker that fell silent may still call up workers",
        30.0,
        at_least=0,
        at_most=3600,
    )
    startup_seconds: float = setting(
        "time from asking for a worker to its first task: tasks with an ETA are provided for that early",
        60.0,
        at_least=0,
        at_most=3600,
    )
    longest_task_seconds: float | None = setting(
        "how long its longest task takes, for autoscaler check to hold timeouts against",
        None,
        at_least=1,
        example="7200",
    )
    fallback: FallbackSettings = setting("what to do while the demand is unknown for long", FallbackSettings)
    scale_up: ScaleUpSettings = setting("how fast it may grow", ScaleUpSettings, aliases=("scaleUp",))
    scale_down: ScaleDownSettings = setting(
        "how soon and how fast it may shrink", ScaleDownSettings, aliases=("scaleDown",)
    )
    drain: DrainSettings = setting("how workers are taken out of service", DrainSettings)
    broker: BrokerSettings = setting("where its broker is", BrokerSettings)
    airflow: AirflowSettings = setting("what to ask Airflow about its tasks", AirflowSettings)
    airflow_database: DatabaseSettings = setting("where Airflow's database is", DatabaseSettings)
    hints: tuple[HintSettings, ...] = setting(
        "numbers from Prometheus that may raise its demand or veto zero",
        (),
        example='[{ name = "orders", query = "sum(orders_open)", means = "veto" }]',
    )

    @property
    def ref(self) -> TargetRef:
        """The target's address in the cluster."""
        return TargetRef(self.namespace, self.name, self.kind)

    def policy(self, poll_interval_seconds: float) -> Policy:
        """Return the flat policy that the core decides by."""
        return Policy(
            min_replicas=self.min_replicas,
            max_replicas=self.max_replicas,
            scale_up=self.scale_up.rules(self.tolerance),
            scale_down=self.scale_down.rules(self.tolerance),
            startup_seconds=self.startup_seconds,
            visibility_timeout_seconds=self.broker.visibility_timeout_seconds,
            remote_control=self.remote_control,
            drain=self.drain.rules(),
            fallback=Fallback(
                FallbackMode(self.fallback.mode), self.fallback.replicas, self.fallback.after_seconds
            ),
            observation_gap_seconds=max(
                3 * poll_interval_seconds,
                min(LONGEST_GAP_SECONDS, self.scale_down.stabilization_window_seconds / 2),
            ),
        )


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The daemon itself."""

    poll_interval_seconds: float = setting(
        "time between two looks at every target",
        1.0,
        at_least=0.1,
        at_most=300,
        aliases=("pollingInterval", "pollInterval"),
    )
    dry_run: bool = setting("decide and report, but write nothing", False, aliases=("dryRun",))
    cluster_wide: bool = setting(
        "watch all namespaces at once, rather than each target's namespace by itself", False
    )
    namespace: str | None = setting(
        "namespace in whose ConfigMaps its state is kept; the one that its pod is in otherwise",
        None,
        at_least=1,
        example='"celery-autoscaler"',
    )
    pod_label_selector: str = setting("watch only pods with these labels", "", example='"component=worker"')
    api_timeout_seconds: float = setting(
        "longest wait for the Kubernetes API server", 10.0, at_least=0.5, at_most=120
    )
    threads: int = setting("brokers read at the same time", 16, at_least=1, at_most=256)
    http_host: str = setting("address for metrics and probes", "0.0.0.0", at_least=1)
    http_port: int = setting("port for metrics and probes", 8080, at_least=0, at_most=65535)
    log_format: str = setting(
        "form of the log: an object a line, or text for people", "json", choices=("json", "console")
    )
    log_level: str = setting("least severity to log", "info", choices=("debug", "info", "warning", "error"))


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """The Prometheus, or whatever speaks its API, that hints are read from."""

    url: str | None = setting(
        "its URL up to /api, without credentials; hints from Prometheus need it",
        None,
        at_least=1,
        example='"http://prometheus.monitoring:9090"',
    )
    interval_seconds: float = setting(
        "time between two rounds of all queries", 15.0, at_least=1, at_most=3600
    )
    timeout_seconds: float = setting("longest wait for each answer", 5.0, at_least=0.1, at_most=60)
    headers: tuple[str, ...] = setting(
        "headers of each request, as in Name: value", (), example='["X-Scope-OrgID: data"]', secret=True
    )
    bearer_file: str | None = setting(
        "file that holds a bearer token, read for each round",
        None,
        at_least=1,
        example='"/var/run/secrets/kubernetes.io/serviceaccount/token"',
    )
    ca_file: str | None = setting(
        "file of the authorities that its certificate may be signed by",
        None,
        at_least=1,
        example='"/etc/prometheus/ca.crt"',
    )
    insecure_skip_verify: bool = setting("believe any certificate", False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, defaults merged into each target."""

    controller: ControllerSettings
    targets: tuple[TargetSettings, ...]
    prometheus: PrometheusSettings = PrometheusSettings()


def deployment_namespaces(settings: Settings) -> frozenset[str]:
    """Return the namespaces in which Deployments are targets."""
    return frozenset(target.namespace for target in settings.targets if target.kind == "Deployment")
