"""One name for each key: aliases are resolved before anything else looks at a file.

The words of the HorizontalPodAutoscaler and of KEDA are accepted beside our own. What comes after
knows only our own, and asks here how the file spelt a key when it has something to say about it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autoscaler.config.problem import Fault, path_text, value_text
from autoscaler.config.schema import FILE, Key, Place, Table, words


class Names:
    """A file with one name for each key.

    `values` is a copy of the file down to where the known keys end. `written` maps the place of each
    key to the place where the file has it. `doubled` are the places of keys that were given under two
    names, with a fault for each in `faults`; our own name holds, else the first one.
    """

    def __init__(self, raw: dict[str, Any]) -> None:
        self.written: dict[Place, Place] = {}
        self.doubled: set[Place] = set()
        self.faults: list[Fault] = []
        self.values = self._table(raw, FILE, (), ())

    def spelling(self, place: Place) -> Place:
        """Return a place as the file spells it."""
        for end in range(len(place), 0, -1):
            if place[:end] in self.written:
                return self.written[place[:end]] + place[end:]
        return place

    def _table(self, raw: dict[str, Any], table: Table, place: Place, written: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        paths = {word: words(table).get(word, (word,)) for word in raw}
        # our own name before its aliases, and a word for a key of an inner table after that table
        for word in sorted(raw, key=lambda word: (len(paths[word]), word != paths[word][-1])):
            *inner, name = paths[word]
            holder: Any = values
            for step in inner:
                holder = holder.setdefault(step, {})
            here, there = place + paths[word], (*written, word)
            if isinstance(holder, dict) and self._is_first(here, there, raw[word]):
                key = None if inner else table.key(name)
                holder[name] = self._inside(raw[word], key, here, there)
        return values

    def _is_first(self, place: Place, written: Place, value: Any) -> bool:  # noqa: ANN401 - as the file has it
        first = self.written.setdefault(place, written)
        if first == written:
            return True
        self.doubled.add(place)
        rule = f"means the same as {path_text(first)}: give one of the two"
        self.faults.append(Fault(written, value_text(place, value), rule))
        return False

    def _inside(self, value: Any, key: Key | None, place: Place, written: Place) -> Any:  # noqa: ANN401 - as the file has it
        if key is None or key.table is None:
            return value
        if key.many and isinstance(value, list):
            return [
                self._inside(item, replace(key, many=False), (*place, index), (*written, index))
                for index, item in enumerate(value)
            ]
        if not key.many and isinstance(value, dict):
            return self._table(value, key.table, place, written)
        return value
