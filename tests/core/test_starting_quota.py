"""Pods that a quota keeps out are not pods that cannot start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import TargetRef
from autoscaler.core.snapshot import Snapshot
from tests.builders import depth, later, policy, reasons, snapshot
from tests.core.test_resources import limits, within

FULL, RAISED = limits("2", "2"), limits("2", "20")


def gapped(kind: str) -> Snapshot:
    """Return a target of five that has lost one to others who took its room, and work for many."""
    seen = snapshot(5, depth(30))
    if kind == "Deployment":
        pods = tuple(replace(pod, place=None) for pod in seen.workers.pods)
        seen = replace(seen, target=TargetRef("data", "worker", kind))
    else:
        pods = seen.workers.pods
    return replace(seen, workers=replace(seen.workers, pods=(*pods[:2], *pods[3:])))


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_room_that_comes_back_late_is_used_at_once(kind: str):
    """After more than the time in which a worker is to start: its controller retries in its own time."""
    seen, held = gapped(kind), policy(most=40)
    past = History.seeded(0.0, 5)
    for seconds in (0.0, 200.0, 400.0):
        look = within(later(seen, seconds), FULL, settled=False)
        past = past.looked(look)
        decision = decide(look, held, past)
        assert (decision.replicas, decision.reason) == (5, "QuotaLimited")
        past = past.record(decision, held)
    look = within(later(seen, 401.0), RAISED)
    past = past.looked(look)
    assert decide(look, held, past).replicas == 30


def test_with_room_they_are_late_as_ever():
    """Something else keeps them out then, such as a webhook."""
    seen, held = gapped("StatefulSet"), policy(most=40)
    past = History.seeded(0.0, 5).looked(seen)
    past = past.record(decide(within(seen, RAISED), held, past), held)
    look = within(later(seen, 400.0), RAISED)
    assert reasons(decide(look, held, past.looked(look)))[1:] == ("PodsCannotStart",)
