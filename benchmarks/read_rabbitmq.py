"""What it costs to read the queues of many targets in one vhost of a RabbitMQ.

    python -m benchmarks.read_rabbitmq [--queues 1000] [--reads 20] [--json]

Starts a RabbitMQ of its own. CPU time is this process', without the server's; the mean of all reads
but the first. For comparison the same queues are declared passively one by one, as py-amqp does it,
and asked of the management API.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import amqp

from autoscaler.brokers.address import parse
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq import MISSING_SECONDS, RabbitReader
from autoscaler.brokers.rabbitmq_address import AmqpAddress
from autoscaler.brokers.rabbitmq_management import ManagementFeed
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import DepthQuery
from autoscaler.sandbox.rabbitmq_server import USER, RabbitServer


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds that one read takes: of this process' CPU, and on the clock (median and longest)."""

    way: str
    reads: int
    cpu_ms: float
    wall_ms: float
    longest_ms: float


class AtOnce:
    """Has the management API asked by the thread that wants it, whose time is measured."""

    def do(self, key: object, job: Callable[[threading.Event], None]) -> None:
        """Do the job."""
        del key
        job(threading.Event())


def cost(way: str, read: Callable[[], object], reads: int, *, warm: bool = True) -> Cost:
    """Return what a read costs, once it is warm unless told otherwise."""
    if warm:
        read()
    walls: list[float] = []
    began = time.process_time()
    for _ in range(reads):
        at = time.perf_counter()
        read()
        walls.append(1000 * (time.perf_counter() - at))
    cpu = 1000 * (time.process_time() - began) / reads
    return Cost(way, reads, round(cpu, 2), round(statistics.median(walls), 2), round(max(walls), 2))


def costs(server: RabbitServer, queues: int, reads: int) -> list[Cost]:
    """Return the costs of all ways of reading, and check that they agree."""
    names = [f"release-{number}" for number in range(queues)]
    connection = amqp.Connection(f"127.0.0.1:{server.ports.amqp}", USER, server.password)
    connection.connect()
    channel: Any = connection.channel()
    channel.confirm_select()
    address = parse(server.url)
    assert isinstance(address, AmqpAddress)
    broker = BrokerSettings(timeout_seconds=30.0, management=False)
    now = 0.0
    reader = RabbitReader(address, lambda: now)

    def by_reader() -> int:
        queries = [DepthQuery(TargetRef(name, "worker"), (name,), broker) for name in names]
        values = [reading.value for reading in reader.read(queries)]
        assert None not in values
        return sum(value.queues[0].messages for value in values if value is not None)

    def missing() -> int:
        nonlocal now
        now += MISSING_SECONDS
        return by_reader()

    def one_by_one() -> int:
        return sum(channel.queue_declare(name, passive=True).message_count for name in names)

    def by_management() -> int:
        feed = ManagementFeed(address, time.monotonic, Names(), AtOnce())
        feed.want(BrokerSettings(management_url=server.management_url))
        listing, _ = feed.listing()
        assert listing is not None
        return len(listing.queues)

    try:
        results = [cost("reader, none of them there", missing, 3)]
        for name in names:
            channel.queue_declare(name, durable=True, auto_delete=False)
        for name in names[::7]:
            channel.basic_publish_confirm(amqp.Message("message"), routing_key=name)
        now += MISSING_SECONDS
        results.append(cost("reader, the first time", by_reader, 1, warm=False))
        assert by_reader() == one_by_one() == len(names[::7])
        assert by_management() == queues
        return [
            *results,
            cost("reader", by_reader, reads),
            cost("py-amqp, one by one", one_by_one, max(reads // 5, 1)),
            cost("management API", by_management, max(reads // 2, 1)),
        ]
    finally:
        reader.close()
        connection.collect()


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--queues", type=int, default=1000)
    parser.add_argument("--reads", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with RabbitServer() as server:
        results = costs(server, options.queues, options.reads)
    if options.json:
        print(json.dumps({"queues": options.queues, "costs": [asdict(one) for one in results]}))
        return
    print(f"{options.queues} queues, one vhost of one RabbitMQ\n")
    print(f"{'way':<28}{'CPU ms/read':>12}{'wall ms/read':>14}{'longest':>10}{'reads':>7}")
    for one in results:
        print(f"{one.way:<28}{one.cpu_ms:>12.1f}{one.wall_ms:>14.1f}{one.longest_ms:>10.1f}{one.reads:>7}")


if __name__ == "__main__":
    main()
