"""Times as Go reads them, and what it says of those that it cannot read."""

from __future__ import annotations

import re

_SECOND = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"0[1-9]|1[0-2]"),
    ("-", "-"),
    ("02", r"0[1-9]|[12]\d|3[01]"),
    ("T", "T"),
    ("15", r"[01]\d|2[0-3]"),
    (":", ":"),
    ("04", r"[0-5]\d"),
    (":", ":"),
)
_ZONE = ("Z07:00", r"Z|[+-]\d\d:\d\d")
_RFC3339 = (*_SECOND, ("05", r"[0-5]\d(?:\.\d+)?"), _ZONE)
_MICROSECONDS = (*_SECOND, ("05", r"[0-5]\d"), (".000000", r"\.\d{6}"), _ZONE)


def wrong_time(text: str, *, microseconds: bool) -> str:
    """Return Go's complaint about a time, "" for one that can be read.

    With `microseconds` the text must have exactly six digits after the seconds (MicroTime).
    """
    layout = _MICROSECONDS if microseconds else _RFC3339
    rest = text
    for element, pattern in layout:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            shown = "".join(element for element, _ in layout)
            return f'parsing time "{text}" as "{shown}": cannot parse "{rest}" as "{element}"'
        rest = rest[match.end() :]
    return f'parsing time "{text}": extra text: "{rest}"' if rest else ""
