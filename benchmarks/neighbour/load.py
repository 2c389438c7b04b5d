"""Ten minutes of changing load: bursts of tasks that wait, quiet, and a while of tasks that burn.

The CPU autoscaler wants more than the queue needs while tasks burn, and less while they wait: both are
what it would take for an autoscaler that knows no queue to fight with one that does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

WHOLE_SECONDS = 600.0
SHORTEST_SHARE = 0.25
"""However short the whole is, a task takes this share of its time at least: workers need time to start."""

BURN_SHARE = 0.12
"""Of a core, for each burning task: two in a worker are more than twice what an autoscaler aims at."""

BURSTS = ((12.0, 8), (450.0, 10), (475.0, 10), (505.0, 6))
"""When so many tasks come at once, which wait: long after both have lowered what burned."""

BURNING = (150.0, 290.0, 2.5)
"""From when until when a task comes that burns, and how many seconds apart."""

WAIT_SECONDS, BURN_SECONDS = (6.0, 14.0), (8.0, 11.0)
"""How long tasks take."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One task, `at` seconds after the beginning, of so many seconds; it burns a share of a core."""

    at: float
    seconds: float
    share: float = 0.0


def arrivals(seconds: float, seed: int) -> tuple[Arrival, ...]:
    """Return what arrives within so many seconds, the same for the same seed, in order."""
    pace = seconds / WHOLE_SECONDS
    lasting = max(pace, SHORTEST_SHARE)
    rng = random.Random(seed)  # noqa: S311  # a load, not a secret
    found = [
        Arrival(at * pace, rng.uniform(*WAIT_SECONDS) * lasting) for at, size in BURSTS for _ in range(size)
    ]
    begin, end, apart = BURNING
    at = begin * pace
    while at < end * pace:
        found.append(Arrival(at, rng.uniform(*BURN_SECONDS) * lasting, BURN_SHARE))
        at += apart * lasting
    return tuple(sorted(found, key=lambda arrival: arrival.at))
