"""What people order by annotation on a target: to pause it, to bound it, to leave it alone, for a while.

    autoscaler/KEY: VALUE
    autoscaler/KEY: VALUE until TIME

VALUE is `true` or `false`, or a number of replicas, by the key; TIME is one of RFC 3339 with an offset,
from which on the annotation is as if it was not there. What cannot be understood is told and ignored:
no annotation can break a target. docs/overrides.md says what each of them does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from autoscaler.core.rfc3339 import NotATime, seconds_of

PREFIX = "autoscaler/"
TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
MOST_REPLICAS = 2**31 - 1
"""The most that Kubernetes takes, whose replicas have 32 bits."""

ALIKE = 0.85
"""How alike two words are of which one may be a slip: `paused-scale-out` is none of `paused-scale-in`."""

SHOWN = 60
"""How many characters of a value are told."""


class Key(StrEnum):
    """What can be ordered, by the name of the annotation after the prefix."""

    EXCLUDE = "exclude"
    PAUSED = "paused"
    PAUSED_REPLICAS = "paused-replicas"
    PAUSED_SCALE_IN = "paused-scale-in"
    MIN_REPLICAS = "min-replicas"
    MAX_REPLICAS = "max-replicas"


NUMBERS = frozenset({Key.PAUSED_REPLICAS, Key.MIN_REPLICAS, Key.MAX_REPLICAS})


@dataclass(frozen=True, slots=True)
class Override:
    """One order: `replicas` where its key takes a number, 0 elsewhere.

    It is in force until `until`, in seconds since the epoch, which `until_text` is as it was written;
    for good where that is None.
    """

    key: Key
    replicas: int = 0
    until: float | None = None
    until_text: str = ""

    def __str__(self) -> str:
        number = f" is {self.replicas}" if self.key in NUMBERS else ""
        return f"{self.key}{number} {self.source}"

    @property
    def source(self) -> str:
        """Who orders it, and until when."""
        return f"by annotation until {self.until_text}" if self.until_text else "by annotation"


@dataclass(frozen=True, slots=True)
class Overrides:
    """All that is ordered by the annotations of one object, and what cannot be understood of them."""

    declared: tuple[Override, ...] = ()
    problems: tuple[str, ...] = ()

    def at(self, now: float) -> Overrides:
        """Return what is in force at a time in seconds since the epoch."""
        if all(one.until is None for one in self.declared):
            return self
        left = (one for one in self.declared if one.until is None or now < one.until)
        return Overrides(tuple(left), self.problems)

    def get(self, key: Key) -> Override | None:
        """Return what is ordered by a key, None where nothing is."""
        return next((one for one in self.declared if one.key is key), None)

    @property
    def keeps_all(self) -> bool:
        """Whether no worker may be taken out of service, nor prepared for it."""
        pinned = self.get(Key.PAUSED_REPLICAS) is not None
        paused = self.get(Key.PAUSED) is not None and not pinned
        return paused or any(self.get(key) is not None for key in (Key.EXCLUDE, Key.PAUSED_SCALE_IN))

    def contradictions(self, most: int) -> tuple[str, ...]:
        """Return what is ordered in vain, `most` being the configured max_replicas."""
        found = [
            f"{PREFIX}{one.key}: {one.replicas} is more than max_replicas = {most} of the configuration, "
            "which holds"
            for one in self.declared
            if one.replicas > most
        ]
        least, highest = self.get(Key.MIN_REPLICAS), self.get(Key.MAX_REPLICAS)
        if least is not None and highest is not None and highest.replicas < least.replicas:
            found.append(
                f"{PREFIX}{least.key}: {least.replicas} is more than {PREFIX}{highest.key}: "
                f"{highest.replicas}, which holds"
            )
        return tuple(found)


NOTHING_ORDERED = Overrides()


def parse(annotations: Mapping[str, str] | None) -> Overrides:
    """Return what the annotations of an object order, in a fixed order, and what is wrong with them."""
    declared: list[Override] = []
    problems: list[str] = []
    for name, value in sorted((annotations or {}).items()):
        if not name.startswith(PREFIX):
            continue
        try:
            override = _understood(name.removeprefix(PREFIX), value)
        except _NotUnderstood as error:
            problems.append(f"{name}: {error}: it is ignored")
        else:
            declared += [] if override is None else [override]
    return Overrides(tuple(declared), tuple(problems))


class _NotUnderstood(Exception):
    """The annotation is not understood; the text says why."""


def _understood(name: str, value: str) -> Override | None:
    """Return what one annotation orders, None where it says that nothing is. Raises `_NotUnderstood`."""
    if name not in set(Key):
        raise _NotUnderstood(f"there is no such annotation; {_meant(name)}")
    key = Key(name)
    word, until = _parts(key, value)
    if key in NUMBERS:
        replicas, ordered = _number(word), True
    else:
        replicas, ordered = 0, _truth(word)
    if not ordered and until:
        raise _NotUnderstood(f"{_shown(value)} takes no time: nothing is ordered that could end")
    try:
        ends = seconds_of(until) if until else None
    except NotATime as error:
        raise _NotUnderstood(f"{_shown(until)} {error}") from error
    return Override(key, replicas, ends, until) if ordered else None


def _parts(key: Key, value: str) -> tuple[str, str]:
    """Return the value and the time of an annotation, the time empty where there is none."""
    words = value.split()
    match [word.lower() for word in words]:
        case [_]:
            return words[0], ""
        case [_, "until", _]:
            return words[0], words[2]
    such = "3" if key in NUMBERS else "true"
    raise _NotUnderstood(f'{_shown(value)} is neither a value, such as "{such}", nor "{such} until TIME"')


def _number(word: str) -> int:
    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(MOST_REPLICAS))
    if not is_number or int(word) > MOST_REPLICAS:
        raise _NotUnderstood(f"{_shown(word)} is not a number of replicas, such as 3")
    return int(word)


def _truth(word: str) -> bool:
    if word.lower() not in TRUTH:
        raise _NotUnderstood(f"{_shown(word)} is neither true nor false")
    return TRUTH[word.lower()]


def _meant(name: str) -> str:
    """Return which annotation somebody meant, or all that there are."""
    spoken = {_plain(key): key for key in Key}
    for close in get_close_matches(_plain(name), spoken, 1, ALIKE):
        return f"did you mean {PREFIX}{spoken[close]}?"
    return f"there are {', '.join(Key)}"


def _plain(word: str) -> str:
    return word[:SHOWN].replace("-", "").replace("_", "").lower()


def _shown(text: str) -> str:
    """Return a value as it can be told: of one line, and short."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
