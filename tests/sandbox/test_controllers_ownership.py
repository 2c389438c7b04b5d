"""Whose pods are whose: deleted, orphaned, adopted and foreign ones."""

from __future__ import annotations

from tests.sandbox.world import NAME, NAMESPACE, World, bare_pod, names, statefulset


def test_a_deleted_set_takes_its_pods_with_it() -> None:
    """In the background, with their grace."""
    world = World(ending_seconds=5)
    world.create(3)
    world.store.delete("statefulsets.apps", NAMESPACE, NAME)
    world.settle()
    assert world.ordinals(terminating=True) == [0, 1, 2]
    world.advance(5)
    assert world.pods() == []
    assert world.store.list("controllerrevisions.apps")[0] == []


def test_orphaned_pods_stay_and_are_adopted_by_the_next_set() -> None:
    """After a deletion that orphans, the pods run on and belong to the next set of that name."""
    world = World()
    world.create(2)
    before = [pod["metadata"]["uid"] for pod in world.pods()]
    world.store.delete("statefulsets.apps", NAMESPACE, NAME, propagation="Orphan")
    world.settle()
    assert not any(pod["metadata"].get("ownerReferences") for pod in world.pods())
    world.create(2)
    assert [pod["metadata"]["uid"] for pod in world.pods()] == before
    owners = {pod["metadata"]["ownerReferences"][0]["uid"] for pod in world.pods()}
    assert owners == {world.set()["metadata"]["uid"]}


def test_pods_of_another_owner_are_left_alone() -> None:
    """A pod that matches the selector but belongs to somebody else is neither counted nor deleted."""
    world = World()
    world.create(1)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "other", "uid": "other", "controller": True}
    other = bare_pod(f"{NAME}-7")
    other["metadata"]["ownerReferences"] = [owner]
    world.store.create("pods", other)
    world.scale(0)
    assert names(world.pods()) == [f"{NAME}-7"]


def test_other_sets_do_not_share_pods() -> None:
    """Two sets with one selector keep to the pods of their own names."""
    world = World()
    world.create(2)
    other = statefulset(1)
    other["metadata"]["name"] = f"{NAME}-extra"
    world.store.create("statefulsets.apps", other)
    world.settle()
    assert names(world.pods()) == [f"{NAME}-0", f"{NAME}-1", f"{NAME}-extra-0"]
    world.scale(0)
    assert names(world.pods()) == [f"{NAME}-extra-0"]


def test_parts_that_start_late_take_in_what_is_there() -> None:
    """Sets and pods that are older than the controllers are looked at all the same."""
    world = World()
    world.stop()
    world.create(1)
    world.store.create("pods", bare_pod("alone"))
    world.advance(100)
    assert names(world.pods()) == ["alone"]
    world.start()
    world.settle()
    assert names(world.pods()) == ["alone", f"{NAME}-0"]
    assert {pod["status"]["phase"] for pod in world.pods()} == {"Running"}


def test_a_set_that_is_being_deleted_makes_no_more_pods() -> None:
    """While a finalizer holds it, it only reports."""
    world = World()
    made = statefulset(2)
    made["metadata"]["finalizers"] = ["example.org/hold"]
    world.store.create("statefulsets.apps", made)
    world.settle()
    world.store.delete("statefulsets.apps", NAMESPACE, NAME)
    world.delete_pod(0)
    assert world.ordinals() == [1]
    assert world.set()["status"]["replicas"] == 1
