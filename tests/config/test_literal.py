"""Values as TOML, and as much of them as people may see."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.config.literal import SHOWN_CHARACTERS, alternatives, bare, literal, printable, shown

VALUES = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3),
)


@settings(deadline=None)
@given(VALUES)
def test_toml_reads_back_what_was_written(value: object) -> None:
    """Control characters, large numbers and lists of lists included."""
    text = literal(value)
    assert tomllib.loads(f"a = {text}") == {"a": value}
    assert text.isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\tb", '"a\\tb"'),
        ("\x1b[31m\x7f", '"\\u001b[31m\\u007f"'),
        ("größe", '"größe"'),
        (True, "true"),
        (1.0, "1.0"),
        (datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01 00:00:00+00:00"),
        ([1, "a"], '[1, "a"]'),
        ([[1], {"a": 1}], "[[…], {…}]"),
        (list(range(9)), "[0, 1, 2, 3, 4, 5, …]"),
        (["a" * 40, "b" * 40, "c"], f'["{"a" * 40}", …]'),
        ("redis://h", '"…"'),
        ("user:password@h", '"…"'),
        ("celery@{pod}", '"celery@{pod}"'),
        (2**64, "an integer of 65 bits"),
    ],
)
def test_what_people_see_of_a_value(value: object, text: str) -> None:
    """Short, harmless to a terminal, and no URL."""
    assert shown(value) == text


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0x7F), min_size=SHOWN_CHARACTERS + 1, max_size=200))
def test_a_long_text_is_shortened(text: str) -> None:
    """However many of its characters have to be escaped."""
    assert len(shown(text)) <= SHOWN_CHARACTERS * len("\\u0000") + len('""')


@pytest.mark.parametrize(
    ("word", "text"), [("max-replicas", "max-replicas"), ("a b", '"a b"'), ("", '""'), ("a://b", '"…"')]
)
def test_a_key_is_quoted_where_it_must_be(word: str, text: str) -> None:
    """As TOML has it."""
    assert bare(word) == text


def test_a_character_beyond_four_digits_is_escaped_with_eight() -> None:
    """As TOML has it."""
    assert printable("\U000e0001") == "\\U000e0001"


@pytest.mark.parametrize(
    ("words", "text"), [(["A"], "A"), (["A", "B"], "A or B"), (["A", "B", "C"], "A, B or C")]
)
def test_a_choice_reads_like_a_sentence(words: list[str], text: str) -> None:
    """One word is no choice."""
    assert alternatives(words) == text
