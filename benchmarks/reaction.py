"""How long from a message in an empty queue to the replicas that are asked for it.

Bursts of several sizes arrive in one transaction at random moments, in a real Redis, while the worker
set is at zero. The daemon runs as a process of its own at its default poll interval, against the
sandbox's API server. The clock runs from just before the LPUSH until a watch of the worker set shows
the new number. Each burst has to be answered by one write of its full size.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from rich.console import Console
from rich.progress import track

from autoscaler.cluster.client import Api, ApiError, connect
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.store import Store

PATIENCE_SECONDS = 30.0
MEDIAN_LIMIT_SECONDS = 0.7
WORST_LIMIT_SECONDS = 1.5
PATH = "/apis/apps/v1/namespaces/default/statefulsets"
CONFIG = """
[controller]
http_host = "127.0.0.1"
http_port = 0

[[targets]]
namespace = "default"
name = "w"
queues = ["default"]
slots_per_worker = 1
max_replicas = 100
broker.url = "{url}"
scale_down.stabilization_window_seconds = 0
"""
WORKER_SET: dict[str, Any] = {
    "metadata": {"name": "w"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "w"}},
        "template": {
            "metadata": {"labels": {"app": "w"}},
            "spec": {"containers": [{"name": "worker", "image": "none"}]},
        },
    },
}


def main() -> int:
    """Run the benchmark and return 0 when it keeps its limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bursts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311  # moments and sizes, not secrets
    with bench() as (client, changes):
        rounds = range(options.bursts)
        shown = rounds if options.json else track(rounds, "bursts", console=Console(stderr=True))
        seconds = [burst(client, changes, rng) for _ in shown]
    median, worst = statistics.median(seconds), max(seconds)
    if options.json:
        print(json.dumps({"median_seconds": median, "worst_seconds": worst, "bursts": seconds}, indent=2))
    else:
        print(f"{len(seconds)} bursts from zero, each answered by one write of its full size")
        print(f"median {median:.3f} s (at most {MEDIAN_LIMIT_SECONDS} wanted)")
        print(f"worst  {worst:.3f} s (at most {WORST_LIMIT_SECONDS} wanted)")
    return 0 if median <= MEDIAN_LIMIT_SECONDS and worst <= WORST_LIMIT_SECONDS else 1


def burst(client: redis.Redis, changes: queue.Queue[tuple[float, int]], rng: random.Random) -> float:
    """Send a burst at a random moment, return the seconds until it was answered, and have it done."""
    time.sleep(rng.uniform(0.0, 1.0))
    size = rng.randint(1, 100)
    sent = time.monotonic()
    client.lpush("default", *["task"] * size)
    seen, replicas = changes.get(timeout=PATIENCE_SECONDS)
    assert replicas == size, f"{size} tasks were answered by {replicas} replicas: a ladder"
    client.delete("default")
    _, replicas = changes.get(timeout=PATIENCE_SECONDS)
    assert replicas == 0
    return seen - sent


@contextmanager
def bench() -> Iterator[tuple[redis.Redis, queue.Queue[tuple[float, int]]]]:
    """Start everything, and yield a connection to the broker and the changes of replicas as they come."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autoscaler-bench-")))
        broker = stack.enter_context(RedisServer())
        server = stack.enter_context(ApiServer(Store()))
        kubeconfig = server.write_kubeconfig(folder / "kubeconfig")
        server.store.create(
            "statefulsets.apps", {**WORKER_SET, "metadata": {"name": "w", "namespace": "default"}}
        )
        config = folder / "config.toml"
        config.write_text(CONFIG.format(url=broker.url))
        api = connect(10.0, kubeconfig)
        stack.callback(api.close)
        changes: queue.Queue[tuple[float, int]] = queue.Queue()
        threading.Thread(target=follow, args=(api, changes), daemon=True).start()
        daemon = subprocess.Popen(
            [sys.executable, "-m", "autoscaler", "run", "--config", str(config)],
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            stderr=subprocess.DEVNULL,
        )
        stack.callback(daemon.wait, PATIENCE_SECONDS)
        stack.callback(daemon.terminate)
        client = redis.Redis.from_url(broker.url)
        stack.callback(client.close)
        client.lpush("default", "task")  # the daemon has come up when it answers this
        assert changes.get(timeout=PATIENCE_SECONDS)[1] == 1
        client.delete("default")
        assert changes.get(timeout=PATIENCE_SECONDS)[1] == 0
        yield client, changes


def follow(api: Api, changes: queue.Queue[tuple[float, int]]) -> None:
    """Watch the worker set and note every change of its replicas, with the time it was seen."""
    replicas = 0
    try:
        with api.stream(PATH, {"watch": "1"}, PATIENCE_SECONDS * 10) as response:
            for line in response:
                now, seen = time.monotonic(), json.loads(line)["object"]["spec"].get("replicas", 1)
                if seen != replicas:
                    replicas = seen
                    changes.put((now, replicas))
    except ApiError:
        return  # the server has stopped: the end


if __name__ == "__main__":
    sys.exit(main())
