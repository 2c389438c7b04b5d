"""Small tools for JSON values, which is what objects are in here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar, cast

JSON = dict[str, Any]
T = TypeVar("T")


def copy(value: T) -> T:
    """Return a deep copy of a JSON value: several times faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        return cast("T", {key: copy(item) for key, item in value.items()})
    if isinstance(value, list):
        return cast("T", [copy(item) for item in value])
    return value


def dig(value: object, *path: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return what stands under a path of keys, None where something on the way is missing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """Return a time as metadata shows it, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
