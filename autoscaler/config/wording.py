"""What a key means and allows, in the words that the example and the reference share."""

from __future__ import annotations

from autoscaler.config.literal import alternatives, literal
from autoscaler.config.rules import VALUE_RULES
from autoscaler.config.schema import UNSET, Key, Table

_KINDS = {
    str: ("text", "texts"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    bool: ("true or false", "truth values"),
}


def meaning(key: Key) -> str:
    """Return what a key is for, as the beginning of a sentence."""
    return key.doc[:1].upper() + key.doc[1:]


def kind(key: Key) -> str:
    """Return the kind of value that a key takes."""
    one, several = ("table", "tables") if key.table else _KINDS[key.kind]
    return f"list of {several}" if key.many else one


def limits(table: Table, key: Key) -> str:
    """Return the rule, the choices or the range of a key; empty for a free value."""
    rule = VALUE_RULES.get((table.record, key.name))
    if rule is not None:
        return f"must {rule.text}"
    return alternatives([literal(choice) for choice in key.choices]) if key.choices else _range(key)


def default(key: Key) -> str:
    """Return the default of a key as TOML; empty where there is none."""
    if key.default is UNSET or key.default is None or (key.table is not None and not key.many):
        return ""
    return literal(key.default)


def other_names(key: Key, quote: str = "") -> tuple[str, ...]:
    """Return the other names of a key: those in its own table, then those in the table around that."""
    outer = (f"{quote}{name}{quote} one table up" for name in key.outer_aliases)
    return (*(f"{quote}{name}{quote}" for name in key.aliases), *outer)


def _range(key: Key) -> str:
    if key.many or key.kind is str:
        return "not empty" if key.at_least else ""
    bounds = [f"{bound:g}" for bound in (key.at_least, key.at_most) if bound is not None]
    if key.at_most is None:
        return f"at least {bounds[0]}" if bounds else ""
    return " to ".join(bounds)
