"""Why the replicas are not lowered further, or at what risk they are, in words for people."""

from __future__ import annotations

from autoscaler.core.drain_plan import PROVEN, Plan, chooses_others, mixes_templates, passable
from autoscaler.core.evidence import missing_evidence
from autoscaler.core.limits.hpa import least_standing, sole
from autoscaler.core.limits.view import NAMED, View
from autoscaler.core.model import Step
from autoscaler.core.standing import Standing, Worker, overdue, standing


def reason(wanted: int, replicas: int, plan: Plan) -> Step | None:
    """Return the step that tells who is waited for, or who goes without proof; None when neither."""
    if replicas <= wanted:
        return _unproven(replicas, plan)
    waited_for = [
        worker
        for worker in reversed(plan.crew)
        if plan.keep <= worker.place < replicas and not passable(worker, plan)
    ]
    if not waited_for:
        return _held_by_the_kind(replicas, plan)
    late = any(overdue(worker, plan.view) for worker in waited_for)
    clauses = [f"{worker.pod.name} {_told(worker, plan)}" for worker in waited_for[:NAMED]]
    if len(waited_for) > NAMED:
        clauses.append(f"{len(waited_for) - NAMED} more are waited for")
    if wanted < least_standing(plan.view):
        clauses.append(f"{sole(plan.view)} would put back whoever goes before")
    if not plan.view.policy.remote_control:
        clauses.append(_lacking(plan.view))
    if late:
        seconds = plan.view.policy.drain.deadline_seconds
        clauses.append(f"the deadline of {seconds:g} s has passed, and drain.at_deadline is to wait")
    message = f"draining to {wanted}: {', '.join(clauses)}"
    return Step("drain", replicas, "DrainDeadlinePassed" if late else "Draining", message)


def _held_by_the_kind(replicas: int, plan: Plan) -> Step:
    """Return why nobody more goes although nobody is at work: how the cluster removes pods."""
    if mixes_templates(plan):
        why = (
            "a Deployment with pods of two templates removes some of each: only to zero is it known who goes"
        )
        return Step("drain", replicas, "PodsOfTwoTemplates", why)
    if chooses_others(plan):
        why = "a Deployment removes pods that are not Ready first, and some of those that are to stay are not"
        return Step("drain", replicas, "PodsNotReady", why)
    if replicas > plan.keep:
        why = "pods are ended one after the other, and the next one could be at work by its turn"
        return Step("drain", replicas, "EndedOneByOne", why)
    why = f"some ordinals have no pod: fewer than {replicas} replicas would keep fewer workers"
    return Step("drain", replicas, "OrdinalsMissing", why)


def _told(worker: Worker, plan: Plan) -> str:
    """Return what is known of a worker that is waited for."""
    stage, account = standing(worker, plan.view), worker.account
    if stage is Standing.BUSY and account is not None:
        return f"has {account.active} running and {account.reserved} reserved"
    if stage is Standing.OPEN and worker.place < plan.open_below:
        return "still takes tasks, as the workers below it do not cover the demand"
    return stage.value


def _lacking(view: View) -> str:
    """Return what the broker's word lacks, where it has to do."""
    missing = missing_evidence(view.snapshot, view.policy)
    window = view.policy.scale_down.stabilization_window_seconds
    needs = "; ".join(missing) if missing else f"{window:g} s without any task at the broker would show it"
    return f"workers are not asked (remote_control is off): {needs}"


def _unproven(replicas: int, plan: Plan) -> Step | None:
    """Return the step that states the risk of lowering past workers that are not proven idle."""
    going = [worker for worker in plan.crew if worker.stays and worker.place >= replicas]
    names = [worker.pod.name for worker in going if standing(worker, plan.view) not in PROVEN]
    if names:
        seconds = plan.view.policy.drain.deadline_seconds
        why = f"{', '.join(names[:NAMED])} not idle after {seconds:g} s: left to the grace period"
        return Step("drain", replicas, "DrainDeadlineForced", why)
    if going and not plan.view.policy.remote_control:
        why = "workers are not asked (remote_control is off): what they acknowledged early relies on the "
        return Step("drain", replicas, "BrokersWordAlone", f"{why}grace period")
    return None
