"""The targets of a stage: their workers, and what the daemon is told of them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

NAMESPACE = "stage"
GRACE_SECONDS = 4
"""So short that a busy worker dies of it: whoever relies on the grace period is found out."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target: its broker, how its workers take tasks, and how many of them there may be.

    There are `first` of them in the beginning; each requests `cpu`, or nothing.
    """

    name: str
    broker: str
    late: bool
    prefetch: int
    pool: str = "threads"
    slots: int = 2
    most: int = 3
    kind: str = "StatefulSet"
    first: int = 0
    cpu: str = ""

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


@dataclass(frozen=True, slots=True)
class Manner:
    """How the daemon scales: its window, whether with placement, and the pods' grace period.

    `hpa` is what it is told to do about a HorizontalPodAutoscaler, where it is told.
    """

    window_seconds: float = 2.0
    placement: bool = True
    grace_seconds: int = GRACE_SECONDS
    hpa: str = ""


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
broker = {{ template_env = ["STAGE_BROKER"] }}
{f'hpa = "{manner.hpa}"' if manner.hpa else ""}
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
    """Return the worker set of a target."""
    labels = {"app": target.name}
    command = (
        f"exec {sys.executable} -m celery -A benchmarks.stage.tasks worker -P {target.pool} "
        f"-c {target.slots} -Q {target.queue} -n celery@$(POD_NAME) --without-mingle --without-gossip -l INFO"
    )
    environment: list[dict[str, Any]] = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "STAGE_BROKER", "value": broker_url},
        {"name": "STAGE_EVIDENCE", "value": evidence_url},
        {"name": "STAGE_SETTINGS", "value": json.dumps(target.celery)},
        {"name": "PYTHONPATH", "value": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))},  # noqa: PTH109
    ]
    container: dict[str, Any] = {
        "name": "worker",
        "image": "stage",
        "command": ["sh", "-c", command],
        "env": environment,
    }
    container |= {"resources": {"requests": {"cpu": target.cpu}}} if target.cpu else {}
    ordinals = {"podManagementPolicy": "Parallel", "serviceName": target.name}
    return {
        "apiVersion": "apps/v1",
        "kind": target.kind,
        "metadata": {"name": target.name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": target.first,
            **(ordinals if target.kind == "StatefulSet" else {}),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": manner.grace_seconds, "containers": [container]},
            },
        },
    }
