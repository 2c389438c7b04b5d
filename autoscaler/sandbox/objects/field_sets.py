"""Sets of fields of an object: what differs between two, what one sets, and how FieldsV1 writes it.

A path is a tuple of elements, "f:spec" for a field, 'k:{"name":"worker"}' for an item of a list whose
items are told apart by keys, 'v:"x"' for a value in a set. The rules follow
sigs.k8s.io/structured-merge-diff (typed/compare.go, typed/tofieldset.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from autoscaler.sandbox.objects import schema
from autoscaler.sandbox.objects.values import JSON

Path = tuple[str, ...]
Paths = frozenset[Path]

_UNTRACKED = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
    | {"deletionTimestamp", "deletionGracePeriodSeconds"}
)
_WHOLE = "(replaced as a whole)"


class _Absent(Enum):
    ABSENT = 0


ABSENT = _Absent.ABSENT


@dataclass(slots=True)
class Comparison:
    """The paths that one object has and another has not, and those whose values differ."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)

    @property
    def touched(self) -> Paths:
        """What the second object sets anew."""
        return frozenset(self.added | self.modified)

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.removed)


def compare(old: JSON, new: JSON) -> Comparison:
    """Return how a new object differs from an old one, in the fields that can have an owner."""
    found = Comparison()
    for name in {*old, *new} - {"apiVersion", "kind", "metadata"}:
        _compare(found, (f"f:{name}",), name, old.get(name, ABSENT), new.get(name, ABSENT))
    before, after = old["metadata"], new["metadata"]
    for name in {*before, *after} - _UNTRACKED:
        path = ("f:metadata", f"f:{name}")
        _compare(found, path, name, before.get(name, ABSENT), after.get(name, ABSENT))
    return found


def _compare(found: Comparison, path: Path, name: str, old: object, new: object) -> None:
    if old is new:
        return
    sides = _children(name, old), _children(name, new)
    if sides[0] is None or sides[1] is None or not (sides[0] or sides[1]):
        _compare_leaf(found, path, old, new)
        return
    for element in {*sides[0], *sides[1]}:
        child_name, before = sides[0].get(element, ("", ABSENT))
        child_name, after = sides[1].get(element, (child_name, ABSENT))
        _compare(found, (*path, element), child_name, before, after)
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)


def _compare_leaf(found: Comparison, path: Path, old: object, new: object) -> None:
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)
    elif old != new:
        found.modified.add(path)


def _children(name: str, value: object) -> dict[str, tuple[str, object]] | None:
    """Return the parts of a value by path element, each with its name; None for a plain one."""
    if value is ABSENT or value is None:
        return {}
    if name in schema.ATOMIC or name == _WHOLE:
        return None
    if isinstance(value, dict):
        return {f"f:{key}": (key, item) for key, item in value.items()}
    if isinstance(value, list) and name in schema.SETS:
        return {f"v:{json.dumps(item)}": ("", item) for item in value}
    if isinstance(value, list) and schema.is_keyed(name, value):
        whole = _WHOLE if name in schema.ATOMIC_ITEMS else ""
        return {element(name, item): (whole, item) for item in value}
    return None


def element(name: str, item: JSON) -> str:
    """Return the path element of an item of a keyed list."""
    return "k:" + json.dumps(schema.item_key(name, item), separators=(",", ":"), sort_keys=True)


def set_by(obj: JSON) -> Paths:
    """Return the fields that an applied configuration sets."""
    found: set[Path] = set()
    for name, value in obj.items():
        if name == "metadata":
            for inner, held in value.items():
                if inner not in _UNTRACKED:
                    _collect(found, ("f:metadata", f"f:{inner}"), inner, held)
        elif name not in {"apiVersion", "kind"}:
            _collect(found, (f"f:{name}",), name, value)
    return frozenset(found)


def _collect(found: set[Path], path: Path, name: str, value: object) -> None:
    children = _children(name, value)
    if not children:
        found.add(path)
        return
    if path[-1].startswith("k:"):
        found.add(path)
    for part, (child_name, item) in children.items():
        _collect(found, (*path, part), child_name, item)


def encode(paths: Iterable[Path]) -> JSON:
    """Return paths as FieldsV1 writes them."""
    root: JSON = {}
    for path in sorted(paths):
        node = root
        for part in path:
            node = node.setdefault(part, {})
        node["."] = {}
    return _without_lone_dots(root)


def _without_lone_dots(node: JSON) -> JSON:
    if node.keys() == {"."}:
        return {}
    return {part: below if part == "." else _without_lone_dots(below) for part, below in sorted(node.items())}


def decode(fields: JSON) -> Paths:
    """Return the paths that FieldsV1 stands for."""
    return frozenset(_decoded((), fields))


def _decoded(path: Path, node: JSON) -> Iterator[Path]:
    if not node and path:
        yield path
    for part, below in node.items():
        if part == ".":
            yield path
        else:
            yield from _decoded((*path, part), below)


def text(path: Path) -> str:
    """Return a path as people read it, such as `.spec.containers[name="worker"].image`."""
    shown = ""
    for part in path:
        kind, _, value = part.partition(":")
        if kind == "f":
            shown += f".{value}"
        elif kind == "k":
            keys = json.loads(value)
            shown += "[" + ",".join(f"{key}={json.dumps(held)}" for key, held in keys.items()) + "]"
        else:
            shown += f"[={value}]"
    return shown
