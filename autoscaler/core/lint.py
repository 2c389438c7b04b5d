"""What about a target's workers costs tasks or time, told before it does.

Each finding is a function of the target's habits that returns None where there is nothing to say, and
says nothing about what is not known: to forget a fact never makes a finding. The order of `FINDINGS` is
the order in which they are told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.core.findings import Finding, Severity
from autoscaler.core.findings import advice as _advice
from autoscaler.core.findings import risk as _risk
from autoscaler.core.habits import Budget, Habits, gaps
from autoscaler.core.lint_hpa import HPA_FINDINGS
from autoscaler.core.lint_quota import QUOTA_FINDINGS
from autoscaler.core.model import TargetRef
from autoscaler.core.writers import APPLY, WriterKind

SHORTEST_GRACE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Examined:
    """What there is to say about a target, and what is not known of it and why."""

    target: TargetRef
    findings: tuple[Finding, ...]
    not_known: tuple[str, ...]


def examined(target: TargetRef, habits: Habits) -> Examined:
    """Return all that a look at a target came to."""
    return Examined(target, lint(habits), gaps(habits))


def lint(habits: Habits) -> tuple[Finding, ...]:
    """Return what there is to say about a target, in the order of `FINDINGS`, then of its HPAs and quotas."""
    found = (finding(habits) for finding in (*FINDINGS, *HPA_FINDINGS, *QUOTA_FINDINGS))
    return tuple(one for one in found if one is not None)


def _longest(habits: Habits) -> tuple[float, str] | None:
    """Return how long a task may run and who said so: the longest of what was seen and is expected."""
    known = []
    if habits.longest_task_seconds.value is not None:
        known.append((habits.longest_task_seconds.value, f"seen on {habits.longest_task_seconds.source}"))
    if habits.expected_task_seconds is not None:
        known.append((habits.expected_task_seconds, "longest_task_seconds"))
    return max(known, default=None)


def short_grace_period(habits: Habits) -> Finding | None:
    """Tell of pods that are killed before a task that runs can end."""
    grace, longest = habits.grace_seconds.value, _longest(habits)
    if grace is None:
        return None
    if longest is not None and grace < longest[0]:
        why = f"shorter than a task of {longest[0]:.0f} s ({longest[1]})"
    elif grace < SHORTEST_GRACE_SECONDS:
        why = f"shorter than {SHORTEST_GRACE_SECONDS} s"
    else:
        return None
    return _risk(
        "GracePeriodShort",
        f"terminationGracePeriodSeconds is {grace} s, {why}. Scale-in waits for tasks, but a node drain, an "
        "eviction or a rollout kills what still runs after it. Set it in the pod template to more than the "
        "longest task takes.",
    )


def cold_shutdown(habits: Habits) -> Finding | None:
    """Tell of a worker that kills its tasks when it is told to end."""
    if not habits.shutdown.value:
        return None
    return _risk(
        "ColdShutdown",
        f"{habits.shutdown.value} makes the end of a worker a cold shutdown: its running tasks are killed at "
        "once, or after worker_soft_shutdown_timeout. Remove it: on SIGTERM alone a worker ends its tasks "
        "first.",
    )


def shell_in_between(habits: Habits) -> Finding | None:
    """Tell of a shell at which SIGTERM ends: the worker is killed with all that it runs."""
    if not habits.shell.value:
        return None
    return _risk(
        "ShellHidesSigterm",
        f"{habits.shell.source} starts the worker from a shell that does not pass SIGTERM on: the worker "
        "goes on taking tasks until it is killed at the end of the grace period. Put exec before the "
        "worker's command (some shells do so for a single command; exec is sure).",
    )


def early_ack(habits: Habits) -> Finding | None:
    """Tell of tasks that are gone when they are killed."""
    if habits.acks_late.value is not False:
        return None
    return _risk(
        "EarlyAck",
        f"task_acks_late is false ({habits.acks_late.source}): a task whose worker is killed, with its node "
        "or for its memory, is lost. For tasks that may run twice set task_acks_late and "
        "task_reject_on_worker_lost to true.",
    )


def short_visibility_timeout(habits: Habits) -> Finding | None:
    """Tell of tasks that are handed to a second worker while they run."""
    longest, timeout = _longest(habits), habits.visibility_seconds
    if not (habits.redelivers.value and habits.acks_late.value and longest) or timeout.value is None:
        return None
    if timeout.value >= longest[0]:
        return None
    return _risk(
        "VisibilityTimeoutShort",
        f"visibility_timeout is {timeout.value:.0f} s ({timeout.source}), shorter than a task of "
        f"{longest[0]:.0f} s ({longest[1]}): Redis hands such a task to a second worker while it runs. Set "
        "visibility_timeout in broker_transport_options to more than the longest task takes.",
    )


def other_visibility_timeout(habits: Habits) -> Finding | None:
    """Tell of a visibility timeout that is not the one reckoned with here."""
    ours, timeout = habits.configured_visibility_seconds, habits.visibility_seconds
    if not habits.redelivers.value or ours is None or timeout.value in {None, ours}:
        return None
    return _advice(
        "VisibilityTimeoutDiffers",
        f"broker.visibility_timeout_seconds is {ours:.0f}, but visibility_timeout is {timeout.value:.0f} s "
        f"({timeout.source}): what a dead worker left counts as work for another time than it should. Set "
        f"broker.visibility_timeout_seconds = {timeout.value:.0f}.",
    )


def hoarding(habits: Habits) -> Finding | None:
    """Tell of tasks that wait behind a busy worker."""
    multiplier, fair = habits.prefetch_multiplier, habits.fair
    if multiplier.value in {None, 1}:
        return None
    unfair = fair.value is False
    more = f" With {fair.source} one waits even for a busy process beside a free one." if unfair else ""
    return Finding(
        "PrefetchHoarding",
        Severity.RISK if unfair or multiplier.value == 0 else Severity.ADVICE,
        f"worker_prefetch_multiplier is {multiplier.value} ({multiplier.source}): {_hoard(habits)} What it "
        "does not run yet waits behind what it runs, though other workers are free, and a worker that is to "
        f"go has to run it first, unless drain.return_reserved is set.{more} Set "
        "worker_prefetch_multiplier to 1.",
    )


def _hoard(habits: Habits) -> str:
    """Return how many tasks a worker takes in advance."""
    multiplier, slots = habits.prefetch_multiplier.value, habits.slots.value
    if not multiplier:
        return "a worker takes every task that waits."
    if slots is None:
        return f"a worker takes up to {multiplier} tasks for each of its slots."
    return f"a worker with {slots} slots takes up to {slots * multiplier} tasks."


def remote_control_off(habits: Habits) -> Finding | None:
    """Tell of workers that can neither be asked nor told anything."""
    if habits.remote_control.value is not False:
        return None
    return _risk(
        "RemoteControlOff",
        f"{habits.remote_control.source} is false: workers cannot be asked what they hold, nor told to take "
        "no new tasks before they go. Set it to true.",
    )


def ordered_start(habits: Habits) -> Finding | None:
    """Tell of workers that start one after the other."""
    most = habits.max_replicas
    if habits.pod_management.value != "OrderedReady" or most is None or most < 2:  # noqa: PLR2004
        return None
    return _advice(
        "OrderedReady",
        "podManagementPolicy is OrderedReady: each worker starts only when the one before it is Ready, and "
        "while one is not, none after it ends. Parallel starts and ends all at once. It cannot be changed on "
        "an existing StatefulSet: delete it with kubectl delete statefulset --cascade=orphan, which leaves "
        "its pods running, and create it anew.",
    )


def disruption_budget(habits: Habits) -> Finding | None:
    """Tell of a budget that covers the workers, which does something else than one may think."""
    budgets = habits.budgets.value
    if not budgets:
        return None
    named = ", ".join(map(_described, budgets))
    return _advice(
        "DisruptionBudget",
        f"PodDisruptionBudget {named} covers the workers: it does not hold back scale-in, but a node drain "
        "waits for as long as it allows no eviction. Prefer maxUnavailable = 1, which allows one while all "
        "workers are healthy, however many there are.",
    )


def _described(budget: Budget) -> str:
    none = ", allows none at present" if budget.allowed == 0 else ""
    return f"{budget.name} ({budget.rule}{none})"


def partition(habits: Habits) -> Finding | None:
    """Tell of a rollout that is held back, perhaps for longer than somebody means it to be."""
    if not habits.partition.value:
        return None
    return _advice(
        "PartitionSet",
        f"updateStrategy.rollingUpdate.partition is {habits.partition.value}: pods below that ordinal keep "
        "the old template, even those that are made anew, until it is lowered. It holds no scale-in once the "
        "pods above are new.",
    )


def rollout(habits: Habits) -> Finding | None:
    """Tell of a rollout, which holds scale-in for a while and ends workers itself."""
    if not habits.updating.value:
        return None
    return _advice(
        "RolloutInProgress",
        f"a rollout is in progress ({habits.updating.value}): it ends workers by their grace period, "
        "whatever they run, and holds scale-in for rollout_hold_seconds at most. See kubectl rollout status "
        "and docs/rollouts.md.",
    )


def ignored_override(habits: Habits) -> Finding | None:
    """Tell of annotations that somebody believes to have an effect."""
    if not habits.ignored_overrides:
        return None
    return _advice("OverrideIgnored", f"{'; '.join(habits.ignored_overrides)}. See docs/overrides.md.")


def override(habits: Habits) -> Finding | None:
    """Tell of annotations that are in force, which somebody may have forgotten."""
    if not habits.overrides:
        return None
    return _advice(
        "OverrideInForce",
        f"{'; '.join(habits.overrides)}: to end it, remove the annotation with kubectl annotate.",
    )


def server_side_replicas(habits: Habits) -> Finding | None:
    """Tell of replicas that are applied server-side: the next deploy fails, or ends workers."""
    appliers = [
        str(writer)
        for writer in habits.replica_writers.value or ()
        if writer.kind is WriterKind.DEPLOY_TOOL and writer.operation == APPLY
    ]
    if not appliers:
        return None
    return _risk(
        "ReplicasAppliedServerSide",
        f"spec.replicas belongs to {' and '.join(appliers)}: once it has been scaled, an apply of another "
        'number is refused (409, conflict with "autoscaler" with subresource "scale"), or, where conflicts '
        "are forced as Argo CD and Flux do, puts the replicas back and ends workers that are at work. Leave "
        "replicas out of what is applied: docs/writers.md has how.",
    )


def client_side_replicas(habits: Habits) -> Finding | None:
    """Tell of replicas that each deploy puts back, ending workers."""
    owners = [
        str(writer)
        for writer in habits.replica_writers.value or ()
        if writer.kind is WriterKind.DEPLOY_TOOL and writer.operation != APPLY
    ]
    if habits.applied_replicas.value:
        what = f"replicas stands in {habits.applied_replicas.source}"
    elif owners:
        what = f"spec.replicas was written by {' and '.join(owners)}"
    else:
        return None
    return _risk(
        "ReplicasAppliedClientSide",
        f"{what}: each deploy puts the replicas back to that and ends workers that are at work. Leave "
        "replicas out of what is deployed: docs/writers.md has how, and what to mind when it goes.",
    )


FINDINGS: tuple[Callable[[Habits], Finding | None], ...] = (
    cold_shutdown,
    shell_in_between,
    short_grace_period,
    early_ack,
    short_visibility_timeout,
    remote_control_off,
    hoarding,
    other_visibility_timeout,
    ordered_start,
    disruption_budget,
    partition,
    rollout,
    ignored_override,
    override,
    client_side_replicas,
    server_side_replicas,
)
