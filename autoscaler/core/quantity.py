"""Kubernetes quantities such as "500m", "2Gi" or "1e3", without rounding.

Quotas are compared and added in these, where a float would be off by a little exactly at the limit.
The grammar and the canonical form are those of k8s.io/apimachinery/pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache, total_ordering

_PATTERN = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SMALLEST = Fraction(1, 10**9)
_KIBI = 1024
_KEPT = 4096
"""A cluster has few amounts, and each of them in many objects: so many are not read twice."""


class Notation(StrEnum):
    """How a quantity is written, which it keeps through sums."""

    DECIMAL = "DecimalSI"
    BINARY = "BinarySI"
    EXPONENT = "DecimalExponent"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount of a resource: cores, bytes or a count.

    Amounts alone decide how quantities compare, so 1Gi equals 1073741824.
    """

    amount: Fraction = Fraction(0)
    notation: Notation = Notation.DECIMAL

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount + other.amount, self._notation_with(other))

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount - other.amount, self._notation_with(other))

    def __mul__(self, times: int) -> Quantity:
        return Quantity(self.amount * times, self.notation)

    def __str__(self) -> str:
        return _written(self.amount, self.notation)

    def _notation_with(self, other: Quantity) -> Notation:
        return self.notation if self.amount else other.notation


@lru_cache(_KEPT, typed=True)
def parse(text: str | int | float) -> Quantity:
    """Return a quantity as it stands in an object; JSON numbers are read as if they were quoted.

    What is smaller than a billionth is rounded up to it, as Kubernetes does. Raises ValueError.
    """
    match = _PATTERN.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 2Gi or 3")
    sign, number, exponent, suffix = match.groups()
    if exponent is not None:
        amount, notation = Fraction(number) * Fraction(10) ** int(exponent[1:]), Notation.EXPONENT
    elif suffix in _BINARY:
        amount, notation = Fraction(number) * 2 ** _BINARY[suffix], Notation.BINARY
    else:
        amount = Fraction(number) * Fraction(10) ** _DECIMAL[suffix or ""]
        notation = Notation.DECIMAL
    amount = _rounded_up(amount)
    return Quantity(-amount if sign == "-" else amount, notation)


@lru_cache(_KEPT)
def _written(amount: Fraction, notation: Notation) -> str:
    if notation is Notation.BINARY and abs(amount) >= _KIBI and amount.denominator == 1:
        return _binary(amount.numerator)
    number, exponent = _canonical(amount)
    if notation is Notation.EXPONENT:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_decimal_suffix(exponent)}"


def _binary(amount: int) -> str:
    suffix = ""
    for larger in _BINARY:
        if amount % _KIBI:
            break
        amount, suffix = amount // _KIBI, larger
    return f"{amount}{suffix}"


def _canonical(amount: Fraction) -> tuple[int, int]:
    """Return the integer and the power of ten, a multiple of three from -9 to 18, of an amount."""
    if not amount:
        return 0, 0
    number = -(-abs(amount) // _SMALLEST)
    power = min(_DECIMAL.values())
    while number % 1000 == 0 and power < max(_DECIMAL.values()):
        number, power = number // 1000, power + 3
    return number if amount > 0 else -number, power


def _rounded_up(amount: Fraction) -> Fraction:
    return -(-amount // _SMALLEST) * _SMALLEST


def _decimal_suffix(exponent: int) -> str:
    return next(suffix for suffix, power in _DECIMAL.items() if power == exponent)
