"""How controllers find an object that may be gone by now."""

from __future__ import annotations

from http import HTTPStatus

from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

Key = tuple[str, str]


def key_of(obj: JSON) -> Key:
    """Return the namespace and name of an object."""
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def find(store: Store, resource: str, key: Key) -> JSON | None:
    """Return an object by namespace and name, None when it is gone."""
    try:
        return store.get(resource, *key)
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
