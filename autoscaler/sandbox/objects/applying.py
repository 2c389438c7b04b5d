"""Server-side apply: a configuration merged into an object, by the owners of its fields.

What is applied becomes the applier's; what it applied before and applies no more goes, unless others
hold it; what others hold and it would change is a conflict. After sigs.k8s.io/structured-merge-diff
(merge/update.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects import field_sets, owners, schema
from autoscaler.sandbox.objects.decode import decode
from autoscaler.sandbox.objects.field_sets import Path, Paths
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.owners import UPDATE, Claim, Owner
from autoscaler.sandbox.objects.values import JSON, copy


def first_claims(config: JSON, owner: Owner, now: str) -> list[Claim]:
    """Return who owns what of an object that an apply creates."""
    return [Claim(owner, field_sets.set_by(_reached(config, owner)), now)]


def merged(
    kind: Kind, live: JSON, config: JSON, owner: Owner, now: str, *, force: bool
) -> tuple[JSON, list[Claim]]:
    """Return an object with a configuration applied, and who owns what of it then.

    Raises `ApiError` 409 for conflicts, unless `force`.
    """
    claims = owners.read(live)
    config = _reached(config, owner)
    paths = field_sets.set_by(config)
    before = next((claim for claim in claims if claim.owner == owner), Claim(owner, frozenset(), None))
    others = [claim for claim in claims if claim.owner != owner]
    new = _merge("", live, config)
    for path in _dropped(before.paths - paths, others):
        _remove(new, path)
    difference = field_sets.compare(live, decode(kind, new))
    taken = {claim.owner: claim.paths & difference.touched for claim in others}
    if any(taken.values()) and not force:
        raise _conflicts(taken)
    changed = bool(difference) or before.paths != paths
    time = None if owner.subresource == "scale" else now if changed else before.time
    kept = [claim.without(difference.touched | difference.removed) for claim in others]
    return new, [Claim(owner, paths, time), *kept]


def _reached(config: JSON, owner: Owner) -> JSON:
    """Return the part of a configuration that its way in reaches: the status, or all but the status."""
    through_status = owner.subresource == "status"
    return {field: value for field, value in config.items() if (field == "status") is through_status}


def _merge(name: str, old: object, new: Any) -> Any:  # noqa: ANN401 - any JSON values
    if isinstance(new, dict) and isinstance(old, dict) and name not in schema.ATOMIC:
        return old | {key: _merge(key, old.get(key), item) for key, item in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        if name in schema.SETS:
            return [*old, *(item for item in new if item not in old)]
        if schema.is_keyed(name, new) and schema.is_keyed(name, old):
            items = {field_sets.element(name, item): item for item in old}
            for item in new:
                key = field_sets.element(name, item)
                items[key] = _merge("", items.get(key), item)
            return list(items.values())
    return copy(new)


def _dropped(paths: Paths, others: Iterable[Claim]) -> Iterator[Path]:
    """Yield the outermost paths to remove, which are those of which nobody else holds any part."""
    held = {path[:length] for claim in others for path in claim.paths for length in range(1, len(path) + 1)}
    loose = paths - held
    for path in loose:
        if not any(path[:length] in loose for length in range(1, len(path))):
            yield path


def _remove(value: JSON, path: Path) -> None:
    """Remove in place what stands under a path, on the way replacing what is shared by copies."""
    inner: Any = value
    name = ""
    for part in path[:-1]:
        inner, name = _own_child(inner, name, part)
        if inner is None:
            return
    last = path[-1]
    if isinstance(inner, dict):
        inner.pop(last.removeprefix("f:"), None)
    elif isinstance(inner, list):
        inner[:] = [item for item in inner if _element(name, item) != last]


def _own_child(inner: Any, name: str, part: str) -> tuple[Any, str]:  # noqa: ANN401 - any JSON values
    if isinstance(inner, dict):
        name = part.removeprefix("f:")
        if name in inner:
            inner[name] = _shallow(inner[name])
        return inner.get(name), name
    for index, item in enumerate(inner if isinstance(inner, list) else ()):
        if _element(name, item) == part:
            inner[index] = _shallow(item)
            return inner[index], ""
    return None, ""


def _element(name: str, item: object) -> str:
    return field_sets.element(name, item) if isinstance(item, dict) else f"v:{json.dumps(item)}"


def _shallow(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value.copy() if isinstance(value, (dict, list)) else value


def _conflicts(taken: dict[Owner, Paths]) -> ApiError:
    found = [(_words(owner), path) for owner in sorted(taken, key=_order) for path in sorted(taken[owner])]
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {who}",
            "field": field_sets.text(path),
        }
        for who, path in found
    ]
    if len(found) == 1:
        who, path = found[0]
        message = f"Apply failed with 1 conflict: conflict with {who}: {field_sets.text(path)}"
    else:
        lines: list[str] = []
        for who in dict.fromkeys(who for who, _ in found):
            lines.append(f"conflicts with {who}:")
            lines += [f"- {field_sets.text(path)}" for other, path in found if other == who]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})


def _order(owner: Owner) -> tuple[str, str, str, str]:
    return owner.manager, owner.operation, owner.api_version, owner.subresource


def _words(owner: Owner) -> str:
    words = json.dumps(owner.manager)
    if owner.subresource:
        words += f' with subresource "{owner.subresource}"'
    return f"{words} using {owner.api_version}" if owner.operation == UPDATE else words
