"""Strategic merge patches, which kubectl sends: lists merge by key, directives say what goes.

Enough for what kubectl annotate, label, edit, set and apply send for the kinds kept here.
"""

from __future__ import annotations

from typing import Any

from autoscaler.sandbox.objects import schema
from autoscaler.sandbox.objects.values import JSON

_MERGE_KEYS = {name: keys[0] for name, keys in schema.LIST_KEYS.items()}
_ORDER, _PRIMITIVES, _RETAIN = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"


def strategic_merge(value: JSON, patch: JSON) -> JSON:
    """Return an object merged with a strategic merge patch."""
    if patch.get("$patch") == "replace":
        return _plain(patch)
    merged = dict(value)
    if _RETAIN in patch:
        merged = {key: item for key, item in merged.items() if key in patch[_RETAIN]}
    for key, item in patch.items():
        if key.startswith(_PRIMITIVES):
            name = key.removeprefix(_PRIMITIVES)
            merged[name] = [kept for kept in merged.get(name, []) if kept not in item]
        elif not key.startswith("$"):
            _merge_field(merged, key, item)
    for key, order in patch.items():
        if key.startswith(_ORDER):
            _sort(merged, key.removeprefix(_ORDER), order)
    return merged


def _merge_field(merged: JSON, key: str, item: Any) -> None:  # noqa: ANN401 - any JSON value
    old = merged.get(key)
    if item is None or (isinstance(item, dict) and item.get("$patch") == "delete"):
        merged.pop(key, None)
    elif isinstance(item, dict):
        merged[key] = strategic_merge(old if isinstance(old, dict) else {}, item)
    elif isinstance(item, list) and key in schema.SETS:
        merged[key] = [*(old or []), *(new for new in item if new not in (old or []))]
    elif schema.is_keyed(key, item):
        merged[key] = _merge_items(_MERGE_KEYS[key], old or [], item)
    else:
        merged[key] = item


def _merge_items(key: str, old: list[JSON], patches: list[JSON]) -> list[JSON]:
    if any(patch.get("$patch") == "replace" for patch in patches):
        return [_plain(patch) for patch in patches if patch.get("$patch") != "replace"]
    items = {item.get(key): item for item in old}
    for patch in patches:
        if patch.get("$patch") == "delete":
            items.pop(patch.get(key), None)
        else:
            items[patch.get(key)] = strategic_merge(items.get(patch.get(key), {}), patch)
    return list(items.values())


def _sort(merged: JSON, name: str, order: list[Any]) -> None:
    """Bring a list into the order that the patch names; what it does not name stays behind."""
    if not isinstance(items := merged.get(name), list):
        return
    key = _MERGE_KEYS.get(name)
    wanted = [item.get(key) if isinstance(item, dict) else item for item in order]

    def place(item: object) -> int:
        named = item.get(key) if isinstance(item, dict) else item
        return wanted.index(named) if named in wanted else len(wanted)

    merged[name] = sorted(items, key=place)


def _plain(patch: JSON) -> JSON:
    return {key: item for key, item in patch.items() if not key.startswith("$")}
