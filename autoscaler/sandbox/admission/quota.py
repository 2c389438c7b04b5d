"""ResourceQuotas at the door: whether a new object still has room, and the words of the refusal.

The sentences are those of the quota plug-in (apiserver/pkg/admission/plugin/resourcequota), which
StatefulSets then carry in their FailedCreate events. As there, what counts is the status of the
quota, so room that a stopped pod leaves exists once it has been counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.admission.pod_resources import Amounts, is_of_pods, parsed, usage
from autoscaler.sandbox.admission.quota_scopes import counts_pod, is_scoped
from autoscaler.sandbox.errors import forbidden
from autoscaler.sandbox.objects.kinds import kind_of
from autoscaler.sandbox.objects.pod_defaults import containers_of
from autoscaler.sandbox.objects.values import JSON, dig

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

_COUNTED_BY_PLURAL = ("configmaps", "persistentvolumeclaims", "resourcequotas", "secrets", "services")
_MUST_SPECIFY = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")


def admit_quota(store: Store, resource: str, obj: JSON) -> JSON:
    """Let an object in if every quota has room for it. Raises `ApiError` 403."""
    for quota, wanted in _concerned(store, resource, obj):
        why = _unspecified(quota, obj) if resource == "pods" else ""
        if why := why or _exceeded(quota, wanted):
            raise forbidden(kind_of(resource), obj["metadata"]["name"], why)
    return obj


def charge_quota(store: Store, resource: str, obj: JSON) -> None:
    """Count an object that has been let in, before it is stored."""
    for quota, wanted in list(_concerned(store, resource, obj)):
        meta = quota["metadata"]
        store.modify(
            "resourcequotas",
            meta["namespace"],
            meta["name"],
            partial(_charged, wanted),
            manager="kube-apiserver",
            subresource="status",
        )


def wanted_of(quota: JSON, resource: str, obj: JSON) -> Amounts:
    """Return what an object takes of a quota, nothing where the quota does not count it."""
    hard = quota["spec"].get("hard") or {}
    if resource == "pods":
        amounts = usage(obj) if counts_pod(quota, obj) else {}
        return {name: amounts.get(name, Quantity()) for name in hard if amounts and is_of_pods(name)}
    if is_scoped(quota):
        return {}
    names = {f"count/{resource}", resource if resource in _COUNTED_BY_PLURAL else ""}
    return {name: quantity.parse(1) for name in hard if name in names}


def _concerned(store: Store, resource: str, obj: JSON) -> Iterator[tuple[JSON, Amounts]]:
    namespace = obj["metadata"].get("namespace", "")
    for quota in store.snapshot("resourcequotas", namespace)[0] if namespace else []:
        if wanted := wanted_of(quota, resource, obj):
            yield quota, wanted


def _charged(wanted: Amounts, quota: JSON) -> JSON:
    used = parsed(dig(quota, "status", "used"))
    after = {name: used.get(name, Quantity()) + amount for name, amount in wanted.items()}
    quota["status"]["used"] = {name: str(amount) for name, amount in (used | after).items()}
    return quota


def _exceeded(quota: JSON, wanted: Amounts) -> str:
    hard, used = parsed(dig(quota, "status", "hard")), parsed(dig(quota, "status", "used"))
    over = sorted(
        name
        for name, amount in wanted.items()
        if name in hard and used.get(name, Quantity()) + amount > hard[name]
    )
    if not over:
        return ""
    name = quota["metadata"]["name"]
    sides = (("requested", wanted), ("used", used), ("limited", hard))
    listed = ", ".join(f"{side}: {_listed(over, amounts)}" for side, amounts in sides)
    return f"exceeded quota: {name}, {listed}"


def _listed(names: list[str], amounts: Mapping[str, Quantity]) -> str:
    return ",".join(f"{name}={amounts.get(name, Quantity())}" for name in names)


def _unspecified(quota: JSON, pod: JSON) -> str:
    """Return the refusal of a pod that leaves open what a quota counts, "" for any other."""
    missing: dict[str, list[str]] = {}
    for name in sorted(set(_MUST_SPECIFY) & set(quota["spec"].get("hard") or {})):
        side, _, short = name.rpartition(".")
        for container in containers_of(pod["spec"]):
            if short not in (dig(container, "resources", side or "requests") or {}):
                missing.setdefault(name, []).append(container["name"])
    if not missing:
        return ""
    parts = "; ".join(f"{name} for: {','.join(sorted(who))}" for name, who in missing.items())
    return f"failed quota: {quota['metadata']['name']}: must specify {parts}"
