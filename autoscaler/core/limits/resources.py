"""What there is room for: in the namespace's quotas, and in the database that workers connect to.

A pod that is asked for and not admitted helps nobody: its StatefulSet tries again and again, backs off, and
then fails to follow for minutes after the quota was raised; a parallel one can fail to come back down.
"""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.allotment import Allotment, Contender, allot, surrender
from autoscaler.core.limits.caution import certainty
from autoscaler.core.limits.hpa import is_unseen, least_standing, sole, stays_out
from autoscaler.core.limits.rollouts import rollout_holds
from autoscaler.core.limits.view import NAMED, View
from autoscaler.core.model import Quality, Step, TargetRef
from autoscaler.core.quarters import Contest
from autoscaler.core.quota import Bound, BoundKind
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.starting import missing

FULL = frozenset({BoundKind.QUOTA, BoundKind.STATUS_UNKNOWN})
"""What keeps a worker out that others would let in; anything else keeps out every worker of its shape."""


def db_connections(proposed: int, view: View) -> Step | None:
    """Never more workers than the database has connections for."""
    most, each = view.policy.max_db_connections, view.policy.db_connections_per_worker
    if most is None or proposed <= most // each:
        return None
    message = f"max_db_connections is {most}, at {each} for each worker"
    return Step("db_connections", most // each, "DatabaseConnections", message)


def quota(proposed: int, view: View) -> Step | None:
    """Never ask for a pod that would not be admitted; give way where a quota was lowered below its use."""
    contest = view.snapshot.contest
    if contest is None:
        return _unknown(proposed, view)
    step = None
    if _kept(contest).lacking(proposed):
        step = _admitted(proposed, view, contest)
    if contest.exceeded and _may_take_back(view) and not _holds(view):
        step = _given_way(proposed if step is None else step.replicas, view, contest) or step
    return None if step is None else _standing(step, view)


def _standing(step: Step, view: View) -> Step:
    """Return the step, with as many replicas as an HPA has asked for: it would put back what is fewer.

    Whoever is to go then, and stays, would take room and no tasks.
    """
    least = least_standing(view)
    if step.replicas == 0 or step.replicas >= least:
        return step
    return replace(step, replicas=least, message=f"{step.message}; {least} stay, as {sole(view)} has them")


def without_room(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the pods that are missing since a quota keeps them out: they are made when there is room."""
    contest = snapshot.contest
    if contest is None:
        return ()
    admitted = sum(place < contest.admitted for place in contest.own.lacking(contest.own.asked))
    return tuple(name for name, _ in missing(snapshot))[admitted:]


def _kept(contest: Contest) -> Contender:
    """Return the target with the pods that it need not ask for.

    Those that go would be made anew in the room that they leave, which there is none of beyond a quota.
    """
    own = contest.own
    return replace(own, places=own.staying) if contest.exceeded else own


def _unknown(proposed: int, view: View) -> Step | None:
    detail = view.snapshot.quotas_detail
    if not detail or proposed <= view.current:
        return None
    return Step("quota", view.current, "QuotaUnknown", f"what the quotas allow is not known yet: {detail}")


def _may_take_back(view: View) -> bool:
    """Return whether fewer may be asked for: nobody has ordered otherwise, or reverses it again and again.

    Neither is the target left to others. A pod that is not seen may run already in a place that seems to be
    empty.
    """
    snapshot = view.snapshot
    seen = snapshot.workers_quality is Quality.FRESH and not is_unseen(view)
    ours = not snapshot.overrides.keeps_all and not stays_out(view)
    return seen and ours and view.history.others.fighting(snapshot.at) is None


def _holds(view: View) -> bool:
    """Return whether nobody may be sent home at present."""
    return certainty(0, view) is not None or rollout_holds(view)


def _admitted(proposed: int, view: View, contest: Contest) -> Step | None:
    """Return the step to what is admitted, None where all is."""
    own = _kept(contest)
    allotted = allot(contest.lately, (replace(own, wants=proposed), *contest.rivals))
    mine = allotted[own.target]
    lacking = own.lacking(proposed)
    if mine.pods == len(lacking):
        return None
    firm = contest.firm if _may_take_back(view) else own.asked
    below = max(lacking[mine.pods], firm, max(own.staying, default=-1) + 1)
    replicas = below if below >= own.asked else own.workers(below)
    if replicas >= proposed:
        return None
    reason = "QuotaLimited" if all(bound.kind in FULL for bound in mine.bounds) else "PodNotAdmitted"
    message = f"wanted {proposed}, {replicas} fit: {_named(mine.bounds, own)}{_beside(allotted, contest)}"
    return Step("quota", replicas, reason, message)


def _named(bounds: tuple[Bound, ...], own: Contender) -> str:
    """Return what keeps the next one out, and how much of it is kept free."""
    words = "; ".join(bound.text for bound in bounds[:NAMED])
    more = f" and {len(bounds) - NAMED} more" if len(bounds) > NAMED else ""
    kept = " (quota_reserve left out)" if own.reserves else ""
    return f"{words}{more}{kept}"


def _beside(allotted: dict[TargetRef, Allotment], contest: Contest) -> str:
    """Return who else of ours is given room that this target could have used."""
    pods = ((rival.target.name, allotted[rival.target].pods) for rival in contest.rivals)
    given = [f"{name} gets {count}" for name, count in pods if count]
    return f"; {', '.join(given[:NAMED])}" if given else ""


def _given_way(proposed: int, view: View, contest: Contest) -> Step | None:
    """Return the step down to what a lowered quota allows, None where nobody has to give way."""
    own = contest.own
    due = surrender(contest.limits, contest.contenders(proposed), own.target)
    replicas = max(len(own.staying) - due.workers, view.policy.min_replicas)
    if not due.workers or replicas >= proposed:
        return None
    message = f"{', '.join(bound.text for bound in due.bounds[:NAMED])}: {due.workers} give way once idle"
    return Step("quota", replicas, "QuotaExceeded", message)
