"""What holds with everything at once: an HPA, quotas, a rollout, annotations, other hands, pods that hang."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.account import BrokerAccount
from autoscaler.core.allotment import Contender, allot
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.hpa import Hpa, conflict
from autoscaler.core.model import Decision, Quality, Reading, Rollout, TargetRef, fresh, stale, unknown
from autoscaler.core.others import Hold, Others, Rival
from autoscaler.core.overrides import NOTHING_ORDERED, PREFIX, Key, parse
from autoscaler.core.policy import DrainRules, Fallback, FallbackMode, HpaMode, Policy
from autoscaler.core.quarters import Contest, is_exceeded
from autoscaler.core.quota import NamespaceLimits
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer
from tests.builders import NOW, TARGET, depth, policy, reasons, rules, snapshot, worker
from tests.core.quota.build import quota
from tests.core.test_resources import SHAPE

AT = 1000.0
MOST = 14
PERSON, TOOL = Writer("kubectl", subresource="scale"), Writer("helm")

HPAS = st.builds(
    lambda least, more, own, load, keda: Hpa(
        "cpu",
        "uid-cpu",
        least,
        least + more,
        min(own, least),
        floored=own < least,
        load=load,
        replicas=least + 1,
        made_by_keda=keda,
    ),
    st.integers(1, 8),
    st.integers(0, 8),
    st.integers(0, 8),
    st.sampled_from([None, None, 0.1, 0.7, 1.0, 1.6]),
    st.sampled_from([False] * 9 + [True]),
)
SEEN_HPAS: st.SearchStrategy[Reading[tuple[Hpa, ...]]] = st.one_of(
    st.lists(HPAS, max_size=1).map(lambda some: fresh(tuple(some), "HPAs")),
    HPAS.map(lambda one: fresh((one, Hpa("z", "z", 1, 9, 1)), "HPAs")),
    HPAS.map(lambda one: stale((one,), "HPAs", 9.0, "cut")),
    st.just(unknown("HPAs", "not listed yet")),
)
ORDERED = st.one_of(
    st.just(NOTHING_ORDERED),
    st.dictionaries(st.sampled_from(list(Key)), st.integers(0, 9), max_size=3).map(
        lambda found: parse(
            {f"{PREFIX}{key}": str(n) if key.endswith("replicas") else "true" for key, n in found.items()}
        )
    ),
)
POLICIES = st.builds(
    lambda least, most, mode, connections, rescue, window: replace(
        policy(min(least, most), most, down=rules(window)),
        hpa=mode,
        max_db_connections=connections,
        fallback=rescue,
        drain=DrainRules(placement_after_seconds=2.0),
    ),
    st.integers(0, 3),
    st.integers(0, MOST),
    st.sampled_from(HpaMode),
    st.sampled_from([None, None, 0, 3, 9]),
    st.sampled_from([Fallback(), Fallback(FallbackMode.AT_LEAST, 4, 60.0)]),
    st.sampled_from([0.0, 60.0]),
)
OTHERS = st.builds(
    lambda holds, exact, fights: (
        Hold(holds, exact, PERSON, AT + 60.0) if holds is not None else None,
        (Rival(TOOL, (AT - 5.0,), 1, AT + 60.0),) if fights else (),
    ),
    st.sampled_from([None, None, 0, 2, 12]),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Snapshot, Policy, History]:
    """Return everything that a decision is made from."""
    replicas = draw(st.integers(0, MOST))
    kind = draw(st.sampled_from(["StatefulSet", "StatefulSet", "Deployment"]))
    seen = replace(
        _crewed(draw, replicas),
        target=TargetRef(TARGET.namespace, TARGET.name, kind),
        workers_quality=draw(st.sampled_from([Quality.FRESH] * 5 + [Quality.STALE])),
        closing=draw(st.sampled_from([False] * 9 + [True])),
    )
    gone = draw(st.sets(st.integers(0, MOST), max_size=3))
    pods = tuple(
        replace(
            pod,
            place=pod.place if kind == "StatefulSet" else None,
            ready=draw(st.sampled_from([True] * 5 + [False])),
            terminating=draw(st.sampled_from([False] * 9 + [True])),
            created_at=NOW - 400.0,
        )
        for pod in seen.workers.pods
        if pod.place not in gone
    )
    workers = replace(
        seen.workers,
        pods=pods,
        parallel=draw(st.sampled_from([True, True, False])),
        hpas=draw(SEEN_HPAS),
        overrides=draw(ORDERED),
        rollout=draw(st.sampled_from([None, None, Rollout("r2", 4, 1, ("worker-0 not Ready",), 2)])),
        first_ordinal=draw(st.sampled_from([0, 0, 3])),
    )
    seen = replace(seen, workers=workers)
    seen = replace(seen, contest=draw(st.none() | contests(seen)))
    hold, rivals = draw(OTHERS)
    history = replace(
        History.seeded(draw(st.sampled_from([0.0, AT - 30.0])), replicas),
        others=Others(replicas, hold=hold, rivals=rivals),
    )
    return seen, draw(POLICIES), history.looked(seen)


def _crewed(draw: st.DrawFn, replicas: int) -> Snapshot:
    """Return a target some of whose workers are busy, and some of which do not answer."""
    busy = draw(st.sets(st.integers(0, MOST), max_size=4))
    silent = draw(st.sets(st.integers(0, MOST), max_size=2))
    crew = tuple(worker(f"worker-{n}", int(n in busy)) for n in range(replicas) if n not in silent)
    fleet = snapshot(replicas, draw(READINGS), crew=crew)
    return fleet if draw(st.booleans()) else replace(fleet, cordons=())


def _old(tasks: int) -> Reading[BrokerAccount]:
    return replace(depth(tasks), quality=Quality.STALE, age_seconds=9.0, detail="no answer")


DEPTHS = st.integers(0, 25).map(depth)
READINGS: st.SearchStrategy[Reading[BrokerAccount]] = st.one_of(
    DEPTHS, DEPTHS, st.just(unknown("redis", "no answer")), st.integers(0, 25).map(_old)
)


@st.composite
def contests(draw: st.DrawFn, seen: Snapshot) -> Contest:
    """Return what the quotas allow the target: more than it has, just that, or less."""
    workers = seen.workers
    own = Contender(
        seen.target,
        SHAPE,
        places=workers.places,
        asked=workers.replicas,
        leaving=workers.leaving,
        uncounted=draw(st.integers(0, 2)),
    )
    used = len(workers.pods)
    hard = max(0, used + draw(st.sampled_from([-4, -1, 0, 0, 1, 3, 30])))
    limits = NamespaceLimits((quota({"pods": str(hard)}, {"pods": str(used)}),))
    asked = draw(st.integers(0, 3))
    rivals = (
        Contender(TargetRef("data", "other"), SHAPE, asked=asked, wants=asked + draw(st.integers(0, 3))),
    )
    contest = Contest(limits, limits, is_exceeded(limits), own, rivals)
    return replace(contest, firm=draw(st.sampled_from([contest.admitted, own.asked])))


def told(decision: Decision) -> str:
    """Return how a decision came about, for a test that fails."""
    return f"{decision.current} → {decision.replicas}: {reasons(decision)}, {decision.floor}"


@settings(derandomize=True)
@given(scenes())
def test_no_pod_is_asked_for_that_is_not_admitted(scene):
    """Of those that are asked for beyond what is there, each has been allotted its room."""
    seen, held, history = scene
    decision, contest = decide(seen, held, history), seen.contest
    if contest is not None and decision.replicas > decision.current:
        own = replace(contest.own, wants=decision.wanted)
        lacking = own.lacking(decision.replicas)
        allotted = allot(contest.lately, (own, *contest.rivals))[own.target].pods
        assert allotted >= len(lacking) or lacking[-1] < own.asked, told(decision)


@settings(derandomize=True)
@given(scenes())
def test_nobody_at_work_or_unheard_goes(scene):
    """Whoever orders it: the demand, a quota, a bound, a person's number."""
    seen, held, history = scene
    decision = decide(seen, held, history)
    if seen.target.kind == "StatefulSet":
        idle = {name for name, account in seen.crew if not account.active}
        for pod in seen.workers.pods:
            if pod.place is not None and decision.replicas <= pod.place < decision.current:
                assert pod.terminating or pod.name in idle, told(decision)


