"""Quotas on a target that a HorizontalPodAutoscaler scales too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.hpa import Hpa
from autoscaler.core.model import Reading, fresh, unknown
from autoscaler.core.policy import HpaMode
from tests.builders import depth, reasons, snapshot
from tests.core.test_hpa import ACTIVATE, FLOOR, OBSERVE, beside, decided, hpa
from tests.core.test_resources import asked_for, limits, within

ASKED_IN_VAIN = within(asked_for(20, 10), limits("5", "5"))
TOO_MANY = within(snapshot(10, depth(10)), limits("5", "3"))
LEFT_ALONE: dict[str, tuple[HpaMode, Reading[tuple[Hpa, ...]]]] = {
    "observe": (OBSERVE, fresh((hpa(),), "HPAs")),
    "two of them": (ACTIVATE, fresh((hpa(), replace(hpa(), name="z", uid="z")), "HPAs")),
    "not seen": (FLOOR, unknown("HPAs", "not listed yet")),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_a_quota_takes_nothing_from_a_target_that_is_left_alone(name: str):
    """Neither what was asked for in vain nor who would have to give way, and nobody is told to go."""
    which, reading = LEFT_ALONE[name]
    for seen in (ASKED_IN_VAIN, TOO_MANY):
        decision = decided(beside(seen, reading=reading), which)
        assert decision.replicas == seen.workers.replicas
        assert not any(cordon.since is not None for cordon in decision.cordons)


IN_CHARGE = {
    "activate": (ACTIVATE, hpa(most=30)),
    "its metrics ask for them": (FLOOR, hpa(most=30, load=1.0, replicas=20)),
    "its user does": (FLOOR, hpa(least=20, most=30)),
}


@pytest.mark.parametrize("name", IN_CHARGE)
def test_what_an_hpa_asks_for_is_not_taken_back(name: str):
    """It would ask for it again within 15 s, and so on for ever; the quota is told of all the same."""
    which, one = IN_CHARGE[name]
    decision = decided(beside(ASKED_IN_VAIN, one), which)
    assert (decision.replicas, decision.reason) == (20, "QuotaLimited")
    assert decision.steps[-1].message.endswith(f"20 stay, as {one} has them")


def test_nobody_takes_room_and_no_tasks():
    """Whom the HPA would put back is not taken out of service, though the quota allows fewer."""
    for which, one in ((ACTIVATE, hpa()), (FLOOR, hpa(least=10))):
        decision = decided(beside(TOO_MANY, one), which)
        assert (decision.replicas, decision.reason) == (10, "QuotaExceeded")
        assert not any(cordon.since is not None for cordon in decision.cordons)


def test_who_gives_way_takes_the_floor_along():
    """Where the HPA asks for no more itself."""
    decision = decided(beside(TOO_MANY, hpa(load=0.1, replicas=10)), FLOOR)
    assert (decision.replicas, decision.floor and decision.floor.to) == (6, 6)
    assert reasons(decision) == ("WorkWaiting", "QuotaExceeded")
