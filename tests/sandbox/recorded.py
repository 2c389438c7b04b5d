"""Exchanges recorded from a real API server, and how another answer differs from one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

JSON = dict[str, Any]
FOLDER = Path(__file__).parent.parent / "recordings"

_CHANGING = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "continue"}
_WORDS = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r'(resourceVersion\\+":\\+")\d+'), r"\1<version>"),
    (re.compile(r"(too old resource version: \d+) \(\d+\)"), r"\1 (<version>)"),
    (re.compile(r"kube-api-access-[a-z0-9]{5}"), "kube-api-access-<suffix>"),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One exchange, by the number and the name of its file."""

    name: str
    request: JSON
    response: JSON

    @property
    def body(self) -> Any:
        """The recorded answer, a fresh copy."""
        return json.loads(json.dumps(self.response["body"]))


def recordings() -> list[Recording]:
    """Return all recordings, in order."""
    return [_read(path) for path in sorted(FOLDER.glob("*.json"))]


def recording(number: int) -> Recording:
    """Return the recording of a number."""
    return _read(next(FOLDER.glob(f"{number:02}-*.json")))


@cache
def _read(path: Path) -> Recording:
    exchange = json.loads(path.read_text())
    return Recording(path.stem, exchange["request"], exchange["response"])


def differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Yield where two JSON values differ; of ids, times and versions only the presence counts.

    As owners of fields are shown in the order of their times, their order does not count either.
    """
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            if key not in found or key not in wanted:
                yield f"{path}.{key} is {'missing' if key in wanted else f'too much: {found[key]}'}"
            elif key == "managedFields":
                yield from differences(_by_owner(found[key]), _by_owner(wanted[key]), f"{path}.{key}")
            elif key not in _CHANGING:
                yield from differences(found[key], wanted[key], f"{path}.{key}")
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif _plain(found) != _plain(wanted):
        yield f"{path} is {found!r}, not {wanted!r}"


def _by_owner(entries: list[JSON]) -> list[JSON]:
    return sorted(
        entries, key=lambda entry: [entry["manager"], entry["operation"], entry.get("subresource", "")]
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, word in _WORDS:
            value = pattern.sub(word, value)
    return value
