"""What the cluster says of how a target's workers are set up: its worker set, and its pod template.

Variables of the environment that stand in a Secret are not read for this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from autoscaler.cluster.client import Api
from autoscaler.cluster.kinds import Container
from autoscaler.cluster.quotas import room_on
from autoscaler.cluster.shutdown import Unclear, cold_signal, shell_in_between
from autoscaler.cluster.template import (
    NotInTemplate,
    option,
    plain_value,
    worker_container,
    worker_options,
)
from autoscaler.cluster.workloads import Workload
from autoscaler.config.model import TargetSettings
from autoscaler.core.habits import Budget, Habits
from autoscaler.core.hpa import Hpa
from autoscaler.core.model import Reading, WorkerSet, fresh, unknown
from autoscaler.core.overrides import PREFIX, parse
from autoscaler.core.policy import HpaMode
from autoscaler.core.rollouts import progress

T = TypeVar("T")
AIRFLOW = "AIRFLOW__CELERY__"
VISIBILITY_ENV = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"
FAIR = {"fair": True, "default": True, "fast": False, "fcfs": False}
TRUTH = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
"""The words that Airflow takes for yes and no."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl apply, and what builds on it, keeps what it has applied."""

SET = "the worker set"
UNSET = "the pod template does not say"


def configured(target: TargetSettings) -> Habits:
    """Return what the target's own settings say."""
    seconds = target.broker.visibility_timeout_seconds
    off = fresh(value=False, source="remote_control")
    return Habits(
        min_replicas=target.min_replicas,
        hpa_mode=HpaMode(target.hpa),
        max_replicas=target.max_replicas,
        expected_task_seconds=target.longest_task_seconds,
        configured_visibility_seconds=seconds,
        visibility_seconds=fresh(seconds, "broker.visibility_timeout_seconds"),
        remote_control=unknown("", "") if target.remote_control else off,
    )


def unseen(target: TargetSettings, reason: str) -> Habits:
    """Return what is known of a target that cannot be seen."""
    missing: Reading[Any] = unknown(SET, reason)
    return replace(
        configured(target),
        grace_seconds=missing,
        pod_management=missing,
        updating=missing,
        shutdown=missing,
        shell=missing,
        budgets=missing,
        acks_late=missing,
        prefetch_multiplier=missing,
        redelivers=missing,
        longest_task_seconds=missing,
        hpas=missing,
        replica_writers=missing,
        applied_replicas=missing,
        room=missing,
    )


def declared(
    found: Workload,
    target: TargetSettings,
    budgets: Reading[tuple[Budget, ...]],
    hpas: Reading[tuple[Hpa, ...]],
) -> Habits:
    """Return what a worker set and its pod template say, and the target's settings where they do not."""
    spec = found.spec
    grace = spec.template.spec.termination_grace_period_seconds
    habits = replace(
        configured(target),
        grace_seconds=unknown(SET, UNSET) if grace is None else fresh(grace, SET),
        pod_management=fresh(spec.pod_management_policy, SET),
        partition=fresh(found.partition, SET),
        budgets=budgets,
        hpas=hpas,
        replica_writers=fresh(found.metadata.replica_writers, SET),
        applied_replicas=_applied_replicas(found.metadata.annotations or {}),
    )
    try:
        container = worker_container(spec.template, target.broker.container)
    except NotInTemplate as error:
        return replace(habits, shutdown=unknown(SET, str(error)), shell=unknown(SET, str(error)))
    return _by_environment(_by_command(habits, container), container)


def with_overrides(habits: Habits, found: Workload, target: TargetSettings, now: float) -> Habits:
    """Return habits with what the annotations order at a time in seconds since the epoch."""
    overrides = parse(found.metadata.annotations).at(now)
    return replace(
        habits,
        overrides=tuple(f"{PREFIX}{one}" for one in overrides.declared),
        ignored_overrides=(*overrides.problems, *overrides.contradictions(target.max_replicas)),
    )


