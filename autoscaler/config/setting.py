"""How a key of the configuration file is declared: once, with its default, its rule and its meaning."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def setting(
    doc: str,
    default: Any = ...,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    outer_aliases: tuple[str, ...] = (),
    example: str = "",
    secret: bool = False,
) -> Any:
    """Return a dataclass field for a key of the configuration file.

    `default` is left out for a required key. `at_least` and `at_most` bound a number (of items, for
    a list; of characters, for text). `aliases` are other names under which the key is accepted,
    `outer_aliases` those under which it is accepted in the table around its own. `example` is a TOML
    value to show where the default shows too little, and the value of a `secret` key is never shown.
    """
    metadata = {
        "doc": doc,
        "at_least": at_least,
        "at_most": at_most,
        "choices": choices,
        "aliases": aliases,
        "outer_aliases": outer_aliases,
        "example": example,
        "secret": secret,
    }
    if default is ...:
        return field(metadata=metadata, repr=not secret)
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)
