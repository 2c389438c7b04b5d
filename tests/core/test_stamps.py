"""Times in words."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.stamps import stamp


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (86399.9, "1970-01-01T23:59:59Z"),
        (951782400.0, "2000-02-29T00:00:00Z"),
        (1735689599.0, "2024-12-31T23:59:59Z"),
        (1735689600.0, "2025-01-01T00:00:00Z"),
    ],
)
def test_a_time(seconds: float, text: str):
    """At the edges of days and years."""
    assert stamp(seconds) == text


@given(st.integers(0, 253402300799))
def test_any_time(seconds: int):
    """Up to the year 9999, as the standard library has it."""
    assert stamp(seconds) == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
