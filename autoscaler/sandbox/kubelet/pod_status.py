"""A pod's status in the words of a kubelet, from what is known of its container."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from autoscaler.sandbox.objects.values import JSON, stamp

HOST_IP = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ContainerView:
    """What a kubelet knows of a pod's container: `state` and `last_state` as the API words them."""

    state: JSON
    last_state: JSON = field(default_factory=dict)
    ready: bool = False
    restarts: int = 0


def waiting(reason: str, message: str = "") -> JSON:
    """Return the state of a container that does not run."""
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def terminated(view: ContainerView, code: int, now: datetime, reason: str = "", message: str = "") -> JSON:
    """Return the state of a container that has exited just now."""
    state: JSON = {
        "exitCode": code,
        "reason": reason or ("Error" if code else "Completed"),
        "startedAt": view.state.get("running", {}).get("startedAt", stamp(now)),
        "finishedAt": stamp(now),
    }
    return {"terminated": state | ({"message": message} if message else {})}


def unscheduled_status(pod: JSON, message: str, now: datetime) -> JSON:
    """Return the status of a pod for which there is no node."""
    told = {"reason": "Unschedulable", "message": message}
    conditions = [_condition(pod, "PodScheduled", holds=False, now=now) | told]
    return {**_kept(pod), "phase": "Pending", "conditions": conditions}


def pod_status(pod: JSON, view: ContainerView, phase: str, address: str, now: datetime) -> JSON:
    """Return the status of a pod on a node, whose sandbox has an address once it is set up."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    ready = _condition(pod, "Ready", holds=view.ready, now=now)
    containers_ready = _condition(pod, "ContainersReady", holds=view.ready, now=now)
    if not view.ready:
        why = {
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{' '.join(names)}]",
        }
        ready, containers_ready = ready | why, containers_ready | why
    return {
        **_kept(pod),
        "phase": phase,
        "conditions": [
            _condition(pod, "PodReadyToStartContainers", holds=bool(address), now=now),
            _condition(pod, "Initialized", holds=True, now=now),
            ready,
            containers_ready,
            _condition(pod, "PodScheduled", holds=True, now=now),
        ],
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
        **({"podIP": address, "podIPs": [{"ip": address}]} if address else {}),
        "startTime": pod.get("status", {}).get("startTime", stamp(now)),
        "containerStatuses": [_container_status(pod, item, view) for item in pod["spec"]["containers"]],
    }


def _kept(pod: JSON) -> JSON:
    """Return what the API server put into the status when the pod was made."""
    status = pod.get("status", {})
    return {"qosClass": status["qosClass"]} if "qosClass" in status else {}


def _condition(pod: JSON, name: str, *, holds: bool, now: datetime) -> JSON:
    status, since = str(holds), stamp(now)
    for earlier in pod.get("status", {}).get("conditions", ()):
        if earlier["type"] == name and earlier["status"] == status:
            since = earlier["lastTransitionTime"]
    return {"type": name, "status": status, "lastProbeTime": None, "lastTransitionTime": since}


def _container_status(pod: JSON, container: JSON, view: ContainerView) -> JSON:
    """Return one container's status; what is told of the first is told of those beside it too."""
    image = container.get("image", "")
    has_run = "waiting" not in view.state or bool(view.last_state)
    identity = {"containerID": f"sandbox://{pod['metadata']['uid']}-{view.restarts}"} if has_run else {}
    return {
        **identity,
        "name": container["name"],
        "image": image,
        "imageID": f"sandbox://{image}" if has_run else "",
        "state": view.state,
        "lastState": view.last_state,
        "ready": view.ready,
        "started": "running" in view.state,
        "restartCount": view.restarts,
    }
