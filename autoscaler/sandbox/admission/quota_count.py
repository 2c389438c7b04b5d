"""What quotas count, counted anew whenever something that they count has gone.

The stand-in for the quota controller. New objects are counted by the admission plug-in already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.admission.pod_resources import Amounts, is_of_pods
from autoscaler.sandbox.admission.quota import wanted_of
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import ADDED, DELETED, Event
from autoscaler.sandbox.objects.kinds import RESOURCES
from autoscaler.sandbox.objects.values import JSON, dig

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

_FINISHED = ("Succeeded", "Failed")
_GONE = 404


def follow_quotas(store: Store) -> None:
    """Keep the status of a store's quotas up to date from now on."""

    def follow(event: Event) -> None:
        if event.resource == "resourcequotas" and event.type != DELETED:
            if event.type == ADDED or event.object["spec"] != dig(event.previous, "spec"):
                _recount(store, event.object)
        elif event.type == DELETED or _has_finished(event):
            for quota in store.snapshot("resourcequotas", event.namespace)[0] if event.namespace else []:
                if wanted_of(quota, event.resource, event.object):
                    _recount(store, quota)

    store.subscribe(follow)


def _has_finished(event: Event) -> bool:
    if event.resource != "pods" or event.previous is None:
        return False
    now, before = dig(event.object, "status", "phase"), dig(event.previous, "status", "phase")
    return now in _FINISHED and before not in _FINISHED


def _recount(store: Store, quota: JSON) -> None:
    meta = quota["metadata"]

    def counted(current: JSON) -> JSON:
        hard = current["spec"].get("hard") or {}
        used = _used(store, current)
        current["status"] = {
            "hard": hard,
            "used": {name: str(used.get(name, Quantity())) for name in hard},
        }
        return current

    try:
        store.modify(
            "resourcequotas",
            meta["namespace"],
            meta["name"],
            counted,
            manager="kube-controller-manager",
            subresource="status",
        )
    except ApiError as error:
        if error.status != _GONE:
            raise


def _used(store: Store, quota: JSON) -> Amounts:
    used: dict[str, Quantity] = {}
    for resource in _counted_resources(quota):
        for obj in store.snapshot(resource, quota["metadata"]["namespace"])[0]:
            for name, amount in wanted_of(quota, resource, obj).items():
                if name == "count/pods" or dig(obj, "status", "phase") not in _FINISHED:
                    used[name] = used.get(name, Quantity()) + amount
    return used


def _counted_resources(quota: JSON) -> set[str]:
    """Return the resources that a quota counts, of those that exist here."""
    found: set[str] = set()
    for name in quota["spec"].get("hard") or {}:
        if is_of_pods(name):
            found.add("pods")
        elif (resource := name.removeprefix("count/")) in RESOURCES:
            found.add(resource)
    return found
