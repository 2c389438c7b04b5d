"""Real workers are told to take no tasks and to take them again, on both brokers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from autoscaler.core.model import Order
from autoscaler.sandbox.rabbitmq_server import RabbitServer, RabbitUnavailable
from tests.brokers.servers import RedisServer
from tests.brokers.test_workers_redis import TARGET, Watch, holds, produce, start

pytestmark = pytest.mark.servers


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close in the end what is opened, the last first."""
    with ExitStack() as held:
        yield held


@pytest.fixture(params=["redis", "rabbitmq"])
def watch(request: pytest.FixtureRequest, stack: ExitStack) -> Watch:
    """Watch the workers of a broker."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("server")
        made = Watch(server.url)
    else:
        try:
            rabbit = stack.enter_context(RabbitServer())
        except RabbitUnavailable as missing:
            pytest.skip(str(missing))
        rabbit.add_vhost("a/b")
        made = Watch(f"{rabbit.url.rpartition('/')[0]}/{quote('a/b', safe='')}")
    stack.callback(made.force.close)
    return made


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_takes_no_tasks_and_then_takes_them_again(
    watch: Watch, stack: ExitStack, tmp_path: Path, pool: str
) -> None:
    """What it has begun goes on, what is sent later waits, and it remembers its other queue."""
    start(
        stack,
        watch.url,
        *("--pool", pool, "--concurrency", "2", "--queues", "q,other"),
        task_acks_late=True,
        worker_prefetch_multiplier=1,
    )
    producer = produce(stack, watch.url, tmp_path)
    watch.until(holds(0, 0), "the idle worker")
    producer.send(1)
    watch.until(holds(1, 0), "the task that runs")
    watch.force.give(TARGET, watch.url, [Order("w-0", ("q",), consume=False)])
    watch.until(lambda told: told.queues == ("other",), "that it consumes q no more")
    watch.force.give(TARGET, watch.url, [Order("w-0", ("other",), consume=False)])
    account = watch.until(lambda told: told.cordoned_seconds is not None, "that it consumes nothing")
    assert (account.queues, account.active) == ((), 1)
    producer.send(1)
    producer.release()
    watch.force.make_sure(TARGET, watch.url, ["w-0"])
    watch.until(lambda told: [a.active for a in told.answers] == [0, 0], "two answers of being idle")
    watch.force.give(TARGET, watch.url, [Order("w-0", ("q", "other"), consume=True)])
    account = watch.until(lambda told: told.queues == ("other", "q"), "that it consumes both")
    assert account.cordoned_seconds is None
    watch.until(holds(0, 0), "the end of the task that waited")
