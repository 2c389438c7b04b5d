"""Where an HPA's minimum is to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.history import History
from autoscaler.core.hpa import Floor, Hpa
from autoscaler.core.model import Quality, TargetRef
from autoscaler.core.others import Write
from autoscaler.core.overrides import parse
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer
from tests.builders import depth, policy, snapshot, worker
from tests.core.test_hpa import ACTIVATE, FLOOR, OBSERVE, OWN, beside, decided, floored, hpa

CASES: dict[str, tuple[Snapshot, Hpa, int | None]] = {
    "at the present replicas": (snapshot(4, depth(4)), hpa(), 4),
    "where it is": (snapshot(4, depth(4)), floored(), None),
    "before a raise": (snapshot(4, depth(7)), floored(), 7),
    "with a lowering": (snapshot(4, depth(2)), floored(), 2),
    "after a raise by others": (snapshot(6, depth(6)), floored(), 6),
    "no lower than its own": (snapshot(4, depth(1)), floored(least=3), 3),
    "its own at zero": (snapshot(4), floored(least=2), 2),
    "its own zero at zero": (snapshot(4), floored(least=0), 0),
    "its own at zero already": (snapshot(0), hpa(least=2), None),
    "no higher than its maximum": (snapshot(12, depth(12)), floored(most=10), 10),
    "before the first workers": (snapshot(0, depth(5)), hpa(least=2), 5),
}


@pytest.mark.parametrize("name", CASES)
def test_it_follows_the_replicas(name: str):
    """Up before they rise, down with what is proven idle."""
    seen, one, to = CASES[name]
    decision = decided(beside(seen, one), FLOOR)
    found = None if decision.floor is None else decision.floor.to
    assert found == to
    if decision.floor is not None:
        assert decision.floor == Floor("cpu", "uid-cpu", one.min_replicas, to or 0, one.own_min)


def test_it_stays_above_who_is_busy():
    """A task on a high ordinal pins it."""
    crew = (*(worker(f"worker-{n}") for n in (0, 1, 3)), worker("worker-2", 1))
    decision = decided(beside(replace(snapshot(4, depth(1)), crew=crew), floored()), FLOOR)
    assert (decision.replicas, decision.floor and decision.floor.to) == (3, 3)


@pytest.mark.parametrize("which", [ACTIVATE, OBSERVE, OWN])
def test_the_users_own_is_restored_in_every_other_mode(which):
    """One that was left behind, and of one that has it already the memory alone."""
    decision = decided(beside(snapshot(4, depth(4)), floored(least=2)), which)
    assert decision.floor == Floor("cpu", "uid-cpu", 4, 2, 2, released=True)
    assert str(decision.floor) == "minReplicas of HPA cpu 4 → 2, its own"
    decision = decided(beside(snapshot(4, depth(4)), replace(hpa(), floored=True)), which)
    assert str(decision.floor) == "minReplicas of HPA cpu is its own 1"
    assert decided(beside(snapshot(4, depth(4)), hpa()), which).floor is None


def test_the_users_own_is_restored_when_there_is_a_conflict():
    """Also where another one has come."""
    decision = decided(beside(snapshot(4, depth(4)), floored(), replace(hpa(), name="z", uid="z")), FLOOR)
    assert decision.floor == Floor("cpu", "uid-cpu", 4, 1, 1, released=True)


def test_the_users_own_is_restored_when_the_target_is_to_be_left_alone():
    """By annotation; while it is paused the floor stays with the replicas."""
    seen = beside(snapshot(4, depth(7)), floored())
    for annotation, floor in (
        ("exclude", Floor("cpu", "uid-cpu", 4, 1, 1, released=True)),
        ("paused", None),
    ):
        ordered = parse({f"autoscaler/{annotation}": "true"})
        held = replace(seen, workers=replace(seen.workers, overrides=ordered))
        assert decided(held, FLOOR).floor == floor


def test_a_persons_number_takes_the_floor_along():
    """Whoever scales by hand within the bounds is not overruled by an HPA whose floor we left high."""
    person = Write(4, 2, Writer("kubectl", subresource="scale"))
    history = History.seeded(900.0, 4).overwritten(
        1000.0, person, replace(policy(), manual_grace_seconds=60.0)
    )
    decision = decided(beside(snapshot(2, depth(7)), floored()), FLOOR, history)
    assert (decision.replicas, decision.floor and decision.floor.to) == (2, 2)


def test_words():
    """As the log has them."""
    assert str(Floor.of(hpa(), 7)) == "minReplicas of HPA cpu 1 → 7"


def closing(replicas: int, one: Hpa, busy: int | None = None, kind: str = "StatefulSet") -> Floor | None:
    """Return the floor at the daemon's end, where all workers are proven idle but perhaps one."""
    crew = tuple(worker(f"worker-{n}", int(n == busy)) for n in range(replicas))
    seen = replace(snapshot(replicas, depth(1)), crew=crew, closing=True)
    return decided(beside(replace(seen, target=TargetRef("data", "worker", kind)), one), FLOOR).floor


def test_at_the_end_it_is_restored_unless_that_ends_a_task():
    """Those that are busy have to be within the user's own minimum."""
    assert closing(4, floored(least=2)) == Floor("cpu", "uid-cpu", 4, 2, 2, released=True)
    assert closing(4, floored(least=2), busy=1) == Floor("cpu", "uid-cpu", 4, 2, 2, released=True)
    assert closing(4, floored(least=2), busy=2) is None
    assert closing(0, replace(hpa(), floored=True)) == Floor("cpu", "uid-cpu", 1, 1, 1, released=True)
    assert closing(4, hpa()) is None


def test_at_the_end_anybody_counts_of_a_deployment():
    """It chooses the pods that go."""
    assert closing(4, floored(least=2), busy=1, kind="Deployment") is None
    assert closing(2, floored(least=2, at=3), busy=1, kind="Deployment") is not None


def test_at_the_end_nothing_is_restored_on_an_old_view():
    """Somebody may have begun a task."""
    seen = replace(snapshot(4, depth(1), cluster=Quality.STALE), closing=True)
    assert decided(beside(seen, floored(least=2)), FLOOR).floor is None
