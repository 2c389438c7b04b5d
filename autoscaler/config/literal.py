"""TOML text of values: whole for a file, shortened and free of credentials for people."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

SHOWN_CHARACTERS = 60
SHOWN_ITEMS = 6
TOML_INTEGER_BITS = 64

_CREDENTIALS = re.compile(r"://|:.*@", re.DOTALL)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def literal(value: Any) -> str:  # noqa: ANN401 - whatever TOML knows
    """Return a text, number, truth value, time or list of these as TOML."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(item) for item in value)}]"
    return str(value)


def shown(value: Any) -> str:  # noqa: ANN401 - whatever stands in a file
    """Return a value for people to recognise, shortened.

    The inside of a table or of an inner list is left out, and so is any text that could be a URL with
    a password.
    """
    if isinstance(value, list | tuple):
        return _shown_list(value)
    return _shown_item(value)


def may_hold_credentials(text: str) -> bool:
    """Whether a text could be, or contain, a URL with a user and a password."""
    return _CREDENTIALS.search(text) is not None


def bare(word: str) -> str:
    """Return a key as TOML would have it: quoted where it must be, and never as a URL."""
    return word if len(word) <= SHOWN_CHARACTERS and _BARE_KEY.fullmatch(word) else shown(word)


def alternatives(words: Sequence[str]) -> str:
    """Return words as a choice: A, B or C."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def printable(text: str) -> str:
    """Return a text with everything escaped that a terminal would not simply show."""
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _shown_list(items: Sequence[Any]) -> str:
    texts = [_shown_item(item) for item in items[:SHOWN_ITEMS]]
    while len(texts) > 1 and sum(map(len, texts)) > SHOWN_CHARACTERS:
        texts.pop()
    if len(texts) < len(items):
        texts.append("…")
    return f"[{', '.join(texts)}]"


def _shown_item(value: Any) -> str:  # noqa: ANN401 - whatever stands in a file
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list | tuple):
        return "[…]"
    if isinstance(value, str) and may_hold_credentials(value):
        return '"…"'
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return _quoted(value[: SHOWN_CHARACTERS - 1] + "…")
    if isinstance(value, int) and value.bit_length() > TOML_INTEGER_BITS:
        return f"an integer of {value.bit_length()} bits"
    return literal(value)


def _quoted(text: str) -> str:
    return printable(json.dumps(text, ensure_ascii=False))


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004 - four digits
