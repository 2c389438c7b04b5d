"""Times as people and Kubernetes write them, RFC 3339 in UTC, without a clock to be had."""

from __future__ import annotations

import math
from calendar import leapdays, monthrange

EPOCH_YEAR = 1970
DAY_SECONDS = 86400


def stamp(seconds: float) -> str:
    """Return a time since the epoch, to the second."""
    days, second = divmod(math.floor(seconds), DAY_SECONDS)
    year = EPOCH_YEAR + days // 366
    while _days_before(year + 1) <= days:
        year += 1
    month, day = 1, days - _days_before(year)
    while day >= monthrange(year, month)[1]:
        day -= monthrange(year, month)[1]
        month += 1
    hour, minute = second // 3600, second // 60 % 60
    return f"{year:04}-{month:02}-{day + 1:02}T{hour:02}:{minute:02}:{second % 60:02}Z"


def _days_before(year: int) -> int:
    """Return how many days passed from the epoch to the first of a year."""
    return 365 * (year - EPOCH_YEAR) + leapdays(EPOCH_YEAR, year)
