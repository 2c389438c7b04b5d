"""The kubelet's part: the life of a pod, in a time that the test moves, with containers that pretend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoscaler.sandbox.agenda import Backoff
from autoscaler.sandbox.kubelet.node import Rules
from autoscaler.sandbox.kubelet.pod_runner import PodRunner
from autoscaler.sandbox.kubelet.probe import Probe
from tests.sandbox.world import NAME, NAMESPACE, World, bare_pod, template

RECORDINGS = Path(__file__).parents[1] / "recordings"
KEY = (NAMESPACE, f"{NAME}-0")


def condition(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a condition of a pod."""
    return next(item for item in pod["status"]["conditions"] if item["type"] == name)


def state(world: World) -> dict[str, Any]:
    """Return the status of the first pod's container."""
    found: dict[str, Any] = world.pod(0)["status"]["containerStatuses"][0]
    return found


def test_a_pod_is_pending_until_its_start_and_then_ready() -> None:
    """Pending with a container being created, then Running and, without a probe, Ready."""
    world = World(startup_seconds=3)
    world.create(1)
    pod = world.pod(0)
    assert pod["status"]["phase"] == "Pending"
    assert state(world)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert condition(pod, "PodScheduled")["status"] == "True"
    assert condition(pod, "Ready")["status"] == "False"
    assert condition(pod, "Ready")["reason"] == "ContainersNotReady"
    world.advance(3)
    pod = world.pod(0)
    assert pod["status"]["phase"] == "Running"
    assert condition(pod, "Ready")["status"] == "True"
    assert condition(pod, "Ready")["lastTransitionTime"] == "2026-01-01T00:00:03Z"
    assert condition(pod, "PodScheduled")["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_a_running_pod_looks_as_recorded() -> None:
    """Every field of a recorded running pod's status is there, and its fixed values are the same."""
    world = World()
    world.create(1)
    listed = json.loads((RECORDINGS / "30-pods-list.json").read_text())["response"]["body"]
    real, made = listed["items"][0]["status"], world.pod(0)["status"]
    assert set(real) - {"qosClass"} == set(made) - {"qosClass"}
    assert [(item["type"], item["status"]) for item in real["conditions"]] == [
        (item["type"], item["status"]) for item in made["conditions"]
    ]
    assert [set(item) for item in real["conditions"]] == [set(item) for item in made["conditions"]]
    assert set(real["containerStatuses"][0]) == set(made["containerStatuses"][0])
    for field in ("ready", "started", "restartCount", "lastState"):
        assert made["containerStatuses"][0][field] == real["containerStatuses"][0][field]
    assert made["podIP"].startswith("10.244.")
    assert world.pod(0)["spec"]["nodeName"] == "sandbox-node-1"


def test_start_up_times_are_drawn_from_a_range_by_a_seed() -> None:
    """The same seed draws the same times, another one others, all within the range."""

    def times(seed: int) -> list[float]:
        world = World()
        world.runner.stop()
        runner = PodRunner(
            world.store, world.agenda, world.clock, world.containers, startup_seconds=(2.0, 9.0), seed=seed
        )
        runner.start()
        world.create(4)
        found = []
        for _ in range(4):
            assert world.agenda.next_at is not None
            world.advance(world.agenda.next_at - world.seconds)
            found.append(world.seconds)
        assert world.set()["status"]["readyReplicas"] == 4
        return found

    assert times(1) == times(1) != times(2)
    assert all(2.0 <= seconds <= 9.0 for seconds in times(1))


def test_a_probe_decides_when_a_pod_is_ready() -> None:
    """Not Ready until the command succeeds; not Ready again after three failures in a row."""
    answers = {"ready": False}
    probe = {"exec": {"command": ["check"]}, "periodSeconds": 5, "initialDelaySeconds": 2}
    world = World(passes=lambda _: answers["ready"])
    world.create(1, template=template({"readinessProbe": probe}))
    assert state(world)["started"] is True
    assert state(world)["ready"] is False
    answers["ready"] = True
    world.advance(1)
    assert state(world)["ready"] is False
    world.advance(1)
    assert state(world)["ready"] is True
    answers["ready"] = False
    world.advance(10)
    assert state(world)["ready"] is True
    world.advance(5)
    assert state(world)["ready"] is False
    assert world.set()["status"]["replicas"] == 1
    assert "readyReplicas" not in world.set()["status"]


@pytest.mark.parametrize(
    ("successes", "failures", "results", "expected"),
    [
        (1, 3, "1", "1"),
        (2, 3, "1011", "0001"),
        (1, 3, "1000", "1110"),
        (1, 3, "10010001", "11111101"),
        (1, 1, "101", "101"),
    ],
)
def test_thresholds_count_results_in_a_row(
    successes: int, failures: int, results: str, expected: str
) -> None:
    """Readiness changes after as many contradicting results in a row as the threshold says."""
    probe = Probe(("check",), success_threshold=successes, failure_threshold=failures)
    seen = ""
    for result in results:
        probe = probe.heard(passed=result == "1")
        seen += str(int(probe.ready))
    assert seen == expected


def test_a_crashing_container_is_restarted_after_longer_and_longer_pauses() -> None:
    """At once the first time, then after 10 s, 20 s, …, at most 300 s."""
    world = World()
    world.create(1)
    pauses = []
    for _ in range(7):
        crashed_at = world.seconds
        world.containers.running[KEY].exit(3)
        world.settle()
        while KEY not in world.containers.running:
            assert world.agenda.next_at is not None
            world.advance(world.agenda.next_at - world.seconds)
        pauses.append(world.seconds - crashed_at)
    assert pauses == [0, 10, 20, 40, 80, 160, 300]
    assert state(world)["restartCount"] == 7
    assert state(world)["lastState"]["terminated"]["exitCode"] == 3


def test_a_crash_loop_is_told() -> None:
    """Waiting with CrashLoopBackOff, not ready, the pod still Running, the last exit in lastState."""
    world = World()
    world.create(1)
    for _ in range(2):
        world.containers.running[KEY].exit(1)
        world.settle()
    told = state(world)
    assert told["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert told["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=worker pod=worker-0_test("
    )
    assert told["lastState"]["terminated"]["reason"] == "Error"
    assert (told["ready"], told["started"], told["restartCount"]) == (False, False, 1)
    assert world.pod(0)["status"]["phase"] == "Running"
    assert "readyReplicas" not in world.set()["status"]


def test_a_container_that_ran_long_starts_over() -> None:
    """After twice the longest pause without a crash the next restart comes at once again."""
    world = World(rules=Rules(restarts=Backoff(10.0, 20.0)))
    world.create(1)
    for pause in (0, 10, 20):
        world.containers.running[KEY].exit(1)
        world.advance(pause)
    world.advance(40)
    world.containers.running[KEY].exit(1)
    world.settle()
    assert KEY in world.containers.running


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 1, "Failed"), ("OnFailure", 0, "Succeeded")],
)
def test_a_container_that_is_not_restarted_ends_its_pod(policy: str, code: int, phase: str) -> None:
    """With a restart policy other than Always the pod stays, with its last phase, until it is deleted."""
    world = World()
    world.store.create("pods", bare_pod(f"{NAME}-0", restartPolicy=policy))
    world.settle()
    world.containers.running[KEY].exit(code)
    world.advance(1000)
    assert world.pod(0)["status"]["phase"] == phase
    assert state(world)["state"]["terminated"]["exitCode"] == code
    world.delete_pod(0)
    assert world.pods() == []


