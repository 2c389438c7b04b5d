"""Scale-in during a rollout, which ends and starts workers of its own: held, but not for ever."""

from __future__ import annotations

from autoscaler.core.limits.view import View
from autoscaler.core.model import Step
from autoscaler.core.rollouts import progress
from autoscaler.core.stamps import stamp


def rollout(proposed: int, view: View) -> Step | None:
    """Do not shrink while a rollout replaces pods, unless it has been doing so for too long."""
    rolling = view.snapshot.workers.rollout
    if proposed >= view.current or rolling is None or not rollout_holds(view):
        return None
    held = _seconds(view)
    until = view.snapshot.now + view.policy.rollout_hold_seconds - held
    message = (
        f"a rollout is in progress ({progress(rolling)}), which ends workers itself: nothing shrinks, for "
        f"{held:.0f} s now and until {stamp(until)} at the latest"
    )
    return Step("rollout", view.current, "RolloutInProgress", message)


def rollout_holds(view: View) -> bool:
    """Return whether a rollout is in progress, and has not been for `rollout_hold_seconds`."""
    return view.snapshot.workers.updating and _seconds(view) < view.policy.rollout_hold_seconds


def _seconds(view: View) -> float:
    """Return for how long the rollout has been going on; one that nobody remembers begins now."""
    known, rolling = view.history.rolling, view.snapshot.workers.rollout
    if known is None or rolling is None or known.revision != rolling.revision:
        return 0.0
    return view.snapshot.at - known.since
