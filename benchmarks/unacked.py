"""What it costs to know whose 100,000 unacknowledged messages are: us, and Redis.

    python -m benchmarks.unacked [--messages 100000] [--bytes 900] [--json]

Starts a redis-server of its own. `blocked_ms` is the longest that one command kept Redis from serving
anybody else, by its SLOWLOG; `late_ms` the longest that a thread which wants to run every millisecond
had to wait meanwhile, as the daemon's loop would; `read_ms` the longest read.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

import redis

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.background import Background
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Quality, Reading, TargetRef
from autoscaler.ports import DepthQuery
from benchmarks.read_depth import redis_server

PATIENCE_SECONDS = 300.0
CHANGED = 500


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of time: how long until the account was complete, and what it cost meanwhile."""

    phase: str
    seconds: float
    cpu_seconds: float
    blocked_ms: float
    late_ms: float
    read_ms: float
    reads: int


class Ticker:
    """A thread that wants to run every millisecond, and notes how late it was."""

    def __init__(self) -> None:
        self.latest = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        at = time.perf_counter()
        while not self._end.wait(0.001):
            now = time.perf_counter()
            self.latest = max(self.latest, now - at - 0.001)
            at = now


def fill(client: Any, first: int, messages: int, size: int) -> None:  # noqa: ANN401  # redis-py's are no help
    """Have messages delivered, of two queues by turns."""
    for start in range(first, first + messages, 1000):
        with client.pipeline(transaction=False) as pipeline:
            for number in range(start, min(start + 1000, first + messages)):
                message = {"body": "x" * size, "headers": {"task": "t", "eta": None}, "properties": {}}
                pipeline.hset("unacked", f"tag-{number}", json.dumps([message, "", f"queue-{number % 2}"]))
                pipeline.zadd("unacked_index", {f"tag-{number}": time.time()})
            pipeline.execute()


def deliveries(reading: Reading[BrokerAccount]) -> int | None:
    """Return the deliveries of a fresh account, None where it is not."""
    if reading.value is None or reading.value.delivered.quality is not Quality.FRESH:
        return None
    delivered = reading.value.delivered.value
    return None if delivered is None or delivered.uncounted else len(delivered.deliveries)


def run(phase: str, client: Any, reader: RedisReader, expected: int) -> Phase:  # noqa: ANN401  # as above
    """Read twenty times a second until the account is what it has to be."""
    query = DepthQuery(TargetRef("ns", "a"), ("queue-0",), BrokerSettings(timeout_seconds=10.0))
    client.config_set("slowlog-log-slower-than", 1000)
    client.slowlog_reset()
    ticker, pause = Ticker(), threading.Event()
    began, cpu, longest, reads = time.perf_counter(), time.process_time(), 0.0, 0
    try:
        while True:
            at = time.perf_counter()
            found = deliveries(reader.read([query])[0])
            longest, reads = max(longest, time.perf_counter() - at), reads + 1
            if found == expected:
                break
            assert time.perf_counter() - began < PATIENCE_SECONDS, found
            pause.wait(0.05)
    finally:
        ticker.close()
    blocked = max((entry["duration"] for entry in client.slowlog_get(100)), default=0) / 1000
    return Phase(
        phase,
        round(time.perf_counter() - began, 2),
        round(time.process_time() - cpu, 2),
        round(blocked, 1),
        round(1000 * ticker.latest, 1),
        round(1000 * longest, 1),
        reads,
    )


def phases(url: str, messages: int, size: int) -> list[Phase]:
    """Return what it costs to look into all messages first, and then into some that changed."""
    client: Any = redis.Redis.from_url(url)
    background = Background()
    reader = RedisReader(redis_address(url), background=background)
    try:
        fill(client, 0, messages, size)
        first = run("first", client, reader, messages // 2)
        gone = [f"tag-{number}" for number in range(CHANGED)]
        client.hdel("unacked", *gone)
        client.zrem("unacked_index", *gone)
        fill(client, messages, CHANGED, size)
        again = run(f"{CHANGED} changed", client, reader, messages // 2)
    finally:
        reader.close()
        background.close()
        client.close()
    return [first, again]


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=900)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with redis_server() as url:
        results = phases(url, options.messages, options.bytes)
    if options.json:
        print(json.dumps({"messages": options.messages, "phases": [asdict(one) for one in results]}))
        return
    print(f"{options.messages} messages of {options.bytes} bytes\n")
    print(f"{'phase':<14}{'s':>8}{'CPU s':>8}{'blocked ms':>12}{'late ms':>9}{'read ms':>9}{'reads':>7}")
    for one in results:
        print(
            f"{one.phase:<14}{one.seconds:>8.2f}{one.cpu_seconds:>8.2f}{one.blocked_ms:>12.1f}"
            f"{one.late_ms:>9.1f}{one.read_ms:>9.1f}{one.reads:>7}"
        )


if __name__ == "__main__":
    main()
