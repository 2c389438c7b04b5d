"""What the server has to offer, for clients that ask before they use it, as kubectl does."""

from __future__ import annotations

from functools import cache

from autoscaler.sandbox.api.calls import Answer
from autoscaler.sandbox.api.openapi import openapi_documents
from autoscaler.sandbox.objects.kinds import KINDS, Kind
from autoscaler.sandbox.objects.values import JSON

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
_HEALTH = ("/healthz", "/livez", "/readyz")
_GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS if kind.group))


def discover(path: str) -> Answer | None:
    """Return the answer to a question about the server itself, None for any other path."""
    path = path.rstrip("/")
    if path in _HEALTH:
        return Answer("ok")
    found = _documents().get(path)
    return None if found is None else Answer(found)


@cache
def _documents() -> dict[str, JSON]:
    groups = [_group(group) for group in _GROUPS]
    found: dict[str, JSON] = openapi_documents() | {
        "/version": dict(_VERSION),
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for group in groups:
        found[f"/apis/{group['name']}"] = {"kind": "APIGroup", "apiVersion": "v1"} | group
    for kind in KINDS:
        prefix = "/apis" if kind.group else "/api"
        found[f"{prefix}/{kind.api_version}"] = _resources(kind.api_version)
    return found


def _group(group: str) -> JSON:
    versions = dict.fromkeys(kind.version for kind in KINDS if kind.group == group)
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resources(api_version: str) -> JSON:
    found: list[JSON] = []
    for kind in KINDS:
        if kind.api_version == api_version:
            found.append(_resource(kind))
            found += [_subresource(kind, name) for name in kind.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": found,
    }


def _resource(kind: Kind) -> JSON:
    shown: JSON = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(_VERBS if kind.kept else ("create",)),
    }
    if kind.short_names:
        shown["shortNames"] = list(kind.short_names)
    if kind.categories:
        shown["categories"] = list(kind.categories)
    return shown


def _subresource(kind: Kind, name: str) -> JSON:
    shown: JSON = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["get"] if name == "log" else ["get", "patch", "update"],
    }
    if name == "scale":
        shown |= {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return shown
