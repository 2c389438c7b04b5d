"""What quotas count, counted anew whenever something that they count has gone.

The stand-in for the quota controller (pkg/controller/resourcequota). New objects are counted by the
admission plug-in already, so only what frees room makes it count: deletions, pods that are over, and
another `spec.hard`. The rest waits for its next full count, every five minutes there, `recount_all` here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.admission.evaluators import EVALUATORS, Evaluator
from autoscaler.sandbox.admission.pod_resources import is_charged
from autoscaler.sandbox.admission.quota_scopes import counts, has_deadline
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.event_log import ADDED, DELETED, MODIFIED, Event
from autoscaler.sandbox.objects.amounts import Amounts, add, parsed, written
from autoscaler.sandbox.objects.values import JSON, dig

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

RECOUNT_SECONDS = 300.0
"""How often the real controller counts everything (--resource-quota-sync-period)."""

_GONE = 404


def follow_quotas(store: Store) -> None:
    """Keep the status of a store's quotas up to date from now on."""

    def follow(event: Event) -> None:
        if event.resource == "resourcequotas" and event.type != DELETED:
            if event.type == ADDED or _hard(event.object) != _hard(event.previous):
                _recount(store, event.object)
        elif event.namespace and event.resource in EVALUATORS and _frees(store, event):
            _replenish(store, EVALUATORS[event.resource], event.namespace)

    store.subscribe(follow)


def recount_all(store: Store) -> None:
    """Count for every quota: sees the pods that should have been gone by now, and new selectors."""
    for quota in store.snapshot("resourcequotas")[0]:
        _recount(store, quota)


def _hard(quota: JSON | None) -> Amounts:
    return parsed(dig(quota, "spec", "hard"))


def _frees(store: Store, event: Event) -> bool:
    """Whether a change is one that the controller counts after."""
    new, old = event.object, event.previous
    if old is None or event.type != MODIFIED:
        return event.type == DELETED
    if event.resource == "pods":
        now = store.clock()
        return has_deadline(new) != has_deadline(old) or (is_charged(old, now) and not is_charged(new, now))
    if event.resource == "services":
        return bool(new["spec"].get("type") != old["spec"].get("type"))
    given = ("status", "allocatedResources")
    return event.resource == "persistentvolumeclaims" and dig(new, *given) != dig(old, *given)


def _replenish(store: Store, evaluator: Evaluator, namespace: str) -> None:
    for quota in store.snapshot("resourcequotas", namespace)[0]:
        if evaluator.matching(dig(quota, "status", "hard") or {}):
            _recount(store, quota)


def _recount(store: Store, quota: JSON) -> None:
    meta = quota["metadata"]

    def counted(current: JSON) -> JSON:
        hard = _hard(current)
        used = parsed(dig(current, "status", "used")) | _used(store, current)
        current["status"] = {
            "hard": written(hard),
            "used": written({name: amount for name, amount in used.items() if name in hard}),
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


def _used(store: Store, quota: JSON) -> dict[str, Quantity]:
    """Return what is used of a quota, of the names that somebody counts."""
    now, hard = store.clock(), _hard(quota)
    used: dict[str, Quantity] = {}
    for resource, evaluator in EVALUATORS.items():
        names = evaluator.matching(hard)
        if not names:
            continue
        counted = dict.fromkeys(names, Quantity())
        for obj in store.snapshot(resource, quota["metadata"]["namespace"])[0]:
            if counts(quota, resource, obj):
                usage = evaluator.usage(obj, now)
                add(counted, {name: usage[name] for name in names if name in usage})
        add(used, counted)
    return used
