"""Rollouts of a Deployment: how one template takes the place of another, and what is told meanwhile."""

from __future__ import annotations

import pytest

from tests.sandbox.fleet import DEPLOYMENTS, PREFIX, SETS, FleetWorld, deployment, rolling, version
from tests.sandbox.world import names

PROBE = {"readinessProbe": {"exec": {"command": ["ready"]}, "periodSeconds": 1}}
SICK = {"command": ["sick"], **PROBE}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "steps"),
    [
        (4, "25%", "25%", [[3, 2], [1, 4], [0, 4]]),
        (10, "25%", "25%", [[8, 5], [3, 10], [0, 10]]),
        (4, 1, 0, [[4, 1], [3, 2], [2, 3], [1, 4], [0, 4]]),
        (4, 0, 1, [[3, 1], [2, 2], [1, 3], [0, 4]]),
        (4, 0, "10%", [[3, 1], [2, 2], [1, 3], [0, 4]]),
        (3, "100%", 0, [[3, 3], [0, 3]]),
        (1, "25%", "25%", [[1, 1], [0, 1]]),
        (4, 0, "100%", [[0, 4]]),
        (4, 0, 9, [[0, 4]]),
    ],
)
def test_a_new_template_rolls(
    replicas: int, surge: int | str, unavailable: int | str, steps: list[list[int]]
) -> None:
    """The sizes of the old and the new ReplicaSet: the next step comes when the pods of one are ready."""
    world = FleetWorld(startup_seconds=10)
    world.deploy(replicas, strategy=rolling(surge, unavailable))
    world.advance(10)
    world.redeploy(template=version(2))
    seen = [world.sizes()]
    while world.condition("Progressing")[1] != "NewReplicaSetAvailable":
        world.advance(10)
        if world.sizes() != seen[-1]:
            seen.append(world.sizes())
    assert seen == steps
    assert [item["metadata"]["annotations"][f"{PREFIX}revision"] for item in world.sets()] == ["1", "2"]
    assert world.deployment()["metadata"]["annotations"][f"{PREFIX}revision"] == "2"


@pytest.mark.parametrize(
    ("surge", "unavailable", "least", "most"), [("25%", "25%", 6, 10), (1, 0, 8, 9), (0, 2, 6, 8)]
)
def test_a_rollout_stays_within_its_fence(
    surge: int | str, unavailable: int | str, least: int, most: int
) -> None:
    """Whenever a ReplicaSet's status changes, enough pods are available and not too many are there."""
    world = FleetWorld(startup_seconds=3)
    world.deploy(8, strategy=rolling(surge, unavailable))
    world.advance(3)
    begin = len(world.changes)
    world.redeploy(template=version(2))
    world.advance(100)
    told = [change.object["status"] for change in world.changes[begin:] if change.resource == DEPLOYMENTS]
    assert min(status.get("availableReplicas", 0) for status in told) >= least
    assert max(status.get("replicas", 0) for status in told) <= most
    assert world.sizes() == [0, 8]
    assert world.counts() == {"replicas": 8, "updated": 8, "ready": 8, "available": 8}


def test_a_rollout_waits_for_min_ready_seconds() -> None:
    """Pods that are ready but not yet available hold the next step back."""
    world = FleetWorld()
    world.deploy(2, strategy=rolling(1, 0), minReadySeconds=30)
    world.advance(30)
    world.redeploy(template=version(2))
    world.advance(29)
    assert world.sizes() == [2, 1]
    assert world.counts() == {"replicas": 3, "updated": 1, "ready": 3, "available": 2, "unavailable": 1}
    world.advance(1)
    assert world.sizes() == [1, 2]


def test_unhealthy_old_pods_go_first() -> None:
    """A template that never gets ready makes room for the next one without a loss of ready pods."""
    world = FleetWorld(passes=lambda spec: spec.command != ("sick",))
    world.deploy(4, strategy=rolling(1, 1))
    world.redeploy(template=version(2, SICK))
    world.advance(60)
    assert world.sizes() == [3, 2]
    assert world.counts()["ready"] == 3
    world.redeploy(template=version(3))
    world.advance(60)
    assert world.sizes() == [0, 0, 4]


def test_going_back_takes_the_old_replicaset() -> None:
    """A template that was there before gets its ReplicaSet back, as the latest revision."""
    world = FleetWorld()
    world.deploy(2, template=version(1))
    first = world.sets()[0]["metadata"]["name"]
    world.redeploy(template=version(2))
    world.redeploy(template=version(1))
    assert names(world.sets())[-1] == first
    assert world.sizes() == [0, 2]
    assert [item["metadata"]["annotations"][f"{PREFIX}revision"] for item in world.sets()] == ["2", "3"]


