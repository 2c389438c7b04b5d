"""Quantities are exact, compare by amount and are written as Kubernetes writes them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.quantity import Notation, Quantity, parse


@pytest.mark.parametrize(
    ("text", "amount", "canonical"),
    [
        ("0", 0, "0"),
        ("0Gi", 0, "0"),
        ("5", 5, "5"),
        ("+5", 5, "5"),
        ("-5", -5, "-5"),
        ("500m", Fraction(1, 2), "500m"),
        ("0.5", Fraction(1, 2), "500m"),
        (".5", Fraction(1, 2), "500m"),
        ("5.", 5, "5"),
        ("1000m", 1, "1"),
        ("2500m", Fraction(5, 2), "2500m"),
        ("100u", Fraction(1, 10000), "100u"),
        ("3n", Fraction(3, 10**9), "3n"),
        ("12k", 12_000, "12k"),
        ("1500k", 1_500_000, "1500k"),
        ("2000k", 2_000_000, "2M"),
        ("1E", 10**18, "1E"),
        ("2000E", 2000 * 10**18, "2000E"),
        ("1024Mi", 2**30, "1Gi"),
        ("2Gi", 2**31, "2Gi"),
        ("1.5Gi", 3 * 2**29, "1536Mi"),
        ("0.5Ki", 512, "512"),
        ("-2Ki", -2048, "-2Ki"),
        ("1025", 1025, "1025"),
        ("1.0005Ki", Fraction("1024.512"), "1024512m"),
        ("4096Ei", 2**72, "4096Ei"),
        ("1e3", 1000, "1e3"),
        ("1E3", 1000, "1e3"),
        ("12e-1", Fraction(6, 5), "1200e-3"),
        ("5e0", 5, "5"),
    ],
)
def test_reads_and_writes(text: str, amount: Fraction | int, canonical: str) -> None:
    """An amount is exact, and written in its shortest form it is the same amount."""
    quantity = parse(text)
    assert quantity.amount == amount
    assert str(quantity) == canonical
    assert parse(canonical) == quantity


def test_rounds_up_what_is_smaller_than_a_billionth() -> None:
    """A tenth of a billionth is a billionth, away from zero on either side."""
    assert str(parse("0.1n")) == "1n"
    assert str(parse("-0.1n")) == "-1n"
    assert str(Quantity(Fraction(-1, 3))) == "-333333334n"


@pytest.mark.parametrize("value", [3, 1.5])
def test_reads_json_numbers(value: float) -> None:
    """A number without quotes, which YAML manifests often hold, is read by its digits."""
    assert parse(value).amount == Fraction(str(value))


@pytest.mark.parametrize(
    "text", ["", "Gi", "1GiB", "1 Gi", "one", "1mi", "1K", "--1", "1e", "1.2.3", "٣", "."]
)
def test_refuses_what_is_not_a_quantity(text: str) -> None:
    """Anything else is an error, never a zero."""
    with pytest.raises(ValueError, match="is not a quantity"):
        parse(text)


def test_sums_keep_the_notation_of_the_first_that_is_not_zero() -> None:
    """Gibibytes add up to gibibytes."""
    assert str(parse("2Gi") * 5) == "10Gi"
    assert str(Quantity() + parse("1Gi") + parse("1073741824")) == "2Gi"
    assert str(parse("1") + parse("1Gi")) == "1073741825"
    assert str(parse("3Gi") - parse("1Gi")) == "2Gi"
    assert str(parse("500m") * 5) == "2500m"


def test_compares_by_amount() -> None:
    """The notation does not count."""
    assert parse("1Gi") == parse("1073741824")
    assert hash(parse("1Gi")) == hash(parse("1073741824"))
    assert parse("500m") < parse("1")
    assert parse("1") >= parse("1000m")
    assert parse("1") != "1"


@given(st.integers(-(10**24), 10**24), st.integers(-9, 15), st.sampled_from(Notation))
def test_writing_loses_nothing(number: int, exponent: int, notation: Notation) -> None:
    """Whatever is written can be read back as the same amount."""
    quantity = Quantity(Fraction(number) * Fraction(10) ** exponent, notation)
    assert parse(str(quantity)) == quantity
