"""What claims for storage and services take of a quota, and which names of a quota are about them.

The rules are those of pkg/quota/v1/evaluator/core in 1.36.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from autoscaler.core import quantity
from autoscaler.core.quantity import Quantity
from autoscaler.sandbox.objects.amounts import Amounts, parsed, rounded_up
from autoscaler.sandbox.objects.values import JSON, dig

_ONE = quantity.parse(1)
_OBJECTS = "count/persistentvolumeclaims"
_CLAIMS, _STORAGE = "persistentvolumeclaims", "requests.storage"
_OF_CLASS = ".storageclass.storage.k8s.io/"
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


def is_of_claims(name: str) -> bool:
    """Whether a name that a quota uses is about claims, all of them or those of one storage class."""
    if name in {_OBJECTS, _CLAIMS, _STORAGE}:
        return True
    return name.endswith((_OF_CLASS + _CLAIMS, _OF_CLASS + _STORAGE))


def claim_usage(claim: JSON, _now: datetime) -> Amounts:
    """Return what a claim counts for, by the names that quotas use; storage in whole bytes."""
    used = {_OBJECTS: _ONE, _CLAIMS: _ONE}
    storage = _storage_of(claim)
    if storage is not None:
        used[_STORAGE] = storage
    if of_class := storage_class_of(claim):
        used |= {f"{of_class}{_OF_CLASS}{name}": used[name] for name in (_CLAIMS, _STORAGE) if name in used}
    return used


def storage_class_of(claim: JSON) -> str:
    """Return the storage class that a claim names, "" for none."""
    annotations = claim["metadata"].get("annotations") or {}
    return str(annotations.get(_OLD_CLASS, claim["spec"].get("storageClassName") or ""))


def volume_classes_of(claim: JSON) -> set[str]:
    """Return the VolumeAttributesClasses that a claim asks for, has, or is to get."""
    found = (
        dig(claim, "spec", "volumeAttributesClassName"),
        dig(claim, "status", "currentVolumeAttributesClassName"),
        dig(claim, "status", "modifyVolumeStatus", "targetVolumeAttributesClassName"),
    )
    return {name for name in found if name}


def is_of_services(name: str) -> bool:
    """Whether a name that a quota uses is about services."""
    return name in {"count/services", "services", "services.loadbalancers", "services.nodeports"}


def service_usage(service: JSON, _now: datetime) -> Amounts:
    """Return what a service counts for, by the names that quotas use."""
    spec = service["spec"]
    kind, ports = spec.get("type"), spec.get("ports") or []
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        ports = [port for port in ports if port.get("nodePort")]
    elif kind not in {"LoadBalancer", "NodePort"}:
        ports = []
    return {
        "count/services": _ONE,
        "services": _ONE,
        "services.loadbalancers": quantity.parse(int(kind == "LoadBalancer")),
        "services.nodeports": quantity.parse(len(ports)),
    }


def _storage_of(claim: JSON) -> Quantity | None:
    asked = parsed(dig(claim, "spec", "resources", "requests")).get("storage")
    if asked is None:
        return None
    given = parsed(dig(claim, "status", "allocatedResources")).get("storage")
    asked = rounded_up(asked, Fraction(1))
    return rounded_up(given, Fraction(1)) if given is not None and given > asked else asked
