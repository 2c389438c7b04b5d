"""What holds of annotations in every world: the workers, tasks and happenings are those of the drains."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.decide import decide
from autoscaler.core.overrides import NOTHING_ORDERED, PREFIX, Overrides, parse
from autoscaler.core.snapshot import Snapshot
from tests.core.test_drain_properties import HAPPENINGS, WORLDS, happen, reasons_of
from tests.core.test_properties import cases

TICKS_TO_OBEY = 20
"""More than the longest silence and start of a world, and the ticks in which an order is obeyed."""

ORDERED_LATER = st.integers(0, 12)
KEEPING = st.sampled_from(["paused", "exclude", "paused-scale-in"])


def ordered(**annotations: str) -> Overrides:
    """Return what annotations order, such as paused_replicas="3"."""
    return parse({f"{PREFIX}{key.replace('_', '-')}": value for key, value in annotations.items()})


def overridden(seen: Snapshot, overrides: Overrides) -> Snapshot:
    """Return a sight of a target of which something is ordered."""
    return replace(seen, workers=replace(seen.workers, overrides=overrides))


@given(cases(), st.sampled_from(["paused", "exclude"]))
def test_neither_paused_nor_excluded_changes_replicas(case, key):
    """Whatever the demand, the policy and the past."""
    seen, held, history = case
    decision = decide(overridden(seen, ordered(**{key: "true"})), held, history)
    assert decision.replicas == decision.current
    assert decision.proposal == decide(seen, held, history).proposal


@given(cases())
def test_with_scale_in_paused_it_grows_as_ever_and_never_shrinks(case):
    """What would be more than there is, is the same."""
    seen, held, history = case
    free = decide(seen, held, history)
    decision = decide(overridden(seen, ordered(paused_scale_in="true")), held, history)
    assert decision.replicas == max(free.replicas, decision.current)


@given(cases(), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_no_annotation_goes_beyond_the_configured_maximum(case, least, most, goal):
    """Unless more is there already, which may have to wait for its workers."""
    seen, held, history = case
    for bounds in (
        {"min_replicas": str(least), "max_replicas": str(most)},
        {"min_replicas": str(least)},
        {"max_replicas": str(most)},
        {"paused_replicas": str(goal)},
    ):
        decision = decide(overridden(seen, ordered(**bounds)), held, history)
        assert decision.replicas <= max(held.max_replicas, decision.current)


@given(WORLDS, HAPPENINGS, ORDERED_LATER, KEEPING)
def test_nobody_is_taken_out_of_service_while_that_is_ordered(world, happenings, after, key):
    """In the midst of a drain or not: replicas are not lowered, and no worker is told to take no tasks."""
    world.overrides = NOTHING_ORDERED
    for tick, what in enumerate(happenings):
        happen(world, what)
        if tick == after:
            world.overrides = ordered(**{key.replace("-", "_"): "true"})
        before, cordons = world.replicas, {cordon.pod for cordon in world.cordons}
        decision = world.decide()
        if tick >= after:
            assert decision.replicas == before or (key == "paused-scale-in" and decision.replicas > before), (
                reasons_of(decision)
            )
            assert all(order.consume for order in decision.orders)
            assert {cordon.pod for cordon in decision.cordons} <= cordons
        world.pass_time()


@given(WORLDS, HAPPENINGS, KEEPING)
def test_whoever_was_to_go_takes_tasks_again(world, happenings, key):
    """Every worker, within seconds of the order, and nothing is remembered of it then."""
    for what in happenings:
        happen(world, what)
        world.decide()
        world.pass_time()
    world.overrides = ordered(**{key.replace("-", "_"): "true"})
    for _ in range(TICKS_TO_OBEY):
        world.decide()
        world.pass_time()
    assert all(fellow.consumes for fellow in world.fellows.values())
    assert world.cordons == ()


@given(WORLDS, HAPPENINGS, st.integers(0, 8))
def test_a_number_that_is_ordered_ends_nobody_who_is_busy_or_unknown(world, happenings, goal):
    """It is the goal up or down, and the way down is a drain."""
    world.overrides = ordered(paused_replicas=str(goal))
    for what in happenings:
        happen(world, what)
        seen = world.snapshot()
        decision = decide(seen, world.policy, world.history)
        assert world.busy(decision.replicas) == [], reasons_of(decision)
        goal = min(goal, world.policy.max_replicas)
        assert min(goal, decision.current) <= decision.replicas <= max(goal, decision.current)
        world.decide()
        world.pass_time()
