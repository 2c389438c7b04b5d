"""What a pod's status says of its worker: whether it starts, why not, and since when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from autoscaler.cluster.kinds import Pod
from autoscaler.cluster.unready import LONGEST_MESSAGE, is_unreachable, may_await_volume, why_unready
from autoscaler.cluster.worker_pods import WorkerPods, worker_pod
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.core.model import TargetRef

JSON = dict[str, Any]
SET = msgspec.convert({"metadata": {"name": "w"}, "spec": {"ordinals": {"start": 3}}}, StatefulSet)
MADE = datetime(2026, 11, 24, 6, 0, 0, tzinfo=UTC).timestamp()


def pod(status: JSON, **metadata: Any) -> Pod:
    """Return a pod `w-3` with a status."""
    made = {"name": "w-3", "creationTimestamp": "2026-11-24T06:00:00Z"} | metadata
    return msgspec.convert({"metadata": made, "status": status}, Pod)


def conditions(**statuses: str | JSON) -> list[JSON]:
    """Return conditions by type: a status, or more of it."""
    told = {name: {"status": said} if isinstance(said, str) else said for name, said in statuses.items()}
    return [{"type": name} | said for name, said in told.items()]


def container(state: JSON, name: str = "worker", **more: Any) -> JSON:
    """Return a container's status."""
    return {"name": name, "state": state} | more


NOT_READY = {
    "status": "False",
    "reason": "ContainersNotReady",
    "message": "containers with unready status: [worker]",
}
STARTING = conditions(PodScheduled="True", ContainersReady=NOT_READY, Ready=NOT_READY)
CREATING = {"waiting": {"reason": "ContainerCreating"}}
RUNNING = {"running": {"startedAt": "2026-11-24T06:00:09Z"}}


def waits(reason: str, message: str = "") -> JSON:
    """Return the state of a container that waits."""
    return {"waiting": {"reason": reason, "message": message}}


