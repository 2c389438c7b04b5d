"""How a target's workers are set up: everything that `lint` looks at, each value with who said it.

A value that nobody could give is a reading that is unknown, with the reason. An unknown reading without
a reason is one that does not apply, such as the visibility timeout of a RabbitMQ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autoscaler.core.hpa import Hpa
from autoscaler.core.model import Reading, unknown
from autoscaler.core.policy import HpaMode
from autoscaler.core.quota import Room
from autoscaler.core.writers import Writer


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget. `rule` is what it demands; `allowed` the evictions it allows at present."""

    name: str
    rule: str
    allowed: int | None = None


UNSEEN: Reading[Any] = unknown("", "not looked at")
DISPENSABLE: Reading[Any] = unknown("", "")
"""What is not worth a word where nobody tells it."""

LABELS = {
    "grace_seconds": "terminationGracePeriodSeconds",
    "pod_management": "podManagementPolicy",
    "partition": "the partition of its updates",
    "updating": "rollouts",
    "shutdown": "how a worker is told to end",
    "shell": "whether SIGTERM reaches the worker",
    "budgets": "PodDisruptionBudgets",
    "remote_control": "remote control",
    "acks_late": "task_acks_late",
    "prefetch_multiplier": "worker_prefetch_multiplier",
    "fair": "-O",
    "slots": "slots of a worker",
    "redelivers": "kind of broker",
    "visibility_seconds": "visibility timeout",
    "longest_task_seconds": "how long tasks run",
    "hpas": "HorizontalPodAutoscalers",
    "replica_writers": "who writes spec.replicas",
    "applied_replicas": "whether an apply sets spec.replicas",
    "room": "what the quotas have room for",
}
"""What a reading is called for people."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What is known of one target's workers; the source of a reading is where somebody set the value.

    A rollout replaces no pods below the ordinal `partition`. `updating` says how far the rollout has come
    that is in progress, empty without one. `shutdown` is what in the pod template makes the end of a worker
    a cold one, empty where nothing does. `shell` says that a shell stands between SIGTERM and the worker.
    `redelivers` says that the broker hands a task out again after the visibility timeout. A
    `prefetch_multiplier` of 0 is without limit. `fair` says that a task is not written to a busy process of
    the pool. `longest_task_seconds` is the longest that a task has run of those that run now. `overrides`
    are what annotations order at present, `ignored_overrides` what of them is ignored, and why, in words
    for people. `replica_writers` hold the replicas by the object's record, `applied_replicas` says that they
    are part of what was applied last. `room` is for how many workers the namespace has room, those that are
    there included. `min_replicas`, `max_replicas`, `hpa_mode`, `expected_task_seconds` and
    `configured_visibility_seconds` are the target's own settings.
    """

    min_replicas: int | None = None
    hpa_mode: HpaMode | None = None
    max_replicas: int | None = None
    expected_task_seconds: float | None = None
    configured_visibility_seconds: float | None = None
    overrides: tuple[str, ...] | None = None
    ignored_overrides: tuple[str, ...] | None = None
    grace_seconds: Reading[int] = UNSEEN
    pod_management: Reading[str] = UNSEEN
    partition: Reading[int] = DISPENSABLE
    updating: Reading[str] = UNSEEN
    shutdown: Reading[str] = UNSEEN
    shell: Reading[bool] = UNSEEN
    budgets: Reading[tuple[Budget, ...]] = UNSEEN
    remote_control: Reading[bool] = DISPENSABLE
    acks_late: Reading[bool] = UNSEEN
    prefetch_multiplier: Reading[int] = UNSEEN
    fair: Reading[bool] = DISPENSABLE
    slots: Reading[int] = DISPENSABLE
    redelivers: Reading[bool] = UNSEEN
    visibility_seconds: Reading[float] = UNSEEN
    longest_task_seconds: Reading[float] = UNSEEN
    hpas: Reading[tuple[Hpa, ...]] = UNSEEN
    replica_writers: Reading[tuple[Writer, ...]] = UNSEEN
    applied_replicas: Reading[bool] = UNSEEN
    room: Reading[Room] = UNSEEN


def gaps(habits: Habits) -> tuple[str, ...]:
    """Return what is not known and why, a sentence for each reason."""
    found: dict[str, list[str]] = {}
    for name, label in LABELS.items():
        reading: Reading[object] = getattr(habits, name)
        if reading.value is None and reading.detail:
            found.setdefault(reading.detail, []).append(label)
    return tuple(f"{', '.join(labels)}: {reason}" for reason, labels in found.items())
