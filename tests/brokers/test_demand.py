"""What is reported of a real Celery's tasks, beside what is true."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount, Delivered
from autoscaler.core.model import Quality, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import account_of
from tests.brokers.demand_tasks import make_app
from tests.brokers.servers import CeleryWorker, RedisServer, wait_until

pytestmark = pytest.mark.servers

APP = "tests.brokers.demand_tasks"
BROKER = BrokerSettings(timeout_seconds=10.0)


class Scene:
    """A server with a producer, workers and a reader."""

    def __init__(self, server: RedisServer, stack: ExitStack) -> None:
        self.server = server
        self.producer: Celery = stack.enter_context(make_app(server.url, {}))
        self._reader = RedisReader(redis_address(server.url))
        stack.callback(self._reader.close)
        self._stack = stack
        self._workers = 0

    def send(self, task: str, gate: str = "gate", **options: Any) -> None:
        """Send a task, by default to the queue `default`."""
        options.setdefault("queue", "default")
        self.producer.tasks[task].apply_async((gate,), **options)

    def worker(self, *options: str, queues: str = "default") -> CeleryWorker:
        """Start a worker."""
        self._workers += 1
        worker = CeleryWorker(
            *(self.server.url, f"celery@w-{self._workers}", "--queues", queues, "--concurrency", "1"),
            *options,
            app=APP,
        )
        self._stack.callback(worker.kill)
        return worker

    def open(self, gate: str, times: int = 50) -> None:
        """Let tasks end that wait there."""
        self.server.admin.rpush(gate, *range(times))

    def account(self, *queues: str, look: bool = True) -> BrokerAccount:
        """Return what is reported of some queues."""
        queues = queues or ("default",)
        return account_of(self._reader.read([DepthQuery(TargetRef("ns", "a"), queues, BROKER, look)])[0])

    def delivered(self, *queues: str) -> Delivered:
        """Return what is reported as delivered, which has to be fresh."""
        reading = self.account(*queues).delivered
        assert (reading.quality, reading.detail) == (Quality.FRESH, "")
        assert reading.value is not None
        return reading.value


@pytest.fixture
def scene(server: RedisServer) -> Iterator[Scene]:
    """Open a scene on a server of its own."""
    with ExitStack() as stack:
        yield Scene(server, stack)


def ready(account: BrokerAccount) -> dict[str, int]:
    """Return the messages that wait, by queue."""
    return {queue.queue: queue.messages for queue in account.queues}


def test_each_priority_is_counted_in_its_own_list(scene: Scene) -> None:
    """Which is not where LLEN of the queue looks: priorities between two steps go to the lower one."""
    for priority in (0, 1, 3, 5, 9):
        scene.send("late", priority=priority)
    (queue,) = scene.account().queues
    assert queue.by_priority == ((0, 2), (3, 2), (6, 0), (9, 1))
    assert scene.server.admin.llen("default") == 2


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_late_acknowledged_tasks_are_delivered_while_they_run(scene: Scene, pool: str) -> None:
    """One runs and one is reserved, both unacknowledged since a moment ago; the others wait."""
    began = time.time()
    for _ in range(5):
        scene.send("late")
    scene.worker("--pool", pool)
    wait_until(lambda: len(scene.delivered().deliveries) == 2, "two deliveries")
    account = scene.account()
    delivered = scene.delivered()
    assert ready(account) == {"default": 3}
    assert all(began - 1 <= at <= time.time() + 1 for at in delivered.deliveries)
    assert (delivered.eta, delivered.uncounted, delivered.shared) == ((), 0, False)


def test_early_acknowledged_tasks_are_not_while_they_run(scene: Scene) -> None:
    """The running one is gone from Redis; only the reserved ones are there."""
    for _ in range(4):
        scene.send("early")
    scene.worker("--pool", "threads")
    wait_until(lambda: ready(scene.account()) == {"default": 1}, "one waiting")
    wait_until(lambda: len(scene.delivered().deliveries) == 2, "two deliveries")


def test_what_a_killed_worker_leaves_behind_shows_its_age(scene: Scene) -> None:
    """The messages stay, with the time of their delivery, and belong to the queue that they came from."""
    for _ in range(3):
        scene.send("late")
    worker = scene.worker("--pool", "prefork")
    wait_until(lambda: len(scene.delivered().deliveries) == 2, "two deliveries")
    worker.kill()
    after = time.time()
    assert len(scene.delivered().deliveries) == 2
    assert max(scene.delivered().deliveries) <= after
    assert scene.delivered("other").deliveries == ()
    assert ready(scene.account()) == {"default": 1}


def test_tasks_with_an_eta_are_told_apart_in_a_worker_and_after_it(scene: Scene) -> None:
    """All are pulled at once and are no load; a worker's end gives them back, and they still are none."""
    due = datetime.now(UTC) + timedelta(hours=1)
    for _ in range(5):
        scene.send("late", eta=due)
    (queue,) = scene.account().queues
    assert (queue.messages, queue.eta_known) == (5, True)
    assert queue.eta == pytest.approx([due.timestamp()] * 5, abs=0.001)
    assert scene.account().oldest_at is None
    worker = scene.worker("--pool", "threads")
    wait_until(lambda: len(scene.delivered().eta) == 5, "five ETA tasks in the worker")
    assert scene.delivered().deliveries == ()
    assert scene.delivered().eta == pytest.approx([due.timestamp()] * 5, abs=0.001)
    assert ready(scene.account()) == {"default": 0}
    scene.send("late")
    wait_until(lambda: len(scene.delivered().deliveries) == 1, "one that runs")
    scene.open("gate", 1)
    wait_until(lambda: scene.delivered().deliveries == (), "the end of that")
    worker.close()
    (queue,) = scene.account().queues
    assert (queue.messages, len(queue.eta), queue.eta_known) == (5, 5, True)
    assert scene.delivered() == Delivered()


def test_waiting_etas_are_unknown_when_nobody_wants_to_know(scene: Scene) -> None:
    """They count as due then, and it says so; an empty queue is known anyway."""
    scene.send("late", countdown=3600)
    default, other = scene.account("default", "other", look=False).queues
    assert (default.messages, default.eta, default.eta_known) == (1, (), False)
    assert (other.messages, other.eta_known) == (0, True)


def test_other_exchanges_lead_to_their_queues(scene: Scene) -> None:
    """Direct and topic, by the bindings that the workers have declared."""
    scene.worker("--pool", "threads", "--concurrency", "3", queues="default,mail,europe,audit")
    scene.send("late", queue=None, exchange="shop", routing_key="send")
    scene.send("late", queue="europe", routing_key="order.17.eu")
    scene.send("late", queue="audit", routing_key="audit.a.b")
    scene.send("late", queue="audit", routing_key="audit.c")
    scene.send("late")
    every = ("default", "mail", "europe", "audit")
    wait_until(lambda: len(scene.delivered(*every).deliveries) == 5, "five deliveries")
    counts = {queue: len(scene.delivered(queue).deliveries) for queue in every}
    assert counts == {"default": 1, "mail": 1, "europe": 1, "audit": 2}
    assert not scene.delivered("audit").shared
    assert scene.server.admin.exists("_kombu.binding_permanent.orders") == 1


def test_the_oldest_waiting_task_is_found_without_a_stamp(scene: Scene) -> None:
    """By what was seen at the list's end, which is when it was sent up to the time between two looks."""
    scene.send("late")
    scene.account()
    seen = time.time()
    scene.send("late")
    account = scene.account()
    assert account.oldest_source == "first seen in its list"
    assert account.oldest_at == pytest.approx(seen, abs=1.0)
