"""Times with an offset, and what is no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.rfc3339 import NotATime, seconds_of

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=ZONES))  # noqa: DTZ001  # the zones are drawn beside them
def test_what_the_standard_library_writes_is_read_as_it_means_it(when: datetime):
    """Every day there is, at every offset."""
    assert seconds_of(when.isoformat()) == pytest.approx(when.timestamp(), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-24T18:00:00Z", "2026-11-24T18:00:00+00:00"),
        ("2026-11-24t18:00:00z", "2026-11-24T18:00:00+00:00"),
        ("2026-11-24T19:00:00+01:00", "2026-11-24T18:00:00+00:00"),
        ("2026-11-24T12:30:00-05:30", "2026-11-24T18:00:00+00:00"),
        ("2026-11-24T18:00:00-00:00", "2026-11-24T18:00:00+00:00"),
        ("2026-11-24T18:00:00.25Z", "2026-11-24T18:00:00.250000+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"),
    ],
)
def test_the_same_time_in_other_letters(text: str, same: str):
    """Z or an offset, either case, with a fraction, on a leap second and a leap day."""
    assert seconds_of(text) == datetime.fromisoformat(same).astimezone(UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tomorrow", "is not a time such as 2026-11-24T18:00:00Z"),
        ("", "is not a time"),
        ("2026-11-24", "is not a time"),
        ("2026-11-24T18:00Z", "is not a time"),
        ("2026-11-24T18:00:00+0100", "is not a time"),
        ("2026-11-24T18:00:00+1", "is not a time"),
        ("٢٠٢٦-11-24T18:00:00Z", "is not a time"),  # digits of another script
        ("2026-11-24T18:00:00", "has no offset: write 2026-11-24T18:00:00Z or"),
        ("2026-02-29T00:00:00Z", "is a time that there is not"),
        ("2026-13-01T00:00:00Z", "is a time that there is not"),
        ("2026-00-01T00:00:00Z", "is a time that there is not"),
        ("2026-01-00T00:00:00Z", "is a time that there is not"),
        ("0000-01-01T00:00:00Z", "is a time that there is not"),
        ("2026-11-24T24:00:00Z", "is a time that there is not"),
        ("2026-11-24T18:60:00Z", "is a time that there is not"),
        ("2026-11-24T18:00:61Z", "is a time that there is not"),
        ("2026-11-24T18:00:00+24:00", "is a time that there is not"),
        ("2026-11-24T18:00:00+01:60", "is a time that there is not"),
    ],
)
def test_what_is_no_time(text: str, why: str):
    """Said with the reason, as it is told after the text."""
    with pytest.raises(NotATime, match=why):
        seconds_of(text)
