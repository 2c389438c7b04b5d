"""ResourceQuotas at the door: whether an object still has room, and the words of the refusal.

The steps and sentences are those of the quota plug-in (apiserver/pkg/admission/plugin/resourcequota),
which StatefulSets then carry in their FailedCreate events. As there, what counts is the status of the
quota: one that has none yet refuses nothing, and room that a stopped pod leaves exists once it has
been counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.admission.evaluators import EVALUATORS, Evaluator
from autoscaler.sandbox.admission.quota_scopes import counts, has_deadline
from autoscaler.sandbox.errors import forbidden
from autoscaler.sandbox.objects.amounts import Amounts, parsed, written
from autoscaler.sandbox.objects.kinds import kind_of
from autoscaler.sandbox.objects.values import JSON, dig

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

_WATCHED_CHANGES = ("persistentvolumeclaims", "services")


def admit_quota(store: Store, resource: str, obj: JSON) -> JSON:
    """Let an object in if every quota has room for it. Raises `ApiError` 403."""
    _charges(store, resource, obj, None)
    return obj


def charge_quota(
    store: Store, resource: str, obj: JSON, old: JSON | None = None, *, dry_run: bool = False
) -> None:
    """Count an object before it is stored, or what it takes beyond the `old` one that it replaces.

    Nothing is counted when one quota refuses. Raises `ApiError` 403.
    """
    if old is not None and not _is_counted_anew(resource, obj, old):
        return
    for quota, used in _charges(store, resource, obj, old):
        meta = quota["metadata"]
        if not dry_run:
            store.modify(
                "resourcequotas",
                meta["namespace"],
                meta["name"],
                partial(_charged, used),
                manager="kube-apiserver",
                subresource="status",
            )


def _is_counted_anew(resource: str, obj: JSON, old: JSON) -> bool:
    """Whether a change may take more of a quota: of a pod only one that changes its scope."""
    if resource == "pods":
        return has_deadline(obj) != has_deadline(old)
    return resource in _WATCHED_CHANGES


def _charges(store: Store, resource: str, obj: JSON, old: JSON | None) -> list[tuple[JSON, Amounts]]:
    """Return the quotas that count an object, each with what is used of it then."""
    namespace, evaluator = obj["metadata"].get("namespace", ""), EVALUATORS.get(resource)
    if not namespace or evaluator is None:
        return []
    quotas = [
        quota
        for quota in store.snapshot("resourcequotas", namespace)[0]
        if _concerns(evaluator, quota, resource, obj)
    ]
    if not quotas:
        return []
    usage = evaluator.usage(obj, store.clock())
    before = {} if old is None else evaluator.usage(old, store.clock())
    found = []
    for quota in quotas:
        spared = before if old is not None and counts(quota, resource, old) else {}
        wanted = _wanted(usage, spared, quota)
        if wanted:
            found.append((quota, _used_then(quota, resource, obj, wanted)))
    return found


def _concerns(evaluator: Evaluator, quota: JSON, resource: str, obj: JSON) -> bool:
    """Return whether a quota counts an object. Raises `ApiError` 403 where it cannot."""
    name = quota["metadata"]["name"]
    names = evaluator.matching(dig(quota, "status", "hard") or {})
    if not names or not counts(quota, resource, obj):
        return False
    why = ""
    if missing := evaluator.unspecified(names, obj):
        why = f"failed quota: {name}: {missing}"
    elif not set(names).issubset(dig(quota, "status", "used") or {}):
        why = f"status unknown for quota: {name}, resources: {','.join(names)}"
    if why:
        raise forbidden(kind_of(resource), obj["metadata"]["name"], why)
    return True


def _wanted(usage: Amounts, spared: Amounts, quota: JSON) -> Amounts:
    """Return what an object takes of a quota; what it takes nothing of cannot keep it out."""
    nothing = Quantity()
    more = {name: amount - spared.get(name, nothing) for name, amount in usage.items()}
    hard = quota["status"]["hard"]
    return {name: amount for name, amount in more.items() if name in hard and amount > nothing}


def _used_then(quota: JSON, resource: str, obj: JSON, wanted: Amounts) -> Amounts:
    hard, used = parsed(quota["status"]["hard"]), parsed(quota["status"]["used"])
    after = {name: used[name] + amount for name, amount in wanted.items()}
    over = sorted(name for name, amount in after.items() if amount > hard[name])
    if over:
        sides = (("requested", wanted), ("used", used), ("limited", hard))
        listed = ", ".join(f"{side}: {_listed(over, amounts)}" for side, amounts in sides)
        why = f"exceeded quota: {quota['metadata']['name']}, {listed}"
        raise forbidden(kind_of(resource), obj["metadata"]["name"], why)
    return used | after


def _charged(used: Amounts, quota: JSON) -> JSON:
    quota["status"]["used"] = written(used)
    return quota


def _listed(names: list[str], amounts: Mapping[str, Quantity]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in names)
