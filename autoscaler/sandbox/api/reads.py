"""Reading: one object, or a list, whole or page by page, as it is or as a table."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from itertools import count

import msgspec

from autoscaler.sandbox.api.calls import Answer, Call
from autoscaler.sandbox.api.scale import to_scale
from autoscaler.sandbox.api.tables import table_of, wants_table
from autoscaler.sandbox.errors import ApiError, bad_request, expired
from autoscaler.sandbox.objects import selectors
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

_PAGES_KEPT = 64
_PAGE_GONE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter."
)


class Pages:
    """The rest of lists that are read page by page, each as it was when its first page was read."""

    def __init__(self) -> None:
        self._lists: OrderedDict[int, tuple[list[JSON], int]] = OrderedDict()
        self._ids = count(1)

    def keep(self, objects: list[JSON], version: int, start: int) -> str:
        """Remember a list and return the token for what comes from `start` on."""
        found = next(self._ids)
        self._lists[found] = (objects, version)
        while len(self._lists) > _PAGES_KEPT:
            self._lists.popitem(last=False)
        return base64.urlsafe_b64encode(msgspec.json.encode([found, start])).decode()

    def take(self, token: str) -> tuple[list[JSON], int, int]:
        """Return a remembered list, its version and where to go on. Raises `ApiError` 400 or 410."""
        try:
            found, start = msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[int, int])
        except (binascii.Error, msgspec.DecodeError, ValueError) as error:
            raise bad_request(f"continue key is not valid: {error}") from error
        if found not in self._lists:
            raise expired(_PAGE_GONE)
        objects, version = self._lists[found]
        return objects, version, start

    def forget(self) -> None:
        """Forget all lists, so that every token has expired."""
        self._lists.clear()


def get(store: Store, call: Call) -> Answer:
    """Answer with one object, or with its Scale."""
    route = call.route
    obj = store.get(route.kind.resource, route.namespace or "", route.name)
    if route.subresource == "scale":
        return Answer(to_scale(obj))
    if wants_table(call.accept):
        version = obj["metadata"]["resourceVersion"]
        return Answer(table_of(route.kind, [obj], version, store.clock(), call.params))
    return Answer(obj)


def list_objects(store: Store, pages: Pages, call: Call) -> Answer:
    """Answer with the objects that match the selectors, or with the next page of them."""
    route, limit = call.route, _number(call, "limit")
    if token := call.params.get("continue"):
        objects, version, start = pages.take(token)
    else:
        selector = selectors.parse(
            route.kind, call.params.get("labelSelector", ""), call.params.get("fieldSelector", "")
        )
        found, version = store.snapshot(route.kind.resource, route.namespace)
        _check_version(call, version)
        objects, start = [obj for obj in found if selector.matches(obj)], 0
    end = start + limit if limit else len(objects)
    meta: JSON = {"resourceVersion": str(version)}
    if end < len(objects):
        meta["continue"] = pages.keep(objects, version, end)
        if not (call.params.get("labelSelector") or call.params.get("fieldSelector")):
            meta["remainingItemCount"] = len(objects) - end
    if wants_table(call.accept):
        table = table_of(route.kind, objects[start:end], str(version), store.clock(), call.params)
        return Answer(table | {"metadata": meta})
    items = [
        {field: value for field, value in obj.items() if field not in {"apiVersion", "kind"}}
        for obj in objects[start:end]
    ]
    kind = route.kind
    return Answer(
        {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}
    )


def _check_version(call: Call, version: int) -> None:
    """Refuse a list that is to be newer than anything that there is."""
    asked = _number(call, "resourceVersion")
    if asked > version:
        message = f"Too large resource version: {asked}, current: {version}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def _number(call: Call, name: str) -> int:
    try:
        return int(call.params.get(name) or 0)
    except ValueError as error:
        raise bad_request(f"invalid {name}: {call.params[name]!r}") from error
