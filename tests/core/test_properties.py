"""What holds for every demand, policy and past."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.account import BrokerAccount
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Quality, stale, unknown
from autoscaler.core.policy import Policy, RatePolicy, RateUnit, ScalingRules, SelectPolicy
from autoscaler.core.snapshot import Snapshot
from tests.builders import depth, snapshot

RATES = st.builds(RatePolicy, st.sampled_from(RateUnit), st.integers(1, 200), st.sampled_from([15.0, 60.0]))
RULES = st.builds(
    ScalingRules,
    st.sampled_from([0.0, 5.0, 60.0]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from(SelectPolicy),
    st.lists(RATES, max_size=2).map(tuple),
)
POLICIES = st.tuples(st.integers(0, 20), st.integers(0, 40), RULES, RULES).map(
    lambda p: Policy(min(p[0], p[1]), p[1], p[2], p[3])
)
DEPTHS = st.builds(depth, st.integers(0, 200), st.integers(0, 50), shared=st.booleans())
SNAPSHOTS = st.builds(
    snapshot, st.integers(0, 50), DEPTHS, slots=st.integers(1, 16), cluster=st.sampled_from(list(Quality)[:2])
)


@st.composite
def pasts(draw: st.DrawFn, held: Policy) -> History:
    """Return a memory of a few looks and changes before second 1000."""
    history = History.seeded(900.0, draw(st.integers(0, 50)))
    at = 900.0
    for _ in range(draw(st.integers(0, 5))):
        at += draw(st.floats(0.5, 18.0))
        seen = replace(draw(SNAPSHOTS), at=at)
        history = history.record(decide(seen, held, history), held)
        if draw(st.booleans()):
            history = history.moved(at, draw(st.integers(-5, 5)))
    return history


@st.composite
def cases(draw: st.DrawFn) -> tuple[Snapshot, Policy, History]:
    """Return everything that a decision is made from."""
    held, seen = draw(POLICIES), draw(SNAPSHOTS)
    return seen, held, draw(pasts(held))


@given(cases())
def test_within_limits(case):
    """A decision lies within the bounds, or keeps what is there outside of them, and adds up."""
    seen, held, history = case
    decision = decide(seen, held, history)
    within = held.min_replicas <= decision.replicas <= held.max_replicas
    assert within or held.max_replicas < decision.replicas == seen.workers.replicas
    assert decision.replicas == decision.steps[-1].replicas
    for before, after in zip(decision.steps, decision.steps[1:], strict=False):
        assert before.replicas != after.replicas or after.limit in {"tolerance", "drain"}


@given(cases(), st.integers(0, 100), st.integers(0, 100))
def test_monotone_in_demand(case, ready, more):
    """More work never means fewer workers."""
    seen, held, history = case
    less = decide(replace(seen, broker=depth(ready)), held, history)
    greater = decide(replace(seen, broker=depth(ready + more)), held, history)
    assert less.replicas <= greater.replicas


@given(cases(), st.integers(1, 3), st.floats(0.0, 100.0))
def test_unknown_never_shrinks(case, which, age):
    """Whatever is missing or old, no worker goes."""
    seen, held, history = case
    value: BrokerAccount | None = seen.broker.value
    assert value is not None
    blind = {
        1: replace(seen, broker=unknown("redis", "no answer")),
        2: replace(seen, broker=stale(value, "redis", age, "no answer")),
        3: replace(seen, workers_quality=Quality.STALE),
    }[which]
    assert decide(blind, held, history).replicas >= seen.workers.replicas


@given(cases())
def test_deciding_again_after_acting_changes_nothing(case):
    """A decision that was carried out is the answer to the same demand."""
    seen, held, history = case
    decision = decide(seen, held, history)
    after = replace(seen, workers=replace(seen.workers, replicas=decision.replicas))
    remembered = history.record(decision, held)
    if decision.replicas != decision.current:
        remembered = remembered.moved(seen.at, decision.replicas - decision.current)
    assert decide(after, held, remembered).replicas == decision.replicas


@given(cases())
def test_work_is_never_left_without_slots(case):
    """Nothing shrinks below the slots that the tasks want, unless the maximum says so."""
    seen, held, history = case
    decision = decide(seen, held, history)
    assert decision.demand_slots is not None
    slots = decision.replicas * (seen.slots.value or 0)
    grows_or_covers = decision.replicas >= seen.workers.replicas or slots >= decision.demand_slots * 0.5
    assert grows_or_covers or decision.replicas == held.max_replicas
