"""Metrics for Prometheus: what was seen, what was decided, and how it went."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from autoscaler.core.account import Hint
from autoscaler.core.decide import STAGES
from autoscaler.core.events import EventFate
from autoscaler.core.model import Decision, Notice, Outcome, OutcomeKind, TargetRef
from autoscaler.core.overrides import NOTHING_ORDERED, Key, Overrides
from autoscaler.core.snapshot import Snapshot

TARGET = ("namespace", "name")
TARGET_GAUGES = {
    "desired_replicas": "Replicas decided on",
    "current_replicas": "Replicas asked for",
    "ready_replicas": "Workers that are Ready",
    "demand_slots": "Slots wanted now, NaN while unknown",
    "oldest_waiting_seconds": "Age of the oldest waiting task, 0 where none waits, NaN while unknown",
    "cordoned_workers": "Workers that take no new tasks because of us",
    "withheld_workers": "Workers that take no tasks by another's order",
    "target_unseen": "1 while a target cannot be seen",
}
NAN = float("nan")
REACTION_BUCKETS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(slots=True)
class _Series:
    """The series of one target, the limits that bound and what was ordered when they were last set."""

    gauges: dict[str, Gauge]
    age: Gauge
    limited: dict[str, Gauge]
    hints: dict[str, Gauge] = field(default_factory=dict)
    overrides: dict[Key, Gauge] = field(default_factory=dict)
    bound_by: tuple[str, ...] = ()
    overridden: Overrides = NOTHING_ORDERED


class MetricsReporter:
    """Implements `Reporter` by metrics in a registry of its own.

    The reaction to a target's growing demand is timed from the look before the first one that called for
    more, when it was not there yet, to the answer of the API server to the write that was taken in the
    end: no task can have waited longer for it.
    """

    def __init__(self, clock: Callable[[], float], *, dry_run: bool) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: dict[TargetRef, float] = {}
        self._growing_since: dict[TargetRef, float] = {}
        self._series: dict[TargetRef, _Series] = {}
        registry = self.registry
        self._gauges = {
            name: Gauge(f"autoscaler_{name}", what, TARGET, registry=registry)
            for name, what in TARGET_GAUGES.items()
        }
        self._limited = Gauge(
            "autoscaler_limited", "1 while a limit binds", (*TARGET, "limit"), registry=registry
        )
        self._overrides = Gauge(
            "autoscaler_override",
            "1 while an annotation of the target is in force",
            (*TARGET, "override"),
            registry=registry,
        )
        self._age = Gauge(
            "autoscaler_reading_age_seconds",
            "Age of a reading, NaN without one",
            (*TARGET, "source"),
            registry=registry,
        )
        self._hints = Gauge(
            "autoscaler_hint_tasks",
            "Tasks that want a slot by a hint, NaN unless that is fresh",
            (*TARGET, "hint"),
            registry=registry,
        )
        self._outcomes = Counter(
            "autoscaler_decisions", "Decisions by what came of them", ("outcome",), registry=registry
        )
        self._broken = Counter(
            "autoscaler_target_errors", "Ticks of a target that broke", TARGET, registry=registry
        )
        self._notices = Counter(
            "autoscaler_notices",
            "What people were told of besides decisions",
            (*TARGET, "reason"),
            registry=registry,
        )
        self._events = Counter(
            "autoscaler_events", "Events by what came of them", ("fate",), registry=registry
        )
        self._reaction = Histogram(
            "autoscaler_reaction_seconds",
            "From the last look without a task's demand to the replicas asked for it",
            buckets=REACTION_BUCKETS,
            registry=registry,
        )
        self._tick = Histogram("autoscaler_tick_seconds", "Duration of a tick", registry=registry)
        Gauge("autoscaler_dry_run", "1 when nothing is written", registry=registry).set(dry_run)
        for kind in OutcomeKind:
            self._outcomes.labels(kind.value)
        for fate in EventFate:
            self._events.labels(fate.value)

    def report(self, snapshot: Snapshot, decision: Decision, outcome: Outcome) -> None:
        """Take note of one target's tick. See `Reporter`."""
        series = self._series_of(decision.target)
        gauges = series.gauges
        gauges["desired_replicas"].set(decision.replicas)
        gauges["current_replicas"].set(outcome.replicas)
        gauges["ready_replicas"].set(snapshot.workers.ready)
        gauges["demand_slots"].set(NAN if decision.demand_slots is None else decision.demand_slots)
        gauges["oldest_waiting_seconds"].set(_oldest_waiting(snapshot))
        gauges["cordoned_workers"].set(
            sum(bool(cordon.queues and not cordon.returned) for cordon in decision.cordons)
        )
        gauges["withheld_workers"].set(len(snapshot.withheld))
        gauges["target_unseen"].set(0)
        series.age.set(NAN if snapshot.broker.value is None else snapshot.broker.age_seconds)
        for hint in snapshot.hints:
            self._hint(decision.target, series, hint.name).set(_tasks(hint))
        if series.bound_by != decision.bound_by:
            series.bound_by = decision.bound_by
            for name, gauge in series.limited.items():
                gauge.set(name in decision.bound_by)
        self._override(decision.target, series, snapshot.overrides)
        self._outcomes.labels(outcome.kind.value).inc()
        self._time_reaction(decision, outcome)

    def unseen(self, target: TargetRef, reason: str) -> None:  # noqa: ARG002  # the log has the reason
        """Take note that nothing could be decided. See `Reporter`."""
        self._series_of(target).gauges["target_unseen"].set(1)

    def notice(self, target: TargetRef, notice: Notice) -> None:
        """Count it by its reason. See `Reporter`."""
        self._notices.labels(target.namespace, target.name, notice.reason).inc()

    def failed(self, target: TargetRef, error: BaseException) -> None:  # noqa: ARG002  # as above
        """Take note of a tick that broke. See `Reporter`."""
        self._broken.labels(target.namespace, target.name).inc()

    def _override(self, target: TargetRef, series: _Series, overrides: Overrides) -> None:
        """Set what is ordered, in series that are there from the first order on."""
        if overrides == series.overridden:
            return
        series.overridden = overrides
        for override in overrides.declared:
            if override.key not in series.overrides:
                series.overrides[override.key] = self._overrides.labels(
                    target.namespace, target.name, override.key.value
                )
        for key, gauge in series.overrides.items():
            gauge.set(overrides.get(key) is not None)

    def _hint(self, target: TargetRef, series: _Series, name: str) -> Gauge:
        gauge = series.hints.get(name)
        if gauge is None:
            gauge = series.hints[name] = self._hints.labels(target.namespace, target.name, name)
        return gauge

    def _series_of(self, target: TargetRef) -> _Series:
        """Return a target's series, looked up once: by their labels it would take most of a tick."""
        found = self._series.get(target)
        if found is None:
            labels = (target.namespace, target.name)
            found = self._series[target] = _Series(
                gauges={name: gauge.labels(*labels) for name, gauge in self._gauges.items()},
                age=self._age.labels(*labels, "broker"),
                limited={stage: self._limited.labels(*labels, stage) for stage in STAGES},
            )
        return found

    def ticked(self, seconds: float) -> None:
        """Take note of a tick's duration."""
        self._tick.observe(seconds)

    def event(self, fate: EventFate) -> None:
        """Take note of what came of an Event."""
        self._events.labels(fate.value).inc()

    def _time_reaction(self, decision: Decision, outcome: Outcome) -> None:
        """Time from the look before the first that called for more to the write that answered it."""
        target = decision.target
        with self._lock:
            before = self._looked_at.get(target, decision.at)
            self._looked_at[target] = decision.at
            if decision.replicas <= decision.current:
                self._growing_since.pop(target, None)
                return
            since = self._growing_since.setdefault(target, before)
            if outcome.kind is not OutcomeKind.APPLIED:
                return
            del self._growing_since[target]
        self._reaction.observe(self._clock() - since)


def _tasks(hint: Hint) -> float:
    return NAN if hint.tasks.value is None or not hint.tasks.is_fresh else hint.tasks.value


def _oldest_waiting(snapshot: Snapshot) -> float:
    account = snapshot.broker.value
    if account is None:
        return NAN
    if account.oldest_at is not None:
        return max(0.0, snapshot.now - account.oldest_at)
    return NAN if any(queue.messages > len(queue.eta) for queue in account.queues) else 0.0
