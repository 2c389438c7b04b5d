"""The set-ups of the matrix, each with its broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import redis

from autoscaler.config.broker import BrokerSettings
from autoscaler.sandbox.rabbitmq_server import USER, RabbitServer
from autoscaler.sandbox.redis_server import RedisServer
from scripts.matrix.scene import Broker, Scene

SEP = "\x06\x16"
STEPS = (0, 3, 6, 9)


@dataclass(frozen=True, slots=True)
class SetUp:
    """A line of the matrix. `play` brings the scene about; `remark` says what it shows."""

    name: str
    kind: str
    play: Callable[[Scene], None]
    remark: str = ""
    queues: tuple[str, ...] = ("celery",)


@contextmanager
def redis_broker(prefix: str = "") -> Iterator[Broker]:
    """Have a Redis of its own."""
    with RedisServer() as server, redis.Redis.from_url(server.url, socket_timeout=5) as raw:

        def waiting(queue: str) -> int:
            keys = [f"{prefix}{queue}{SEP}{step}" if step else f"{prefix}{queue}" for step in STEPS]
            return sum(int(raw.llen(key)) for key in keys)

        yield (
            Broker(
                url=server.url,
                waiting=waiting,
                naive=lambda queue: int(raw.llen(queue)),
                settings=BrokerSettings(global_keyprefix=prefix),
                application={"broker_transport_options": {"global_keyprefix": prefix}} if prefix else {},
                suspend=server.suspend,
                resume=server.resume,
            )
        )


@contextmanager
def rabbit_broker(server: RabbitServer, vhost: str, queue_type: str) -> Iterator[Broker]:
    """Have a vhost of its own in a RabbitMQ."""
    server.add_vhost(vhost)

    def count(queue: str, column: str) -> int:
        found = server.call("GET", f"queues/{quote(vhost, safe='')}?columns=name,{column}")
        return next((int(one.get(column, 0)) for one in found if one["name"] == queue), 0)

    quorum = {
        "task_default_queue_type": "quorum",
        "task_default_exchange_type": "topic",
        "broker_native_delayed_delivery_queue_type": "quorum",
    }
    yield Broker(
        url=server.url_for(USER, server.password, vhost),
        waiting=lambda queue: count(queue, "messages_ready"),
        naive=lambda queue: count(queue, "messages"),
        settings=BrokerSettings(management_url=server.management_url, management_interval_seconds=1.0),
        application=quorum if queue_type == "quorum" else {},
        quorum=queue_type == "quorum",
        suspend=server.suspend,
        resume=server.resume,
    )
    server.call("DELETE", f"vhosts/{quote(vhost, safe='')}")


def waiting(scene: Scene) -> None:
    """Send five tasks that nobody takes."""
    scene.send(5)


def priorities(scene: Scene) -> None:
    """Send two tasks of each of four priorities."""
    for priority in STEPS:
        scene.send(2, priority=priority)


def two_queues(scene: Scene) -> None:
    """Send to two queues of one target."""
    scene.send(3, "celery")
    scene.send(4, "more")


def put_off(scene: Scene) -> None:
    """Send tasks that are due in an hour beside two that are due."""
    scene.send(3, put_off=True)
    scene.send(2)


def at_work(pool: str, *, late: bool, prefetch: int, slots: int = 2) -> Callable[[Scene], None]:
    """Return a worker with more to do than it can hold."""

    def play(scene: Scene) -> None:
        scene.send(slots * prefetch + slots + 3)
        options = ["--pool", pool] + (["--concurrency", str(slots)] if pool != "solo" else [])
        scene.worker(*options, task_acks_late=late, worker_prefetch_multiplier=prefetch)

    return play


def put_off_at_work(scene: Scene) -> None:
    """Have a worker hold what is not due beside what it runs."""
    scene.worker("--pool", "threads", "--concurrency", "2", worker_prefetch_multiplier=1, task_acks_late=True)
    scene.send(3, put_off=True)
    scene.send(5)


def killed(scene: Scene) -> None:
    """Kill a worker that has begun tasks and reserved others; nobody takes its place."""
    scene.send(7)
    worker = scene.worker(
        *("--pool", "prefork", "--concurrency", "2"), task_acks_late=True, worker_prefetch_multiplier=2
    )
    scene.settle()
    scene.kill(worker)


def leaving(*, late: bool) -> Callable[[Scene], None]:
    """Return a worker that was told to end while it runs two tasks."""

    def play(scene: Scene) -> None:
        scene.send(5)
        worker = scene.worker(
            *("--pool", "prefork", "--concurrency", "2"), task_acks_late=late, worker_prefetch_multiplier=1
        )
        scene.settle()
        scene.terminate(worker)

    return play


def hanging(scene: Scene) -> None:
    """Have the broker hang while a worker is at work."""
    at_work("threads", late=True, prefetch=1)(scene)
    scene.settle()
    scene.hang()


PRIORITIES = "tasks of a priority lie in lists of their own"
TAKEN = "what the worker holds is in no list"
EARLY = "acknowledged early, a running task is nowhere in the broker"
PUT_OFF = "no load: a worker holds them, or queues of their own let them ripen"
SILENT = "a worker that is busy or leaving does not answer, which is not idleness"

SETUPS: tuple[SetUp, ...] = (
    SetUp("no worker", "redis", waiting),
    SetUp("no worker, four priorities", "redis", priorities, PRIORITIES),
    SetUp("no worker, a key prefix", "redis prefix", waiting, "the list has another name"),
    SetUp("no worker, two queues of one target", "redis", two_queues, "added up", ("celery", "more")),
    SetUp("no worker, three of five not due", "redis", put_off, "what is not due is no load"),
    *(
        SetUp(
            f"{pool}, {'late' if late else 'early'} ack, prefetch {prefetch}",
            "redis",
            at_work(pool, late=late, prefetch=prefetch, slots=slots),
            SILENT if pool == "solo" else TAKEN if late else EARLY,
        )
        for pool, slots in (("prefork", 2), ("threads", 2), ("solo", 1))
        for late in (False, True)
        for prefetch in (1, 4)
    ),
    SetUp("threads, three put off", "redis", put_off_at_work, PUT_OFF),
    SetUp("prefork, late ack, killed (kill -9)", "redis", killed, "left behind, to be given back later"),
    SetUp("prefork, early ack, leaving (SIGTERM)", "redis", leaving(late=False), SILENT),
    SetUp("prefork, late ack, leaving (SIGTERM)", "redis", leaving(late=True), SILENT),
    SetUp("the broker hangs", "redis", hanging, "unknown, not zero"),
    SetUp("no worker", "classic", waiting, "there may be some that are not due"),
    SetUp("no worker, three of five not due", "classic", put_off, "RabbitMQ lets nobody look"),
    *(
        line
        for kind in ("classic", "quorum")
        for line in (
            SetUp("threads, early ack, prefetch 4", kind, at_work("threads", late=False, prefetch=4), EARLY),
            SetUp("threads, late ack, prefetch 1", kind, at_work("threads", late=True, prefetch=1), TAKEN),
            SetUp("threads, three put off", kind, put_off_at_work, PUT_OFF),
        )
    ),
    SetUp("the broker hangs", "classic", hanging, "unknown, not zero"),
)
