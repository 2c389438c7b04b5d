"""The targets of the soak: each way of taking and acknowledging tasks, on each broker."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

NAMESPACE = "soak"
GRACE_SECONDS = 4
"""So short that a busy worker dies of it: whoever relies on the grace period is found out."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target: its broker, how its workers take tasks, and how many of them there may be."""

    name: str
    broker: str
    late: bool
    prefetch: int
    pool: str = "threads"
    slots: int = 2
    most: int = 3
    kind: str = "StatefulSet"

    @property
    def queue(self) -> str:
        """The queue that its workers consume."""
        return f"q-{self.name}"

    @property
    def celery(self) -> dict[str, object]:
        """The settings of its Celery application."""
        return {
            "task_acks_late": self.late,
            "worker_prefetch_multiplier": self.prefetch,
            "task_default_queue": self.queue,
        }


TARGETS = (
    Target("redis-late-1", "redis", late=True, prefetch=1),
    Target("redis-early-1", "redis", late=False, prefetch=1),
    Target("redis-late-4", "redis", late=True, prefetch=4),
    Target("redis-early-4", "redis", late=False, prefetch=4),
    Target("redis-prefork", "redis", late=True, prefetch=1, pool="prefork"),
    Target("redis-solo", "redis", late=False, prefetch=1, pool="solo", slots=1),
    Target("rabbit-late-1", "rabbitmq", late=True, prefetch=1),
    Target("rabbit-early-1", "rabbitmq", late=False, prefetch=1),
    Target("rabbit-late-4", "rabbitmq", late=True, prefetch=4),
    Target("rabbit-early-4", "rabbitmq", late=False, prefetch=4),
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a phase scales down: its window, whether with placement, and the pods' grace period."""

    window_seconds: float = 2.0
    placement: bool = True
    grace_seconds: int = GRACE_SECONDS


def configuration(targets: tuple[Target, ...], manner: Manner, *, port: int) -> str:
    """Return the daemon's configuration."""
    tables = "".join(
        f"""
[[targets]]
namespace = "{NAMESPACE}"
name = "{target.name}"
queues = ["{target.queue}"]
kind = "{target.kind}"
max_replicas = {target.most}
slots_per_worker = {target.slots}
broker = {{ template_env = ["SOAK_BROKER"] }}
"""
        for target in targets
    )
    return f"""
[controller]
poll_interval_seconds = 0.5
http_host = "127.0.0.1"
http_port = {port}
namespace = "{NAMESPACE}"

[defaults]
inspect_every_seconds = 2.0
scale_down = {{ stabilization_window_seconds = {manner.window_seconds} }}
drain = {{ placement = {str(manner.placement).lower()}, placement_after_seconds = 1.0 }}
{tables}"""


def worker_set(target: Target, manner: Manner, broker_url: str, evidence_url: str) -> dict[str, Any]:
    """Return the worker set of a target, at zero."""
    labels = {"app": target.name}
    command = (
        f"exec {sys.executable} -m celery -A benchmarks.soak.tasks worker -P {target.pool} -c {target.slots} "
        f"-Q {target.queue} -n celery@$(POD_NAME) --without-mingle --without-gossip -l INFO"
    )
    environment: list[dict[str, Any]] = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "SOAK_BROKER", "value": broker_url},
        {"name": "SOAK_EVIDENCE", "value": evidence_url},
        {"name": "SOAK_SETTINGS", "value": json.dumps(target.celery)},
        {"name": "PYTHONPATH", "value": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))},  # noqa: PTH109
    ]
    container = {"name": "worker", "image": "soak", "command": ["sh", "-c", command], "env": environment}
    ordinals = {"podManagementPolicy": "Parallel", "serviceName": target.name}
    return {
        "apiVersion": "apps/v1",
        "kind": target.kind,
        "metadata": {"name": target.name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 0,
            **(ordinals if target.kind == "StatefulSet" else {}),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": manner.grace_seconds, "containers": [container]},
            },
        },
    }
