"""What there is to say about a target's workers, and that nothing is made up."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.findings import Severity
from autoscaler.core.habits import LABELS, UNSEEN, Budget, Habits, gaps
from autoscaler.core.lint import FINDINGS, examined, lint
from autoscaler.core.model import Reading, TargetRef, fresh, unknown
from autoscaler.core.quota import Room
from autoscaler.core.writers import Writer

RISK, ADVICE = Severity.RISK, Severity.ADVICE


def by(value: Any, source: str = "celery@w-0") -> Reading[Any]:
    """Return a value that a worker told."""
    return fresh(value, source)


GOOD = Habits(
    max_replicas=10,
    configured_visibility_seconds=86400.0,
    grace_seconds=by(7200),
    pod_management=by("Parallel"),
    updating=by(""),
    partition=by(0),
    shutdown=by(""),
    shell=by(value=False),
    budgets=by(()),
    remote_control=by(value=True),
    acks_late=by(value=True),
    prefetch_multiplier=by(1),
    fair=by(value=True),
    slots=by(16),
    redelivers=by(value=True),
    visibility_seconds=by(86400.0),
    longest_task_seconds=by(5400.0),
    hpas=by(()),
    room=by(Room(None)),
    replica_writers=by((Writer("autoscaler", "Update", "scale"),)),
    applied_replicas=by(value=False),
)
"""Workers that nothing is wrong with."""

CASES: dict[str, tuple[dict[str, Any], str, Severity, tuple[str, ...]]] = {
    "remapped": (
        {"shutdown": by("REMAP_SIGTERM=SIGQUIT in the environment of container w")},
        "ColdShutdown",
        RISK,
        ("REMAP_SIGTERM=SIGQUIT in the environment of container w", "Remove it"),
    ),
    "shell": (
        {"shell": by(value=True, source="the command of container w")},
        "ShellHidesSigterm",
        RISK,
        ("the command of container w", "exec"),
    ),
    "grace shorter than a task": (
        {"grace_seconds": by(600)},
        "GracePeriodShort",
        RISK,
        ("terminationGracePeriodSeconds is 600 s", "a task of 5400 s (seen on celery@w-0)"),
    ),
    "grace shorter than what is expected": (
        {"expected_task_seconds": 9000.0},
        "GracePeriodShort",
        RISK,
        ("is 7200 s", "a task of 9000 s (longest_task_seconds)"),
    ),
    "grace short in any case": (
        {"grace_seconds": by(59), "longest_task_seconds": UNSEEN},
        "GracePeriodShort",
        RISK,
        ("is 59 s, shorter than 60 s",),
    ),
    "no grace": ({"grace_seconds": by(0)}, "GracePeriodShort", RISK, ("is 0 s",)),
    "early ack": (
        {"acks_late": by(value=False)},
        "EarlyAck",
        RISK,
        ("task_acks_late is false (celery@w-0)", "task_reject_on_worker_lost"),
    ),
    "visibility": (
        {"visibility_seconds": by(3600.0), "configured_visibility_seconds": 3600.0},
        "VisibilityTimeoutShort",
        RISK,
        ("visibility_timeout is 3600 s (celery@w-0)", "5400 s", "broker_transport_options"),
    ),
    "remote control": (
        {"remote_control": by(value=False, source="remote_control")},
        "RemoteControlOff",
        RISK,
        ("remote_control is false", "Set it to true"),
    ),
    "prefetch": (
        {"prefetch_multiplier": by(4)},
        "PrefetchHoarding",
        ADVICE,
        ("worker_prefetch_multiplier is 4 (celery@w-0)", "16 slots takes up to 64 tasks", "return_reserved"),
    ),
    "prefetch, slots unknown": (
        {"prefetch_multiplier": by(4), "slots": UNSEEN, "fair": UNSEEN},
        "PrefetchHoarding",
        ADVICE,
        ("up to 4 tasks for each of its slots",),
    ),
    "prefetch and fast": (
        {"prefetch_multiplier": by(2), "fair": by(value=False, source="-O fast of container w")},
        "PrefetchHoarding",
        RISK,
        ("With -O fast of container w",),
    ),
    "prefetch without limit": (
        {"prefetch_multiplier": by(0)},
        "PrefetchHoarding",
        RISK,
        ("takes every task that waits",),
    ),
    "visibility differs": (
        {"configured_visibility_seconds": 3600.0},
        "VisibilityTimeoutDiffers",
        ADVICE,
        ("broker.visibility_timeout_seconds is 3600", "Set broker.visibility_timeout_seconds = 86400."),
    ),
    "ordered": (
        {"pod_management": by("OrderedReady")},
        "OrderedReady",
        ADVICE,
        ("podManagementPolicy is OrderedReady", "--cascade=orphan"),
    ),
    "budget": (
        {"budgets": by((Budget("a", "minAvailable 1", 0), Budget("b", "maxUnavailable 1", 1)))},
        "DisruptionBudget",
        ADVICE,
        ("a (minAvailable 1, allows none at present), b (maxUnavailable 1) covers",),
    ),
    "partition": ({"partition": by(2)}, "PartitionSet", ADVICE, ("partition is 2", "until it is lowered")),
    "rollout": (
        {"updating": by("1 of 3 updated, w-1 missing")},
        "RolloutInProgress",
        ADVICE,
        ("(1 of 3 updated, w-1 missing)", "rollout_hold_seconds"),
    ),
    "an annotation that is ignored": (
        {"ignored_overrides": ("autoscaler/paused: 'ture' is neither true nor false: it is ignored",)},
        "OverrideIgnored",
        ADVICE,
        ("autoscaler/paused: 'ture' is neither", "docs/overrides.md"),
    ),
    "annotations in force": (
        {"overrides": ("autoscaler/paused by annotation", "autoscaler/max-replicas is 3 by annotation")},
        "OverrideInForce",
        ADVICE,
        ("autoscaler/paused by annotation; autoscaler/max-replicas is 3", "kubectl annotate"),
    ),
    "written by Helm 3": (
        {"replica_writers": by((Writer("helm", "Update"),))},
        "ReplicasAppliedClientSide",
        RISK,
        ('written by Helm (field manager "helm", Update)', "Leave replicas out"),
    ),
    "applied by kubectl": (
        {"applied_replicas": by(value=True, source="kubectl.kubernetes.io/last-applied-configuration")},
        "ReplicasAppliedClientSide",
        RISK,
        ("replicas stands in kubectl.kubernetes.io/last-applied-configuration",),
    ),
    "applied by Helm 4": (
        {"replica_writers": by((Writer("helm", "Apply"),))},
        "ReplicasAppliedServerSide",
        RISK,
        ('Helm (field manager "helm", server-side apply)', "409", "Leave replicas out"),
    ),
}

SILENT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "grace of a minute and nothing seen": {"grace_seconds": by(60), "longest_task_seconds": UNSEEN},
    "grace as long as the longest task": {"grace_seconds": by(5400)},
    "short visibility and no word on acknowledgement": {"acks_late": UNSEEN, "visibility_seconds": by(60.0)},
    "ordered start of one worker": {"pod_management": by("OrderedReady"), "max_replicas": 1},
    "scaled by a person": {"replica_writers": by((Writer("kubectl", "Update", "scale"),))},
    "RabbitMQ": {"redelivers": by(value=False), "visibility_seconds": unknown("", "")},
}


@pytest.mark.parametrize("name", CASES)
def test_a_finding_names_the_key_the_value_and_what_to_do(name: str):
    """Each alone, on workers that are otherwise fine."""
    changes, code, severity, words = CASES[name]
    (found,) = lint(replace(GOOD, **changes))
    assert (found.code, found.severity) == (code, severity)
    for word in words:
        assert word in found.message


def test_every_finding_has_a_case():
    """Every function of the tuple, in whose order findings are told."""
    bad = replace(GOOD, **{name: value for changes, *_ in CASES.values() for name, value in changes.items()})
    bad = replace(bad, visibility_seconds=by(60.0), acks_late=by(value=True), prefetch_multiplier=by(4))
    told = [one.code for one in lint(bad)]
    assert len({code for _, code, *_ in CASES.values()}) == len(FINDINGS)
    assert told == list(dict.fromkeys(code for _, code, *_ in CASES.values() if code in told))
    assert len(told) == len(FINDINGS) - 1  # early and late acknowledgement exclude each other


@pytest.mark.parametrize("name", SILENT)
def test_nothing_to_say(name: str):
    """What is fine, or does not apply, is no finding."""
    codes = {one.code for one in lint(replace(GOOD, **SILENT[name]))}
    assert codes <= {"VisibilityTimeoutDiffers"}


def readings(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Reading[Any]]:
    """Draw a reading with one of these values."""
    return st.builds(fresh, values, st.just("somebody"))


BUDGETS = st.lists(st.builds(Budget, st.just("b"), st.just("r"), st.integers(0, 2)), max_size=2).map(tuple)
WRITERS = st.lists(
    st.builds(Writer, st.sampled_from(["helm", "kubectl"]), st.sampled_from(["Apply", "Update"])), max_size=2
).map(tuple)
SECONDS = st.sampled_from([1.0, 59.0, 60.0, 3600.0, 86400.0])
DRAWN = st.builds(
    Habits,
    max_replicas=st.integers(0, 3),
    expected_task_seconds=SECONDS,
    configured_visibility_seconds=SECONDS,
    overrides=st.sampled_from([(), ("autoscaler/paused by annotation",)]),
    ignored_overrides=st.sampled_from([(), ("autoscaler/paused: it is ignored",)]),
    grace_seconds=readings(st.sampled_from([0, 30, 60, 7200])),
    pod_management=readings(st.sampled_from(["OrderedReady", "Parallel"])),
    updating=readings(st.sampled_from(["", "1 of 3 updated"])),
    partition=readings(st.integers(0, 2)),
    shutdown=readings(st.sampled_from(["", "a preStop"])),
    shell=readings(st.booleans()),
    budgets=readings(BUDGETS),
    remote_control=readings(st.booleans()),
    acks_late=readings(st.booleans()),
    prefetch_multiplier=readings(st.integers(0, 4)),
    fair=readings(st.booleans()),
    slots=readings(st.integers(1, 16)),
    redelivers=readings(st.booleans()),
    visibility_seconds=readings(SECONDS),
    longest_task_seconds=readings(SECONDS),
    replica_writers=readings(WRITERS),
    applied_replicas=readings(st.booleans()),
)
NAMES = [item.name for item in fields(Habits)]


@given(DRAWN, st.sets(st.sampled_from(NAMES)))
def test_what_is_not_known_never_makes_a_finding(habits: Habits, forgotten: set[str]):
    """To forget facts may silence findings, and adds none."""
    nothing: dict[str, Any] = {name: UNSEEN if name in LABELS else None for name in forgotten}
    less = replace(habits, **nothing)
    assert {one.code for one in lint(less)} <= {one.code for one in lint(habits)}


def test_nothing_known_nothing_found():
    """And each gap is told, those of one reason together."""
    seen = examined(TargetRef("data", "w"), Habits(acks_late=unknown("", "no worker is ready")))
    assert seen.findings == ()
    assert seen.not_known[-1] == "task_acks_late: no worker is ready"
    assert seen.not_known[0].startswith("terminationGracePeriodSeconds, podManagementPolicy, ")
    assert seen.not_known[0].endswith(": not looked at")


def test_what_does_not_apply_is_no_gap():
    """A RabbitMQ has no visibility timeout."""
    assert gaps(replace(GOOD, visibility_seconds=unknown("", ""))) == ()
    assert set(LABELS) == {item.name for item in fields(Habits) if item.default is not None}
