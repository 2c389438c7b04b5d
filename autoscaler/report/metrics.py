"""Metrics for Prometheus: what was seen, what was decided, and how it went."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from autoscaler.core.limits import LIMITS
from autoscaler.core.model import Decision, Outcome, OutcomeKind, Snapshot, TargetRef

TARGET = ("namespace", "name")
REACTION_BUCKETS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


class MetricsReporter:
    """Implements `Reporter` by metrics in a registry of its own.

    The reaction to a target's growing demand is timed from the look before the one that saw it, when
    it was not there yet, to the answer of the API server: no task can have waited longer for it.
    """

    def __init__(self, clock: Callable[[], float], *, dry_run: bool) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: dict[TargetRef, float] = {}
        registry = self.registry
        self._desired = Gauge("autoscaler_desired_replicas", "Replicas decided on", TARGET, registry=registry)
        self._current = Gauge("autoscaler_current_replicas", "Replicas asked for", TARGET, registry=registry)
        self._ready = Gauge("autoscaler_ready_replicas", "Workers that are Ready", TARGET, registry=registry)
        self._demand = Gauge(
            "autoscaler_demand_slots", "Slots wanted now, NaN while unknown", TARGET, registry=registry
        )
        self._limited = Gauge(
            "autoscaler_limited", "1 while a limit binds", (*TARGET, "limit"), registry=registry
        )
        self._age = Gauge(
            "autoscaler_reading_age_seconds", "Age of a reading", (*TARGET, "source"), registry=registry
        )
        self._unseen = Gauge(
            "autoscaler_target_unseen", "1 while a target cannot be seen", TARGET, registry=registry
        )
        self._outcomes = Counter(
            "autoscaler_decisions", "Decisions by what came of them", ("outcome",), registry=registry
        )
        self._broken = Counter(
            "autoscaler_target_errors", "Ticks of a target that broke", TARGET, registry=registry
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

    def report(self, snapshot: Snapshot, decision: Decision, outcome: Outcome) -> None:
        """Take note of one target's tick. See `Reporter`."""
        target = (decision.target.namespace, decision.target.name)
        self._desired.labels(*target).set(decision.replicas)
        self._current.labels(*target).set(outcome.replicas)
        self._ready.labels(*target).set(snapshot.workers.ready)
        demand = float("nan") if decision.demand_slots is None else decision.demand_slots
        self._demand.labels(*target).set(demand)
        self._age.labels(*target, "broker").set(snapshot.depth.age_seconds)
        for limit in LIMITS:
            name = limit.__name__
            self._limited.labels(*target, name).set(name in decision.bound_by)
        self._unseen.labels(*target).set(0)
        self._outcomes.labels(outcome.kind.value).inc()
        self._time_reaction(decision, outcome)

    def unseen(self, target: TargetRef, reason: str) -> None:  # noqa: ARG002  # the log has the reason
        """Take note that nothing could be decided. See `Reporter`."""
        self._unseen.labels(target.namespace, target.name).set(1)

    def failed(self, target: TargetRef, error: BaseException) -> None:  # noqa: ARG002  # as above
        """Take note of a tick that broke. See `Reporter`."""
        self._broken.labels(target.namespace, target.name).inc()

    def ticked(self, seconds: float) -> None:
        """Take note of a tick's duration."""
        self._tick.observe(seconds)

    def _time_reaction(self, decision: Decision, outcome: Outcome) -> None:
        with self._lock:
            before = self._looked_at.get(decision.target)
            self._looked_at[decision.target] = decision.at
        grew = outcome.kind is OutcomeKind.APPLIED and decision.replicas > decision.current
        if grew and before is not None:
            self._reaction.observe(self._clock() - before)
