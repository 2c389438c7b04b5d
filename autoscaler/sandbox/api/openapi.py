"""As much of an OpenAPI description as kubectl needs before it applies anything.

It asks whether the server checks fields itself, which it reads from the parameters of PATCH, and
refuses to go on without an answer. There are no schemas: fields that no kind has are not refused.
"""

from __future__ import annotations

from functools import cache

from autoscaler.sandbox.objects.kinds import KINDS, Kind
from autoscaler.sandbox.objects.values import JSON

_ROOT = "/openapi/v3"
_FIELD_VALIDATION = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}


@cache
def openapi_documents() -> dict[str, JSON]:
    """Return the documents by their paths."""
    versions = dict.fromkeys(_prefix(kind) for kind in KINDS)
    index = {version: {"serverRelativeURL": f"{_ROOT}/{version}"} for version in versions}
    found: dict[str, JSON] = {_ROOT: {"paths": index}}
    for version in versions:
        paths = {
            f"/{version}/{_place(kind)}": {"patch": _patch(kind)}
            for kind in KINDS
            if _prefix(kind) == version
        }
        found[f"{_ROOT}/{version}"] = {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1"},
            "paths": paths,
            "components": {"schemas": {}},
        }
    return found


def _prefix(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.api_version}"


def _place(kind: Kind) -> str:
    return (
        f"namespaces/{{namespace}}/{kind.plural}/{{name}}" if kind.namespaced else f"{kind.plural}/{{name}}"
    )


def _patch(kind: Kind) -> JSON:
    return {
        "parameters": [_FIELD_VALIDATION],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": kind.group,
            "version": kind.version,
            "kind": kind.kind,
        },
    }
