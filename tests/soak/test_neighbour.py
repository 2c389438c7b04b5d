"""A CPU autoscaler and the daemon on one set of real workers: `make neighbour` in short."""

from __future__ import annotations

import pytest

from benchmarks.neighbour.play import Play, play

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


def test_beside_an_hpa_nobody_undoes_what_the_other_did():
    """In `floor`: no war, no task harmed, zero reached and left, and the user's own bounds in the end."""
    outcome = play(Play("floor", 1.5, 7))
    assert not outcome.tally.damaged, outcome
    assert not outcome.killed, outcome
    assert outcome.reversed_soon == (), outcome
    assert outcome.restored
    assert outcome.ended
    assert outcome.zero_reached
    assert outcome.zero_left
