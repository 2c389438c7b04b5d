"""Which template a pod of a StatefulSet was made from.

Kubernetes names each template by a hash, keeps it as a ControllerRevision, and tells by the names
in the set's status how far an update has come. The hash is computed as Kubernetes computes it
(pkg/controller/history, FNV-1 over the Go-encoded patch), so that a recorded template gives the
recorded name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from autoscaler.sandbox.controllers.ownership import MANAGER, owned_by, owner_reference
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

RESOURCE = "controllerrevisions.apps"

_FNV_OFFSET, _FNV_PRIME, _32_BITS = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True, slots=True)
class Revision:
    """A pod template under its name."""

    name: str
    template: JSON


def revision_name(set_name: str, template: JSON, collisions: int = 0) -> str:
    """Return the name that Kubernetes gives to a (defaulted) pod template of a set."""
    return f"{set_name}-{template_hash(template, collisions)}"


def template_hash(template: JSON, collisions: int = 0) -> str:
    """Return the hash of a (defaulted) pod template, another one for each count of collisions."""
    data = json.dumps(_patch(template), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character, escaped in _GO_ESCAPES.items():
        data = data.replace(character, escaped)
    return _hashed(f"{data}{collisions}")


def _patch(template: JSON) -> JSON:
    """Return what is kept of a template: the strategic merge patch that brings it back."""
    return {"spec": {"template": {**template, "$patch": "replace"}}}


@lru_cache(maxsize=4096)
def _hashed(data: str) -> str:
    value = _FNV_OFFSET
    for byte in data.encode():
        value = (value * _FNV_PRIME & _32_BITS) ^ byte
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


class Revisions:
    """The templates of all sets, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, statefulset: JSON) -> tuple[Revision, Revision]:
        """Return the revision that the set comes from and the one that it is to have.

        They are the same until the template changes, and again when the update is complete.
        """
        template, status = statefulset["spec"]["template"], statefulset.get("status", {})
        update = Revision(revision_name(statefulset["metadata"]["name"], template), template)
        if status.get("updateRevision") != update.name:
            self._promote(statefulset, update)
        current = self._kept(statefulset, status.get("currentRevision", update.name))
        return current or update, update

    def _kept(self, statefulset: JSON, name: str) -> Revision | None:
        try:
            kept = self._store.get(RESOURCE, statefulset["metadata"]["namespace"], name)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        template = {key: value for key, value in kept["data"]["spec"]["template"].items() if key != "$patch"}
        return Revision(name, template)

    def _promote(self, statefulset: JSON, revision: Revision) -> None:
        """Make a revision the set's latest, which it may have been before."""
        namespace, uid = statefulset["metadata"]["namespace"], statefulset["metadata"]["uid"]
        others = [
            item["revision"]
            for item in self._store.list(RESOURCE, namespace)[0]
            if owned_by(item, uid) and item["metadata"]["name"] != revision.name
        ]
        number, owners = max(others, default=0) + 1, [owner_reference(statefulset)]

        def promoted(kept: JSON) -> JSON:
            return {
                **kept,
                "metadata": {**kept["metadata"], "ownerReferences": owners},
                "revision": max(kept["revision"], number),
            }

        if self._kept(statefulset, revision.name) is not None:
            self._store.modify(RESOURCE, namespace, revision.name, promoted, manager=MANAGER)
            return
        labels = dict(revision.template.get("metadata", {}).get("labels", {}))
        metadata = {
            "name": revision.name,
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": owners,
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": metadata,
            "data": _patch(revision.template),
            "revision": number,
        }
        self._store.create(RESOURCE, body, manager=MANAGER)
