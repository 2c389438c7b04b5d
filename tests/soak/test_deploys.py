"""Three deploys while ten tasks run on real workers."""

from __future__ import annotations

import pytest

from benchmarks.deploys import TASKS, play

pytestmark = [pytest.mark.servers, pytest.mark.timeout(200)]


def test_three_deploys_with_ten_running_tasks():
    """Put back twice, restored within two ticks and told once each; refused once; no task is harmed.

    The workers that the deploys end have time to end their tasks.
    """
    outcome = play()
    client_side, forced, unforced = outcome.deploys
    assert (client_side.status, forced.status, unforced.status) == (200, 200, 409)
    assert client_side.ticks <= 2
    assert forced.ticks <= 2
    assert 'conflict with "autoscaler" with subresource "scale"' in unforced.message
    told = [notice for notice in outcome.notices if "5 → 1" in notice]
    assert len(told) == len(outcome.notices) == 2
    assert all(
        notice.startswith("ForeignWrite: ") and "ends 4 workers by SIGTERM" in notice for notice in told
    )
    assert ["kubectl apply" in told[0], "Helm" in told[1]] == [True, True]
    assert (outcome.damaged, outcome.done) == (0, TASKS)
