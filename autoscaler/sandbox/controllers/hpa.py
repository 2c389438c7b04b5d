"""HorizontalPodAutoscalers at work: each looks at its target every 15 seconds and sets its replicas.

An autoscaler beside one must live with what it does: it follows its own bounds at its next look and not
before, puts back what leaves them, keeps its hands off a target at 0, and with its metrics missing still
enforces its bounds. Each look follows reconcileAutoscaler in pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from autoscaler.sandbox.agenda import Agenda, Backoff
from autoscaler.sandbox.controllers.finding import Key, find, key_of
from autoscaler.sandbox.controllers.hpa_limits import Memory, Wish, settled
from autoscaler.sandbox.controllers.hpa_metrics import Measured, Sight, Unmeasured, measure
from autoscaler.sandbox.controllers.hpa_replicas import tolerance_of
from autoscaler.sandbox.controllers.hpa_selectors import Claims
from autoscaler.sandbox.controllers.hpa_settings import HpaSettings
from autoscaler.sandbox.controllers.hpa_status import ABLE, ACTIVE, AT_ZERO, LIMITED, NOT_MEASURED, Draft
from autoscaler.sandbox.controllers.hpa_target import Target, find_target, set_replicas
from autoscaler.sandbox.controllers.ownership import MANAGER
from autoscaler.sandbox.controllers.recorder import EventRecorder
from autoscaler.sandbox.controllers.work_queue import WorkQueue
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import DELETED, Event
from autoscaler.sandbox.objects.hpa_rules import FROM_OUTSIDE, HPA_SCALE_TO_ZERO
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

AUTOSCALERS = "horizontalpodautoscalers.autoscaling"

_UNABLE = "the HPA was unable to compute the replica count"
_BELOW_MINIMUM = "Current number of replicas below Spec.MinReplicas"
_ABOVE_MAXIMUM = "Current number of replicas above Spec.MaxReplicas"


class Failed(Exception):
    """A look that ends without a decision; what is to be told of it has been told, but for this Event."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Plan:
    """The replicas that a look wants, why, and the metrics that it has read."""

    replicas: int
    reason: str = ""
    metrics: tuple[JSON, ...] = ()


