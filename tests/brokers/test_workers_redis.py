"""The account of real workers at a real Redis, beside what they truly hold."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from autoscaler.brokers.workers import Workforce
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import Quality, WorkerPod, WorkerSet
from tests.brokers.conftest import StartRedis
from tests.brokers.servers import RedisServer, wait_until
from tests.brokers.workers_app import LoadWorker, Producer, producing

pytestmark = pytest.mark.servers

BROKER = BrokerSettings(timeout_seconds=5.0, answer_timeout_seconds=1.0)
TARGET = TargetSettings("ns", "w", ("q",), broker=BROKER, inspect_every_seconds=2.0)
FINE: dict[str, Any] = {"worker_prefetch_multiplier": 1}


def pods(*names: str, terminating: bool = False) -> WorkerSet:
    """Return a worker set with ready pods of these names."""
    return WorkerSet(
        "uid", len(names), tuple(WorkerPod(name, ready=True, terminating=terminating) for name in names)
    )


class Watch:
    """A workforce that is ticked while one waits for what it says."""

    def __init__(self, url: str, *, target: TargetSettings = TARGET, heartbeats: bool = True) -> None:
        self.url = url
        self.target = target
        self.heartbeats = heartbeats
        self.force = Workforce()
        self.pods = pods("w-0")

    def tick(self) -> tuple[WorkerAccount, ...]:
        """Do what the daemon does once a second."""
        self.force.want(self.target, self.url, on=self.heartbeats)
        self.force.ask(self.target, self.url, self.pods, urgent=True)
        return tuple(account for _, account in self.force.workers(self.target.ref, self.pods.pods))

    def account(self, node: str = "celery@w-0") -> WorkerAccount | None:
        """Return what is known of a worker."""
        return next((account for account in self.tick() if account.node == node), None)

    def until(self, condition: Callable[[WorkerAccount], object], what: str) -> WorkerAccount:
        """Return the account of w-0 once it is of a kind."""
        found: list[WorkerAccount] = []

        def holds() -> bool:
            account = self.account()
            if account is None or not condition(account):
                return False
            found.append(account)
            return True

        wait_until(holds, what)
        return found[0]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close in the end what is opened, the last first."""
    with ExitStack() as held:
        yield held


@pytest.fixture
def watch(server: RedisServer, stack: ExitStack) -> Watch:
    """Watch the workers of a fresh Redis."""
    made = Watch(server.url)
    stack.callback(made.force.close)
    return made


def start(
    stack: ExitStack, url: str, *arguments: str, node: str = "celery@w-0", **options: object
) -> LoadWorker:
    """Start a worker that ends with the test."""
    worker = LoadWorker(url, node, "--queues", "q", *arguments, **options)
    stack.callback(worker.close)
    return worker


def produce(stack: ExitStack, url: str, directory: Path) -> Producer:
    """Return a producer whose tasks end with the test."""
    return stack.enter_context(producing(url, directory))


def holds(active: int, reserved: int, eta: int = 0) -> Callable[[WorkerAccount], bool]:
    """Return whether an account is fresh, inspected and has these numbers."""

    def match(account: WorkerAccount) -> bool:
        counts = (account.active, account.reserved, len(account.eta or ()))
        return (
            account.quality is Quality.FRESH and counts == (active, reserved, eta) and account.eta is not None
        )

    return match


@pytest.mark.parametrize(
    ("pool", "late", "prefetch", "sent", "active", "reserved"),
    [
        (("--pool", "prefork", "--concurrency", "2"), True, 1, 5, 2, 0),
        (("--pool", "threads", "--concurrency", "2"), False, 4, 12, 2, 8),
        (("--pool", "threads", "--concurrency", "2"), True, 4, 12, 2, 6),
    ],
    ids=["prefork late", "threads early prefetch 4", "threads late prefetch 4"],
)
def test_what_a_worker_runs_and_reserves(
    watch: Watch,
    stack: ExitStack,
    tmp_path: Path,
    pool: tuple[str, ...],
    late: bool,  # a column of the table
    prefetch: int,
    sent: int,
    active: int,
    reserved: int,
) -> None:
    """Running tasks count once, also where Celery shows early-acked ones as reserved as well."""
    start(stack, watch.url, *pool, task_acks_late=late, worker_prefetch_multiplier=prefetch)
    producer = produce(stack, watch.url, tmp_path)
    watch.until(holds(0, 0), "the idle worker")
    producer.send(sent)
    account = watch.until(holds(active, reserved), "the numbers")
    assert (account.slots, account.queues) == (2, ("q",))
    producer.release()
    watch.until(holds(0, 0), "the end of all tasks")


def test_an_autoscaling_worker_counts_with_its_maximum(watch: Watch, stack: ExitStack) -> None:
    """Its pool has only grown to one so far."""
    start(stack, watch.url, "--autoscale", "6,1")
    assert watch.until(holds(0, 0), "the worker").slots == 6
    reading = watch.force.slots(TARGET.ref)
    assert (reading.value, reading.source) == (6, "celery stats of celery@w-0")