def test_on_failure_restarts_a_crash() -> None:
    """OnFailure restarts what did not exit with 0."""
    world = World()
    world.create(1, template=template(restartPolicy="OnFailure"))
    world.containers.running[KEY].exit(1)
    world.settle()
    assert state(world)["restartCount"] == 1


def test_an_ending_pod_has_its_grace() -> None:
    """It stays, Ready, until its container has ended, and its ending is noted."""
    world = World(ending_seconds=20)
    world.create(1, template=template(terminationGracePeriodSeconds=60))
    world.delete_pod(0)
    world.advance(19)
    assert world.pod(0)["metadata"]["deletionGracePeriodSeconds"] == 60
    assert condition(world.pod(0), "Ready")["status"] == "True"
    world.advance(1)
    (ending,) = world.runner.endings
    assert (ending.pod, ending.exit_code, ending.killed, ending.ending_seconds) == (f"{NAME}-0", 0, False, 20)


def test_a_container_that_outlives_its_grace_is_killed() -> None:
    """SIGKILL at the end of the grace: exit code 137, and noted as killed."""
    world = World(ending_seconds=600)
    world.create(1, template=template(terminationGracePeriodSeconds=30))
    world.scale(0)
    world.advance(29)
    assert world.ordinals() == [0]
    world.advance(1)
    assert world.pods() == []
    (ending,) = world.runner.endings
    assert (ending.exit_code, ending.killed, ending.ending_seconds) == (137, True, 30)


def test_every_container_has_the_least_grace() -> None:
    """A kubelet gives 2 s even when the pod asks for less."""
    world = World(ending_seconds=1.5)
    world.create(1, template=template(terminationGracePeriodSeconds=1))
    world.scale(0)
    world.advance(1.5)
    assert [ending.killed for ending in world.runner.endings] == [False]


def test_a_pod_that_was_removed_by_force_ends_too() -> None:
    """After a deletion without grace the name is free at once, while its container is still ending."""
    world = World(ending_seconds=600)
    world.create(1)
    first = world.pod(0)["metadata"]["uid"]
    world.delete_pod(0, grace_seconds=0)
    assert world.pod(0)["metadata"]["uid"] != first
    assert not world.runner.endings
    world.advance(2)
    assert [(ending.uid, ending.killed) for ending in world.runner.endings] == [(first, True)]
    assert world.pod(0)["status"]["phase"] == "Running"
    assert KEY in world.containers.running


