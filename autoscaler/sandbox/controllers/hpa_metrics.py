"""What one metric of a HorizontalPodAutoscaler asks for, or the words that say why nobody knows.

The words are those of pkg/controller/podautoscaler (horizontal.go, replica_calculator.go and
metrics/client.go); users search for them. Amounts are in thousandths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.controllers.hpa_replicas import Groups, Tolerance, Usage, grouped, proposed
from autoscaler.sandbox.controllers.hpa_settings import HpaSettings
from autoscaler.sandbox.controllers.set_pods import is_ready
from autoscaler.sandbox.objects.values import JSON, dig

_NO_RESOURCE = "the server could not find the requested resource"
_NO_PODS = "no pods returned by selector while calculating replica count"


class Unmeasured(Exception):
    """A metric that cannot be had: the `reason` of the Event, what it tells, and the error it leads to."""

    def __init__(self, reason: str, told: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason
        self.told = told


@dataclass(frozen=True, slots=True)
class Measured:
    """What a metric asks for, what it is called, and how it is shown in the status."""

    replicas: int
    name: str
    status: JSON


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of an autoscaler's target: its replicas, asked for and existing, and its pods."""

    namespace: str
    replicas: int
    existing: int
    pods: Sequence[JSON]
    tolerance: Tolerance
    settings: HpaSettings
    now: datetime


class _Missing(Exception):
    """Why a value is not there."""


def measure(metric: JSON, sight: Sight) -> Measured:
    """Return what a metric of an autoscaler's spec asks for. Raises `Unmeasured`."""
    return _MEASURES[metric["type"]](metric, sight)


def thousandths(amount: str) -> int:
    """Return a quantity in thousandths, rounded up."""
    return ceil(quantity.parse(amount).amount * 1000)


def _shown(number: int) -> str:
    return str(Quantity(Fraction(number, 1000)))


def _resource(metric: JSON, sight: Sight) -> Measured:
    source = metric["resource"]
    name, target = source["name"], source["target"]
    of_requests = "averageValue" not in target
    try:
        measured = _of_requests(name, target, sight) if of_requests else _of_usage(name, target, sight)
    except _Missing as why:
        told = f"failed to get {name} {'utilization' if of_requests else 'usage'}: {why}"
        error = f"failed to get {name} resource metric value: {told}"
        raise Unmeasured("FailedGetResourceMetric", told, error) from why
    replicas, current = measured
    called = f"{name} resource{' utilization (percentage of request)' if of_requests else ''}"
    return Measured(replicas, called, {"type": "Resource", "resource": {"name": name, "current": current}})


def _of_requests(name: str, target: JSON, sight: Sight) -> tuple[int, JSON]:
    """Return what the pods' usage in percent of their requests asks for."""
    groups, percent = _groups(name, sight), target["averageUtilization"]
    requests = {pod["metadata"]["name"]: _request(pod, name) for pod in sight.pods}

    def used(usage: Usage) -> int:
        requested = sum(requests[pod] for pod in usage)
        if not requested:
            raise _Missing("no metrics returned matched known pods")
        return sum(usage.values()) * 100 // requested

    replicas = proposed(
        groups,
        sight.replicas,
        lambda usage: used(usage) / percent,
        lambda pod: requests[pod] * max(100, percent) // 100,
        sight.tolerance,
    )
    average = sum(groups.measured.values()) // len(groups.measured)
    return replicas, {"averageUtilization": used(groups.measured), "averageValue": _shown(average)}


def _of_usage(name: str, target: JSON, sight: Sight) -> tuple[int, JSON]:
    """Return what the pods' usage asks for, whatever they request."""
    groups, wanted = _groups(name, sight), thousandths(target["averageValue"])

    def average(usage: Usage) -> int:
        return sum(usage.values()) // len(usage)

    replicas = proposed(
        groups, sight.replicas, lambda usage: average(usage) / wanted, lambda _: wanted, sight.tolerance
    )
    return replicas, {"averageValue": _shown(average(groups.measured))}


def _groups(name: str, sight: Sight) -> Groups:
    """Return the pods by what is known of their usage. Raises `_Missing` where that is nothing."""
    usage = _usage(name, sight)
    groups = grouped(sight.pods, usage, sight.settings, sight.now, cpu=name == "cpu")
    if not groups.measured:
        raise _Missing("did not receive metrics for targeted pods (pods might be unready)")
    return groups


def _usage(name: str, sight: Sight) -> Usage:
    read, about = sight.settings.pod_cpu, f"unable to get metrics for resource {name}"
    if read is None:
        api = "unable to fetch metrics from resource metrics API"
        raise _Missing(f"{about}: {api}: {_NO_RESOURCE} (get pods.metrics.k8s.io)")
    names = [pod["metadata"]["name"] for pod in sight.pods]
    cores = {pod: used for pod in names if (used := read(sight.namespace, pod)) is not None}
    if not cores:
        raise _Missing(f"{about}: no metrics returned from resource metrics API")
    return {pod: ceil(used * 1000) for pod, used in cores.items()} if name == "cpu" else {}


