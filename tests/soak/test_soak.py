"""The soak in about three minutes: real brokers, real workers, the daemon as a process of its own.

The whole one is `make soak`. Here four targets meet the same kinds of tasks for a shorter time.
"""

from __future__ import annotations

import time

import pytest

from autoscaler.sandbox.rabbitmq_server import RabbitUnavailable, find_rabbitmq_server
from benchmarks.soak.fleet import TARGETS
from benchmarks.soak.load import Arrival
from benchmarks.soak.phases import Load, drained, killed, naive
from benchmarks.stage.fleet import Manner, Target
from benchmarks.stage.stage import Stage, wait_for

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

CHOSEN = ("redis-late-1", "redis-early-4", "redis-solo", "rabbit-early-1")
FEW = tuple(target for target in TARGETS if target.name in CHOSEN)
SEED = 7


@pytest.fixture(autouse=True)
def rabbitmq():
    """Leave the soak out where there is no RabbitMQ."""
    try:
        find_rabbitmq_server()
    except RabbitUnavailable as missing:
        pytest.skip(str(missing))


def test_no_task_dies_of_a_scale_in():
    """With a grace period that no long task would survive, and a task sent right after every cordon."""
    outcome = drained(Load(FEW, 25.0, SEED, 12.0))
    assert outcome.good, outcome
    assert outcome.scale_ins >= 4
    assert outcome.sent_after_cordons >= 4


def staggered() -> Load:
    """Return a load for five targets with three workers each, of which the first to be idle is any of them.

    A StatefulSet loses its highest ordinal then. That it is by luck the idle one, twice in a row and for
    all five, happens once in eight thousand times.
    """
    targets = tuple(
        Target(f"staggered-{n}", "redis", late=bool(n % 2), prefetch=1, slots=1) for n in range(5)
    )
    schedule = tuple(Arrival(0.0, target, seconds) for target in targets for seconds in (4.0, 12.0, 20.0))
    return Load(targets, 0.0, SEED, 20.0, schedule)


def test_a_naive_autoscaler_does_damage_and_the_drain_by_the_same_load_does_none():
    """So that the test above can fail."""
    hasty = naive(staggered())
    assert hasty.killed
    assert hasty.tally.damaged
    patient = drained(staggered(), provoking=False)
    assert patient.good, patient


def test_a_daemon_that_is_killed_leaves_no_worker_behind():
    """Killed at random moments, in the middle of drains: all consume in the end, and no task is lost."""
    outcome = killed(Load(FEW, 20.0, SEED + 1, 12.0), kills=5)
    assert outcome.good, outcome
    assert outcome.daemon_kills == 5


def test_a_deployment_loses_the_idle_ones_of_its_pods():
    """One worker of three has a long task, of which a Deployment knows nothing: the two others go."""
    target = Target("redis-deployment", "redis", late=True, prefetch=1, slots=1, kind="Deployment")
    with Stage((target,), Manner()) as stage:
        stage.start_daemon()
        stage.send(target, 25.0)
        for _ in range(target.most - 1):
            stage.send(target, 6.0)
        assert wait_for(lambda: stage.journal.replicas == target.most, 20.0)
        assert wait_for(lambda: stage.journal.replicas == 1 and stage.journal.pods == 1, 40.0)
        assert stage.tally().done == target.most - 1
        assert wait_for(lambda: not stage.journal.pods, 60.0)
        assert (stage.tally().damaged, stage.tally().done) == (0, target.most)
        assert not any(ending.killed for ending in stage.cluster.endings)
        assert "a Deployment has the last word on which pods go" in stage.log()
        assert "in place of pods that were proven idle" not in stage.log()


def test_a_daemon_that_ends_gives_everything_back():
    """It is told to end in the middle of a drain that a long task holds up."""
    (target,) = (target for target in TARGETS if target.name == "redis-late-1")
    with Stage((target,), Manner()) as stage:
        stage.start_daemon()
        for _ in range(target.slots * target.most):
            stage.send(target, 6.0)
        assert wait_for(lambda: stage.journal.replicas == target.most, 20.0)
        stage.send(target, 20.0)
        assert wait_for(stage.not_consuming, 40.0)
        assert stage.journal.cordons
        stage.stop_daemon()
        assert stage.not_consuming() == ()
        assert not stage.journal.cordons
        began = time.monotonic()
        stage.stop_daemon()
        assert time.monotonic() - began < 1.0