def test_a_pod_that_has_not_started_goes_at_once() -> None:
    """Nothing to wait for: its ending has no exit code."""
    world = World(startup_seconds=10)
    world.create(1)
    world.scale(0)
    assert world.pods() == []
    assert [ending.exit_code for ending in world.runner.endings] == [None]
    world.advance(20)
    assert world.containers.running == {}


def test_an_evicted_pod_keeps_its_status_and_loses_its_container() -> None:
    """Whoever declares a pod Failed has the last word; its process ends."""
    world = World()
    world.store.create("pods", bare_pod(f"{NAME}-0"))
    world.settle()
    evicted = {"phase": "Failed", "reason": "Evicted"}
    world.store.update("pods", {**world.pod(0), "status": evicted}, subresource="status")
    world.advance(1000)
    assert world.pod(0)["status"] == evicted
    assert world.containers.running == {}


def test_an_evicted_pod_does_not_come_back_from_its_crash_loop() -> None:
    """The restart that was due is called off."""
    world = World()
    world.store.create("pods", bare_pod(f"{NAME}-0"))
    world.settle()
    for _ in range(2):
        world.containers.running[KEY].exit(1)
        world.settle()
    world.store.update("pods", {**world.pod(0), "status": {"phase": "Failed"}}, subresource="status")
    world.advance(1000)
    assert world.containers.running == {}
    assert world.pod(0)["status"] == {"phase": "Failed"}


def test_an_unschedulable_pod_waits_without_a_node() -> None:
    """It stays Pending with PodScheduled False, and starts once the annotation is gone."""
    world = World()
    world.create(1, template=template(annotations={"sandbox/unschedulable": "true"}))
    world.advance(100)
    pod = world.pod(0)
    assert pod["status"]["phase"] == "Pending"
    assert condition(pod, "PodScheduled")["status"] == "False"
    assert condition(pod, "PodScheduled")["reason"] == "Unschedulable"
    assert "nodeName" not in pod["spec"]
    pod["metadata"]["annotations"] = {}
    world.store.update("pods", pod)
    world.settle()
    assert world.pod(0)["status"]["phase"] == "Running"


def test_an_unschedulable_pod_can_be_deleted() -> None:
    """Without a node there is nothing to end."""
    world = World()
    world.create(1, template=template(annotations={"sandbox/unschedulable": "true"}))
    world.scale(0)
    assert world.pods() == []


def test_a_failing_image_pull_is_told_and_can_be_mended() -> None:
    """ImagePullBackOff, the pod Pending; it starts once the annotation is gone."""
    world = World()
    world.create(1, template=template(annotations={"sandbox/image-pull": "fail"}))
    world.advance(100)
    assert world.pod(0)["status"]["phase"] == "Pending"
    assert state(world)["state"]["waiting"] == {
        "reason": "ImagePullBackOff",
        "message": 'Back-off pulling image "celery"',
    }
    pod = world.pod(0)
    pod["metadata"]["annotations"] = {}
    world.store.update("pods", pod)
    world.settle()
    assert world.pod(0)["status"]["phase"] == "Running"


def test_a_status_survives_writers_in_between() -> None:
    """Somebody annotates the pod just before each of its node's writes: nothing is lost."""
    world = World()
    busy: list[int] = []

    def annotate(event: Any) -> None:
        if event.resource == "pods" and event.type != "DELETED" and len(busy) < 3:
            busy.append(1)
            pod = world.pod(0)
            pod["metadata"].setdefault("annotations", {})[f"n{len(busy)}"] = "x"
            world.store.update("pods", pod)

    world.store.subscribe(annotate)
    world.create(1)
    assert world.pod(0)["status"]["phase"] == "Running"
    assert set(world.pod(0)["metadata"]["annotations"]) == {"n1", "n2", "n3"}


def test_pods_wait_for_room() -> None:
    """The nodes hold two: the third is unschedulable until one of them has ended."""
    world = World(room=2, ending_seconds=5)
    world.create(2)
    world.scale(3)
    waiting = world.pod(2)
    assert "nodeName" not in waiting["spec"]
    told = condition(waiting, "PodScheduled")
    assert (told["status"], told["reason"]) == ("False", "Unschedulable")
    assert told["message"] == "0/3 nodes are available: 3 Too many pods."
    world.delete_pod(0)
    world.advance(4)
    assert "nodeName" not in world.pod(2)["spec"]
    world.advance(1)
    assert [bool(pod["spec"].get("nodeName")) for pod in world.pods()] == [False, True, True]
    world.scale(0)
    world.advance(5)
    assert world.pods() == []


def test_a_container_that_crashes_by_itself() -> None:
    """Again and again, with Kubernetes' pauses between."""
    world = World(crashes_after=lambda spec: 3.0 if spec.pod.endswith("-1") else None)
    world.create(2)
    world.advance(100)
    restarts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in world.pods()]
    assert restarts == [0, 4]
