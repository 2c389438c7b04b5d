"""What a request asks for, read from its path and its headers once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.sandbox.api.access import User
from autoscaler.sandbox.objects.kinds import Kind, find_kind
from autoscaler.sandbox.objects.values import JSON

_TRUE = ("1", "true")
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Route:
    """An object, or with `name` "" all of a kind: in one namespace, or with None wherever they are."""

    kind: Kind
    namespace: str | None = None
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to do something with a route; `manager` is who owns what it writes."""

    verb: str
    route: Route
    user: User
    manager: str
    params: Mapping[str, str]
    body: bytes = b""
    content_type: str = ""
    accept: str = ""

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be stored."""
        return self.params.get("dryRun") == "All"

    def flag(self, name: str) -> bool:
        """Return whether a parameter is set and true."""
        return self.params.get(name, "") in _TRUE


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets: an object, or text."""

    body: JSON | str
    status: int = 200


def find_route(path: str) -> Route | None:
    """Return the route of a path, None where the API has nothing there."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:  # noqa: PLR2004 - apis, group, version, resource
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if not rest or not all(rest):
        return None
    namespace = None
    within = rest[0] == "namespaces" and len(rest) > 2  # noqa: PLR2004 - namespaces, name, resource
    if within and rest[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    return _route(group, version, namespace, rest)


def _route(group: str, version: str, namespace: str | None, rest: list[str]) -> Route | None:
    plural, name, subresource, *beyond = [*rest, "", "", ""][: max(3, len(rest))]
    kind = find_kind(group, version, plural)
    if kind is None or beyond or (subresource and subresource not in kind.subresources):
        return None
    if kind.namespaced and name and namespace is None:
        return None
    if not kind.namespaced and namespace is not None:
        return None
    return Route(kind, namespace if kind.namespaced else "", name, subresource)


def verb_of(method: str, route: Route, params: Mapping[str, str]) -> str:
    """Return the verb that rules speak of, "" where a method means nothing there."""
    if method == "GET":
        if params.get("watch") in _TRUE and not route.subresource:
            return "watch"
        return "get" if route.name else "list"
    if method == "DELETE":
        return "delete" if route.name else "deletecollection"
    if method == "POST":
        return "" if route.name else "create"
    return {"PUT": "update", "PATCH": "patch"}.get(method, "") if route.name else ""
