"""Queues named by a glob, such as `etl-*`: which names it stands for.

`*` is any number of characters, `?` one, `[abc]` and `[a-z]` one of these, `[!a]` any but these. Letters
count as they are written. A character that has a meaning here stands for itself in brackets: `[*]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

MAGIC = frozenset("*?[")


def is_glob(name: str) -> bool:
    """Whether a name of the configuration may stand for several queues."""
    return not MAGIC.isdisjoint(name)


def is_closed(name: str) -> bool:
    """Whether every bracket that is opened in a name is closed."""
    return all(part != "[" for part in _parts(name))


def expression(name: str) -> str:
    """Return a regular expression for a name, one that Python's `re` and RE2 understand alike."""
    return "".join(map(_translated, _parts(name)))


def literal(text: str) -> str:
    """Return a regular expression for a text itself, in the same way."""
    return re.sub(r"[][\\.+*?(){}|^$]", r"\\\g<0>", text)


def matches(names: Iterable[str], queue: str) -> bool:
    """Whether a queue is among those that names of the configuration stand for."""
    return any(_compiled(name).fullmatch(queue) for name in names)


@lru_cache(maxsize=4096)
def _compiled(name: str) -> re.Pattern[str]:
    return re.compile(expression(name), re.DOTALL)


def _parts(name: str) -> list[str]:
    """Return a name's characters, what is in brackets as one; a lone `[` is never closed."""
    return re.findall(r"\[!?(?:\][^\]]*|[^\]]+)\]|.", name, re.DOTALL)


def _translated(part: str) -> str:
    if part == "*":
        return ".*"
    if part == "?":
        return "."
    if part.startswith("[") and part.endswith("]"):
        negated = part.startswith("[!")
        inner = part[2:-1] if negated else part[1:-1]
        safe = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner)
        return f"[{'^' if negated else ''}{safe}]"
    return literal(part)