SCHEDULER = (
    "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available:\n 3 No preemption "
    "victims found for incoming pod."
)
CASES: dict[str, tuple[JSON, str]] = {
    "Ready": ({"phase": "Running", "conditions": conditions(Ready="True")}, ""),
    "just made": ({"phase": "Pending"}, "Pending"),
    "nothing told": ({}, "Pending"),
    "no node": (
        {
            "phase": "Pending",
            "conditions": conditions(
                PodScheduled={"status": "False", "reason": "Unschedulable", "message": SCHEDULER}
            ),
        },
        "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 "
        "No preemption victims found for inc…",
    ),
    "no node, no word": (
        {"phase": "Pending", "conditions": conditions(PodScheduled={"status": "False"})},
        "not scheduled",
    ),
    "being created": (
        {"phase": "Pending", "conditions": STARTING, "containerStatuses": [container(CREATING)]},
        "ContainerCreating",
    ),
    "no reason to wait": (
        {"phase": "Pending", "conditions": STARTING, "containerStatuses": [container({"waiting": {}})]},
        "ContainerCreating",
    ),
    "no image": (
        {
            "phase": "Pending",
            "conditions": STARTING,
            "containerStatuses": [
                container(CREATING, "proxy"),
                container(waits("ErrImagePull", "not found")),
            ],
        },
        "ErrImagePull: not found",
    ),
    "a name that is none": (
        {"phase": "Pending", "containerStatuses": [container(waits("InvalidImageName", "couldn't parse"))]},
        "InvalidImageName: couldn't parse",
    ),
    "no Secret": (
        {
            "phase": "Pending",
            "containerStatuses": [
                container(waits("CreateContainerConfigError", 'secret "broker" not found'))
            ],
        },
        'CreateContainerConfigError: secret "broker" not found',
    ),
    "crashes": (
        {
            "phase": "Running",
            "conditions": STARTING,
            "containerStatuses": [
                container(
                    waits("CrashLoopBackOff", "back-off 5m0s restarting failed container=worker"),
                    lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    restartCount=7,
                )
            ],
        },
        "CrashLoopBackOff: OOMKilled, exit code 137, 7 restarts",
    ),
    "has crashed": (
        {
            "phase": "Running",
            "conditions": STARTING,
            "containerStatuses": [container({"terminated": {"exitCode": 1, "reason": "Error"}})],
        },
        "Error: exit code 1",
    ),
    "an init container crashes": (
        {
            "phase": "Pending",
            "conditions": STARTING,
            "initContainerStatuses": [
                container({"terminated": {"exitCode": 0, "reason": "Completed"}}, "wait"),
                container(waits("CrashLoopBackOff"), "migrate", lastState={"terminated": {"exitCode": 1}}),
            ],
            "containerStatuses": [container(waits("PodInitializing"))],
        },
        "Init:CrashLoopBackOff: ended, exit code 1, 0 restarts",
    ),
    "runs, its probe fails": (
        {"phase": "Running", "conditions": STARTING, "containerStatuses": [container(RUNNING)]},
        "ContainersNotReady: containers with unready status: [worker]",
    ),
    "not Ready without a word": ({"phase": "Running", "conditions": conditions(Ready="False")}, "not Ready"),
    "its node is lost": (
        {
            "phase": "Running",
            "conditions": conditions(PodScheduled="True", ContainersReady="True", Ready="False"),
            "containerStatuses": [container(RUNNING)],
        },
        "its node is not heard any more",
    ),
    "its node is lost, says the node controller": (
        {
            "phase": "Running",
            "reason": "NodeLost",
            "message": "Node n which was running pod w-3 is unresponsive",
        },
        "NodeLost: Node n which was running pod w-3 is unresponsive",
    ),
    "lists that are null": (
        {"phase": "Pending", "conditions": None, "containerStatuses": None, "initContainerStatuses": None},
        "Pending",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_why_a_pod_is_not_ready(name: str):
    """What stands in its way first is told, in Kubernetes' words and in one short line."""
    status, said = CASES[name]
    assert why_unready(pod(status)) == said
    assert len(said.partition(": ")[2]) <= LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("told", "unreachable"),
    [
        (conditions(ContainersReady="True", Ready="False"), True),
        (conditions(ContainersReady="True", Ready="Unknown"), True),
        (conditions(ContainersReady="True", Ready="True"), False),
        (conditions(ContainersReady="False", Ready="False"), False),
        (
            conditions(ContainersReady="True", Ready={"status": "False", "reason": "ReadinessGatesNotReady"}),
            False,
        ),
        (conditions(Ready="False"), False),
        ([], False),
    ],
)
def test_a_node_that_is_not_heard(told: list[JSON], unreachable: bool):
    """The containers are ready by its last word, and the node controller has taken back that the pod is."""
    assert is_unreachable(pod({"phase": "Running", "conditions": told})) is unreachable


CLAIM = [
    {"name": "tmp", "emptyDir": {}},
    {"name": "logs", "persistentVolumeClaim": {"claimName": "logs-w-3"}},
]


@pytest.mark.parametrize(
    ("volumes", "told", "states", "awaits"),
    [
        (CLAIM, conditions(PodScheduled="False"), [], True),
        (CLAIM, [], [], True),
        (CLAIM, conditions(PodScheduled="True"), [CREATING], True),
        (CLAIM, conditions(PodScheduled="True"), [], True),
        (CLAIM, conditions(PodScheduled="True"), [CREATING, waits("ImagePullBackOff")], False),
        (CLAIM, conditions(PodScheduled="True"), [RUNNING], False),
        (CLAIM, conditions(PodScheduled="True", Ready="True"), [RUNNING], False),
        (CLAIM[:1], conditions(PodScheduled="False"), [], False),
        (None, conditions(PodScheduled="False"), [], False),
    ],
)
def test_whether_a_pod_may_be_waiting_for_its_volume(
    volumes: Any, told: list[JSON], states: list[JSON], awaits: bool
):
    """It has one that is claimed, and nothing of it has been tried yet."""
    body = {
        "metadata": {"name": "w-3"},
        "spec": {"volumes": volumes},
        "status": {"phase": "Pending", "conditions": told, "containerStatuses": list(map(container, states))},
    }
    assert may_await_volume(msgspec.convert(body, Pod)) is awaits


def test_all_that_a_pod_says():
    """Its times in seconds since the epoch, its template, its restarts."""
    ready = {"status": "True", "lastTransitionTime": "2026-11-24T06:00:10Z"}
    found = pod(
        {
            "phase": "Running",
            "conditions": conditions(Ready=ready),
            "containerStatuses": [
                container(RUNNING, restartCount=2),
                container(RUNNING, "proxy", restartCount=1),
            ],
        },
        labels={"controller-revision-hash": "w-abc"},
        deletionTimestamp="2026-11-24T06:10:00Z",
    )
    seen = worker_pod(SET, found, "worker")
    assert (seen.name, seen.place, seen.ready, seen.terminating) == ("w-3", 0, True, True)
    assert (seen.created_at, seen.started_at, seen.turned_at) == (MADE, MADE + 9, MADE + 10)
    assert (seen.ends_at, seen.restarts, seen.revision) == (MADE + 600, 3, "w-abc")
    bare = worker_pod(SET, pod({}, creationTimestamp=None), None)
    assert (bare.created_at, bare.turned_at, bare.ends_at, bare.revision) == (None, None, None, "")


def test_a_pod_is_worked_out_once_for_each_state():
    """As long as it, the container and the first ordinal are the same; those that are over are none."""
    known, target = WorkerPods(), TargetRef("data", "w")
    one, over = pod({"phase": "Running"}), pod({"phase": "Failed"}, name="w-4")
    first = known.of(target, SET, (one, over), "worker")
    assert [worker.name for worker in first] == ["w-3"]
    assert known.of(target, SET, (one,), "worker")[0] is first[0]
    assert known.of(target, SET, (one,), "other")[0] is not first[0]
    changed = known.of(target, SET, (pod({"phase": "Running", "reason": "NodeLost"}),), "other")
    assert changed[0].why_unready == "NodeLost"
    plain = msgspec.convert({"metadata": {"name": "w"}}, StatefulSet)
    assert known.of(target, plain, (one,), "other")[0].place == 3
    assert known.of(target, plain, (), "other") == ()
