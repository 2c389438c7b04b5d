"""Rollouts and pods that cannot start, with controllers that do what Kubernetes' do, and the whole daemon.

Pods only pretend to run, so that nobody takes a task: what lies in Redis is the demand. Nobody can be asked
either, so that workers are proven idle once there has been no task for a while, all of them together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from autoscaler.app import Service
from autoscaler.cluster.client import connect
from autoscaler.config.parse import parse
from autoscaler.sandbox.agenda import Backoff
from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.errors import forbidden
from autoscaler.sandbox.kubelet.containers import ContainerSpec
from autoscaler.sandbox.kubelet.node import Rules
from autoscaler.sandbox.objects.kinds import kind_of
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.store import Store
from tests.kube import worker_set
from tests.waiting import eventually

pytestmark = pytest.mark.servers

NAMESPACE = "test"
CONFIG = """
[controller]
poll_interval_seconds = 0.1
api_timeout_seconds = 2
http_host = "127.0.0.1"
http_port = 0

[[targets]]
namespace = "test"
name = "w"
queues = ["default"]
slots_per_worker = 1
max_replicas = 20
remote_control = false
start_timeout_seconds = {timeout}
scale_down.stabilization_window_seconds = 0.3
broker = {{ url = "{url}", timeout_seconds = 0.5 }}
min_replicas = {least}
"""
PROBE = {"readinessProbe": {"exec": {"command": ["ready"]}, "periodSeconds": 1, "failureThreshold": 1}}
NEW = {"env": [{"name": "NEW", "value": "1"}]}


def is_old(spec: ContainerSpec) -> bool:
    """Return whether a container is of the template that the set was made with."""
    return "NEW" not in dict(spec.environment)


class Scene:
    """A cluster with a worker set `w`, a broker, and the daemon, whose clock can be put forward."""

    def __init__(self, stack: ExitStack, **keys: Any) -> None:
        self.stack = stack
        self.ahead_seconds = 0.0
        self.ailing = False
        self.broker = stack.enter_context(RedisServer())
        self.client = stack.enter_context(redis.Redis.from_url(self.broker.url))
        self.cluster = stack.enter_context(
            SandboxCluster(
                runner="null",
                startup_seconds=0.0,
                retries=Backoff(0.1, 0.5),
                rules=Rules(restarts=Backoff(0.1, 0.3), config_retry_seconds=0.2),
                crashes_after=lambda _: 0.0 if self.ailing else None,
                **keys,
            )
        )
        self.log = stack.enter_context(capture_logs())
        self.service: Service

    def make(self, container: JSON | None = None, annotations: JSON | None = None, **spec: Any) -> None:
        """Make the worker set at zero."""
        made = worker_set("w", 0)
        made["metadata"]["namespace"] = NAMESPACE
        made["spec"] |= spec
        template = made["spec"]["template"]
        template["spec"]["containers"][0] |= container or {}
        template["metadata"]["annotations"] = annotations or {}
        self.cluster.apply(made)

    def start(self, least: int = 0, timeout: int = 1) -> None:
        """Run the daemon until the scene is over, with a minimum of workers and a time for their start."""
        api = connect(2.0, self.cluster.kubeconfig)
        self.stack.callback(api.close)
        settings = parse(CONFIG.format(url=self.broker.url, least=least, timeout=timeout))
        self.service = self.stack.enter_context(Service(settings, api, self.clock))
        stop = threading.Event()
        thread = threading.Thread(target=self.service.run, args=(stop,))
        thread.start()
        self.stack.callback(thread.join)
        self.stack.callback(stop.set)
        eventually(lambda: not self.service.unready(), "the daemon gets ready")

    def clock(self) -> float:
        """Return the daemon's monotonic time."""
        return time.monotonic() + self.ahead_seconds

    def work(self, tasks: int) -> None:
        """Have so many tasks wait, and no others."""
        with self.client.pipeline() as changed:
            changed.delete("default")
            if tasks:
                changed.lpush("default", *["task"] * tasks)
            changed.execute()

    def set(self) -> JSON:
        """Return the worker set."""
        return self.cluster.store.get("statefulsets.apps", NAMESPACE, "w")

    def replicas(self) -> int:
        """Return the replicas asked for."""
        return int(self.set()["spec"]["replicas"])

    def pods(self) -> list[JSON]:
        """Return the pods of the set."""
        return self.cluster.store.list("pods", NAMESPACE, labels="app=autoscaler-test")[0]

    def ready(self) -> list[str]:
        """Return the names of the pods that are Ready."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods()
            if ("Ready", "True")
            in {(one["type"], one["status"]) for one in pod.get("status", {}).get("conditions", ())}
        ]

    def restarts(self) -> list[int]:
        """Return how often each pod's container was restarted."""
        statuses = [pod.get("status", {}).get("containerStatuses", ()) for pod in self.pods()]
        return [sum(one["restartCount"] for one in found) for found in statuses]

    def fleet(self, replicas: int) -> None:
        """Have so much work, and so many workers Ready for it."""
        self.work(replicas)
        eventually(lambda: len(self.ready()) == replicas, f"{replicas} workers are Ready")

    def update(self, container: JSON, **spec: Any) -> None:
        """Change the template."""

        def changed(old: JSON) -> JSON:
            template = old["spec"]["template"]
            containers = [template["spec"]["containers"][0] | container]
            template = {**template, "spec": {**template["spec"], "containers": containers}}
            return {**old, "spec": {**old["spec"], **spec, "template": template}}

        self.cluster.store.modify("statefulsets.apps", NAMESPACE, "w", changed)

    def differs(self) -> bool:
        """Return whether the set's revisions differ."""
        status = self.set()["status"]
        return bool(status["currentRevision"] != status["updateRevision"])

    def limited(self, limit: str) -> bool:
        """Return whether a limit binds."""
        labels = {"namespace": NAMESPACE, "name": "w", "limit": limit}
        return bool(self.service._metrics.registry.get_sample_value("autoscaler_limited", labels))

    def ticks(self, count: int) -> None:
        """Wait for so many decisions from now."""

        def made() -> float:
            registry = self.service._metrics.registry
            return registry.get_sample_value("autoscaler_tick_seconds_count") or 0.0

        before = made()
        eventually(lambda: made() >= before + count, f"{count} ticks")

    def said(self, reason: str) -> list[str]:
        """Return what the log says of decisions and notices for a reason."""
        return [
            line["event"]
            for line in self.log
            if line.get("reason") == reason or reason in [step["reason"] for step in line.get("steps", ())]
        ]


