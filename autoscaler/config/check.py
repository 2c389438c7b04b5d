"""Types, ranges and unknown keys: the whole file at once, in plain words.

The checks are pydantic models generated from the settings' declarations. They are strict: "3" is no
number and 1 is not true, for a file that is read by people should mean what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from autoscaler.config.literal import alternatives, shown
from autoscaler.config.problem import Fault, path_text, value_text
from autoscaler.config.rules import VALUE_RULES, ValueRule
from autoscaler.config.schema import FILE, Key, Place, Table, key_at
from autoscaler.config.suggest import suggest

INTEGERS = range(-(2**63), 2**63)
"""The integers that every reader of TOML understands."""

UNKNOWN_KEY = "extra_forbidden"
"""What pydantic calls a key that a table does not have."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file holds that is valid by itself, and what is not.

    `values` are plain values under the keys that were given; `faulty` are the places that were left
    out of it, and those that an unknown key was probably meant for.
    """

    values: dict[str, Any]
    faulty: frozenset[Place]
    faults: tuple[Fault, ...]


def check(values: dict[str, Any]) -> Checked:
    """Check a file in which each key has its own name. What is not valid is taken out of `values`."""
    errors = _errors(values)
    faulty = {_separable(error["loc"]) for error in errors}
    for place in faulty:
        _remove(values, place)
    sound = _model(FILE).model_validate(values)
    suggestions = [suggest(error["loc"]) for error in errors if error["type"] == UNKNOWN_KEY]
    faulty.update(suggestion.meant for suggestion in suggestions if suggestion.meant)
    return Checked(
        values=sound.model_dump(exclude_unset=True),
        faulty=frozenset(faulty),
        faults=tuple(Fault(error["loc"], _value(error), _sentence(error)) for error in errors),
    )


def _errors(values: dict[str, Any]) -> list[ErrorDetails]:
    try:
        _model(FILE).model_validate(values)
    except ValidationError as invalid:
        return invalid.errors(include_url=False)
    return []


@cache
def _model(table: Table) -> type[BaseModel]:
    """Return the model of a table. Only a whole one demands its required keys: others are merged first."""
    config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, protected_namespaces=())
    fields: dict[str, Any] = {
        key.name: (_annotation(table, key), ... if table.whole and key.required else None)
        for key in table.keys
    }
    return create_model(table.record.__name__, __config__=config, **fields)


def _annotation(table: Table, key: Key) -> Any:  # noqa: ANN401 - a type of any form
    kind: Any = _model(key.table) if key.table else key.kind
    if key.choices:
        kind = Literal[key.choices]
    elif key.many:
        item = Annotated[kind, Field(min_length=1)] if kind is str else kind
        kind = Annotated[GenericAlias(list, (item,)), _length(key)]
    elif kind is str:
        kind = Annotated[kind, _length(key)]
    elif kind in {int, float}:
        kind = Annotated[kind, _range(key)]
    rule = VALUE_RULES.get((table.record, key.name))
    return Annotated[kind, AfterValidator(partial(_obey, rule))] if rule else kind


def _length(key: Key) -> Any:  # noqa: ANN401 - pydantic's own
    least, most = (None if bound is None else int(bound) for bound in (key.at_least, key.at_most))
    return Field(min_length=least, max_length=most)


def _range(key: Key) -> Any:  # noqa: ANN401 - pydantic's own
    if key.kind is float:
        return Field(ge=key.at_least, le=key.at_most, allow_inf_nan=False)
    least = INTEGERS[0] if key.at_least is None else int(key.at_least)
    most = INTEGERS[-1] if key.at_most is None else int(key.at_most)
    return Field(ge=least, le=most)


def _obey(rule: ValueRule, value: Any) -> Any:  # noqa: ANN401 - of the key's own type
    if not rule.holds(value):
        raise ValueError(f"must {rule.text}{rule.meaning}")
    return value


def _value(error: ErrorDetails) -> str:
    """Return the value that an error is about; of a missing key there is none, but the table around."""
    return "" if error["type"] == "missing" else value_text(error["loc"], error["input"])


def _separable(place: Place) -> Place:
    """Return the smallest part around a place that can be left out with the rest still valid."""
    table = FILE
    for depth, word in enumerate(place, 1):
        key = None if isinstance(word, int) else table.key(word)
        if isinstance(word, int):
            continue
        if key is None or key.table is None or key.table.whole:
            return place[:depth]
        table = key.table
    return place


def _remove(values: dict[str, Any], place: Place) -> None:
    """Take out what stands at a place; a list keeps its numbering."""
    *around, last = place
    holder: Any = values
    for step in around:
        holder = holder[step]
    if isinstance(last, int):
        holder[last] = {}
    else:
        del holder[last]


def _sentence(error: ErrorDetails) -> str:
    """Return the broken rule in plain words."""
    write = _SENTENCES.get(error["type"])
    return "is not valid" if write is None else write(error)


def _must_be(what: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"must be {what}, not {_kind_of(error['input'])}"


def _must_be_number(error: ErrorDetails) -> str:
    if isinstance(error["input"], int) and not isinstance(error["input"], bool):
        return "is too large"
    return _must_be("a number")(error)


def _must_be_list(error: ErrorDetails) -> str:
    key = key_at(error["loc"])
    if key is not None and key.table is not None:
        header = path_text(tuple(step for step in error["loc"] if isinstance(step, str)))
        return f"must be a list of tables, each under [[{header}]]"
    return _must_be("a list")(error)


def _must_be_longer(error: ErrorDetails) -> str:
    least = error["ctx"]["min_length"]
    return "must not be empty" if least == 1 else f"must have a length of at least {least}"


def _must_be_chosen(error: ErrorDetails) -> str:
    key = key_at(error["loc"])
    choices = [] if key is None else [shown(choice) for choice in key.choices]
    return f"must be {alternatives(choices)}"


_SENTENCES: Mapping[str, Callable[[ErrorDetails], str]] = {
    UNKNOWN_KEY: lambda error: f"unknown key{suggest(error['loc']).clause}",
    "missing": lambda _: "is required",
    "int_type": _must_be("a whole number"),
    "float_type": _must_be_number,
    "finite_number": lambda _: "must be a finite number",
    "bool_type": _must_be("true or false"),
    "string_type": _must_be("text"),
    "list_type": _must_be_list,
    "model_type": _must_be("a table"),
    "greater_than_equal": lambda error: f"must be at least {_bound(error['ctx']['ge'])}",
    "less_than_equal": lambda error: f"must be at most {_bound(error['ctx']['le'])}",
    "string_too_short": _must_be_longer,
    "too_short": _must_be_longer,
    "literal_error": _must_be_chosen,
    "value_error": lambda error: str(error["ctx"]["error"]),
}


def _bound(number: float) -> str:
    return str(number).removesuffix(".0")


def _kind_of(value: Any) -> str:  # noqa: ANN401 - whatever TOML knows
    """Return what a value is, in the words of TOML's readers."""
    return _KINDS.get(type(value), "a date or time")


_KINDS: Mapping[type, str] = {
    bool: "a truth value",
    int: "a whole number",
    float: "a number with a decimal point",
    str: "text",
    list: "a list",
    dict: "a table",
}
