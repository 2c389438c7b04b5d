"""The load: for each target bursts of mixed tasks with lulls between, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.stage.fleet import Target

SHORTEST, LONGEST = 0.1, 60.0
LULL_SECONDS = (7.0, 16.0)
LONG_SHARE, LONGEST_SHARE = 0.12, 0.01


@dataclass(frozen=True, slots=True)
class Arrival:
    """One task for a target, `at` seconds after the beginning."""

    at: float
    target: Target
    seconds: float


def arrivals(targets: Sequence[Target], seconds: float, seed: int, longest: float) -> tuple[Arrival, ...]:
    """Return what arrives within so many seconds, in order; no task takes longer than `longest`."""
    found: list[Arrival] = []
    for number, target in enumerate(targets):
        rng = random.Random(f"{seed}/{target.name}")  # noqa: S311  # a load, not a secret
        at = 0.5 + number * LULL_SECONDS[1] / len(targets)
        while at < seconds:
            size = rng.randint(1, target.slots * target.most + 1)
            found += [
                Arrival(at + 0.1 * place, target, min(longest, _duration(rng))) for place in range(size)
            ]
            at += rng.uniform(*LULL_SECONDS)
    return tuple(sorted(found, key=lambda arrival: arrival.at))


def _duration(rng: random.Random) -> float:
    """Return a task's duration: most are short, a few long, and a very few as long as any."""
    kind = rng.random()
    if kind < LONGEST_SHARE:
        return rng.uniform(20.0, LONGEST)
    if kind < LONGEST_SHARE + LONG_SHARE:
        return rng.uniform(5.0, 20.0)
    return rng.uniform(SHORTEST, 3.0)
