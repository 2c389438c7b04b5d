"""The StatefulSet controller: what becomes of a number of replicas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoscaler.sandbox.controllers.revisions import revision_name
from autoscaler.sandbox.event_log import DELETED, MODIFIED
from autoscaler.sandbox.kubelet.containers import ContainerSpec
from tests.sandbox.world import NAME, NAMESPACE, World, template

RECORDINGS = Path(__file__).parents[1] / "recordings"
PROBE = {"readinessProbe": {"exec": {"command": ["ready"]}, "periodSeconds": 1}}


def recorded(name: str) -> object:
    """Return the body of a recorded answer."""
    return json.loads((RECORDINGS / f"{name}.json").read_text())["response"]["body"]


def test_a_recorded_template_gives_the_recorded_revision() -> None:
    """The name of a revision is computed as Kubernetes computes it."""
    made = recorded("08-statefulset-get")
    assert isinstance(made, dict)
    name = revision_name("airflow-worker", made["spec"]["template"])
    assert name == made["status"]["currentRevision"] == "airflow-worker-7bbdf6bb68"


def test_parallel_pods_start_and_end_together() -> None:
    """0 → 3 → 0, Parallel: three pods at once, none waits for another."""
    world = World(startup_seconds=5, ending_seconds=5)
    world.create()
    assert world.ordinals() == []
    world.scale(3)
    assert world.ordinals() == [0, 1, 2]
    assert world.set()["status"]["replicas"] == 3
    assert "readyReplicas" not in world.set()["status"]
    world.advance(5)
    assert world.set()["status"]["readyReplicas"] == 3
    world.scale(0)
    assert world.ordinals(terminating=True) == [0, 1, 2]
    world.advance(5)
    assert world.ordinals() == []
    assert world.set()["status"]["replicas"] == 0


def test_ordered_pods_start_and_end_one_by_one() -> None:
    """0 → 3 → 0, OrderedReady: each waits for the one below to be Ready, or the one above to be gone."""
    world = World(startup_seconds=5, ending_seconds=5)
    world.create(3, podManagementPolicy="OrderedReady")
    grown = []
    for _ in range(3):
        grown.append(world.ordinals())
        world.advance(5)
    assert grown == [[0], [0, 1], [0, 1, 2]]
    world.scale(0)
    shrunk = []
    for _ in range(3):
        shrunk.append((world.ordinals(), world.ordinals(terminating=True)))
        world.advance(5)
    assert shrunk == [([0, 1, 2], [2]), ([0, 1], [1]), ([0], [0])]
    assert world.ordinals() == []


def test_an_unready_first_pod_blocks_ordered_ones() -> None:
    """OrderedReady 1 → 5 with the first pod not Ready creates no second pod (recorded in the facts)."""
    healed: list[str] = []

    def passes(spec: ContainerSpec) -> bool:
        return spec.pod != f"{NAME}-0" or bool(healed)

    world = World(passes=passes)
    world.create(1, podManagementPolicy="OrderedReady", template=template(PROBE))
    world.scale(5)
    world.advance(60)
    assert world.ordinals() == [0]
    healed.append("healed")
    world.advance(5)
    assert world.ordinals() == [0, 1, 2, 3, 4]


def test_an_unready_pod_does_not_block_parallel_ones() -> None:
    """Parallel pods are created whatever the others do."""
    world = World(passes=lambda _: False)
    world.create(3, template=template(PROBE))
    assert world.ordinals() == [0, 1, 2]
    assert world.set()["status"]["replicas"] == 3


def test_ordered_surplus_waits_for_unready_pods_below() -> None:
    """OrderedReady ends no pod while one that stays is not Ready."""
    sick: list[str] = []
    world = World(passes=lambda spec: spec.pod not in sick)
    world.create(3, podManagementPolicy="OrderedReady", template=template(PROBE))
    assert world.set()["status"]["readyReplicas"] == 3
    sick.append(f"{NAME}-0")
    world.advance(3)
    assert world.set()["status"]["readyReplicas"] == 2
    world.scale(1)
    world.advance(10)
    assert world.ordinals(terminating=False) == [0, 1, 2]
    sick.clear()
    world.advance(3)
    assert world.ordinals() == [0]


@pytest.mark.parametrize(("sick", "left"), [((1, 2), [0, 1, 2]), ((2,), [0]), ((1,), [0])])
def test_ordered_surplus_ends_with_its_first_unready_pod_last(sick: tuple[int, ...], left: list[int]) -> None:
    """OrderedReady ends an unready pod only when it is the lowest unready one (updateStatefulSet).

    So two unready surplus pods block each other, as they do in Kubernetes.
    """
    unready: list[str] = []
    world = World(passes=lambda spec: spec.pod not in unready)
    world.create(3, podManagementPolicy="OrderedReady", template=template(PROBE))
    unready += [f"{NAME}-{ordinal}" for ordinal in sick]
    world.advance(3)
    world.scale(1)
    world.advance(10)
    assert world.ordinals() == left


def test_pods_carry_the_recorded_labels_and_owner() -> None:
    """Names, labels, owner, hostname and subdomain are those of the recorded pods."""
    world = World()
    world.create(2)
    pod, owner = world.pod(1), world.set()
    listed = recorded("30-pods-list")
    assert isinstance(listed, dict)
    real = listed["items"][1]
    assert set(pod["metadata"]["labels"]) == set(real["metadata"]["labels"]) - {"release", "tier"}
    assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    assert pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == f"{NAME}-1"
    assert pod["metadata"]["labels"]["controller-revision-hash"] == owner["status"]["currentRevision"]
    assert pod["metadata"]["generateName"] == f"{NAME}-"
    (reference,) = pod["metadata"]["ownerReferences"]
    assert reference == {
        **real["metadata"]["ownerReferences"][0],
        "name": NAME,
        "uid": owner["metadata"]["uid"],
    }
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == (f"{NAME}-1", NAME)


def test_the_status_has_the_recorded_fields() -> None:
    """What is zero and what is left out are as recorded, at 0 and at 2 replicas."""
    world = World()
    world.create()
    watched = json.loads((RECORDINGS / "23-watch.json").read_text())["response"]["events"]
    at_zero = next(event["object"]["status"] for event in watched if event["type"] == "DELETED")
    assert {**world.set()["status"], "currentRevision": "", "updateRevision": ""} == {
        **at_zero,
        "currentRevision": "",
        "updateRevision": "",
    }
    world.scale(2)
    at_two = recorded("08-statefulset-get")
    assert isinstance(at_two, dict)
    revision = world.set()["status"]["currentRevision"]
    expected = at_two["status"] | {"currentRevision": revision, "updateRevision": revision}
    assert world.set()["status"] == expected | {"observedGeneration": 2}


def test_ending_pods_count_as_replicas_but_not_as_current_ones() -> None:
    """As recorded (23): while two of three end, replicas stays 3 and currentReplicas is 1."""
    world = World(ending_seconds=5)
    world.create(3)
    world.scale(1)
    status = world.set()["status"]
    assert (status["replicas"], status["readyReplicas"], status["currentReplicas"]) == (3, 3, 1)
    assert status["updatedReplicas"] == 1


def test_a_deleted_pod_comes_back_only_after_it_is_gone() -> None:
    """The same name cannot stand twice: no new pod while the old one ends."""
    world = World(ending_seconds=30)
    world.create(2)
    first = world.pod(1)["metadata"]["uid"]
    world.delete_pod(1)
    world.advance(20)
    assert world.pod(1)["metadata"]["uid"] == first
    world.advance(20)
    assert world.pod(1)["metadata"]["uid"] != first
    assert world.ordinals(terminating=False) == [0, 1]


def test_scaling_up_again_waits_for_the_ending_pod_of_that_name() -> None:
    """3 → 1 → 3 while the surplus ends: it ends all the same, and only then is replaced."""
    world = World(ending_seconds=30)
    world.create(3)
    world.scale(1)
    world.scale(3)
    assert world.ordinals(terminating=True) == [1, 2]
    world.advance(30)
    assert world.ordinals(terminating=False) == [0, 1, 2]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_is_over_is_replaced(phase: str) -> None:
    """An evicted pod is deleted and made again under its name."""
    world = World()
    world.create(1)
    pod = world.pod(0)
    world.store.update("pods", {**pod, "status": {"phase": phase, "reason": "Evicted"}}, subresource="status")
    world.settle()
    assert world.pod(0)["metadata"]["uid"] != pod["metadata"]["uid"]
    assert world.pod(0)["status"]["phase"] == "Running"


def test_ordinals_may_start_elsewhere() -> None:
    """With spec.ordinals.start 5 the pods are numbered from 5."""
    world = World()
    world.create(2, ordinals={"start": 5})
    assert world.ordinals() == [5, 6]
    world.change(ordinals={"start": 0})
    assert world.ordinals() == [0, 1]


def test_available_means_ready_for_long_enough() -> None:
    """With minReadySeconds a Ready pod counts as available later, without anybody asking."""
    world = World()
    world.create(1, minReadySeconds=10)
    assert world.set()["status"]["availableReplicas"] == 0
    assert world.set()["status"]["readyReplicas"] == 1
    world.advance(9)
    assert world.set()["status"]["availableReplicas"] == 0
    world.advance(1)
    assert world.set()["status"]["availableReplicas"] == 1


def test_successes_are_told_as_events() -> None:
    """Each pod that is created or deleted has an Event on its set."""
    world = World()
    world.create(2)
    world.scale(1)
    created, deleted = world.events("SuccessfulCreate"), world.events("SuccessfulDelete")
    assert [event["message"] for event in created] == [
        f"Create Pod {NAME}-{ordinal} in StatefulSet {NAME} successful" for ordinal in (0, 1)
    ]
    assert [event["message"] for event in deleted] == [
        f"Delete Pod {NAME}-1 in StatefulSet {NAME} successful"
    ]
    assert {event["involvedObject"]["uid"] for event in created + deleted} == {world.set()["metadata"]["uid"]}


def test_nothing_happens_when_nothing_happens() -> None:
    """A set at rest is not looked at: nothing is due, for ever, and a status is not written twice."""
    world = World()
    world.create(3)
    world.advance(3600)
    assert world.agenda.next_at is None
    statuses = world.statuses()
    assert len(statuses) == len({json.dumps(status) for status in statuses})


def test_a_foreign_write_between_look_and_report_is_not_lost() -> None:
    """The status is written onto the version that was looked at; after a conflict it is looked at anew."""
    world = World()
    world.create(1)

    def meddle(_: object) -> None:
        unsubscribe()
        changed = world.set()
        changed["metadata"]["annotations"] = {"touched": "yes"}
        world.store.update("statefulsets.apps", changed)

    unsubscribe = world.store.subscribe(meddle)
    world.scale(2)
    world.advance(1)
    assert world.set()["metadata"]["annotations"] == {"touched": "yes"}
    assert world.set()["status"]["readyReplicas"] == 2


def test_pods_are_deleted_highest_first() -> None:
    """The surplus is told to end from the top, Parallel or not."""
    world = World(ending_seconds=5)
    world.create(4)
    world.changes.clear()
    world.scale(1)
    told = [
        change.object["metadata"]["name"]
        for change in world.changes
        if change.resource == "pods"
        and change.type == MODIFIED
        and "deletionTimestamp" in change.object["metadata"]
    ]
    assert list(dict.fromkeys(told)) == [f"{NAME}-3", f"{NAME}-2", f"{NAME}-1"]
    world.advance(5)
    gone = [change.object["metadata"]["name"] for change in world.changes if change.type == DELETED]
    assert sorted(gone) == [f"{NAME}-1", f"{NAME}-2", f"{NAME}-3"]


def test_an_event_that_has_gone_is_written_anew() -> None:
    """Events do not last: after one was removed the next occurrence starts a new one."""
    world = World()
    world.create(1)
    world.scale(0)
    (event,) = world.events("SuccessfulCreate")
    world.store.delete("events", NAMESPACE, event["metadata"]["name"])
    world.scale(1)
    (again,) = world.events("SuccessfulCreate")
    assert again["count"] == 1
    assert again["metadata"]["uid"] != event["metadata"]["uid"]
