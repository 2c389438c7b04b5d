"""A CPU autoscaler and the daemon on one set of real workers: `make neighbour` in short."""

from __future__ import annotations

import pytest

from benchmarks.neighbour.load import BURN_SHARE, Arrival
from benchmarks.neighbour.play import Play, play

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


WAITING = tuple(Arrival(at, 2.0) for at in (0.0, 100.0) for _ in range(6))
BURNING = tuple(Arrival(1.0 + n, 3.0, BURN_SHARE) for n in range(4))
"""Two bursts. What the HPA has raised stands for a minute, and a busy machine takes its time."""


def test_beside_an_hpa_nobody_undoes_what_the_other_did():
    """In `floor`: no war, no task harmed, zero reached and left, and the user's own bounds in the end."""
    schedule = tuple(sorted((*WAITING, *BURNING), key=lambda arrival: arrival.at))
    outcome = play(Play("floor", 1.5, schedule=schedule))
    assert not outcome.tally.damaged, outcome
    assert not outcome.killed, outcome
    assert outcome.reversed_soon == (), outcome
    assert outcome.restored
    assert outcome.ended
    assert (outcome.zero_reached, outcome.zero_left) == (2, 1), outcome.changes