@pytest.fixture
def stage() -> Iterator[Callable[..., Scene]]:
    """Return a way to set a scene, with what the cluster is to be like."""
    with ExitStack() as stack:
        yield lambda **keys: Scene(stack, **keys)


def test_a_set_that_is_updated_on_deletion_scales_in(stage: Callable[..., Scene]):
    """OnDelete: its revisions differ for good, and nothing replaces its pods."""
    scene = stage()
    scene.make(updateStrategy={"type": "OnDelete"})
    scene.start()
    scene.fleet(3)
    scene.update(NEW)
    eventually(scene.differs, "the template has changed")
    scene.work(0)
    eventually(lambda: not scene.pods(), "no pod is left")
    assert scene.said("RolloutInProgress") == scene.said("RolloutEndsWorkers") == []


def test_a_set_with_a_partition_scales_in(stage: Callable[..., Scene]):
    """The pods above it are new: the rollout is over, though the revisions differ for good."""
    scene = stage()
    scene.make(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    scene.start()
    scene.fleet(4)
    scene.update(NEW)
    eventually(lambda: scene.set()["status"].get("updatedReplicas") == 2 and len(scene.ready()) == 4)
    assert scene.differs()
    scene.work(0)
    eventually(lambda: not scene.pods(), "no pod is left")


def test_a_stuck_rollout_holds_scale_in_for_a_while(stage: Callable[..., Scene]):
    """Its first new pod is never Ready; for 900 s nothing shrinks, and then what is idle goes."""
    scene = stage(passes=is_old)
    scene.make(PROBE)
    scene.start(least=1)
    scene.fleet(3)
    scene.update(NEW)
    eventually(lambda: scene.ready() == ["w-0", "w-1"] and len(scene.pods()) == 3, "the rollout is stuck")
    scene.work(0)
    eventually(lambda: scene.limited("rollout"), "it holds scale-in")
    scene.ticks(10)
    assert scene.replicas() == 3
    (held,) = scene.said("RolloutInProgress")
    assert "(1 of 3 updated, w-2 not Ready, w-1 not updated, w-0 not updated)" in held
    scene.ahead_seconds += 900.0
    eventually(lambda: scene.replicas() == 1, "it holds no more")
    eventually(lambda: len(scene.pods()) == 1)
    (told,) = scene.said("RolloutEndsWorkers")
    assert "ends workers by their grace period, whatever they run" in told


def test_more_are_asked_for_during_a_rollout(stage: Callable[..., Scene]):
    """It holds nothing but scale-in."""
    scene = stage(passes=is_old)
    scene.make(PROBE)
    scene.start(timeout=300)
    scene.fleet(2)
    scene.update(NEW)
    eventually(lambda: scene.ready() == ["w-0"] and len(scene.pods()) == 2, "the rollout is stuck")
    scene.work(5)
    eventually(lambda: scene.replicas() == 5)


def test_where_pods_come_in_order_the_first_holds_up_all(stage: Callable[..., Scene]):
    """Out: it is told why nothing comes, and no more are asked for. In: the replicas fall, the pods later."""
    unready = {"w-0"}
    scene = stage(passes=lambda spec: spec.pod not in unready)
    scene.make(PROBE, podManagementPolicy="OrderedReady")
    scene.start(least=2)
    scene.work(3)
    eventually(lambda: scene.replicas() == 3)
    eventually(lambda: scene.limited("cannot_start"), "the first is late")
    scene.work(6)
    scene.ticks(10)
    assert (scene.replicas(), len(scene.pods())) == (3, 1)
    assert "none after it is started before (OrderedReady)" in scene.said("PodsCannotStart")[0]
    unready.clear()
    eventually(lambda: len(scene.ready()) == 6, "all come, as many as are wanted by now")
    unready.add("w-0")
    eventually(lambda: "w-0" not in scene.ready(), "the first is not Ready")
    scene.work(0)
    eventually(lambda: scene.replicas() == 2)
    eventually(lambda: scene.limited("pod_order"), "it is told why pods stay")
    assert len(scene.pods()) == 6
    assert "w-5, w-4, w-3 and 1 more to go once w-0 is Ready" in scene.said("PodsEndInOrder")[0]
    unready.clear()
    eventually(lambda: len(scene.pods()) == 2, "they go")


def test_to_zero_the_first_goes_too(stage: Callable[..., Scene]):
    """Though it is not Ready: it is the only one, and the last."""
    unready: set[str] = set()
    scene = stage(passes=lambda spec: spec.pod not in unready)
    scene.make(PROBE, podManagementPolicy="OrderedReady")
    scene.start()
    scene.fleet(3)
    unready.add("w-0")
    eventually(lambda: "w-0" not in scene.ready(), "the first is not Ready")
    scene.work(0)
    eventually(lambda: not scene.pods(), "no pod is left")


def no_image(scene: Scene) -> None:
    """Have the image missing."""
    scene.make(annotations={"sandbox/image-pull": "fail"})


def image_there(scene: Scene) -> None:
    """Have the image after all: the pods try again."""

    def found(pod: JSON) -> JSON:
        return {**pod, "metadata": {**pod["metadata"], "annotations": {}}}

    for pod in scene.pods():
        scene.cluster.store.modify("pods", NAMESPACE, pod["metadata"]["name"], found)
    patch = {"metadata": {"labels": {"app": "autoscaler-test"}, "annotations": {}}}
    scene.cluster.store.modify(
        "statefulsets.apps",
        NAMESPACE,
        "w",
        lambda old: {**old, "spec": {**old["spec"], "template": {**old["spec"]["template"], **patch}}},
    )


def no_room(scene: Scene) -> None:
    """Have other pods wherever there is a place."""
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "i"}]}}
    for number in range(20):
        scene.cluster.apply({**pod, "metadata": {"name": f"other-{number}", "namespace": NAMESPACE}})
    scene.make()


