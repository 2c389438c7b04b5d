"""The account of real workers at a real RabbitMQ."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from autoscaler.core.model import Quality
from autoscaler.sandbox.rabbitmq_server import RabbitServer, RabbitUnavailable
from tests.brokers.servers import wait_until
from tests.brokers.test_workers_redis import FINE, TARGET, Watch, holds, produce, start

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitServer]:
    """Run a RabbitMQ for all tests here."""
    try:
        server = RabbitServer()
    except RabbitUnavailable as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close in the end what is opened, the last first."""
    with ExitStack() as held:
        yield held


@pytest.fixture
def watch(rabbit: RabbitServer, stack: ExitStack, request: pytest.FixtureRequest) -> Watch:
    """Watch the workers of a virtual host of the test's own."""
    name = f"a/{request.node.name}"
    rabbit.add_vhost(name)
    made = Watch(f"{rabbit.url.rpartition('/')[0]}/{quote(name, safe='')}")
    stack.callback(made.force.close)
    return made


@pytest.mark.parametrize("late", [True, False], ids=["late", "early"])
def test_what_a_worker_runs_reserves_and_keeps_for_later(
    watch: Watch,
    stack: ExitStack,
    tmp_path: Path,
    late: bool,  # a column of the table
) -> None:
    """All of it in one account, and after SIGTERM stale."""
    worker = start(
        stack,
        watch.url,
        *("--pool", "threads", "--concurrency", "2"),
        task_acks_late=late,
        worker_prefetch_multiplier=4,
    )
    producer = produce(stack, watch.url, tmp_path)
    watch.until(holds(0, 0), "the idle worker")
    producer.send(50, countdown=3600)
    producer.send(20)
    account = watch.until(lambda told: told.active == 2 and len(told.eta or ()) == 50, "52 tasks")
    assert account.slots == 2
    assert watch.until(lambda told: told.source == "inspection and heartbeat", "a heartbeat").active == 2
    worker.signal(signal.SIGTERM)
    watch.until(lambda told: told.quality is Quality.STALE, "the shutdown to be heard")


def test_a_stopped_worker_goes_stale_and_comes_back(watch: Watch, stack: ExitStack) -> None:
    """SIGSTOP, then SIGCONT."""
    worker = start(stack, watch.url, "--pool", "threads", **FINE)
    watch.until(holds(0, 0), "the worker")
    worker.signal(signal.SIGSTOP)
    watch.until(lambda told: told.quality is Quality.STALE, "the silence")
    worker.signal(signal.SIGCONT)
    watch.until(holds(0, 0), "the worker to be back")


def test_nothing_is_left_behind(watch: Watch, stack: ExitStack, rabbit: RabbitServer) -> None:
    """Neither a queue nor a binding, once the workforce has been closed."""
    start(stack, watch.url, "--pool", "solo", **FINE)
    vhost = quote(watch.url.rpartition("/")[2], safe="%")
    before = {queue["name"] for queue in rabbit.call("GET", f"queues/{vhost}")}
    watch.until(lambda told: told.source == "inspection and heartbeat", "the worker")
    watch.force.close()
    wait_until(
        lambda: {queue["name"] for queue in rabbit.call("GET", f"queues/{vhost}")} == before,
        "our queues to be gone",
    )


def test_credentials_that_are_refused_are_told_without_being_shown(
    stack: ExitStack, rabbit: RabbitServer
) -> None:
    """Both streams say so."""
    wrong = Watch(rabbit.url_for("nobody", "s3cret"))
    stack.callback(wrong.force.close)
    wait_until(
        lambda: wrong.tick() or wrong.force.detail(TARGET.ref).count("refuses access") == 2, "the refusals"
    )
    assert "s3cret" not in wrong.force.detail(TARGET.ref)
    assert wrong.tick() == ()


def test_a_server_that_hangs_holds_up_nobody_and_is_used_again(
    watch: Watch, stack: ExitStack, rabbit: RabbitServer
) -> None:
    """The loss is told while it lasts; closing the workforce would not wait for it either."""
    start(stack, watch.url, "--pool", "solo", **FINE)
    watch.until(holds(0, 0), "the worker")
    other = Watch(watch.url)
    stack.callback(other.force.close)
    rabbit.suspend()
    try:
        wait_until(lambda: watch.tick() and watch.force.detail(TARGET.ref), "the loss")
        wait_until(lambda: other.tick() or "did not answer" in other.force.detail(TARGET.ref), "the timeout")
        other.force.close()
    finally:
        rabbit.resume()
    watch.until(holds(0, 0), "the worker again")
