"""Times as RFC 3339 writes them, such as 2026-11-24T18:00:00Z, without a clock and without a time zone.

Only times with an offset are taken: without one nobody knows whose time it is.
"""

from __future__ import annotations

import calendar
import re

TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?(?:([Zz])|([+-])(\d\d):(\d\d))?", re.ASCII
)
EXAMPLE = "2026-11-24T18:00:00Z or 2026-11-24T19:00:00+01:00"
MONTHS, HOURS, MINUTES, LEAP_SECOND = 12, 24, 60, 60


class NotATime(ValueError):
    """A text that is no time; the error's text says why, as what follows after it in a sentence."""


def seconds_of(text: str) -> float:
    """Return a time in seconds since the epoch. Raises `NotATime`.

    A leap second is the second after it, as in POSIX time.
    """
    found = TIME.fullmatch(text)
    if found is None:
        raise NotATime(f"is not a time such as {EXAMPLE}")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, zulu, sign, off_hours, off_minutes = found.groups()[6:]
    offset_hour, offset_minute = int(off_hours or 0), int(off_minutes or 0)
    on_the_clock = max(hour, offset_hour) < HOURS and max(minute, offset_minute) < MINUTES
    if not (_is_day(year, month, day) and on_the_clock and second <= LEAP_SECOND):
        raise NotATime("is a time that there is not")
    if zulu is None and sign is None:
        raise NotATime(f"has no offset: write {EXAMPLE}")
    local = calendar.timegm((year, month, day, hour, minute, second))
    offset = (offset_hour * MINUTES + offset_minute) * MINUTES
    return local + float(fraction or 0) + (offset if sign == "-" else -offset)


def _is_day(year: int, month: int, day: int) -> bool:
    return year > 0 and 1 <= month <= MONTHS and 1 <= day <= calendar.monthrange(year, month)[1]
