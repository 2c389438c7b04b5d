"""A real Redis and an API server, and the daemon between them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from autoscaler.app import Service
from autoscaler.cluster.client import connect
from autoscaler.config.parse import parse
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.store import Store
from tests.kube import Kube
from tests.waiting import eventually

CONFIG = """
[controller]
poll_interval_seconds = 0.1
api_timeout_seconds = 2
http_host = "127.0.0.1"
http_port = 0

[defaults]
queues = ["default"]
slots_per_worker = 1
scale_down.stabilization_window_seconds = 0.5
broker = {{ secret = {{ name = "broker", key = "url" }}, timeout_seconds = 0.2 }}

[[targets]]
namespace = "{namespace}"
name = "w"
"""


class Bench:
    """Everything that a test of the whole daemon needs."""

    def __init__(self, folder: Path, stack: ExitStack, server: ApiServer) -> None:
        self.stack = stack
        self.broker = stack.enter_context(RedisServer())
        self.server = server
        self.kubeconfig = self.server.write_kubeconfig(folder / "kubeconfig")
        admin = connect(10.0, self.kubeconfig)
        stack.callback(admin.close)
        self.kube = Kube(admin.client, f"test-{uuid.uuid4().hex[:8]}")
        self.kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.kube.namespace}})
        self.client = redis.Redis.from_url(self.broker.url)
        stack.callback(self.client.close)
        self.folder = folder

    def config(self, more: str = "", target: str = "") -> Path:
        """Write a configuration for set `w`, with more keys of it and more tables after it."""
        path = self.folder / "config.toml"
        path.write_text(CONFIG.format(namespace=self.kube.namespace) + target + "\n" + more)
        return path

    def start(self, config: Path) -> Service:
        """Run the daemon in a thread until the test ends."""
        api = connect(2.0, self.kubeconfig)
        self.stack.callback(api.close)
        service = self.stack.enter_context(Service(parse(config.read_text()), api))
        stop = threading.Event()
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        self.stack.callback(thread.join)
        self.stack.callback(stop.set)
        eventually(lambda: not service.unready(), "the daemon gets ready")
        return service

    def push(self, tasks: int, queue: str = "default") -> None:
        """Have so many tasks arrive in one transaction."""
        self.client.lpush(queue, *(["task"] * tasks))

    def drain(self, queue: str = "default") -> None:
        """Have all tasks done."""
        self.client.delete(queue)

    def patches(self) -> list[str]:
        """Return the bodies of the patches of /scale that the daemon has sent, with their status."""
        return [
            f"{r.status} {r.body}"
            for r in self.server.requests
            if r.method == "PATCH"
            and r.subresource == "scale"
            and r.params.get("fieldManager") == "autoscaler"
        ]

    def ticks(self, count: int) -> None:
        """Wait for as many reads of the broker as that many ticks make."""
        before = self._reads()
        eventually(lambda: self._reads() >= before + count, f"{count} ticks")

    def _reads(self) -> int:
        return int(self.client.info("commandstats").get("cmdstat_llen", {}).get("calls", 0)) // 4

    def for_a_while(self, condition, seconds: float) -> None:
        """See that a condition holds all the time."""
        end = time.monotonic() + seconds
        pause = threading.Event()
        while time.monotonic() < end:
            assert condition()
            pause.wait(0.05)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Make one, with a Secret for its broker and a worker set at zero."""
    with ExitStack() as stack:
        server = stack.enter_context(ApiServer(Store(), bookmark_seconds=0.2))
        made = Bench(tmp_path, stack, server)
        made.kube.make_secret("broker", url=made.broker.url)
        made.kube.make_set()
        yield made


@pytest.fixture
def populated(tmp_path: Path) -> Iterator[Bench]:
    """Make one with controllers, so that there are pods; whoever uses it makes the worker sets."""
    with ExitStack() as stack:
        cluster = stack.enter_context(
            SandboxCluster(runner="null", startup_seconds=0.05, folder=tmp_path / "cluster")
        )
        bench = Bench(tmp_path, stack, cluster.api)
        bench.kube.make_secret("broker", url=bench.broker.url)
        yield bench
