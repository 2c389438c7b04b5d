"""Whatever stands in the file, it is parsed or refused in words, and nothing else happens."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autoscaler.config.parse import ConfigInvalid, parse
from tests.config.anywhere import addresses, document


def refusal(text: str) -> ConfigInvalid | None:
    """Return what is raised for a text, None for a valid one. Anything but `ConfigInvalid` passes through."""
    try:
        parse(text)
    except ConfigInvalid as invalid:
        return invalid
    return None


def is_fit_to_show(error: ConfigInvalid | None) -> bool:
    """Whether there is nothing to say, or it is said in lines that a terminal can show."""
    return error is None or (bool(error.problems) and all(str(each).isprintable() for each in error.problems))


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
@example(f"a.{'.'.join('b' * 500)} = 1")
@example(f"[[targets]]\nqueues = {'[' * 150}{']' * 150}")
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text makes it fail in a way that callers do not expect."""
    assert is_fit_to_show(refusal(text))


VALUES: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(
        ["0", "-1", "1.5", "nan", '""', '"a"', "true", "2024-01-01", "[]", "{}", '"Disabled"', '["a", "a"]']
    )
    | st.integers().map(str),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=5,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(list(addresses())), VALUES), min_size=1, max_size=6))
def test_any_value_anywhere_is_parsed_or_refused(entries: list[tuple[str, str]]) -> None:
    """Values of every kind under every key, several at a time."""
    texts = [document(path, value) for path, value in dict(entries).items()]
    assert all(is_fit_to_show(refusal(text)) for text in [*texts, "\n".join(texts)])
