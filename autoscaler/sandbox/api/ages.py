"""How long ago something was, in the short form of kubectl: 45s, 3m20s, 5h10m, 2d3h."""

from __future__ import annotations

from datetime import datetime

from autoscaler.sandbox.objects.values import JSON

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
# up to which age, in what unit, with which smaller unit beside it (k8s.io/apimachinery duration.go)
_STEPS = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def age_of(obj: JSON, now: datetime) -> str:
    """Return how old an object is."""
    return age(obj["metadata"].get("creationTimestamp", ""), now)


def age(since: str, now: datetime) -> str:
    """Return how long ago a time in RFC 3339 was, `<unknown>` for none."""
    if not since:
        return "<unknown>"
    return duration(int((now - datetime.fromisoformat(since)).total_seconds()))


def duration(seconds: int) -> str:
    """Return a number of seconds in short form."""
    if seconds < 0:
        return "0s" if seconds == -1 else "<invalid>"
    for limit, size, unit, smaller, small_unit in _STEPS:
        if seconds < limit:
            rest = seconds % size // smaller if smaller else 0
            return f"{seconds // size}{unit}" + (f"{rest}{small_unit}" if rest else "")
    return f"{seconds // _YEAR}y"
