"""The /scale subresource: a workload seen as an autoscaling/v1 Scale, and changed through it."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.sandbox.errors import bad_request, invalid, invalid_value
from autoscaler.sandbox.objects import owners
from autoscaler.sandbox.objects.decode import go_type
from autoscaler.sandbox.objects.owners import Claim, Owner
from autoscaler.sandbox.objects.selectors import label_text
from autoscaler.sandbox.objects.values import JSON, copy, dig

_VERSION = "autoscaling/v1"
_REPLICAS = ("f:spec", "f:replicas")
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def to_scale(obj: JSON) -> JSON:
    """Return the Scale of a workload; replicas of 0 are left out of its spec, as Go does."""
    replicas = obj["spec"].get("replicas", 0)
    return {
        "kind": "Scale",
        "apiVersion": _VERSION,
        "metadata": {field: obj["metadata"][field] for field in _SHOWN if field in obj["metadata"]},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {
            "replicas": dig(obj, "status", "replicas") or 0,
            "selector": label_text(obj["spec"]["selector"] or {}),
        },
    }


def with_owners(scale: JSON, obj: JSON) -> JSON:
    """Return a Scale with the owners of the replicas, which patches see and clients do not."""
    shown = copy(scale)
    claims = [
        Claim(
            Owner(claim.owner.manager, claim.owner.operation, _VERSION, "scale"),
            frozenset({_REPLICAS}),
            claim.time,
        )
        for claim in owners.read(obj)
        if _REPLICAS in claim.paths
    ]
    owners.write(shown, claims)
    return {field: shown[field] for field in ("apiVersion", "kind", "metadata", "spec", "status")}


def wrong_replicas(scale: JSON) -> str:
    """Return the decoder's complaint about a Scale, "" where there is none."""
    replicas = dig(scale, "spec", "replicas")
    if replicas is None or (isinstance(replicas, int) and not isinstance(replicas, bool)):
        return ""
    where = "Go struct field ScaleSpec.spec.replicas of type int32"
    return f"json: cannot unmarshal {go_type(replicas)} into {where}"


def from_scale(scale: JSON) -> Callable[[JSON], JSON]:
    """Return the change of a workload that a Scale asks for. Raises `ApiError` 400 or 422."""
    if complaint := wrong_replicas(scale):
        raise bad_request(f'Scale in version "v1" cannot be handled as a Scale: {complaint}')
    replicas = dig(scale, "spec", "replicas") or 0
    meta = scale.get("metadata") or {}
    if replicas < 0:
        rule = invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0")
        raise invalid("autoscaling", "Scale", meta.get("name", ""), [rule])

    def change(obj: JSON) -> JSON:
        obj["spec"]["replicas"] = replicas
        basis = {field: meta.get(field) for field in ("resourceVersion", "uid")}
        obj["metadata"].update(basis)
        return obj

    return change
