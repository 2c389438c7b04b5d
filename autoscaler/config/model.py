"""Every setting, with its default, its rule and its meaning: the one place that knows them.

The parser builds its checks, the example file its comments and the reference its tables from the
metadata that `setting` attaches to each field, so a key is written down once.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.config.airflow import AirflowSettings, DatabaseSettings
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.hints import HintSettings
from autoscaler.config.scaling import DrainSettings, FallbackSettings, ScaleDownSettings, ScaleUpSettings
from autoscaler.config.setting import setting
from autoscaler.core.model import TargetRef
from autoscaler.core.policy import Fallback, FallbackMode, HpaMode, Policy
from autoscaler.core.reserve import Reserve, parse

LONGEST_GAP_SECONDS = 30.0


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
    start_timeout_seconds: float = setting(
        "how long a worker that is not Ready counts as coming; then no more are asked for than there are",
        300.0,
        at_least=1,
        at_most=86400,
    )
    rollout_hold_seconds: float = setting(
        "longest time that a rollout holds scale-in; then workers that are proven idle may go",
        900.0,
        at_least=0,
        at_most=86400,
    )
    longest_task_seconds: float | None = setting(
        "how long its longest task takes, for autoscaler check to hold timeouts against",
        None,
        at_least=1,
        example="7200",
    )
    hpa: str = setting(
        "what to do beside a HorizontalPodAutoscaler on the same target: activate goes to zero and comes "
        "from there, and it rules between; floor has its minReplicas follow the demand; own scales against "
        "it; observe writes nothing to the target",
        HpaMode.ACTIVATE.value,
        choices=tuple(mode.value for mode in HpaMode),
    )
    quota_reserve: tuple[str, ...] = setting(
        "what its workers leave free of each ResourceQuota of the namespace: a share of everything, or an "
        "amount or a share of one resource, named as the quota names it",
        (),
        example='["10%", "pods: 2"]',
    )
    quota_priority: int = setting(
        "who of several targets is served first when a quota is scarce: the highest", 0
    )
    max_db_connections: int | None = setting(
        "connections to the database that its workers may hold together", None, at_least=0, example="100"
    )
    db_connections_per_worker: int = setting(
        "connections that one worker holds at most; Airflow's workers about one for each slot, and two",
        1,
        at_least=1,
    )
    manual_grace_seconds: float = setting(
        "how long replicas that a person has asked for, as by kubectl scale, are kept; 0 to keep none",
        600.0,
        at_least=0,
        at_most=86400,
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

    @property
    def reserves(self) -> tuple[Reserve, ...]:
        """What its workers leave free of quotas."""
        return tuple(map(parse, self.quota_reserve))

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
            manual_grace_seconds=self.manual_grace_seconds,
            rollout_hold_seconds=self.rollout_hold_seconds,
            start_timeout_seconds=self.start_timeout_seconds,
            drain=self.drain.rules(),
            hpa=HpaMode(self.hpa),
            max_db_connections=self.max_db_connections,
            db_connections_per_worker=self.db_connections_per_worker,
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
