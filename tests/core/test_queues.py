"""Which queues a glob stands for."""

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.queues import expression, is_closed, is_glob, literal, matches

names = st.text("ab-*?[]!.^\\", max_size=8)


@pytest.mark.parametrize(
    ("glob", "queue", "does"),
    [
        ("etl-*", "etl-", True),
        ("etl-*", "etl-night.2", True),
        ("etl-*", "my-etl-1", False),
        ("etl-?", "etl-12", False),
        ("q[0-9]", "q7", True),
        ("q[!0-9]", "q7", False),
        ("q[*]", "q*", True),
        ("q[*]", "q7", False),
        ("q[]]", "q]", True),
        ("Q*", "q1", False),
        ("a.b", "axb", False),
        ("a\n*", "a\nb\n", True),
    ],
)
def test_what_a_glob_matches(glob: str, queue: str, does: bool) -> None:
    """Whole names, letters as they are written."""
    assert matches(("other", glob), queue) is does


@given(names, names)
def test_globs_mean_what_they_mean_in_a_shell(glob: str, queue: str) -> None:
    """As Python's fnmatch has it, wherever the brackets are closed and make sense."""
    if is_closed(glob) and re.fullmatch(r"[^[]*|[^[]*\[!?[ab.*?^]+\][^[]*", glob):
        assert matches((glob,), queue) == fnmatchcase(queue, glob)


@given(st.text(max_size=20))
def test_a_name_without_magic_stands_for_itself(name: str) -> None:
    """And nothing else."""
    if not is_glob(name):
        assert matches((name,), name)
        assert not matches((name,), name + "x")
        assert expression(name) == literal(name)


@pytest.mark.parametrize(("name", "closed"), [("q[", False), ("q[a", False), ("q[]", False), ("q[a]", True)])
def test_brackets_are_closed(name: str, closed: bool) -> None:
    """A bracket right behind the opening one is part of the choice."""
    assert is_closed(name) is closed
