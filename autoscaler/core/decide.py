"""The decision: what the demand asks for, then every limit that binds it, and the way down to it."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.demand import demand_step, measure
from autoscaler.core.drain import drain
from autoscaler.core.floor import floor
from autoscaler.core.history import History
from autoscaler.core.limits import LIMITS
from autoscaler.core.limits.behavior import tolerance
from autoscaler.core.limits.hpa import asked
from autoscaler.core.limits.overrides import bounded
from autoscaler.core.limits.resources import quota, without_room
from autoscaler.core.limits.view import View
from autoscaler.core.model import Decision, Step
from autoscaler.core.policy import HpaMode, Policy
from autoscaler.core.snapshot import Snapshot

STAGES = (*(limit.__name__ for limit in LIMITS), drain.__name__)
"""The names of all that may bind what the demand asks for, in order."""


BEST_EFFORT = "a Deployment has the last word on which pods go, so draining it is best effort"


def decide(snapshot: Snapshot, policy: Policy, history: History) -> Decision:
    """Return how many replicas the target should have, and why.

    Pure: the same arguments give the same decision. With an unknown demand the present number is the
    proposal, so that the windows remember it when the demand becomes known again.
    """
    demand = measure(snapshot, policy)
    view = View(snapshot, bounded(policy, snapshot.overrides), history, demand)
    steps = [_with_caveats(demand_step(snapshot, demand), view)]
    proposal = wanted = steps[0].replicas
    for limit in LIMITS:
        before = steps[-1].replicas
        step = limit(before, view)
        if step is not None:
            steps.append(step)
        if limit is quota:
            wanted = before
        if limit is tolerance:
            proposal = steps[-1].replicas
    way = drain(steps[-1].replicas, view)
    if way.step is not None:
        steps.append(way.step)
    return Decision(
        target=snapshot.target,
        at=snapshot.at,
        uid=snapshot.workers.uid,
        current=snapshot.workers.replicas,
        demand_slots=None if demand is None else demand.slots,
        proposal=proposal,
        wanted=wanted,
        idle=view.idle,
        later_tasks=0 if demand is None else demand.later,
        steps=tuple(steps),
        cordons=way.cordons,
        orders=way.orders,
        departing=way.departing,
        ripe=way.ripe,
        floor=floor(steps[-1].replicas, view),
        hpa_asks=asked(view),
        without_room=without_room(snapshot),
    )


def _with_caveats(step: Step, view: View) -> Step:
    """Return the first step, which says what cannot be promised for this target."""
    caveats = [] if view.snapshot.target.kind == "StatefulSet" else [BEST_EFFORT]
    if view.policy.hpa is HpaMode.OWN:
        caveats += [f"{one} fights for it (hpa is own)" for one in view.snapshot.hpas.value or ()]
    return replace(step, message="; ".join([step.message, *caveats]))
