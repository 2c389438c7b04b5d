"""A namespace whose quota has room for 5 of the 20 workers that the work calls for, and is raised later.

Once a naive autoscaler asks for all 20, as KEDA and an HPA do; once the daemon decides, as a process of its
own at its default poll interval. What counts is how many pods are refused, and how long after the quota was
raised all of the new room is used. Cluster, controllers and their back-off are the sandbox's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import redis

from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.redis_server import RedisServer

FITTING, WANTED = 5, 20
PATIENCE_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 600.0
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
remote_control = false
broker.url = "{url}"
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: pods before the raise, refusals, and seconds until all the new room was used."""

    who: str
    asked: int
    pods: int
    refused: int
    events: int
    seconds_after_raise: float | None


def main() -> int:
    """Run both and return 0 when the daemon had nothing refused and used the room within two ticks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hold", type=float, default=30.0, help="seconds from the work to the raise")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [measured("naive", options.hold, naive), measured("autoscaler", options.hold, autoscaler)]
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    for result in results if not options.json else ():
        after = result.seconds_after_raise
        used = "not used within ten minutes" if after is None else f"all of it used after {after:.2f} s"
        print(
            f"{result.who:<11} asked for {result.asked:>2} of {WANTED}, {result.pods} pods, "
            f"{result.refused} refused creates in {result.events} FailedCreate events; quota raised: {used}"
        )
    own = results[-1].seconds_after_raise
    return 0 if not results[-1].refused and own is not None and own <= 2.0 else 1


def measured(who: str, hold_seconds: float, ask: Callable[[SandboxCluster, ExitStack], None]) -> Result:
    """Have somebody ask for workers, raise the quota after a while, and return what came of it."""
    with cluster() as (sandbox, stack):
        ask(sandbox, stack)
        assert sandbox.until(lambda: pods(sandbox) == FITTING, PATIENCE_SECONDS)
        time.sleep(hold_seconds + random.uniform(0.0, 1.0))  # noqa: S311  # any moment of a tick
        asked, there = replicas(sandbox), pods(sandbox)
        raised = time.monotonic()
        sandbox.apply(quota(WANTED))
        came = sandbox.until(lambda: pods(sandbox) == WANTED, LONGEST_WAIT_SECONDS)
        seconds = time.monotonic() - raised if came else None
        refusals = [event.get("count") or 1 for event in failures(sandbox)]
        return Result(who, asked, there, sum(refusals), len(refusals), seconds)


@contextmanager
def cluster() -> Iterator[tuple[SandboxCluster, ExitStack]]:
    """Start a cluster with a quota and a worker set at zero."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(SandboxCluster(runner="null", startup_seconds=0.05))
        sandbox.apply(quota(FITTING))
        sandbox.apply(worker_set())
        yield sandbox, stack


def naive(sandbox: SandboxCluster, _: ExitStack) -> None:
    """Ask for as many workers as the work calls for."""

    def scaled(found: JSON) -> JSON:
        return {**found, "spec": {**found["spec"], "replicas": WANTED}}

    sandbox.store.modify("statefulsets.apps", "default", "w", scaled)


def autoscaler(sandbox: SandboxCluster, stack: ExitStack) -> None:
    """Have the daemon see to it, and send the work."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autoscaler-bench-")))
    broker = stack.enter_context(RedisServer())
    config = folder / "config.toml"
    config.write_text(CONFIG.format(url=broker.url))
    client = redis.Redis.from_url(broker.url)
    stack.callback(client.close)
    client.lpush("default", *["task"] * WANTED)
    daemon = subprocess.Popen(
        [sys.executable, "-m", "autoscaler", "run", "--config", str(config)],
        env={**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)},
        stderr=subprocess.DEVNULL,
    )
    stack.callback(daemon.wait, PATIENCE_SECONDS)
    stack.callback(daemon.terminate)


def quota(pods_allowed: int) -> JSON:
    """Return a quota for so many pods."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team-a", "namespace": "default"},
        "spec": {"hard": {"pods": str(pods_allowed)}},
    }


def worker_set() -> JSON:
    """Return a parallel set that pretends to run workers."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "w", "namespace": "default"},
        "spec": {
            "replicas": 0,
            "podManagementPolicy": "Parallel",
            "serviceName": "w",
            "selector": {"matchLabels": {"app": "w"}},
            "template": {
                "metadata": {"labels": {"app": "w"}},
                "spec": {"containers": [{"name": "worker", "image": "none"}]},
            },
        },
    }


def pods(sandbox: SandboxCluster) -> int:
    """Return how many pods there are."""
    return len(sandbox.store.snapshot("pods", "default")[0])


def replicas(sandbox: SandboxCluster) -> int:
    """Return how many are asked for."""
    found: int = sandbox.store.snapshot("statefulsets.apps", "default")[0][0]["spec"]["replicas"]
    return found


def failures(sandbox: SandboxCluster) -> list[JSON]:
    """Return the events of pods that were refused."""
    events = sandbox.store.snapshot("events", "default")[0]
    return [event for event in events if event["reason"] == "FailedCreate"]


if __name__ == "__main__":
    sys.exit(main())
