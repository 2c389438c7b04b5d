"""Workers that do not start: which, since when, whether more would, and what is decided then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Decision, Quality, WorkerPod
from autoscaler.core.policy import Policy
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.starting import Starting, starting
from tests.builders import NOW, depth, later, policy, reasons, snapshot, worker

FULL = "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."
PULL = 'ImagePullBackOff: Back-off pulling image "celery:nwe"'


def ready(place: int, made: float = -5000.0, **changes: Any) -> WorkerPod:
    """Return a pod that is Ready."""
    pod = WorkerPod(f"worker-{place}", ready=True, terminating=False, started_at=NOW + made, place=place)
    return replace(replace(pod, created_at=NOW + made, turned_at=NOW + made), **changes)


def unready(place: int, made: float = -400.0, why: str = PULL, **changes: Any) -> WorkerPod:
    """Return a pod that was never Ready, made so long ago."""
    pod = WorkerPod(f"worker-{place}", ready=False, terminating=False, occupied=False, place=place)
    return replace(replace(pod, created_at=NOW + made, why_unready=why), **changes)


def seen(replicas: int, *pods: WorkerPod, tasks: int = 50, **changes: Any) -> Snapshot:
    """Return a set of these pods, none of its workers cordoned, and more work than they could do."""
    crew = tuple(worker(pod.name, cordoned=False) for pod in pods if pod.ready)
    found = snapshot(replicas, depth(tasks), crew=crew, cordons=())
    return replace(found, workers=replace(found.workers, pods=pods, **changes))


def decided(look: Snapshot, past: History | None = None, by: Policy | None = None) -> Decision:
    """Decide for a target that has long been at its size."""
    history = past or History.seeded(look.at - 10_000, look.workers.replicas)
    return decide(look, by or policy(), history.looked(look))


@dataclass(frozen=True)
class Case:
    """A look, the replicas decided on, and what the decision says."""

    look: Snapshot
    replicas: int
    reason: str = "PodsCannotStart"
    words: tuple[str, ...] = ()


CASES = {
    "in time": Case(seen(2, ready(0), unready(1, -299.0)), 50, "WorkWaiting"),
    "no longer in time": Case(
        seen(2, ready(0), unready(1, -300.0)),
        2,
        words=(
            f"worker-1 not started since 1970-01-12T13:41:40Z ({PULL})",
            "more would not either, so no more are asked for",
        ),
    ),
    "none starts": Case(
        seen(5, *(unready(n) for n in range(5))),
        5,
        words=("worker-0, worker-1, worker-2 and 2 more not started",),
    ),
    "for several reasons": Case(
        seen(4, ready(0), unready(1, why=FULL), unready(2), unready(3, why="")),
        4,
        words=(f"({FULL}), worker-2 not", f"({PULL}), 1 more for other reasons"),
    ),
    "no words for it": Case(seen(1, unready(0, why="")), 1, words=("(is not Ready)",)),
    "it has been Ready since it was made": Case(
        seen(1, unready(0, -5000.0, turned_at=NOW - 299.0)), 50, "WorkWaiting"
    ),
    "and is not Ready for long": Case(seen(1, unready(0, -5000.0, turned_at=NOW - 300.0)), 1),
    "nobody says since when": Case(seen(1, unready(0, created_at=None)), 50, "WorkWaiting"),
    "fewer are wanted": Case(seen(3, ready(0), ready(1), unready(2), tasks=2), 2, "WorkWaiting"),
    "as many are wanted": Case(seen(2, ready(0), unready(1), tasks=2), 2),
    "it goes anyway": Case(seen(1, ready(0), unready(1)), 50, "WorkWaiting"),
    "a pod by another name": Case(
        seen(1, ready(0), replace(unready(1), name="debug", place=None)), 50, "WorkWaiting"
    ),
    "no volume of its own": Case(seen(2, ready(0), unready(1, why=FULL)), 2),
    "a volume of its own": Case(
        seen(2, ready(0), unready(1, why=FULL, awaits_volume=True)),
        3,
        words=("one more is asked for, to see whether that one alone cannot",),
    ),
    "a volume, and it is the only worker": Case(seen(1, unready(0, why=FULL, awaits_volume=True)), 2),
    "a volume, as many wanted as there are": Case(
        seen(2, ready(0), unready(1, awaits_volume=True), tasks=2), 2
    ),
    "a volume, and one more is on its way": Case(
        seen(3, ready(0), unready(1, awaits_volume=True), unready(2, -10.0, awaits_volume=True)), 3
    ),
    "a volume, and the one more has not been made yet": Case(
        seen(3, ready(0), unready(1, awaits_volume=True)), 3
    ),
    "volumes, and the one more does not start either": Case(
        seen(3, ready(0), unready(1, awaits_volume=True), unready(2, awaits_volume=True)), 3
    ),
    "one made later above it is Ready": Case(
        seen(3, ready(0), unready(1, -400.0), ready(2, -399.0)), 51, "WorkersOutOfService"
    ),
    "one made with it above it is Ready": Case(seen(3, ready(0), unready(1, -400.0), ready(2, -400.0)), 3),
    "one made later below it is Ready": Case(seen(3, ready(0, -100.0), ready(1), unready(2)), 3),
    "one made later above it is ending": Case(
        seen(3, ready(0), unready(1), replace(ready(2, -100.0), terminating=True)), 3
    ),
    "one made later above it crashes again and again": Case(
        seen(3, ready(0), unready(1), replace(ready(2, -9.0), restarts=2)), 3
    ),
    "one of two is proven to be alone": Case(
        seen(4, ready(0), unready(1), ready(2, -350.0), unready(3, -340.0)), 4, words=("worker-3 not",)
    ),
    "its node is not heard": Case(
        seen(2, ready(0), unready(1, turned_at=NOW - 400.0, unreachable=True)),
        51,
        "WorkersOutOfService",
        ("others take the place of worker-1 not started since",),
    ),
    "it is to have ended": Case(
        seen(2, ready(0), replace(ready(1), terminating=True, ends_at=NOW - 300.0)),
        51,
        "WorkersOutOfService",
        ("was to have ended, and its node does not say so",),
    ),
    "it ends in time": Case(
        seen(2, ready(0), replace(ready(1), terminating=True, ends_at=NOW + 500.0)), 50, "WorkWaiting"
    ),
    "nobody says when it ends": Case(
        seen(2, ready(0), replace(ready(1), terminating=True)), 50, "WorkWaiting"
    ),
    "one after the other": Case(
        seen(3, unready(0), parallel=False),
        3,
        words=("worker-0 not started", "none after it is started before (OrderedReady)"),
    ),
    "one after the other, and a volume": Case(seen(1, unready(0, awaits_volume=True), parallel=False), 1),
    "one after the other, and above it one is Ready": Case(
        seen(3, ready(0), unready(1), ready(2, -100.0), parallel=False), 3
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_decided(name: str):
    """After a stated time no more are asked for, never fewer, and the decision says so."""
    case = CASES[name]
    decision = decided(case.look)
    assert (decision.replicas, reasons(decision)[-1]) == (case.replicas, case.reason)
    for word in case.words:
        assert word in decision.steps[-1].message


@pytest.mark.parametrize(
    ("out_of_service", "tasks", "replicas"),
    [((1,), 1, 1), ((1,), 2, 3), ((1,), 3, 4), ((0,), 1, 2), ((0, 1), 1, 3), ((0, 2), 2, 4), ((1,), 0, 0)],
)
def test_others_stand_in_for_those_below_them_alone(
    out_of_service: tuple[int, ...], tasks: int, replicas: int
):
    """Whoever goes by the replicas anyway needs nobody in its place."""
    pods = [unready(n, -400.0, unreachable=True) if n in out_of_service else ready(n) for n in range(4)]
    look = seen(4, *pods, tasks=tasks)
    way = decided(look)
    assert max(step.replicas for step in way.steps if step.limit in {"demand", "stand_ins"}) == replicas


def test_of_a_deployment_any_pod_takes_anothers_place():
    """Its pods have no places; those that end are made up for by its own controller."""
    pods = [replace(pod, place=None) for pod in (ready(0), unready(1, unreachable=True), ready(2, -10.0))]
    look = seen(3, *pods, tasks=3)
    look = replace(look, target=replace(look.target, kind="Deployment"))
    assert reasons(decided(look))[-1] == "WorkersOutOfService"
    assert decided(look).replicas == 4
    pods[1] = replace(pods[1], unreachable=False)
    stuck = replace(look, workers=replace(look.workers, pods=tuple(pods)))
    assert reasons(decided(stuck))[-1] == "PodsCannotStart"
    pods[1] = replace(pods[1], terminating=True, ends_at=NOW - 900.0)
    ending = replace(look, workers=replace(look.workers, pods=tuple(pods)))
    assert decided(ending).replicas == 3


def test_the_minimum_goes_before():
    """Whoever asks for two gets two."""
    decision = decided(seen(1, unready(0)), by=policy(least=2))
    assert (decision.replicas, reasons(decision)) == (2, ("WorkWaiting", "PodsCannotStart", "MinReplicas"))


def looks(first: Snapshot, *others: tuple[float, Snapshot]) -> History:
    """Return the memory of some looks, each at seconds after the first."""
    past = History.seeded(first.at - 10_000, first.workers.replicas).looked(first)
    for seconds, look in others:
        past = past.looked(later(look, seconds))
    return past


def test_missing_pods_count_from_when_they_were_first_missed():
    """Which of them are missing is remembered for each; those that were made in time are forgotten."""
    first = seen(4, ready(0), ready(1))
    third = seen(4, ready(0), ready(1), ready(2, -10.0))
    past = looks(first, (100.0, third))
    assert [one.pod for one in past.awaited] == ["worker-3"]
    assert decided(later(third, 299.0), past).replicas == 50
    decision = decided(later(third, 300.0), past)
    assert (decision.replicas, reasons(decision)[-1]) == (4, "PodsCannotStart")
    assert "worker-3 not started since" in decision.steps[-1].message
    assert "(its controller has not made it)" in decision.steps[-1].message
    refused = replace(third, workers=replace(third.workers, not_made="FailedCreate: exceeded quota: team"))
    assert "(FailedCreate: exceeded quota: team)" in decided(later(refused, 300.0), past).steps[-1].message
    whole = seen(4, *(ready(n) for n in range(4)))
    assert decided(later(whole, 301.0), past).replicas == 50
    assert looks(first, (100.0, whole)).awaited == ()


def test_a_rollout_misses_one_pod_after_the_other():
    """None of them for long, so that none is late."""
    past, fleet = looks(seen(3, ready(0), ready(1), ready(2))), [ready(n) for n in range(3)]
    for turn in range(30):
        gone = 2 - turn % 3
        look = later(seen(3, *(pod for pod in fleet if pod.place != gone)), 30.0 * turn)
        past = past.looked(look)
        assert decided(look, past).replicas == 50


def test_what_is_seen_badly_adds_nothing():
    """An old look neither finds pods missing nor forgets that they are."""
    first = seen(2, ready(0))
    past = looks(first)
    stale = replace(seen(2, ready(0), ready(1)), workers_quality=Quality.STALE)
    assert past.looked(later(stale, 10.0)) is past
    assert looks(replace(first, workers_quality=Quality.STALE)).awaited == ()


def test_where_pods_come_one_after_the_other_the_next_is_missed():
    """And none before those below it are Ready."""
    assert [one.pod for one in looks(seen(4, ready(0), parallel=False)).awaited] == ["worker-1"]
    assert looks(seen(4, unready(0), parallel=False)).awaited == ()
    assert [one.pod for one in looks(seen(2, first_ordinal=5)).awaited] == ["worker-5", "worker-6"]


def test_the_missing_pods_of_a_deployment_have_no_names():
    """They are counted."""
    look = seen(3, replace(ready(0), place=None), replace(ready(1), place=None, terminating=True))
    look = replace(look, target=replace(look.target, kind="Deployment"))
    assert [one.pod for one in looks(look).awaited] == ["pod 2 of 3", "pod 3 of 3"]
    decision = decided(later(look, 300.0), looks(look))
    assert "pod 2 of 3, pod 3 of 3 not started" in decision.steps[-1].message


def crashing(place: int, ready_for: float | None, **changes: Any) -> WorkerPod:
    """Return a pod that was restarted: not Ready, or for so long."""
    pod = replace(ready(place), ready=ready_for is not None, restarts=7, **changes)
    return replace(pod, turned_at=NOW - (10.0 if ready_for is None else ready_for))


def test_a_pod_that_crashes_again_and_again_has_not_started():
    """Though without a probe it is Ready between two crashes: the count goes on until it is for long."""
    down, up = seen(2, ready(0), crashing(1, None)), seen(2, ready(0), crashing(1, 3.0))
    past = looks(down)
    assert [one.since - down.at for one in past.awaited] == [-10.0]
    for seconds in range(30, 290, 30):
        look = up if seconds % 60 else down
        look = replace(look, workers=replace(look.workers, pods=_turned(look, float(seconds))))
        past = past.looked(later(look, float(seconds)))
        assert decided(later(look, float(seconds)), past).replicas == 50
    at_last = later(replace(up, workers=replace(up.workers, pods=_turned(up, 300.0))), 300.0)
    decision = decided(at_last, past)
    assert (decision.replicas, reasons(decision)[-1]) == (2, "PodsCannotStart")
    assert "(ends again and again, 7 restarts)" in decision.steps[-1].message
    down = later(replace(down, workers=replace(down.workers, pods=_turned(down, 310.0))), 310.0)
    assert reasons(decided(down, past))[-1] == "PodsCannotStart"
    steady = later(seen(2, ready(0), crashing(1, 60.0 - 400.0)), 400.0)
    assert decided(steady, past).replicas == 50


def _turned(look: Snapshot, seconds: float) -> tuple[WorkerPod, ...]:
    """Return the pods, those that crash having become Ready, or ceased to be, a moment before that time."""
    return tuple(
        replace(pod, turned_at=NOW + seconds - 3.0) if pod.restarts else pod for pod in look.workers.pods
    )


def test_one_crash_is_no_row_of_them():
    """A worker that was Ready for long and is restarted has all the time again."""
    assert [one.pod for one in looks(seen(1, crashing(0, 59.0))).awaited] == ["worker-0"]
    assert looks(seen(1, crashing(0, 60.0))).awaited == ()
    assert looks(seen(1, crashing(0, None, terminating=True))).awaited == ()
    assert [one.pod for one in looks(seen(1, replace(crashing(0, 9.0), turned_at=None))).awaited] == [
        "worker-0"
    ]


ORDER = {
    "nobody is to go": (seen(2, ready(0), unready(1), tasks=2, parallel=False), ""),
    "all that stay are Ready": (seen(1, ready(0), ready(1), tasks=1, parallel=False), ""),
    "all at once": (seen(1, unready(0, -5.0), ready(1), tasks=1), ""),
    "more are wanted": (seen(1, unready(0, -5.0), ready(1), tasks=2, parallel=False), ""),
    "one that stays is not Ready": (
        seen(2, ready(0), unready(1, -5.0), ready(2), ready(3), tasks=2, parallel=False),
        "worker-3, worker-2 to go once worker-1 is Ready: podManagementPolicy is OrderedReady",
    ),
    "one that stays is missing": (
        seen(2, ready(0), ready(2), tasks=2, parallel=False),
        "worker-2 to go once worker-1 is Ready: podManagementPolicy is OrderedReady",
    ),
    "one that stays is ending": (
        seen(1, replace(ready(0), terminating=True), ready(1), tasks=1, parallel=False),
        "worker-1 to go once worker-0 is Ready: podManagementPolicy is OrderedReady",
    ),
    "the only one that is not Ready goes": (
        seen(1, ready(0), ready(1), unready(2), tasks=1, parallel=False),
        "",
    ),
    "two that go are not Ready": (
        seen(1, ready(0), unready(1), unready(2), tasks=1, parallel=False),
        "worker-2, worker-1 to go once worker-2 is Ready: podManagementPolicy is OrderedReady",
    ),
    "the two that are not Ready are not the next": (
        seen(1, ready(0), unready(1), unready(2), ready(3), tasks=1, parallel=False),
        "",
    ),
}


@pytest.mark.parametrize("name", ORDER)
def test_pods_that_end_one_after_the_other_wait_for_those_that_are_not_ready(name: str):
    """The replicas are lowered already, and the decision says why pods stay."""
    look, said = ORDER[name]
    told = [step.message for step in decided(look).steps if step.reason == "PodsEndInOrder"]
    assert told == ([said] if said else [])


ANY_POD = st.builds(
    replace,
    st.builds(unready, st.just(0), st.sampled_from([-5.0, -299.0, -301.0, -5000.0])),
    ready=st.booleans(),
    terminating=st.booleans(),
    ends_at=st.sampled_from([None, NOW - 500.0, NOW + 500.0]),
    restarts=st.sampled_from([0, 3]),
    turned_at=st.sampled_from([None, NOW - 5.0, NOW - 400.0]),
    unreachable=st.booleans(),
    awaits_volume=st.booleans(),
)


@st.composite
def fleets(draw: st.DrawFn) -> Snapshot:
    """Return a set with pods in all states, some of them missing."""
    replicas = draw(st.integers(0, 8))
    places = draw(st.sets(st.integers(0, 9), max_size=8))
    pods = [replace(draw(ANY_POD), place=place, name=f"worker-{place}") for place in sorted(places)]
    return seen(replicas, *pods, tasks=draw(st.integers(0, 20)), parallel=draw(st.booleans()))


@given(fleets(), st.booleans(), st.integers(0, 20))
def test_never_fewer_and_never_more_for_less_work(look: Snapshot, remembered: bool, less: int):
    """Whatever does not start: no worker goes for it, and to ask again asks for no more."""
    past = History.seeded(look.at - 10_000, look.workers.replicas)
    if remembered:
        past = past.looked(later(look, -400.0))
    decision = decided(look, past)
    current, asked = look.workers.replicas, min(decision.steps[0].replicas, 100)
    assert decision.replicas >= min(current, asked)
    fewer = replace(look, broker=depth(min(less, asked)))
    assert decided(fewer, past).replicas <= max(decision.replicas, current)
    after = replace(look, workers=replace(look.workers, replicas=decision.replicas))
    surplus = any(pod.place is not None and pod.place >= current for pod in look.workers.pods)
    if decision.replicas > current and not surplus:
        assert decided(after, past).replicas == decision.replicas


def test_the_memory_is_of_nothing_where_all_is_well():
    """The usual case costs nothing."""
    look = seen(2, ready(0), ready(1))
    past = History.seeded(look.at, 2)
    assert past.looked(look) is past
    assert starting(look, (), 300.0) == Starting()
