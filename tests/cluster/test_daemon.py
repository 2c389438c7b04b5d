"""The daemon on a whole cluster: a real Redis here, worker sets there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from autoscaler.app import Service
from autoscaler.cluster.client import connect
from autoscaler.config.parse import parse
from autoscaler.sandbox.redis_server import RedisServer
from tests.kube import Kube
from tests.waiting import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.servers]

CONFIG = """
[controller]
poll_interval_seconds = 0.2
http_host = "127.0.0.1"
http_port = 0

[defaults]
slots_per_worker = 4
max_replicas = 5
scale_down.stabilization_window_seconds = 1
broker = {{ url_from = "pod-template" }}

[[targets]]
namespace = "{namespace}"
name = "w"
queues = ["default", "mail"]

[[targets]]
namespace = "{namespace}"
name = "other"
queues = ["other"]
min_replicas = 1
"""


class Broker:
    """A Redis, and a connection to it."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.url = url
        self.client = client

    def push(self, queue: str, tasks: int) -> None:
        """Have so many tasks arrive at once."""
        self.client.lpush(queue, *["task"] * tasks)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Run a Redis."""
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        yield Broker(server.url, client)


def make_sets(kube: Kube, url: str) -> None:
    """Make two worker sets at zero, with the broker's URL in a Secret that their environment refers to."""
    kube.make_secret("broker", url=url)
    reference = {"secretKeyRef": {"name": "broker", "key": "url"}}

    def change(made):
        container = made["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [{"name": "CELERY_BROKER_URL", "valueFrom": reference}]

    for name in ("w", "other"):
        kube.make_set(name, change=change)


@contextmanager
def daemon(kube: Kube, kubeconfig: Path) -> Iterator[Service]:
    """Run the daemon in a thread."""
    api, stop = connect(10.0, kubeconfig), threading.Event()
    with Service(parse(CONFIG.format(namespace=kube.namespace)), api) as service:
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: not service.unready(), "the daemon gets ready")
            yield service
        finally:
            stop.set()
            thread.join()
    api.close()


def test_from_zero_to_what_is_needed_and_back(kube: Kube, kubeconfig: Path, broker: Broker):
    """Two queues added up: 0 to 3; somebody scales to 1: 3 again; no work: 0; the floor holds."""
    make_sets(kube, broker.url)
    with daemon(kube, kubeconfig):
        broker.push("default", 7)
        broker.push("mail", 5)
        eventually(lambda: kube.replicas() == 3)
        kube.scale(1)
        eventually(lambda: kube.replicas() == 3)
        broker.push("default", 100)
        eventually(lambda: kube.replicas() == 5)
        broker.client.delete("default", "mail")
        eventually(lambda: kube.replicas() == 0)
        eventually(lambda: kube.replicas("other") == 1)


def test_one_write_for_a_burst(kube: Kube, kubeconfig: Path, broker: Broker):
    """The generation of the set tells how often its spec was written: once, from 0 to 4."""
    make_sets(kube, broker.url)
    with daemon(kube, kubeconfig):
        before = kube.get_set()["metadata"]["generation"]
        broker.push("default", 16)
        eventually(lambda: kube.replicas() == 4)
        assert kube.get_set()["metadata"]["generation"] == before + 1


def test_deleted_and_made_anew_while_watched(kube: Kube, kubeconfig: Path, broker: Broker):
    """The new set is scaled as the old one was."""
    make_sets(kube, broker.url)
    with daemon(kube, kubeconfig):
        broker.push("default", 4)
        eventually(lambda: kube.replicas() == 1)
        made = kube.get_set()
        kube.delete_set()
        spec = dict(made["spec"], replicas=0)
        kube.call("POST", kube.sets(), {**made, "metadata": {"name": "w"}, "spec": spec, "status": None})
        eventually(lambda: kube.replicas() == 1)
