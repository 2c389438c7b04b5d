"""Who undid whose change of the replicas, and what the load beside an autoscaler is made of."""

from __future__ import annotations

import pytest

from autoscaler.sandbox.store import Store
from benchmarks.neighbour.load import BURN_SHARE, arrivals
from benchmarks.neighbour.timeline import AUTOSCALERS, SETS, Change, Timeline, reversals, zeros
from tests.sandbox.world import NAME, NAMESPACE, statefulset

WE, THEY = "autoscaler", "kube-controller-manager"


def changes(*steps: tuple[float, int, str], begin: int = 1) -> tuple[Change, ...]:
    """Return changes to so many replicas, each at a time and by somebody."""
    found, before = [], begin
    for at, after, manager in steps:
        found.append(Change(at, "replicas", before, after, manager))
        before = after
    return tuple(found)


@pytest.mark.parametrize(
    ("steps", "undone"),
    [
        ([(0, 4, WE), (15, 1, THEY)], [(0, 15)]),
        ([(0, 4, WE), (61, 1, THEY)], []),
        ([(0, 4, WE), (15, 1, WE)], []),
        ([(0, 4, WE), (15, 6, THEY), (30, 5, WE), (45, 2, THEY)], [(15, 30), (0, 45)]),
        ([(0, 4, WE), (15, 6, THEY), (30, 4, THEY)], []),
        ([(0, 3, THEY), (10, 5, WE), (20, 3, WE), (30, 1, WE)], [(0, 30)]),
        ([(0, 0, WE), (10, 1, THEY), (20, 0, WE)], [(0, 10), (10, 20)]),
    ],
    ids=["at once", "later", "its own", "in turns", "what is its own of it", "in steps", "about zero"],
)
def test_what_counts_as_undone(
    steps: list[tuple[float, int, str]], undone: list[tuple[float, float]]
) -> None:
    """To take back within a minute a replica that another added, or to add what another took away."""
    found = reversals(changes(*steps), 60.0)
    assert [(reversal.change.at, reversal.answer.at) for reversal in found] == undone


def test_zero_is_reached_and_left() -> None:
    """As often as that."""
    assert zeros(changes((0, 0, WE), (1, 5, WE), (2, 0, WE))) == (2, 1)


def test_changes_are_told_with_their_managers() -> None:
    """Of the replicas and of the bounds, and of nothing else."""
    seconds = iter(range(100))
    store, timeline = Store(), Timeline(lambda: float(next(seconds)))
    store.subscribe(timeline.note)
    store.create(SETS, statefulset(1), manager="helm")
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME}
    meta, spec = {"name": NAME, "namespace": NAMESPACE}, {"scaleTargetRef": reference, "maxReplicas": 6}
    store.create(AUTOSCALERS, {"metadata": meta, "spec": spec}, manager="helm")
    for manager, replicas in ((WE, 3), (THEY, 3), (THEY, 0)):
        found = store.get(SETS, NAMESPACE, NAME)
        found["spec"]["replicas"] = replicas
        store.update(SETS, found, manager=manager, subresource="scale")
    bounded = store.get(AUTOSCALERS, NAMESPACE, NAME)
    bounded["spec"] |= {"minReplicas": 2, "maxReplicas": 5}
    store.update(AUTOSCALERS, bounded, manager=WE)
    store.delete(SETS, NAMESPACE, NAME)
    assert timeline.changes("replicas") == (
        Change(1.0, "replicas", 1, 3, WE),
        Change(2.0, "replicas", 3, 0, THEY),
    )
    assert timeline.changes("minReplicas", "maxReplicas") == (
        Change(3.0, "minReplicas", 1, 2, WE),
        Change(4.0, "maxReplicas", 6, 5, WE),
    )


def test_the_load_is_the_same_for_the_same_seed() -> None:
    """Some of it burns, some of it waits, and a shorter one is as varied."""
    whole, short = arrivals(600.0, 1), arrivals(90.0, 1)
    assert whole == arrivals(600.0, 1) != arrivals(600.0, 2)
    assert {arrival.share for arrival in whole} == {0.0, BURN_SHARE} == {arrival.share for arrival in short}
    assert whole[-1].at < 540.0
    assert short[-1].at < 81.0
