"""Amounts of resources by name, as Kubernetes keeps them in requests, limits, quotas and limit ranges.

The API server rounds every amount that it stores up to a thousandth (SetDefaults_ResourceList in
pkg/apis/core/v1/defaults.go), and so does `read`: what a template says and what a pod will have is the
same then. An amount that cannot be read is told beside the others, never taken for zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from autoscaler.core.quantity import Quantity, parse

Amounts: TypeAlias = Mapping[str, Quantity]
"""Quantities by the name of the resource. Not to be changed once handed over."""

ONE = Quantity(Fraction(1))
_MILLI = 1000


def read(texts: Mapping[str, str | int | float] | None) -> tuple[Amounts, Mapping[str, str]]:
    """Return the amounts that can be read, and by resource the texts of those that cannot."""
    amounts: dict[str, Quantity] = {}
    unreadable: dict[str, str] = {}
    for name, text in (texts or {}).items():
        try:
            amounts[name] = rounded_up(parse(text), _MILLI)
        except ValueError:
            unreadable[name] = str(text)
    return amounts, unreadable


def rounded_up(quantity: Quantity, parts: int) -> Quantity:
    """Return the least multiple of a unit's so many parts that is not less."""
    if parts % quantity.amount.denominator == 0:
        return quantity
    return Quantity(Fraction(-(-quantity.amount * parts // 1), parts), quantity.notation)


def add(total: dict[str, Quantity], more: Amounts) -> None:
    """Add amounts to a total."""
    for name, quantity in more.items():
        total[name] = total[name] + quantity if name in total else quantity


def raise_to(total: dict[str, Quantity], least: Amounts) -> None:
    """Raise a total to amounts that it has less of."""
    for name, quantity in least.items():
        if name not in total or quantity > total[name]:
            total[name] = quantity


def filled(amounts: Amounts, defaults: Amounts) -> Amounts:
    """Return the amounts with defaults for what they lack."""
    return {**defaults, **amounts}