def _request(pod: JSON, name: str) -> int:
    """Return what a pod requests: as a pod, or else all its containers and sidecars."""
    spec, called = pod["spec"], pod["metadata"]["name"]
    if whole := dig(spec, "resources", "requests"):
        if name not in whole:
            raise _Missing(f"missing pod-level request for {name} in Pod {called}")
        return thousandths(whole[name])
    sidecars = [item for item in spec.get("initContainers") or [] if item.get("restartPolicy") == "Always"]
    requested = 0
    for container in (*spec["containers"], *sidecars):
        amount = dig(container, "resources", "requests", name)
        if amount is None:
            raise _Missing(f"missing request for {name} in container {container['name']} of Pod {called}")
        requested += thousandths(amount)
    return requested


def _external(metric: JSON, sight: Sight) -> Measured:
    source = metric["external"]
    name, selector = source["metric"]["name"], _selector_words(source["metric"].get("selector"))
    per_pod = "averageValue" in source["target"]
    try:
        used = _outside_value(name, sight, "external", f"{name}.external.metrics.k8s.io")
        replicas, current = _outside(used, source["target"], sight)
    except _Missing as why:
        told = f"unable to get external metric {sight.namespace}/{name}/{selector}: {why}"
        middle = f"{name} external metric" if per_pod else f"external metric {name}"
        error = f"failed to get {name} external metric value: failed to get {middle}: {told}"
        raise Unmeasured("FailedGetExternalMetric", told, error) from why
    status = {"type": "External", "external": {"metric": source["metric"], "current": current}}
    return Measured(replicas, f"external metric {name}({selector})", status)


def _object(metric: JSON, sight: Sight) -> Measured:
    source = metric["object"]
    name, about = source["metric"]["name"], source["describedObject"]
    per_pod = "averageValue" in source["target"]
    try:
        resource = f"{about['kind'].lower()}s.custom.metrics.k8s.io {about['name']}"
        used = _outside_value(name, sight, "custom", resource)
        replicas, current = _outside(used, source["target"], sight)
    except _Missing as why:
        where = f"{about['kind']} {sight.namespace}/{about['name']}"
        told = f"unable to get metric {name} on {where}: {why}"
        middle = f"failed to get {name} object metric: " if per_pod else ""
        error = f"failed to get object metric value: {middle}{told}"
        raise Unmeasured("FailedGetObjectMetric", told, error) from why
    selector = _selector_words(source["metric"].get("selector"))
    called = f"external metric {name}({selector})" if per_pod else f"{about['kind']} metric {name}"
    shown = {"metric": source["metric"], "describedObject": about, "current": current}
    return Measured(replicas, called, {"type": "Object", "object": shown})


def _outside_value(name: str, sight: Sight, api: str, resource: str) -> int:
    """Return the value of a metric that is not of the pods. Raises `_Missing`."""
    read = sight.settings.metric_value
    if read is None:
        raise _Missing(f"unable to fetch metrics from {api} metrics API: {_NO_RESOURCE} (get {resource})")
    value = read(sight.namespace, name)
    if value is None:
        raise _Missing(f"no metrics returned from {api} metrics API")
    return ceil(value * 1000)


def _outside(used: int, target: JSON, sight: Sight) -> tuple[int, JSON]:
    """Return what such a value asks for, in all or for each pod, and how it is shown."""
    if "averageValue" in target:
        wanted, existing = thousandths(target["averageValue"]), sight.existing
        near = existing > 0 and sight.tolerance.covers(used / (wanted * existing))
        average = ceil(used / existing) if existing else 0
        return existing if near else ceil(used / wanted), {"averageValue": _shown(average)}
    ratio, shown = used / thousandths(target["value"]), {"value": _shown(used)}
    if not sight.replicas:
        return ceil(ratio), shown
    if sight.tolerance.covers(ratio):
        return sight.replicas, shown
    if not sight.pods:
        raise _Missing(f"unable to calculate ready pods: {_NO_PODS}")
    return ceil(ratio * sum(is_ready(pod) for pod in sight.pods)), shown


def _selector_words(selector: JSON | None) -> str:
    """Return a metric's selector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "MatchExpressions:[]LabelSelectorRequirement{}"
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},{expressions},}}"


def _of_containers(metric: JSON, _sight: Sight) -> Measured:
    name, container = metric["containerResource"]["name"], metric["containerResource"]["container"]
    api = "unable to fetch metrics from resource metrics API"
    why = f"unable to get metrics for resource {name}: {api}: {_NO_RESOURCE} (get pods.metrics.k8s.io)"
    told = f"failed to get {name} utilization: {why}"
    error = f"failed to get {container} container metric value: {told}"
    raise Unmeasured("FailedGetContainerResourceMetric", told, error)


def _of_pods(metric: JSON, _sight: Sight) -> Measured:
    api = "unable to fetch metrics from custom metrics API"
    why = f"{api}: {_NO_RESOURCE} (get pods.custom.metrics.k8s.io *)"
    told = f"unable to get metric {metric['pods']['metric']['name']}: {why}"
    raise Unmeasured("FailedGetPodsMetric", told, f"failed to get pods metric value: {told}")


_MEASURES: dict[str, Callable[[JSON, Sight], Measured]] = {
    "ContainerResource": _of_containers,
    "External": _external,
    "Object": _object,
    "Pods": _of_pods,
    "Resource": _resource,
}
