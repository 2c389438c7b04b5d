"""What a reader tells of real Celery workers on a real RabbitMQ, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.entity import Queue

from autoscaler.brokers.rabbitmq import RabbitReader
from tests.brokers.rabbits import RabbitWorker, Vhost, query
from tests.brokers.servers import wait_until

pytestmark = pytest.mark.servers

TASKS = 7


@contextmanager
def producer(vhost: Vhost, **settings: Any) -> Iterator[Celery]:
    """Have an application that sends tasks."""
    with Celery("producer", broker=vhost.url, set_as_current=False) as app:
        app.conf.update(broker_pool_limit=None, **settings)
        yield app


@contextmanager
def workers(vhost: Vhost, release: Path, *settings: Mapping[str, object]) -> Iterator[None]:
    """Have workers with one slot each; they and their tasks end with the block."""
    running = [RabbitWorker(vhost.url, **one) for one in settings]
    try:
        for one in running:
            one.wait()
        yield
    finally:
        release.touch()
        for one in running:
            one.end()
        for one in running:
            one.close()


def counted(reader: RabbitReader, vhost: Vhost, queue: str) -> Callable[[], tuple[object, ...]]:
    """Return what tells (ready, unacknowledged, consumers) as the reader sees them now."""
    asked = query(
        queue,
        management=True,
        management_url=vhost.server.management_url,
        management_interval_seconds=1.0,
    )

    def numbers() -> tuple[object, ...]:
        value = reader.read([asked])[0].value
        assert value is not None
        delivered = value.delivered.value
        return value.queues[0].messages, delivered and delivered.uncounted, value.consumers

    return numbers


# For each way of acknowledging and number of prefetched tasks: what waits, and what is unacknowledged.
TRUTH = {
    (False, 1): (TASKS - 2, 1),
    (True, 1): (TASKS - 1, 1),
    (False, 4): (TASKS - 5, 4),
    (True, 4): (TASKS - 4, 4),
}


def test_running_and_reserved_tasks_of_classic_queues(vhost: Vhost, tmp_path: Path) -> None:
    """With early acknowledgement the running task is seen nowhere; with late it is unacknowledged."""
    release = tmp_path / "release"
    ways = {f"late-{late}-{prefetch}": (late, prefetch) for late, prefetch in TRUTH}
    settings = [
        {"task_default_queue": queue, "task_acks_late": late, "worker_prefetch_multiplier": prefetch}
        for queue, (late, prefetch) in ways.items()
    ]
    with producer(vhost) as app, workers(vhost, release, *settings):
        for queue in ways:
            for _ in range(TASKS):
                app.send_task("hold", (str(release),), queue=queue)
        reader = vhost.reader()
        numbers = {queue: counted(reader, vhost, queue) for queue in ways}
        truth = {queue: (*TRUTH[way], 1) for queue, way in ways.items()}
        wait_until(lambda: {queue: numbers[queue]() for queue in ways} == truth, "the true numbers")
        release.touch()
        wait_until(lambda: {numbers[queue]() for queue in ways} == {(0, 0, 1)}, "the end of all tasks")


def test_eta_tasks_of_a_classic_queue_are_all_unacknowledged(vhost: Vhost, tmp_path: Path) -> None:
    """The worker pulls them all; without a worker they wait like any other, and nobody can tell them."""
    release = tmp_path / "release"
    with producer(vhost) as app:
        vhost.declare("celery")
        for _ in range(TASKS):
            app.send_task("hold", (str(release),), countdown=3600)
        reader = vhost.reader()
        value = reader.read([query("celery")])[0].value
        assert value is not None
        assert (value.queues[0].messages, value.queues[0].eta_known) == (TASKS, False)
        with workers(vhost, release, {}):
            numbers = counted(reader, vhost, "celery")
            wait_until(lambda: numbers() == (0, TASKS, 1), "the worker to pull them all")


def test_eta_tasks_of_a_quorum_queue_ripen_elsewhere(vhost: Vhost, tmp_path: Path) -> None:
    """They are in none of the target's numbers, whose other tasks are counted as ever."""
    release = tmp_path / "release"
    settings = {
        "task_default_queue_type": "quorum",
        "task_default_exchange_type": "topic",
        "worker_prefetch_multiplier": 1,
        "broker_native_delayed_delivery_queue_type": "quorum",
    }
    with producer(vhost, **settings) as app, workers(vhost, release, settings | {"task_acks_late": True}):
        app.conf.task_queues = [Queue("celery", queue_arguments={"x-queue-type": "quorum"})]
        wait_until(lambda: "celery_delayed_27" in vhost.names(), "the delay queues")
        for _ in range(TASKS):
            app.send_task("hold", (str(release),))
        for _ in range(3):
            app.send_task("hold", (str(release),), countdown=3600)
        reader = vhost.reader()
        numbers = counted(reader, vhost, "celery")
        wait_until(lambda: numbers() == (TASKS - 1, 1, 1), "the true numbers")
        listing = reader.listing()
        assert listing is not None
        assert "celery_delayed_3" not in listing.queues