@settings(derandomize=True)
@given(scenes())
def test_what_is_left_alone_stays_as_it_is(scene):
    """By annotation, in a fight, at the daemon's end, in a rollout, and where others rule."""
    seen, held, history = scene
    decision, orders = decide(seen, held, history), seen.overrides
    pinned = orders.get(Key.PAUSED_REPLICAS) is not None
    hpas = seen.hpas.value or ()
    left = (
        (orders.get(Key.PAUSED) is not None and not pinned)
        or orders.get(Key.EXCLUDE) is not None
        or seen.closing
        or history.others.fighting(AT) is not None
        or held.hpa is HpaMode.OBSERVE
        or (held.hpa is not HpaMode.OWN and conflict(hpas) != "")
    )
    if left:
        assert decision.replicas == decision.current, told(decision)
    if orders.get(Key.PAUSED_SCALE_IN) is not None:
        assert decision.replicas >= decision.current, told(decision)
    if seen.workers.updating:
        assert decision.departing == (), told(decision)


@settings(derandomize=True)
@given(scenes())
def test_unknown_ends_nobody(scene):
    """Of pods that are there; such as were asked for in vain are none."""
    seen, held, history = scene
    decision = decide(seen, held, history)
    blurred = not seen.broker.is_fresh or seen.workers_quality is not Quality.FRESH
    if blurred:
        assert decision.departing == (), told(decision)