def test_recreate_ends_all_old_pods_first() -> None:
    """New pods come only when the last old one is gone, not when it is told to go."""
    world = FleetWorld(ending_seconds=20)
    world.deploy(3, strategy={"type": "Recreate"})
    world.redeploy(template=version(2))
    world.advance(19)
    assert world.sizes() == [0]
    assert len(world.pods()) == 3
    assert world.counts() == {}
    assert world.condition("Available") == ("False", "MinimumReplicasUnavailable")
    world.advance(1)
    assert world.sizes() == [0, 3]
    assert len(world.pods()) == 3
    world.redeploy(template=deployment(1)["spec"]["template"])
    world.advance(20)
    assert world.sizes() == [0, 3]


@pytest.mark.parametrize(
    ("replicas", "sizes"), [(20, [13, 9]), (15, [10, 7]), (4, [3, 3]), (0, [0, 0]), (10, [7, 5])]
)
def test_scaling_in_the_middle_of_a_rollout_keeps_proportions(replicas: int, sizes: list[int]) -> None:
    """What is added or taken is shared by size, the rest goes to the largest (sync.go)."""
    world = FleetWorld(passes=lambda spec: spec.command != ("sick",))
    world.deploy(10, strategy=rolling(2, 3))
    world.redeploy(template=version(2, SICK))
    assert world.sizes() == [7, 5]
    begin = len(world.changes)
    world.redeploy(replicas=replicas)
    seen: dict[str, int] = {}
    for change in world.changes[begin:]:
        if change.resource == SETS:
            seen.setdefault(change.object["metadata"]["name"], change.object["spec"]["replicas"])
    firsts = [seen.get(name, size) for name, size in zip(names(world.sets()), [7, 5], strict=True)]
    assert firsts == sizes


def test_a_paused_deployment_scales_and_does_not_roll() -> None:
    """Until it is resumed."""
    world = FleetWorld()
    world.deploy(2)
    world.redeploy(paused=True)
    assert world.condition("Progressing") == ("Unknown", "DeploymentPaused")
    world.redeploy(template=version(2), replicas=3)
    assert world.sizes() == [3]
    assert world.counts()["available"] == 3
    world.redeploy(paused=False)
    assert world.sizes() == [0, 3]
    assert world.condition("Progressing") == ("True", "NewReplicaSetAvailable")


def test_a_stuck_rollout_is_told_after_its_deadline() -> None:
    """Progressing turns False, a second late as in Kubernetes, and True when it gets on again."""
    healed: list[str] = []
    world = FleetWorld(passes=lambda _: bool(healed))
    world.deploy(1, template=version(1, PROBE), progressDeadlineSeconds=60)
    world.advance(60)
    assert world.condition("Progressing") == ("True", "ReplicaSetUpdated")
    world.advance(2)
    assert world.condition("Progressing") == ("False", "ProgressDeadlineExceeded")
    healed.append("healed")
    world.advance(2)
    assert world.condition("Progressing") == ("True", "NewReplicaSetAvailable")


def test_without_a_deadline_nothing_is_said_of_progress() -> None:
    """The largest number stands for none."""
    world = FleetWorld()
    world.deploy(1, progressDeadlineSeconds=2**31 - 1)
    assert [item["type"] for item in world.deployment()["status"]["conditions"]] == ["Available"]


def test_old_replicasets_stay_within_the_history() -> None:
    """The oldest empty ones go when there are more than are to be kept."""
    world = FleetWorld()
    world.deploy(1, revisionHistoryLimit=2)
    for number in range(2, 6):
        world.advance(1)
        world.redeploy(template=version(number))
    assert world.sizes() == [0, 0, 1]
    assert [item["metadata"]["annotations"][f"{PREFIX}revision"] for item in world.sets()] == ["3", "4", "5"]


def test_a_full_new_replicaset_empties_the_old_ones_when_scaled() -> None:
    """Old pods that somebody has asked for behind the Deployment's back go with the next number."""
    world = FleetWorld()
    world.deploy(2)
    world.redeploy(template=version(2))
    old = world.sets()[0]
    old["spec"]["replicas"] = 1
    old["metadata"]["annotations"][f"{PREFIX}desired-replicas"] = "1"
    world.stop()
    world.store.update(SETS, old)
    world.start()
    world.settle()
    assert world.sizes() == [0, 2]
