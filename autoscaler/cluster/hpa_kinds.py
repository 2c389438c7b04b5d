"""The parts of a HorizontalPodAutoscaler (autoscaling/v2) that are needed here."""

from __future__ import annotations

from typing import Any

import msgspec

from autoscaler.cluster.kinds import Condition, Meta, Struct
from autoscaler.core import quantity
from autoscaler.core.hpa import USUAL_TOLERANCE, USUAL_WINDOW_SECONDS, Hpa
from autoscaler.core.model import TargetRef

KEDA = "keda-operator"
KEDA_PREFIX = "keda-hpa-"
KEDA_KIND = "ScaledObject"
MANAGED_BY = "app.kubernetes.io/managed-by"
UTILIZATION, VALUE = "Utilization", "Value"


class HeldSpec(Struct, frozen=True):
    """What an entry of the record of who wrote what holds of a spec, as far as it matters."""

    min_replicas: dict[str, Any] | None = msgspec.field(name="f:minReplicas", default=None)


class HeldFields(Struct, frozen=True):
    """What an entry holds of an object."""

    spec: HeldSpec | None = msgspec.field(name="f:spec", default=None)


class Entry(Struct, frozen=True):
    """An entry of the record."""

    manager: str = ""
    operation: str = ""
    fields_v1: HeldFields | None = None

    @property
    def holds_min(self) -> bool:
        """Whether its manager has written minReplicas, or asked for what was there."""
        held = self.fields_v1
        return held is not None and held.spec is not None and held.spec.min_replicas is not None


class HpaMeta(Meta, frozen=True):
    """ObjectMeta, with who made and who writes it."""

    labels: dict[str, str] | None = None
    managed_fields: tuple[Entry, ...] | None = ()


class ScaleTarget(Struct, frozen=True):
    """What is scaled; of the apiVersion the group counts."""

    api_version: str = ""
    kind: str = ""
    name: str = ""


class Amounts(Struct, frozen=True):
    """The target of a metric, or what it is at present."""

    type: str = ""
    average_utilization: int | None = None
    average_value: str | int | float | None = None
    value: str | int | float | None = None


class MetricName(Struct, frozen=True):
    """What a metric is called."""

    name: str = ""


class Source(Struct, frozen=True):
    """Where a metric is from, with its target in a spec and what it is in a status."""

    name: str = ""
    metric: MetricName = MetricName()
    target: Amounts = Amounts()
    current: Amounts = Amounts()


class Metric(Struct, frozen=True):
    """One metric of a spec or of a status, where one that is missing has no type."""

    type: str = ""
    resource: Source | None = None
    container_resource: Source | None = None
    pods: Source | None = None
    object_: Source | None = msgspec.field(name="object", default=None)
    external: Source | None = None

    @property
    def source(self) -> Source | None:
        """The one of the sources that there is."""
        found = (self.resource, self.container_resource, self.pods, self.object_, self.external)
        return next((source for source in found if source is not None), None)

    @property
    def name(self) -> str:
        """What it is called, empty where that is not known."""
        source = self.source
        return "" if source is None else source.name or source.metric.name


class Rules(Struct, frozen=True):
    """How it scales in one direction."""

    stabilization_window_seconds: float | None = None
    tolerance: str | int | float | None = None


class Behavior(Struct, frozen=True):
    """How it scales."""

    scale_down: Rules | None = None


class HpaSpec(Struct, frozen=True):
    """What is asked for. The API server fills in a `min_replicas` of 1 where it is left out."""

    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int = 1
    max_replicas: int = 0
    metrics: tuple[Metric, ...] | None = ()
    behavior: Behavior | None = None


class HpaCondition(Condition, frozen=True):
    """One condition, with its reason."""

    reason: str = ""


class HpaStatus(Struct, frozen=True):
    """What it saw and did at its last look."""

    current_replicas: int = 0
    current_metrics: tuple[Metric, ...] | None = ()
    conditions: tuple[HpaCondition, ...] | None = ()


class HorizontalPodAutoscaler(Struct, frozen=True):
    """One that may scale a target of ours."""

    metadata: HpaMeta
    spec: HpaSpec = HpaSpec()
    status: HpaStatus = HpaStatus()

    @property
    def target(self) -> str:
        """What it scales, as `target_key` has it."""
        ref = self.spec.scale_target_ref
        group = ref.api_version.rpartition("/")[0]
        return f"{group} {ref.kind} {self.metadata.namespace}/{ref.name}"

    def min_written_by(self, manager: str) -> bool:
        """Return whether its minReplicas were last written by a field manager, and by nobody else too."""
        owners = {
            (entry.manager, entry.operation)
            for entry in self.metadata.managed_fields or ()
            if entry.holds_min
        }
        return owners == {(manager, "Update")}

    def seen(self, own_min: int | None, *, remembered: bool = False) -> Hpa:
        """Return it in the core's terms.

        `own_min` is its user's own minimum where another is in force, `remembered` whether one is kept.
        """
        rules = (self.spec.behavior.scale_down if self.spec.behavior else None) or Rules()
        window, tolerance = rules.stabilization_window_seconds, rules.tolerance
        inactive = (c.reason for c in self.status.conditions or () if c.type == "ScalingActive")
        active = any(c.type == "ScalingActive" and c.status == "True" for c in self.status.conditions or ())
        return Hpa(
            name=self.metadata.name,
            uid=self.metadata.uid,
            min_replicas=self.spec.min_replicas,
            max_replicas=self.spec.max_replicas,
            own_min=self.spec.min_replicas if own_min is None else own_min,
            floored=remembered,
            load=self._load,
            replicas=self.status.current_replicas,
            tolerance=USUAL_TOLERANCE if tolerance is None else _number(tolerance),
            window_seconds=USUAL_WINDOW_SECONDS if window is None else window,
            metrics=tuple(metric.name or metric.type for metric in self.spec.metrics or ()),
            inactive="" if active else next(inactive, ""),
            made_by_keda=self._made_by_keda,
        )

    @property
    def _load(self) -> float | None:
        now = self.status.current_metrics or ()
        ratios = (_ratio(wanted, seen) for wanted, seen in zip(self.spec.metrics or (), now, strict=False))
        return max((ratio for ratio in ratios if ratio is not None), default=None)

    @property
    def _made_by_keda(self) -> bool:
        meta = self.metadata
        owned = any(ref.kind == KEDA_KIND for ref in meta.owner_references or ())
        labelled = (meta.labels or {}).get(MANAGED_BY) == KEDA
        return owned or labelled or meta.name.startswith(KEDA_PREFIX)


def target_key(target: TargetRef) -> str:
    """Return what an HPA of a target has for its `target`."""
    return f"apps {target.kind} {target}"


def _ratio(wanted: Metric, seen: Metric) -> float | None:
    """Return how many times its target a metric is, None where that cannot be told."""
    if wanted.type != seen.type or wanted.source is None or seen.source is None:
        return None
    target, current = wanted.source.target, seen.source.current
    pairs = {
        UTILIZATION: (current.average_utilization, target.average_utilization),
        VALUE: (current.value, target.value),
    }
    now, goal = pairs.get(target.type, (current.average_value, target.average_value))
    if now is None or goal is None:
        return None
    return _number(now) / _number(goal)


def _number(text: str | int | float) -> float:
    return float(quantity.parse(text).amount)