class HorizontalPodAutoscalerController:
    """Looks at every HorizontalPodAutoscaler in the store, each `settings.sync_seconds` after its last look.

    The first look comes so long after an autoscaler was made; changes of it hasten nothing. `clock`
    returns aware UTC. Whether one may scale to zero is a feature gate of the store.
    """

    def __init__(
        self, store: Store, agenda: Agenda, clock: Callable[[], datetime], settings: HpaSettings
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._clock = clock
        self._settings = settings
        self._events = EventRecorder(store, clock, "horizontal-pod-autoscaler")
        always = Backoff(settings.sync_seconds, settings.sync_seconds)
        self._queue: WorkQueue[Key] = WorkQueue(agenda, self._look, always)
        self._memories: dict[Key, Memory] = {}
        self._claims = Claims()
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._unsubscribe = self._store.subscribe(self._on_event)
        for hpa in self._store.list(AUTOSCALERS)[0]:
            self._queue.add_after(key_of(hpa), self._settings.sync_seconds)

    def stop(self) -> None:
        """Look no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _on_event(self, event: Event) -> None:
        if event.resource == AUTOSCALERS and event.type != DELETED:
            self._queue.add_after(key_of(event.object), self._settings.sync_seconds)
        elif event.resource == AUTOSCALERS:
            self._agenda.soon(lambda: self._claims.drop(key_of(event.object)))

    def _look(self, key: Key) -> None:
        hpa = find(self._store, AUTOSCALERS, key)
        if hpa is None:
            self._memories.pop(key, None)
            return
        try:
            self._reconcile(hpa)
        finally:
            self._queue.add_after(key, self._settings.sync_seconds)

    def _reconcile(self, hpa: JSON) -> None:
        draft = Draft(hpa, self._clock())
        try:
            target = self._seen(hpa, draft)
            plan = self._plan(hpa, target, draft)
            rescales = plan.replicas != target.replicas
            if rescales:
                self._rescale(hpa, target, plan, draft)
            draft.count(target.replicas, plan.replicas, plan.metrics, rescaled=rescales)
        except Failed as failure:
            self._write(hpa, draft)
            self._warn(hpa, failure.reason, str(failure))
        else:
            self._write(hpa, draft)

    def _seen(self, hpa: JSON, draft: Draft) -> Target:
        """Return the target as it stands, remembered where it is seen for the first time."""
        try:
            target = find_target(self._store, hpa)
        except ApiError as error:
            message = f"the HPA controller was unable to get the target's current scale: {error.message}"
            draft.say(ABLE, "FailedGetScale", message, holds=False)
            raise Failed("FailedGetScale", error.message) from error
        message = "the HPA controller was able to get the target's current scale"
        draft.say(ABLE, "SucceededGetScale", message, holds=True)
        memory = self._memories.get(key_of(hpa), Memory())
        self._memories[key_of(hpa)] = memory.seeded(self._agenda.now(), target.replicas)
        return target

    def _plan(self, hpa: JSON, target: Target, draft: Draft) -> Plan:
        least, most, current = hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"], target.replicas
        if current == 0:
            return self._plan_at_zero(hpa, target, draft)
        if current > most:
            return Plan(most, _ABOVE_MAXIMUM)
        if current < least:
            return Plan(least, _BELOW_MINIMUM)
        return self._plan_by_metrics(hpa, target, draft)

    def _plan_at_zero(self, hpa: JSON, target: Target, draft: Draft) -> Plan:
        """Leave a zero alone, unless it is of the autoscaler's own making."""
        least, gate = hpa["spec"]["minReplicas"], HPA_SCALE_TO_ZERO in self._store.features
        if gate and draft.holds(AT_ZERO) and (least != 0 or _looks_outside(hpa)):
            plan = self._plan_by_metrics(hpa, target, draft)
            if plan.replicas >= least:
                return plan
            return Plan(least, plan.reason or _BELOW_MINIMUM, plan.metrics)
        message = "scaling is disabled since the replica count of the target is zero"
        draft.say(ACTIVE, "ScalingDisabled", message, holds=False)
        if not gate:
            draft.unsay(AT_ZERO)
        return Plan(0)

    def _plan_by_metrics(self, hpa: JSON, target: Target, draft: Draft) -> Plan:
        sight = self._sight(hpa, target, draft)
        found = self._measured(hpa, sight, draft)
        best = _highest([item for item in found if isinstance(item, Measured)])
        statuses = tuple(item.status if isinstance(item, Measured) else NOT_MEASURED for item in found)
        wish = Wish(target.replicas, best.replicas, hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"])
        reason = f"{best.name if best.replicas > 0 else ''} above target"
        if wish.desired <= wish.current:
            reason = "All metrics below target" if wish.desired < wish.current else ""
        memory, now = self._memories[key_of(hpa)], self._agenda.now()
        behavior = hpa["spec"].get("behavior")
        verdict = settled(wish, memory, now, behavior, self._settings.stabilization_seconds)
        self._memories[key_of(hpa)] = memory.remember(now, wish.desired)
        draft.say(ABLE, *verdict.able, holds=True)
        draft.say(LIMITED, *verdict.limit, holds=verdict.limited)
        return Plan(verdict.replicas, reason, statuses)

    def _sight(self, hpa: JSON, target: Target, draft: Draft) -> Sight:
        """Return what the metrics need. Raises `Failed` where the pods have another autoscaler too."""
        pods = target.pods(self._store)
        rivals = self._claims.claim(key_of(hpa), target.selector, pods)
        if rivals:
            listed = " ".join("/".join(key) for key in rivals)
            told = f"pods by selector {target.selector} are controlled by multiple HPAs: [{listed}]"
            self._warn(hpa, "AmbiguousSelector", told)
            draft.say(ACTIVE, "AmbiguousSelector", told, holds=False)
            draft.keep(target.replicas, ())
            raise Failed("FailedComputeMetricsReplicas", told)
        return Sight(
            namespace=target.namespace,
            replicas=target.replicas,
            existing=target.existing,
            pods=pods,
            tolerance=tolerance_of(hpa["spec"].get("behavior"), self._settings.tolerance),
            settings=self._settings,
            now=self._clock(),
        )

    def _measured(self, hpa: JSON, sight: Sight, draft: Draft) -> list[Measured | Unmeasured]:
        """Return what came of each metric. Raises `Failed` where those that are missing forbid to act."""
        metrics = hpa["spec"]["metrics"]
        found = [self._measure(hpa, metric, sight) for metric in metrics]
        wrong = [item for item in found if isinstance(item, Unmeasured)]
        good = [item for item in found if isinstance(item, Measured)]
        if wrong and (not good or _highest(good).replicas < sight.replicas):
            draft.say(ACTIVE, wrong[0].reason, f"{_UNABLE}: {wrong[0].told}", holds=False)
            statuses = [item.status if isinstance(item, Measured) else NOT_MEASURED for item in found]
            draft.keep(sight.replicas, statuses)
            many = f"invalid metrics ({len(wrong)} invalid out of {len(metrics)})"
            raise Failed("FailedComputeMetricsReplicas", f"{many}, first error is: {wrong[0]}")
        name = _highest(good).name
        message = f"the HPA was able to successfully calculate a replica count from {name}"
        draft.say(ACTIVE, "ValidMetricFound", message, holds=True)
        return found

    def _measure(self, hpa: JSON, metric: JSON, sight: Sight) -> Measured | Unmeasured:
        try:
            return measure(metric, sight)
        except Unmeasured as error:
            self._warn(hpa, error.reason, error.told)
            return error

    def _rescale(self, hpa: JSON, target: Target, plan: Plan, draft: Draft) -> None:
        size = f"New size: {plan.replicas}; reason: {plan.reason}"
        try:
            set_replicas(self._store, target, plan.replicas)
        except ApiError as error:
            message = f"the HPA controller was unable to update the target scale: {error.message}"
            draft.say(ABLE, "FailedUpdateScale", message, holds=False)
            draft.keep(target.replicas, plan.metrics)
            raise Failed("FailedRescale", f"{size}; error: {error.message}") from error
        message = f"the HPA controller was able to update the target scale to {plan.replicas}"
        draft.say(ABLE, "SucceededRescale", message, holds=True)
        self._events.record(hpa, "Normal", "SuccessfulRescale", size)
        now, key = self._agenda.now(), key_of(hpa)
        self._memories[key] = self._memories[key].scaled(now, target.replicas, plan.replicas)
        if HPA_SCALE_TO_ZERO not in self._store.features:
            draft.unsay(AT_ZERO)
        elif plan.replicas == 0:
            draft.say(AT_ZERO, "ScaledToZero", "the HPA controller scaled the workload to zero", holds=True)
        else:
            message = "the HPA controller did not scale the workload to zero"
            draft.say(AT_ZERO, "NotScaledToZero", message, holds=False)

    def _write(self, hpa: JSON, draft: Draft) -> None:
        if draft.status == hpa["status"]:
            return
        told = {**hpa, "status": draft.status}
        try:
            self._store.update(AUTOSCALERS, told, manager=MANAGER, subresource="status")
        except ApiError as error:
            self._warn(hpa, "FailedUpdateStatus", error.message)

    def _warn(self, hpa: JSON, reason: str, message: str) -> None:
        self._events.record(hpa, "Warning", reason, message)


def _highest(found: Sequence[Measured]) -> Measured:
    return max(found, key=lambda item: item.replicas)


def _looks_outside(hpa: JSON) -> bool:
    return any(metric["type"] in FROM_OUTSIDE for metric in hpa["spec"]["metrics"])
