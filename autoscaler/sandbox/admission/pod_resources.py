"""What a pod takes of a quota, and which names of a quota are about pods.

The rules are those of pkg/quota/v1/evaluator/core/pods.go in 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.objects.amounts import Amounts, add, of_containers, parsed
from autoscaler.sandbox.objects.pod_defaults import containers_of
from autoscaler.sandbox.objects.resource_names import is_extended, is_huge_pages, is_native, is_of_whole_pods
from autoscaler.sandbox.objects.values import JSON, dig

_ONE = quantity.parse(1)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_BY_NAME = frozenset(
    {"pods", "count/pods"} | {f"{side}{name}" for side in ("", "requests.", "limits.") for name in _COMPUTE}
)
_MUST_SPECIFY = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
_DEVICES = "deviceclass.resource.kubernetes.io/"
_FINISHED = ("Succeeded", "Failed")


def is_of_pods(name: str) -> bool:
    """Whether a name that a quota uses is about pods.

    Extended resources are counted by what is requested alone, under "requests." and their name.
    """
    if name in _BY_NAME or name.startswith(("hugepages-", "requests.hugepages-")):
        return True
    return name.startswith("requests.") and (not is_native(name) or name.startswith(f"requests.{_DEVICES}"))


def pod_usage(pod: JSON, now: datetime) -> Amounts:
    """Return what a pod counts for, by the names that quotas use; one that is over is only an object."""
    if not is_charged(pod, now):
        return {"count/pods": _ONE}
    requests, limits = total_requests(pod), total_limits(pod)
    return {"count/pods": _ONE} | _usage(requests, limits)


def is_charged(pod: JSON, now: datetime) -> bool:
    """Whether a pod takes more than its place as an object.

    Not when it is over, nor when it should have been gone for as long as it had time to stop.
    """
    if dig(pod, "status", "phase") in _FINISHED:
        return False
    meta = pod["metadata"]
    grace = meta.get("deletionGracePeriodSeconds")
    if meta.get("deletionTimestamp") is None or grace is None:
        return True
    return now <= datetime.fromisoformat(meta["deletionTimestamp"]) + timedelta(seconds=grace)


def total_requests(pod: JSON) -> Amounts:
    """Return what a pod requests: as a whole where it says so, else its containers; and its overhead."""
    amounts = of_containers(pod, "requests", running=True)
    amounts |= _of_whole_pod(pod, "requests")
    add(amounts, parsed(pod["spec"].get("overhead")))
    return amounts


def total_limits(pod: JSON) -> Amounts:
    """Return what a pod is limited to, with its overhead where there is a limit."""
    amounts = of_containers(pod, "limits", running=True)
    amounts |= _of_whole_pod(pod, "limits")
    for name, amount in parsed(pod["spec"].get("overhead")).items():
        if name in amounts and amounts[name].amount:
            amounts[name] += amount
    return amounts


def unspecified(names: Iterable[str], pod: JSON) -> str:
    """Return what a pod's containers leave open of what a quota counts, "" where nothing.

    A pod that asks for something as a whole may leave anything open.
    """
    if _of_whole_pod(pod, "requests") or _of_whole_pod(pod, "limits"):
        return ""
    missing: dict[str, list[str]] = {}
    for name in sorted(set(_MUST_SPECIFY).intersection(names)):
        side, _, short = name.rpartition(".")
        for container in containers_of(pod["spec"]):
            if short not in (dig(container, "resources", side or "requests") or {}):
                missing.setdefault(name, []).append(container["name"])
    parts = "; ".join(f"{name} for: {','.join(sorted(set(who)))}" for name, who in missing.items())
    return f"must specify {parts}" if parts else ""


def _of_whole_pod(pod: JSON, side: str) -> dict[str, Quantity]:
    amounts = parsed(dig(pod, "spec", "resources", side))
    return {name: amount for name, amount in amounts.items() if is_of_whole_pods(name)}


def _usage(requests: Amounts, limits: Amounts) -> dict[str, Quantity]:
    used = {"pods": _ONE}
    for name, amount in requests.items():
        if name in _COMPUTE or is_huge_pages(name):
            used[name] = used[f"requests.{name}"] = amount
        elif is_extended(name) or name.startswith(_DEVICES):
            used[f"requests.{name}"] = amount
    return used | {f"limits.{name}": limits[name] for name in _COMPUTE if name in limits}
