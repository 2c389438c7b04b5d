"""The patches that a client may send: JSON merge patch (RFC 7386) and JSON patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonpatch
import msgspec

from autoscaler.sandbox.api.strategic import strategic_merge
from autoscaler.sandbox.errors import (
    ApiError,
    bad_request,
    invalid,
    invalid_value,
    unprocessable,
    unsupported_media_type,
)
from autoscaler.sandbox.objects.values import JSON

APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

Patch = Callable[[JSON], JSON]


def read_patch(content_type: str, body: bytes) -> Patch:
    """Return what turns an object into the patched one.

    Raises `ApiError` 400 for a patch that cannot be read, 415 for another type; the patch itself 422
    when it cannot be carried out.
    """
    if content_type not in {JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH}:
        raise unsupported_media_type((JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH))
    try:
        sent = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if content_type == JSON_PATCH:
        return _json_patch(sent)
    if not isinstance(sent, dict):
        raise bad_request("error decoding patch: the patch is not an object")
    if content_type == MERGE_PATCH:
        return lambda obj: merge(obj, sent)
    return lambda obj: strategic_merge(obj, sent)


def merge(value: object, patch: Any) -> Any:  # noqa: ANN401 - any JSON values
    """Return a value merged with a patch: objects field by field, null removes, the rest replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), item)
    return merged


def _json_patch(operations: object) -> Patch:
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: the patch is not a list of operations")
    try:
        prepared = jsonpatch.JsonPatch(operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise bad_request(f"error decoding patch: {error}") from error

    def patch(obj: JSON) -> JSON:
        try:
            patched = prepared.apply(obj)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            raise unprocessable() from error
        if not isinstance(patched, dict):
            raise unprocessable()
        return patched

    return patch


def wrong_patch(patched: JSON, complaint: str) -> ApiError:
    """Return the error for a patch whose result cannot be decoded."""
    shown = msgspec.json.encode(msgspec.json.encode(patched).decode()).decode()
    return invalid("", "", "", [invalid_value("patch", shown, complaint)])