def room_again(scene: Scene) -> None:
    """Have room for many."""
    for number in range(20):
        scene.cluster.store.delete("pods", NAMESPACE, f"other-{number}", grace_seconds=0)


def made_anew(scene: Scene) -> None:
    """Have the pods made anew by whoever has found out what ailed them."""
    scene.ailing = False
    for pod in scene.pods():
        scene.cluster.store.delete("pods", NAMESPACE, pod["metadata"]["name"], grace_seconds=0)


def refuse(_store: Store, resource: str, made: JSON) -> JSON:
    """Let no pod in, as a webhook may of which nobody outside knows."""
    if resource == "pods":
        raise forbidden(kind_of("pods"), made["metadata"]["name"], "the webhook is cross today")
    return made


def webhook(scene: Scene) -> None:
    """Have a webhook that refuses pods."""
    scene.cluster.store.admission.append(refuse)
    scene.make()


def webhook_gone(scene: Scene) -> None:
    """Have none any more."""
    scene.cluster.store.admission.remove(refuse)


def no_secret(scene: Scene) -> None:
    """Have a variable of the environment in a Secret that is not there."""
    reference = {"secretKeyRef": {"name": "gone", "key": "k"}}
    scene.make({"env": [{"name": "A", "valueFrom": reference}]})


