"""Where the minimum of a HorizontalPodAutoscaler is to be, so that it may raise and only we lower.

Blind to tasks, an HPA lowers past busy workers. With its minimum at the present replicas it cannot. So the
minimum goes up before the replicas do and with whatever raises them, and comes down only to where the drain
has proven everybody idle. The user's own is restored when nobody needs it moved any more.
"""

from __future__ import annotations

from autoscaler.core.drain_plan import PROVEN
from autoscaler.core.hpa import Floor, Hpa
from autoscaler.core.limits.hpa import sole
from autoscaler.core.limits.view import View
from autoscaler.core.model import Quality
from autoscaler.core.overrides import Key
from autoscaler.core.policy import HpaMode
from autoscaler.core.standing import crew_of, standing


def floor(replicas: int, view: View) -> Floor | None:
    """Return the move of an HPA's minimum that goes with so many replicas, None where it stays."""
    one = sole(view)
    alone = view.overrides.get(Key.EXCLUDE) is not None
    if view.policy.hpa is not HpaMode.FLOOR or one is None or alone:
        held = (hpa for hpa in view.snapshot.hpas.value or () if hpa.floored)
        return next((Floor.of(hpa, hpa.own_min, released=True) for hpa in held), None)
    if view.snapshot.closing:
        return Floor.of(one, one.own_min, released=True) if one.floored and harmless(one, view) else None
    to = one.own_min if replicas == 0 else min(max(replicas, one.own_min), one.max_replicas)
    return None if to == one.min_replicas else Floor.of(one, to)


def harmless(one: Hpa, view: View) -> bool:
    """Return whether nobody is at work whom the HPA could end with its user's own minimum.

    Of a Deployment, which chooses the pods that go, it could be anybody.
    """
    if view.snapshot.workers_quality is not Quality.FRESH:
        return False
    by_place = view.snapshot.target.kind == "StatefulSet" or view.current <= one.own_min
    lowest = one.own_min if by_place else 0
    workers = (worker for worker in crew_of(view.snapshot) if worker.place >= lowest)
    return all(standing(worker, view) in PROVEN for worker in workers)