def with_rollout(habits: Habits, seen: Reading[WorkerSet]) -> Habits:
    """Return habits with how far a rollout has come, which its pods tell."""
    if seen.value is None:
        return replace(habits, updating=unknown(SET, seen.detail))
    rollout = seen.value.rollout
    word = progress(rollout) if rollout is not None and seen.value.updating else ""
    return replace(habits, updating=fresh(word, SET))


def with_room(habits: Habits, api: Api, found: Workload, seen: Reading[WorkerSet]) -> Habits:
    """Return habits with for how many workers the quotas of the namespace have room, by asking now."""
    if seen.value is None:
        return replace(habits, room=unknown(SET, seen.detail))
    return replace(habits, room=room_on(api, found, len(seen.value.places)))


def by_options(habits: Habits, found: Workload, target: TargetSettings) -> Habits:
    """Return habits with what stands in the worker's command line, which goes before all configuration."""
    try:
        container = worker_container(found.spec.template, target.broker.container)
    except NotInTemplate:
        return habits
    options = worker_options(container)
    where = f"of container {container.name}"
    multiplier = _whole(option(options, ("--prefetch-multiplier",)) or "")
    if multiplier is not None:
        habits = replace(habits, prefetch_multiplier=fresh(multiplier, f"--prefetch-multiplier {where}"))
    word = _optimization(options)
    if word in FAIR:
        habits = replace(habits, fair=fresh(FAIR[word], f"-O {word} {where}"))
    return habits


def _applied_replicas(annotations: Mapping[str, str]) -> Reading[bool]:
    """Return whether replicas are part of what was applied last on the client's side."""
    try:
        applied: object = msgspec.json.decode(annotations.get(LAST_APPLIED, "{}"))
    except msgspec.DecodeError as error:
        return unknown(LAST_APPLIED, f"the annotation {LAST_APPLIED} cannot be read: {error}")
    spec = applied.get("spec") if isinstance(applied, dict) else None
    return fresh(isinstance(spec, dict) and spec.get("replicas") is not None, LAST_APPLIED)


def _by_command(habits: Habits, container: Container) -> Habits:
    shell: Reading[bool]
    source = f"the command of container {container.name}"
    try:
        shell = fresh(shell_in_between(container), source)
    except Unclear as error:
        shell = unknown(source, str(error))
    return replace(habits, shutdown=fresh(cold_signal(container), SET), shell=shell)


def _by_environment(habits: Habits, container: Container) -> Habits:
    off = habits.remote_control.value is False
    control = _said(container, f"{AIRFLOW}WORKER_ENABLE_REMOTE_CONTROL", _truth, habits.remote_control)
    return replace(
        habits,
        remote_control=habits.remote_control if off else control,
        acks_late=_said(container, f"{AIRFLOW}TASK_ACKS_LATE", _truth, unknown(SET, UNSET)),
        prefetch_multiplier=_said(
            container, f"{AIRFLOW}WORKER_PREFETCH_MULTIPLIER", _whole, unknown(SET, UNSET)
        ),
        visibility_seconds=_said(container, VISIBILITY_ENV, _seconds, habits.visibility_seconds),
    )


def _said(
    container: Container, variable: str, parse: Callable[[str], T | None], otherwise: Reading[T]
) -> Reading[T]:
    """Return what a variable of the environment says."""
    value = parse((plain_value(container, variable) or "").strip())
    return otherwise if value is None else fresh(value, f"{variable} of container {container.name}")


def _truth(text: str) -> bool | None:
    return TRUTH.get(text.lower())


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _seconds(text: str) -> float | None:
    value = _whole(text)
    return None if value is None else float(value)


def _optimization(options: list[str]) -> str:
    """Return the last word of `-O fair`, `-Ofair` or `--optimization=fair`."""
    joined = [word.removeprefix("-O") for word in options if word.startswith("-O") and word != "-O"]
    return option(options, ("-O", "--optimization")) or next(reversed(joined), "")
