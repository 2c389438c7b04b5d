"""What is wrong with a configuration: every problem with its key, its value and the rule it breaks.

Nothing here ever holds a secret: a value is turned into text, or left out, before it becomes part
of a problem, so a log, a traceback or a status page may show one as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from autoscaler.config.literal import bare, shown
from autoscaler.config.schema import Place, key_at


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule.

    `key` is the full path of the key as the file spells it, or the file itself. `value` is TOML,
    shortened; empty when there is none or when it may not be shown. `target` is the namespace/name
    of the target that the key belongs to, empty when it has none or none that is valid.
    """

    key: str
    value: str
    rule: str
    target: str = ""

    def __str__(self) -> str:
        target = f" ({self.target})" if self.target else ""
        value = f" = {self.value}" if self.value else ""
        return f"{self.key}{target}{value}: {self.rule}"


class ConfigInvalid(Exception):
    """A configuration cannot be used; `problems` holds everything that is wrong with it.

    As text it has a line for each problem, beginning with `origin` where that is known.
    """

    def __init__(self, problems: Iterable[Problem], origin: str = "") -> None:
        self.problems = tuple(problems)
        self.origin = origin
        super().__init__(self.problems, origin)

    def __str__(self) -> str:
        start = f"{self.origin}: " if self.origin else ""
        return "\n".join(f"{start}{problem}" for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken rule at a place of the file, before anybody asked how the file spells that place.

    `value` is ready to be shown, as in `Problem`.
    """

    place: Place
    value: str
    rule: str


def value_text(place: Place, value: Any) -> str:  # noqa: ANN401 - as the file has it
    """Return the value at a place for people; empty for a secret, a table, and an unknown key.

    An unknown key may be a secret's, misspelt, and what stands where a table should be a password.
    """
    key = key_at(place)
    return "" if key is None or key.secret or key.table is not None else shown(value)


def path_text(place: Place) -> str:
    """Return a place as people write it: targets[2].scale_down.policies[0].value."""
    text = ""
    for word in place:
        if isinstance(word, int):
            text += f"[{word}]"
        else:
            text += f".{bare(word)}" if text else bare(word)
    return text