def secret_there(scene: Scene) -> None:
    """Have it after all."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gone", "namespace": NAMESPACE}}
    scene.cluster.apply({**secret, "stringData": {"k": "v"}})


Act = Callable[[Scene], None]
TROUBLES: dict[str, tuple[Act, Act, str]] = {
    "image": (no_image, image_there, "ImagePullBackOff: Back-off pulling image"),
    "room": (no_room, room_again, "Unschedulable: 0/3 nodes are available: 3 Too many pods."),
    "crash": (lambda scene: scene.make(), made_anew, "CrashLoopBackOff: Error, exit code 1"),
    "webhook": (webhook, webhook_gone, "its controller has not made it"),
    "secret": (no_secret, secret_there, 'CreateContainerConfigError: secret "gone" not found'),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_more_are_asked_for_than_can_start(stage: Callable[..., Scene], trouble: str):
    """Three are asked for at once and none starts: it is told why, and when they do the rest comes too."""
    begin, end, why = TROUBLES[trouble]
    scene = stage(room=20)
    scene.ailing = trouble == "crash"
    begin(scene)
    scene.start()
    scene.work(3)
    if scene.ailing:  # until its first crash each has started once
        eventually(lambda: len(scene.restarts()) == 3 and all(scene.restarts()), "all have crashed")
        scene.ticks(15)
    eventually(lambda: scene.limited("cannot_start"), "they are late")
    assert scene.replicas() == 3
    scene.work(8)
    scene.ticks(10)
    assert scene.replicas() == 3

    def told() -> bool:
        """Have it told once more, which is done when it has not been for a while."""
        scene.work(2)
        scene.ticks(3)
        scene.work(8)
        scene.ticks(3)
        return any(why in line for line in scene.said("PodsCannotStart"))

    eventually(told, why)
    assert scene.replicas() <= 3
    end(scene)
    eventually(lambda: scene.replicas() == 8 and len(scene.ready()) == 8, "all start")
    scene.work(0)
    eventually(lambda: scene.replicas() == 0, "none is wanted")
