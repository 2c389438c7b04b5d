"""What must be there before each recorded request, so that it can be answered as it was recorded.

The states come out of the recordings themselves: loaded as they were, or written by those who wrote
them (the controllers' part is played here).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autoscaler.sandbox.objects.values import copy
from autoscaler.sandbox.store import Store
from tests.sandbox.recorded import JSON, recording

STATEFUL_SETS = "statefulsets.apps"
AUTOSCALERS = "horizontalpodautoscalers.autoscaling"
LEASES = "leases.coordination.k8s.io"
NEW_EVENTS = "events.events.k8s.io"
CONTROLLER = "kube-controller-manager"

State = Callable[[Store], None]


def namespaces(store: Store) -> None:
    """Store only the namespaces of the recordings."""
    for name in ("recorded", "recorded2"):
        store.create("namespaces", {"metadata": {"name": name}})


def loaded(resource: str, *numbers: int, **changes: Any) -> State:
    """Return the state in which the answers of some recordings are stored, with changes of the spec."""

    def state(store: Store) -> None:
        namespaces(store)
        for number in numbers:
            obj = recording(number).body
            obj.get("spec", {}).update(changes)
            store.load(resource, obj)

    return state


def scaled_set(store: Store) -> None:
    """Store the worker set after the first patch of its scale, before the annotation."""
    namespaces(store)
    obj = recording(20).body
    meta = obj["metadata"]
    del meta["annotations"]
    meta["managedFields"] = [
        entry
        for entry in meta["managedFields"]
        if entry["operation"] == "Update" and "f:annotations" not in entry["fieldsV1"].get("f:metadata", {})
    ]
    meta["resourceVersion"] = "3105"
    obj["status"]["replicas"] = 3
    store.load(STATEFUL_SETS, obj)


def applied_set(store: Store) -> None:
    """Store the worker set after the scale was applied too, before the annotation."""
    namespaces(store)
    obj = recording(20).body
    del obj["metadata"]["annotations"]
    entries = obj["metadata"]["managedFields"]
    obj["metadata"]["managedFields"] = [
        entry for entry in entries if "f:annotations" not in entry["fieldsV1"].get("f:metadata", {})
    ]
    store.load(STATEFUL_SETS, obj)


def second_set(replicas: int, *, scaled_by: str = "") -> State:
    """Return the state with the set `w` at some replicas, which `scaled_by` set through its scale."""

    def state(store: Store) -> None:
        namespaces(store)
        obj = recording(62).body
        obj["spec"]["replicas"] = replicas
        obj["status"]["replicas"] = 2
        if scaled_by:
            obj["status"]["replicas"] = 0
            obj["metadata"]["generation"] -= 1
            entries = obj["metadata"]["managedFields"]
            entries[-1] = entries[-1] | {"manager": scaled_by, "subresource": "scale"}
        store.load(STATEFUL_SETS, obj)

    return state


def set_at_zero(store: Store) -> None:
    """Store the worker set at zero, all its pods gone."""
    namespaces(store)
    obj = recording(20).body
    obj["spec"]["replicas"] = obj["status"]["replicas"] = 0
    store.load(STATEFUL_SETS, obj)


def over_quota(store: Store) -> None:
    """Store a set of which 8 replicas were asked and 5 pods came."""
    namespaces(store)
    store.load(STATEFUL_SETS, recording(25).response["events"][0]["object"])
    asked = store.get(STATEFUL_SETS, "recorded", "airflow-worker")
    asked["spec"]["replicas"] = 8
    store.update(STATEFUL_SETS, asked, manager="python-requests", subresource="scale")
    _write_status(store, STATEFUL_SETS, recording(27).body)


def counted_quota(store: Store) -> None:
    """Store a quota that counted two sets, one less, and then five pods."""
    namespaces(store)
    _sent(store, "resourcequotas", 3)
    _sent(store, STATEFUL_SETS, 4)
    second = recording(4).request["body"]
    second = second | {"metadata": second["metadata"] | {"name": "second", "namespace": "recorded"}}
    store.create(STATEFUL_SETS, second)
    store.delete(STATEFUL_SETS, "recorded", "second")
    spec = store.get(STATEFUL_SETS, "recorded", "airflow-worker")["spec"]["template"]["spec"]
    for ordinal in range(5):
        meta = {"name": f"airflow-worker-{ordinal}", "namespace": "recorded"}
        store.create("pods", {"metadata": meta, "spec": spec})


def failed_creates(store: Store) -> None:
    """Store events of refused pods, and one about something else."""
    namespaces(store)
    for event in recording(29).body["items"]:
        store.create("events", event, manager=CONTROLLER)
        other = event | {"metadata": {"name": "other." + event["metadata"]["name"], "namespace": "recorded"}}
        store.create("events", other | {"reason": "SuccessfulCreate"}, manager=CONTROLLER)


def running_pods(store: Store) -> None:
    """Store pods made by the controller, bound to a node by nobody in particular, started by the kubelet."""
    namespaces(store)
    for pod in recording(30).body["items"]:
        wanted = {"metadata": pod["metadata"], "spec": _before_admission(pod["spec"])}
        new = store.create("pods", wanted, manager=CONTROLLER)
        new["spec"]["nodeName"] = pod["spec"]["nodeName"]
        bound = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T19:25:42Z"}
        new["status"]["conditions"] = [bound | {"lastProbeTime": None}]
        store.load("pods", new)
        meta = {"name": pod["metadata"]["name"], "namespace": "recorded"}
        running = new | {"metadata": meta, "status": pod["status"]}
        store.update("pods", running, manager="kubelet-sim", subresource="status")


def terminating_pods(store: Store) -> None:
    """Store the same pods while all but the first one stop."""
    running_pods(store)
    for ordinal in range(1, 5):
        store.delete("pods", "recorded", f"airflow-worker-{ordinal}")


def autoscaler(store: Store) -> None:
    """Store an autoscaler that found no metrics."""
    namespaces(store)
    _sent(store, AUTOSCALERS, 35)
    _write_status(store, AUTOSCALERS, recording(36).body["items"][0])


def lowered_autoscaler(store: Store) -> None:
    """Store the same one with another floor."""
    autoscaler(store)
    _raise_floor(store, "airflow-worker", 2)


def autoscaler_at_zero(store: Store) -> None:
    """Store the same one once its target is at zero."""
    lowered_autoscaler(store)
    _write_status(store, AUTOSCALERS, recording(40).body)


def raised_autoscaler(store: Store) -> None:
    """Store an autoscaler that followed its raised floor."""
    namespaces(store)
    wanted = copy(recording(35).request["body"])
    wanted["metadata"] = {"name": "w", "namespace": "recorded2"}
    wanted["spec"]["scaleTargetRef"]["name"] = "w"
    store.create(AUTOSCALERS, wanted, manager="python-requests")
    status = recording(36).body["items"][0]["status"]
    meta = wanted["metadata"]
    _write_status(store, AUTOSCALERS, {"metadata": meta, "status": status})
    _raise_floor(store, "w", 5)
    _write_status(store, AUTOSCALERS, recording(63).body)


def _sent(store: Store, resource: str, number: int) -> None:
    """Create what a recording's request created."""
    body = recording(number).request["body"]
    obj = body | {"metadata": body["metadata"] | {"namespace": "recorded"}}
    store.create(resource, obj, manager="python-requests")


