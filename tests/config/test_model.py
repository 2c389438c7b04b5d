"""What the settings of a target mean to the core."""

from __future__ import annotations

import pytest

from autoscaler.config.parse import parse
from autoscaler.core.model import TargetRef
from autoscaler.core.policy import Policy, RatePolicy, RateUnit, ScalingRules, SelectPolicy

TEXT = """
[[targets]]
namespace = "data"
name = "worker"
queues = ["default"]
min_replicas = 2
max_replicas = 30
tolerance = 0.2
[targets.scale_up]
policies = [{ type = "Percent", value = 100, period_seconds = 15 }]
[targets.scale_down]
tolerance = 0.3
stabilization_window_seconds = 300
select_policy = "Min"
"""


@pytest.mark.parametrize(("poll_interval_seconds", "gap_seconds"), [(1.0, 30.0), (20.0, 60.0)])
def test_a_target_is_resolved_into_one_flat_policy(poll_interval_seconds: float, gap_seconds: float) -> None:
    """A direction without a tolerance has the target's; slow polling is no gap."""
    (target,) = parse(TEXT).targets
    assert target.ref == TargetRef("data", "worker", "StatefulSet")
    assert target.policy(poll_interval_seconds) == Policy(
        min_replicas=2,
        max_replicas=30,
        scale_up=ScalingRules(0.0, 0.2, SelectPolicy.MAX, (RatePolicy(RateUnit.PERCENT, 100, 15.0),)),
        scale_down=ScalingRules(300.0, 0.3, SelectPolicy.MIN),
        observation_gap_seconds=gap_seconds,
        remote_control=False,
    )