@settings(derandomize=True)
@given(scenes())
def test_the_floor_is_within_bounds_and_no_higher_than_what_is_asked_for(scene):
    """It never has an HPA ask for pods that we would not ask for, but for its user's own minimum."""
    seen, held, history = scene
    decision = decide(seen, held, history)
    if decision.floor is not None:
        one = next(one for one in seen.hpas.value or () if one.uid == decision.floor.uid)
        assert one.own_min <= decision.floor.to <= one.max_replicas
        assert decision.floor.to <= max(decision.replicas, one.own_min)
        assert decision.floor.released or held.hpa is HpaMode.FLOOR


@settings(derandomize=True)
@given(scenes())
def test_deciding_again_after_acting_changes_nothing(scene):
    """Neither the replicas nor the floor, while the world is as it was."""
    seen, held, history = scene
    decision = decide(seen, held, history)
    remembered = history.record(decision, held)
    if decision.replicas != decision.current:
        remembered = remembered.moved(AT, decision.replicas - decision.current)
    after = decide(acted(seen, decision), held, remembered.looked(acted(seen, decision)))
    assert after.replicas == decision.replicas, f"{told(decision)}, then {told(after)}"
    assert after.floor is None, told(after)


def acted(seen: Snapshot, decision: Decision) -> Snapshot:
    """Return the same world after a decision, before any pod has come or gone."""
    workers = replace(seen.workers, replicas=decision.replicas, hpas=floored(seen.hpas, decision))
    contest = seen.contest
    if contest is not None:
        own = replace(contest.own, asked=decision.replicas, leaving=workers.leaving)
        contest = replace(contest, own=own, firm=min(contest.firm, decision.replicas))
    return replace(seen, workers=workers, contest=contest, cordons=decision.cordons)


def floored(hpas: Reading[tuple[Hpa, ...]], decision: Decision) -> Reading[tuple[Hpa, ...]]:
    """Return HPAs after the floor of one was moved."""
    floor = decision.floor
    if floor is None or hpas.value is None:
        return hpas
    return replace(
        hpas,
        value=tuple(
            replace(one, min_replicas=floor.to, floored=not floor.released) if one.uid == floor.uid else one
            for one in hpas.value
        ),
    )
