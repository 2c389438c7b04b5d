"""What it costs to hear the heartbeats of many brokers.

    python -m benchmarks.heartbeats [--brokers 1000] [--workers 5] [--seconds 10] [--json]

Starts a redis-server of its own, at which every broker is a user with a connection of its own. Each of
their workers sends a heartbeat in two seconds. CPU time is this process', sending included, which is
measured beforehand without anybody listening and taken off.
"""

from __future__ import annotations

import argparse
import json
import resource
import threading
import time
from base64 import b64encode
from dataclasses import asdict, dataclass
from typing import Any

import redis

from autoscaler.brokers.address import parse
from autoscaler.brokers.heartbeats_streams import Streams
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef
from benchmarks.read_depth import redis_server


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds until all are connected, threads added, CPU as a share of a core, memory added."""

    brokers: int
    heartbeats_per_second: float
    connected_seconds: float
    threads: int
    cpu_percent: float
    memory_mb: float
    heard: int


def beat(node: str) -> str:
    """Return a heartbeat as kombu publishes it, all of its fields there."""
    event = {
        "hostname": node,
        "utcoffset": 0,
        "pid": 7,
        "clock": 1234,
        "freq": 2.0,
        "active": 3,
        "processed": 12345,
        "loadavg": [0.1, 0.2, 0.3],
        "sw_ident": "py-celery",
        "sw_ver": "5.7.0",
        "sw_sys": "Linux",
        "timestamp": time.time(),
        "type": "worker-heartbeat",
    }
    body = b64encode(json.dumps(event).encode()).decode()
    return json.dumps({"body": body, "properties": {"body_encoding": "base64"}, "headers": {}})


def send(url: str, brokers: int, workers: int, seconds: float) -> float:
    """Send all heartbeats once in two seconds for a while; return the CPU seconds of this process."""
    client = redis.Redis.from_url(url)
    beats = [
        (f"p{broker}:/0.celeryev/worker.heartbeat", beat(f"celery@w-{worker}"))
        for broker in range(brokers)
        for worker in range(workers)
    ]
    began, ends = time.process_time(), time.monotonic() + seconds
    due = time.monotonic()
    pause = threading.Event()
    share = max(1, len(beats) // 20)
    while time.monotonic() < ends:
        for first in range(0, len(beats), share):
            pipeline = client.pipeline(transaction=False)
            for channel, message in beats[first : first + share]:
                pipeline.publish(channel, message)
            pipeline.execute()
            due += 2.0 * share / len(beats)
            pause.wait(max(0.0, due - time.monotonic()))
    client.close()
    return time.process_time() - began


def memory_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(url: str, brokers: int, workers: int, seconds: float) -> Cost:
    """Listen to all brokers and return what it cost."""
    admin: Any = redis.Redis.from_url(url)
    admin.config_set("maxclients", brokers + 100)
    for number in range(brokers):
        admin.execute_command("ACL", "SETUSER", f"u{number}", "on", "nopass", "allchannels", "+@all")
    admin.close()
    sending = send(url, brokers, workers, seconds)
    host = url.partition("://")[2]
    before, threads, began = memory_mb(), threading.active_count(), time.monotonic()
    streams = Streams()
    targets = [TargetRef("ns", f"t{number}") for number in range(brokers)]
    for number, target in enumerate(targets):
        settings = BrokerSettings(global_keyprefix=f"p{number}:", timeout_seconds=5.0)
        streams.want(target, parse(f"redis://u{number}@{host}"), settings, on=True)
    while any(streams.detail(target) for target in targets):
        threading.Event().wait(0.05)
    connected = time.monotonic() - began
    both = send(url, brokers, workers, seconds)
    heard = sum(
        (roll := streams.roll(target)) is not None and len(roll.alive(time.monotonic())) == workers
        for target in targets
    )
    added = threading.active_count() - threads
    streams.close()
    return Cost(
        brokers,
        brokers * workers / 2,
        round(connected, 2),
        added,
        round(100 * (both - sending) / seconds, 1),
        round(memory_mb() - before, 1),
        heard,
    )


def main() -> None:
    """Print the cost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--brokers", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8 * arguments.brokers)), hard))
    with redis_server() as url:
        cost = measure(url, arguments.brokers, arguments.workers, arguments.seconds)
    if arguments.json:
        print(json.dumps(asdict(cost)))
        return
    for name, value in asdict(cost).items():
        print(f"{name.replace('_', ' '):24}{value}")


if __name__ == "__main__":
    main()
