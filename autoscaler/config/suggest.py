"""Which key somebody meant who wrote one that does not exist.

A word may be misspelt, spelt in another style (maxReplicas, max-replicas), or right but in a table
where it does not belong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from autoscaler.config.schema import FILE, Place, Table, table_at, words

CLOSE_IN_SAME_TABLE = 0.6
CLOSE = 0.8


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What was meant: as a clause to append, and as a place where it is in the same table."""

    clause: str = ""
    meant: Place | None = None


def suggest(place: Place) -> Suggestion:
    """Return the key that an unknown one at `place` is most likely to stand for.

    Words that differ in style only come first, here or elsewhere, then very similar ones, and last those
    that are somewhat similar and of the same table.
    """
    *around, word = place
    spoken = _plain(str(word))
    here = {_plain(name): path for name, path in words(table_at(tuple(around))).items()}
    elsewhere = _headers_by_word()
    if spoken in here:
        return _here(tuple(around), here[spoken])
    if spoken in elsewhere:
        return _elsewhere(place, elsewhere[spoken])
    for close in get_close_matches(spoken, here, 1, CLOSE):
        return _here(tuple(around), here[close])
    for close in get_close_matches(spoken, elsewhere, 1, CLOSE):
        return _elsewhere(place, elsewhere[close])
    for close in get_close_matches(spoken, here, 1, CLOSE_IN_SAME_TABLE):
        return _here(tuple(around), here[close])
    return Suggestion()


def _here(around: Place, path: tuple[str, ...]) -> Suggestion:
    return Suggestion(f"; did you mean {'.'.join(path)}?", around + path)


def _elsewhere(place: Place, found: tuple[tuple[str, str], ...]) -> Suggestion:
    """Name the outermost tables, rather of the same part of the file or of [defaults] than of another."""
    parts = [(header, name) for header, name in found if _is_part(header)]
    for likely in (parts, _outermost(found)):
        for root in (place[0], "defaults"):
            near = [(header, name) for header, name in likely if header.strip("[]").split(".")[0] == root]
            if near:
                return Suggestion(f"; did you mean {_either(_outermost(near))}?")
    return Suggestion(f"; did you mean {_either(_outermost(found))}?")


def _is_part(header: str) -> bool:
    """Whether a table is one of the file's or directly within one, and no item of a list within."""
    return header.count(".") == 0 or (header.count(".") == 1 and not header.startswith("[["))


def _outermost(found: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    depth = min(header.count(".") for header, _ in found)
    return [(header, name) for header, name in found if header.count(".") == depth]


def _either(found: Sequence[tuple[str, str]]) -> str:
    return " or ".join(f"{name} in {header}" for header, name in found)


@cache
def _headers_by_word() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return every word of the file, in plain letters, with the tables that have it and its name there."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for header, table in _tables(FILE, ""):
        for word, path in words(table).items():
            pair = (header, ".".join(path))
            if pair not in found[_plain(word)]:
                found[_plain(word)].append(pair)
    return {word: tuple(pairs) for word, pairs in found.items()}


def _tables(table: Table, path: str) -> Iterator[tuple[str, Table]]:
    for key in table.keys:
        if key.table is None:
            continue
        inner = f"{path}.{key.name}" if path else key.name
        yield (f"[[{inner}]]" if key.many else f"[{inner}]"), key.table
        yield from _tables(key.table, inner)


def _plain(word: str) -> str:
    return word.replace("-", "").replace("_", "").lower()