def test_fifty_eta_tasks_are_known_with_their_due_times_and_given_back_on_sigterm(
    watch: Watch, stack: ExitStack, tmp_path: Path
) -> None:
    """One worker pulls them all; while it shuts down what it said last is stale, never idle."""
    worker = start(stack, watch.url, "--pool", "threads", "--concurrency", "1", task_acks_late=True, **FINE)
    producer = produce(stack, watch.url, tmp_path)
    producer.send(50, countdown=3600)
    producer.send(1)
    account = watch.until(holds(1, 0, 50), "51 tasks")
    assert account.eta == tuple(sorted(account.eta or ()))
    worker.signal(signal.SIGTERM)
    account = watch.until(lambda told: told.quality is Quality.STALE, "the shutdown to be heard")
    assert account.active == 1


def test_a_busy_solo_pool_is_never_called_idle(watch: Watch, stack: ExitStack, tmp_path: Path) -> None:
    """It neither answers nor sends heartbeats; as soon as it does again it is fresh."""
    start(stack, watch.url, "--pool", "solo", task_acks_late=True, **FINE)
    producer = produce(stack, watch.url, tmp_path)
    watch.until(holds(0, 0), "the idle worker")
    producer.send(1)
    watch.until(lambda told: told.quality is Quality.STALE, "the silence")
    assert "no answer from celery@w-0" in watch.force.detail(TARGET.ref)
    producer.release()
    watch.until(holds(0, 0), "the worker to be free again")


def test_a_stopped_worker_goes_stale_and_comes_back(watch: Watch, stack: ExitStack) -> None:
    """SIGSTOP, then SIGCONT."""
    worker = start(stack, watch.url, "--pool", "threads", **FINE)
    watch.until(holds(0, 0), "the worker")
    worker.signal(signal.SIGSTOP)
    watch.until(lambda told: told.quality is Quality.STALE, "the silence")
    worker.signal(signal.SIGCONT)
    watch.until(holds(0, 0), "the worker to be back")


def test_a_killed_worker_goes_stale_and_its_successor_begins_anew(
    watch: Watch, stack: ExitStack, tmp_path: Path
) -> None:
    """What the dead one held is not taken for the new one's."""
    worker = start(stack, watch.url, "--pool", "threads", "--concurrency", "2", **FINE)
    producer = produce(stack, watch.url, tmp_path)
    producer.send(2)
    watch.until(holds(2, 0), "two tasks")
    worker.signal(signal.SIGKILL)
    watch.until(lambda told: told.quality is Quality.STALE, "the silence")
    watch.pods = pods()
    assert watch.tick() == ()
    watch.pods = pods("w-0")
    account = watch.account()
    assert account is None or account.source == "heartbeat"
    start(stack, watch.url, "--pool", "threads", "--concurrency", "2", **FINE)
    watch.until(holds(0, 0), "the successor")


def test_without_remote_control_the_heartbeats_still_tell_what_runs(
    watch: Watch, stack: ExitStack, tmp_path: Path
) -> None:
    """What it reserves is not known then, which is not zero, and the loss is stated."""
    start(stack, watch.url, "--pool", "threads", worker_enable_remote_control=False, **FINE)
    producer = produce(stack, watch.url, tmp_path)
    producer.send(2)
    account = watch.until(lambda told: told.active == 2, "two tasks")
    assert (account.reserved, account.eta, account.quality) == (None, None, Quality.FRESH)
    wait_until(lambda: watch.tick() and "no answer" in watch.force.detail(TARGET.ref), "the loss to be told")


def test_without_heartbeats_inspections_tell_everything(server: RedisServer, stack: ExitStack) -> None:
    """And nobody listens."""
    watch = Watch(server.url, heartbeats=False)
    stack.callback(watch.force.close)
    start(stack, watch.url, "--pool", "threads", "--without-heartbeat", **FINE)
    assert watch.until(holds(0, 0), "the worker").source == "inspection"
    assert server.clients() == []


def test_other_peoples_workers_of_a_queue_are_counted(watch: Watch, stack: ExitStack) -> None:
    """Of another name, that is: not those of another queue, nor the target's own."""
    start(stack, watch.url, "--pool", "threads", **FINE)
    for node, queue in (("celery@laptop", "q"), ("celery@other", "elsewhere")):
        worker = LoadWorker(watch.url, node, "--queues", queue, "--pool", "solo")
        stack.callback(worker.close)
    watch.until(holds(0, 0), "the worker")
    wait_until(
        lambda: watch.tick() and watch.force.strangers(TARGET.ref).value == 1,
        "the stranger's queues to be known",
    )


def test_under_a_prefix_and_with_priorities(start_redis: StartRedis, stack: ExitStack) -> None:
    """The layout of the keys is the workers', a star included; a password in the URL works."""
    server = start_redis("--requirepass", "p@ss")
    url = f"redis://:p%40ss@127.0.0.1:{server.port}/3"
    broker = BrokerSettings(global_keyprefix="a*p:", sep=":", timeout_seconds=5.0)
    watch = Watch(url, target=TargetSettings("ns", "w", ("q",), broker=broker))
    stack.callback(watch.force.close)
    start(
        stack,
        url,
        "--pool",
        "threads",
        broker_transport_options={"global_keyprefix": "a*p:", "sep": ":"},
        **FINE,
    )
    watch.until(holds(0, 0), "the worker")
    watch.until(lambda told: told.source == "inspection and heartbeat", "a heartbeat")
