"""The load: a day in about a minute.

The night's batch arrives at once, the working day as a hump of single tasks, and the evening's batch
at once again, with a quiet time after each that is long enough to go to zero.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """Tasks that arrive together, in one transaction, `at` seconds after the beginning."""

    at: float
    durations: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """The shape of the load, in seconds and tasks."""

    night_tasks: int = 20
    day_from: float = 18.0
    day_to: float = 42.0
    day_peak_rate: float = 5.0
    evening_at: float = 58.0
    evening_tasks: int = 12
    shortest_task: float = 0.5
    longest_task: float = 2.5

    def phase(self, at: float) -> str:
        """Return the part of the day at a time in seconds after its beginning."""
        if at < self.day_from:
            return "night"
        return "day" if at < self.evening_at else "evening"

    def arrivals(self, seed: int) -> tuple[Arrival, ...]:
        """Return what arrives when, the same for the same seed."""
        rng = random.Random(seed)  # noqa: S311  # a load, not a secret

        def some(count: int) -> tuple[float, ...]:
            return tuple(round(rng.uniform(self.shortest_task, self.longest_task), 2) for _ in range(count))

        day: list[Arrival] = []
        at = self.day_from
        while (at := at + rng.expovariate(self.day_peak_rate)) < self.day_to:
            if rng.random() < math.sin(math.pi * (at - self.day_from) / (self.day_to - self.day_from)):
                day.append(Arrival(at, some(1)))
        night, evening = (
            Arrival(0.0, some(self.night_tasks)),
            Arrival(self.evening_at, some(self.evening_tasks)),
        )
        return night, *day, evening
