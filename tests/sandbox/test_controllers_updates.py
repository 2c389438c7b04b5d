"""A template that changes: which pods are replaced when, and what the status says meanwhile."""

from __future__ import annotations

from autoscaler.sandbox.kubelet.containers import ContainerSpec
from tests.sandbox.world import NAME, NAMESPACE, World, template

NEW = template({"image": "celery:new"})
PROBE = {"readinessProbe": {"exec": {"command": ["ready"]}, "periodSeconds": 1}}


def images(world: World) -> list[str]:
    """Return the images of the pods, by name."""
    return [pod["spec"]["containers"][0]["image"] for pod in world.pods()]


def revisions(world: World) -> tuple[str, str]:
    """Return the current and the update revision of the set."""
    status = world.set()["status"]
    return status["currentRevision"], status["updateRevision"]


def test_a_rolling_update_goes_from_the_top_one_at_a_time() -> None:
    """Each pod is replaced once the one above is Ready again."""
    world = World(startup_seconds=5)
    world.create(3)
    world.advance(5)
    old, _ = revisions(world)
    world.change(template=NEW)
    seen = []
    for _ in range(3):
        seen.append(images(world))
        status = world.set()["status"]
        assert (status["currentRevision"], status["updateRevision"] != old) == (old, True)
        world.advance(5)
    assert seen == [
        ["celery", "celery", "celery:new"],
        ["celery", "celery:new", "celery:new"],
        ["celery:new", "celery:new", "celery:new"],
    ]
    current, update = revisions(world)
    assert current == update != old
    assert (world.set()["status"]["currentReplicas"], world.set()["status"]["updatedReplicas"]) == (3, 3)


def test_a_rolling_update_counts_old_and_new_pods() -> None:
    """The current ones are those of the old revision, the updated ones those of the new."""
    world = World(startup_seconds=5)
    world.create(3)
    world.advance(5)
    world.change(template=NEW)
    world.advance(2)
    status = world.set()["status"]
    assert (status["currentReplicas"], status["updatedReplicas"], status["readyReplicas"]) == (2, 1, 2)


def test_a_rolling_update_waits_for_an_unready_pod() -> None:
    """A new pod that does not become Ready stops the update."""
    world = World(passes=lambda spec: ("NEW", "1") not in spec.environment)
    world.create(3, template=template(PROBE))
    world.change(template=template({**PROBE, "env": [{"name": "NEW", "value": "1"}]}))
    world.advance(60)
    status = world.set()["status"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)


def test_the_partition_keeps_the_pods_below_it() -> None:
    """With partition 2 only the pods from 2 on are new, also after a pod below is made again."""
    world = World()
    world.create(4)
    old, _ = revisions(world)
    world.change(template=NEW, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    assert images(world) == ["celery", "celery", "celery:new", "celery:new"]
    world.delete_pod(0)
    world.delete_pod(3)
    assert images(world) == ["celery", "celery", "celery:new", "celery:new"]
    assert world.pod(0)["metadata"]["labels"]["controller-revision-hash"] == old
    assert revisions(world)[0] == old


def test_on_delete_replaces_nothing_by_itself() -> None:
    """OnDelete: a pod has the new template once somebody has deleted it."""
    world = World()
    world.create(2, updateStrategy={"type": "OnDelete"})
    world.change(template=NEW)
    world.advance(60)
    assert images(world) == ["celery", "celery"]
    world.delete_pod(1)
    assert images(world) == ["celery", "celery:new"]


def test_on_delete_never_catches_up() -> None:
    """The current revision stays behind, even with all pods new, and even at 0 replicas (a known trap)."""
    world = World()
    world.create(2, updateStrategy={"type": "OnDelete"})
    old, _ = revisions(world)
    world.change(template=NEW)
    world.delete_pod(0)
    world.delete_pod(1)
    assert images(world) == ["celery:new", "celery:new"]
    current, update = revisions(world)
    assert (current, update != old) == (old, True)
    assert world.set()["status"]["updatedReplicas"] == 2
    assert "currentReplicas" not in world.set()["status"]
    world.scale(0)
    assert revisions(world) == (old, update)


def test_an_update_at_zero_is_complete_at_once() -> None:
    """Without pods there is nothing to replace: a rolling update of 0 is done."""
    world = World()
    world.create(0)
    old, _ = revisions(world)
    world.change(template=NEW)
    current, update = revisions(world)
    assert current == update != old


def test_scaling_during_an_update_makes_new_pods() -> None:
    """Pods that are added while an update waits have the new template."""
    blocked: list[str] = ["blocked"]

    def passes(spec: ContainerSpec) -> bool:
        return not blocked or ("NEW", "1") not in spec.environment

    world = World(passes=passes)
    world.create(2, template=template(PROBE))
    world.change(template=template({**PROBE, "env": [{"name": "NEW", "value": "1"}]}))
    world.scale(3)
    hashes = [pod["metadata"]["labels"]["controller-revision-hash"] for pod in world.pods()]
    old, new = revisions(world)
    assert hashes == [old, new, new]
    blocked.clear()
    world.advance(60)
    assert revisions(world) == (new, new)


def test_going_back_uses_the_old_revision_again() -> None:
    """The old template has its old name, no third revision is kept, and it counts as the latest."""
    world = World()
    world.create(1)
    old, _ = revisions(world)
    world.change(template=NEW)
    world.change(template=template())
    assert revisions(world) == (old, old)
    kept, _ = world.store.list("controllerrevisions.apps", NAMESPACE)
    assert [item["revision"] for item in kept if item["metadata"]["name"] == old] == [3]
    assert len(kept) == 2
    assert images(world) == ["celery"]


def test_a_revision_is_the_patch_that_brings_its_template_back() -> None:
    """As kubectl's rollout undo expects it: the template replaces whatever stands there."""
    world = World()
    world.create(1)
    (kept,) = world.store.list("controllerrevisions.apps", NAMESPACE)[0]
    made = world.set()
    assert kept["data"] == {"spec": {"template": {**made["spec"]["template"], "$patch": "replace"}}}
    assert kept["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]


def test_an_ordered_update_does_not_start_before_all_pods_are_there() -> None:
    """OrderedReady grows first: the update waits until every replica is Ready."""
    world = World(startup_seconds=5)
    world.create(1, podManagementPolicy="OrderedReady")
    world.advance(5)
    old, _ = revisions(world)
    changed = world.set()
    changed["spec"] |= {"replicas": 2, "template": NEW}
    world.store.update("statefulsets.apps", changed)
    world.advance(4)
    assert world.pod(0)["metadata"]["labels"]["controller-revision-hash"] == old
    assert world.ordinals(terminating=False) == [0, 1]
    world.advance(20)
    assert images(world) == ["celery:new", "celery:new"]
    assert [pod["metadata"]["name"] for pod in world.pods()] == [f"{NAME}-0", f"{NAME}-1"]
