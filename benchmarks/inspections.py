"""What many inspections cost and leave behind.

    python -m benchmarks.inspections [--count 1000] [--workers 2] [--json]

Starts a redis-server of its own and real workers, and counts the connections and keys before, during
and after. One inspection asks all workers three questions; every twentieth asks five.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis

from autoscaler.brokers.address import parse
from autoscaler.brokers.names import Names
from autoscaler.brokers.workers_answers import FACTS, HELD
from autoscaler.brokers.workers_line import ControlLine
from autoscaler.config.broker import BrokerSettings
from benchmarks.read_depth import redis_server

EVERY = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one inspection; connections and keys before, after the first, the last, and the end."""

    count: int
    workers: int
    wall_ms: float
    cpu_ms: float
    unanswered: int
    connections: tuple[int, ...]
    keys: tuple[int, ...]


@contextmanager
def worker(url: str, node: str) -> Iterator[None]:
    """Run a worker for as long as the block lasts."""
    command = [sys.executable, "-m", "celery", "--broker", url, "worker", "--hostname", node]
    command += ["--pool", "threads", "--loglevel", "info", "--without-mingle", "--without-gossip"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any("ready." in line for line in process.stderr)
        yield
    finally:
        process.terminate()
        process.communicate()


def measure(url: str, count: int, workers: int) -> Cost:
    """Inspect, and return what it cost."""
    admin: Any = redis.Redis.from_url(url)
    connections, keys = [], []

    def look() -> None:
        connections.append(len(admin.client_list()))
        keys.append(admin.dbsize())

    nodes = [f"celery@w-{number}" for number in range(workers)]
    line = ControlLine(parse(url), BrokerSettings(), Names(), clock=time.monotonic, wall=time.time)
    look()
    walls, unanswered = [], 0
    for number in range(count):
        at = time.perf_counter()
        answers = line.ask(nodes, HELD + FACTS if number % EVERY == 0 else HELD)
        walls.append(time.perf_counter() - at)
        unanswered += workers - len(answers.told)
        if number == 0:
            look()
            began = time.process_time()
    cpu = time.process_time() - began
    look()
    line.close()
    time.sleep(0.5)
    look()
    admin.close()
    return Cost(
        count,
        workers,
        round(1000 * statistics.median(walls), 2),
        round(1000 * cpu / max(count - 1, 1), 2),
        unanswered,
        tuple(connections),
        tuple(keys),
    )


def main() -> None:
    """Print the cost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(redis_server())
        for number in range(arguments.workers):
            stack.enter_context(worker(url, f"celery@w-{number}"))
        cost = measure(url, arguments.count, arguments.workers)
    if arguments.json:
        print(json.dumps(asdict(cost)))
        return
    for name, value in asdict(cost).items():
        print(f"{name.replace('_', ' '):16}{value}")


if __name__ == "__main__":
    main()