def _write_status(store: Store, resource: str, recorded: JSON) -> None:
    meta = recorded["metadata"]
    obj = store.get(resource, meta["namespace"], meta["name"])
    obj["status"] = recorded["status"]
    store.update(resource, obj, manager=CONTROLLER, subresource="status")


def _raise_floor(store: Store, name: str, floor: int) -> None:
    namespace = "recorded" if name == "airflow-worker" else "recorded2"
    obj = store.get(AUTOSCALERS, namespace, name)
    obj["spec"]["minReplicas"] = floor
    store.update(AUTOSCALERS, obj, manager="autoscaler")


def _before_admission(spec: JSON) -> JSON:
    """Return a pod's spec as its controller sent it: without account, token, priority and tolerations."""
    added = {"nodeName", "preemptionPolicy", "priority", "serviceAccount", "serviceAccountName", "volumes"}
    sent = {field: value for field, value in spec.items() if field not in added | {"tolerations"}}
    containers = spec["containers"]
    sent["containers"] = [
        {field: value for field, value in container.items() if field != "volumeMounts"}
        for container in containers
    ]
    return sent


STATES: dict[int, State] = {
    5: loaded(STATEFUL_SETS, 4),
    6: loaded(STATEFUL_SETS, 8),
    7: loaded(STATEFUL_SETS, 8),
    8: loaded(STATEFUL_SETS, 8),
    10: loaded(STATEFUL_SETS, 8),
    11: loaded(STATEFUL_SETS, 8),
    12: scaled_set,
    13: loaded(STATEFUL_SETS, 8, replicas=3),
    14: loaded(STATEFUL_SETS, 8, replicas=3),
    15: loaded(STATEFUL_SETS, 8),
    16: scaled_set,
    18: scaled_set,
    19: scaled_set,
    20: applied_set,
    21: loaded(STATEFUL_SETS, 20),
    22: loaded(STATEFUL_SETS, 20),
    27: over_quota,
    28: counted_quota,
    29: failed_creates,
    30: running_pods,
    31: terminating_pods,
    36: autoscaler,
    37: autoscaler,
    38: lowered_autoscaler,
    39: lowered_autoscaler,
    40: autoscaler_at_zero,
    41: set_at_zero,
    43: loaded(LEASES, 42),
    44: loaded(LEASES, 42),
    45: loaded(LEASES, 44),
    46: loaded(LEASES, 44),
    49: loaded(NEW_EVENTS, 47),
    57: second_set(2),
    58: second_set(3),
    59: second_set(3),
    60: second_set(0),
    61: second_set(0),
    62: second_set(0, scaled_by="autoscaler"),
    63: raised_autoscaler,
}
"""By number; what is not here needs no more than the namespaces."""
