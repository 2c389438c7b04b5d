"""Who made what: owner references, and what happens to the owned when the owner goes."""

from __future__ import annotations

from typing import Any

from autoscaler.sandbox.objects.values import JSON

MANAGER = "kube-controller-manager"


def owner_reference(owner: JSON) -> JSON:
    """Return the reference by which an object names the controller that made it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: JSON) -> dict[str, Any] | None:
    """Return the reference to the controller that an object belongs to, None for an orphan."""
    for reference in obj["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            return dict(reference)
    return None


def owned_by(obj: JSON, uid: str) -> bool:
    """Whether an object names the owner with this uid."""
    return any(reference["uid"] == uid for reference in obj["metadata"].get("ownerReferences", ()))
