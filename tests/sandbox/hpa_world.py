"""A world with HorizontalPodAutoscalers, whose metrics are what the test says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from autoscaler.sandbox.controllers.hpa import AUTOSCALERS, HorizontalPodAutoscalerController
from autoscaler.sandbox.controllers.hpa_settings import HpaSettings
from autoscaler.sandbox.store import JSON
from tests.sandbox.fleet import FleetWorld
from tests.sandbox.world import NAME, NAMESPACE, template

SETS = "statefulsets.apps"
SYNC_SECONDS = 15.0
NO_CPU = (
    "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from "
    "resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
)


class HpaWorld(FleetWorld):
    """A world in which `cpu` holds the cores of each pod, or those of all, and `values` other metrics.

    `measured` is off where there is to be no API for metrics.
    """

    def __init__(
        self,
        *,
        measured: bool = True,
        features: Collection[str] = (),
        settings: HpaSettings | None = None,
        **world: Any,
    ) -> None:
        super().__init__(features=features, **world)
        self.cpu: dict[str, float | None] = {}
        self.all_cpu: float | None = None
        self.values: dict[str, float] = {}
        settings = settings or HpaSettings()
        if measured:
            settings = replace(settings, pod_cpu=self._cores, metric_value=self._value)
        self.hpas = HorizontalPodAutoscalerController(self.store, self.agenda, self.clock, settings)
        self.hpas.start()

    def _cores(self, namespace: str, pod: str) -> float | None:
        assert namespace == NAMESPACE
        return self.cpu.get(pod, self.all_cpu)

    def _value(self, namespace: str, name: str) -> float | None:
        assert namespace == NAMESPACE
        return self.values.get(name)

    def fleet(self, replicas: int, cpu: str = "1", **spec: Any) -> None:
        """Create the set, each of its pods with a request, and let it become old."""
        requests = template({"resources": {"requests": {"cpu": cpu}}})
        self.create(replicas, **{"template": requests} | spec)
        self.advance(400.0)

    def autoscale(
        self, name: str = NAME, *, kind: str = "StatefulSet", manager: str = "helm", **spec: Any
    ) -> None:
        """Create an autoscaler of the worker set; the keywords are fields of its spec."""
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": NAME}
        wanted = {
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"maxReplicas": 10, "scaleTargetRef": reference, **spec},
        }
        self.store.create(AUTOSCALERS, wanted, manager=manager)
        self.settle()

    def hpa(self, name: str = NAME) -> JSON:
        """Return an autoscaler as it stands."""
        return self.store.get(AUTOSCALERS, NAMESPACE, name)

    def bound(self, name: str = NAME, **spec: Any) -> None:
        """Change fields of an autoscaler's spec, as somebody does who is not the controller."""
        changed = self.hpa(name)
        changed["spec"] |= spec
        self.store.update(AUTOSCALERS, changed, manager="autoscaler")

    def sync(self, times: int = 1) -> None:
        """Let the autoscalers look once more, or as often as that."""
        self.advance(times * SYNC_SECONDS)

    @property
    def replicas(self) -> int:
        """The replicas of the set."""
        return int(self.set()["spec"]["replicas"])

    def told(self, name: str = NAME) -> dict[str, tuple[str, str]]:
        """Return an autoscaler's conditions: the status and the reason of each."""
        found = self.hpa(name)["status"].get("conditions", ())
        return {item["type"]: (item["status"], item["reason"]) for item in found}

    def message(self, condition: str, name: str = NAME) -> str:
        """Return what one of an autoscaler's conditions says."""
        (found,) = [item for item in self.hpa(name)["status"]["conditions"] if item["type"] == condition]
        return str(found["message"])

    def event_messages(self, reason: str) -> list[str]:
        """Return what the Events of a reason say, in the order of their first appearance."""
        return [event["message"] for event in self.events(reason)]


def cpu_percent(percent: int) -> JSON:
    """Return the metric of a CPU autoscaler."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def cpu_cores(amount: str) -> JSON:
    """Return the metric of an autoscaler that looks at the cores used, whatever is requested."""
    target = {"type": "AverageValue", "averageValue": amount}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def queue_length(per_pod: str) -> JSON:
    """Return a metric from outside, to be shared among the pods."""
    target = {"type": "AverageValue", "averageValue": per_pod}
    return {"type": "External", "external": {"metric": {"name": "queue"}, "target": target}}
