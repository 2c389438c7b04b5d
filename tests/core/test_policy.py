"""How far back the rules of a policy look."""

from dataclasses import replace

import pytest

from autoscaler.core.policy import DrainRules
from tests.builders import percent, pods, policy, rules


@pytest.mark.parametrize(
    ("up", "down", "horizon"),
    [
        (rules(), rules(), 0.0),
        (rules(window=90.0), rules(window=60.0), 90.0),
        (rules(window=30.0), rules(window=60.0), 60.0),
        (rules(window=30.0, rates=(pods(1, 15.0), percent(50, 120.0))), rules(window=60.0), 120.0),
        (rules(window=30.0), rules(window=60.0, rates=(pods(1, 300.0),)), 300.0),
    ],
)
def test_the_horizon_is_that_of_the_farthest_looking_rule(up, down, horizon):
    """What lies behind it may be forgotten, and nothing before."""
    unplaced = replace(policy(up=up, down=down), drain=DrainRules(placement=False))
    assert unplaced.horizon_seconds == horizon
    placed = DrainRules(placement_after_seconds=10.0)
    assert replace(unplaced, drain=placed).horizon_seconds == max(horizon, 10.0)
