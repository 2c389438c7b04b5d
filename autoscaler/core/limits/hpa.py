"""What may be asked for beside a HorizontalPodAutoscaler on the same target, so that nobody undoes it.

An HPA puts back what leaves its bounds or what its metrics ask for, and it lowers whenever they ask for
less. Whoever writes against that is written against 15 seconds later, for as long as both live.
"""

from __future__ import annotations

from autoscaler.core.hpa import Hpa, conflict, only
from autoscaler.core.limits.caution import certainty
from autoscaler.core.limits.view import View
from autoscaler.core.model import Step
from autoscaler.core.policy import HpaMode

METRICS_AFTER_SECONDS = 60.0
"""For how long after its start a pod may have no metrics yet."""

PEACE_SECONDS = 60.0
"""For how long nothing is lowered that somebody else has raised, be it to zero."""

OTHER_MODE = 'hpa = "floor" would have its minReplicas follow the demand'


def sole(view: View) -> Hpa | None:
    """Return the HPA that the target is shared with, None where there is none, or none to share with."""
    return only(view.snapshot.hpas.value or ())


def stays_out(view: View) -> bool:
    """Return whether the target is left to others, its workers' cordons included."""
    mode = view.policy.hpa
    ruled = mode is not HpaMode.OWN and bool(conflict(view.snapshot.hpas.value or ()))
    return mode is HpaMode.OBSERVE or ruled


def is_unseen(view: View) -> bool:
    """Return whether nothing may shrink as HPAs are not seen: one might put it back, or lower on."""
    mode, reading = view.policy.hpa, view.snapshot.hpas
    if mode is HpaMode.OWN or reading.is_fresh:
        return False
    return reading.value is None or mode is HpaMode.FLOOR


def hpa(proposed: int, view: View) -> Step | None:
    """Ask for nothing that an HPA would undo."""
    mode, reading = view.policy.hpa, view.snapshot.hpas
    if mode is HpaMode.OWN:
        return None
    if mode is HpaMode.OBSERVE:
        named = " and ".join(map(str, reading.value or ())) or "no HPA is seen"
        return _kept(proposed, view, "HpaObserved", f"hpa is observe ({named}): nothing is written")
    if is_unseen(view) and proposed < view.current:
        return _kept(proposed, view, "HpaUnknown", f"{reading.detail}: nothing shrinks on that")
    trouble = conflict(reading.value or ())
    if trouble:
        return _kept(proposed, view, "HpaConflict", f"{trouble}: it is left alone")
    one = sole(view)
    if one is None:
        return None
    return _activated(proposed, one, view) if mode is HpaMode.ACTIVATE else _floored(proposed, one, view)


def _kept(proposed: int, view: View, reason: str, message: str) -> Step | None:
    """Return the step that stays at what is there, None where that is proposed."""
    if proposed == view.current:
        return None
    return Step("hpa", view.current, reason, f"{message}; {proposed} would have been asked for")


def _activated(proposed: int, one: Hpa, view: View) -> Step | None:
    """Leave everything to the HPA but what it cannot do: go to zero, and come from there."""
    if one.scales_to_zero:
        return _kept(proposed, view, "HpaRules", f"{one} scales to zero itself, and rules")
    if view.current == 0:
        return _within(proposed, one, view) if proposed else None
    if proposed == 0:
        return _peace(view)
    return _kept(proposed, view, "HpaRules", f"{one} rules between zero and its maximum ({OTHER_MODE})")


def _floored(proposed: int, one: Hpa, view: View) -> Step | None:
    """Stay within its bounds, or at zero, and above what it would put back."""
    if proposed == 0:
        return _peace(view)
    if proposed >= min(view.current, one.max_replicas):
        return _within(proposed, one, view)
    least = least_standing(view)
    if proposed >= least:
        return None
    if least <= one.own_min:
        return Step("hpa", least, "HpaMinReplicas", f"minReplicas of {one} is {one.own_min}")
    if one.load is None and _unmeasured(view):
        return Step("hpa", least, "HpaWants", f"{one} is about to see the metrics of new workers")
    message = f"{one} or somebody else has asked for {least} within {_window(one):g} s: fewer are put back"
    return Step("hpa", least, "HpaWants", message)


def _within(proposed: int, one: Hpa, view: View) -> Step | None:
    """Keep to the bounds of an HPA, upwards as far as our own maximum and the database allow.

    Nobody goes for its maximum on readings that let nothing shrink.
    """
    least, most = one.own_min, one.max_replicas
    if most < view.current and (is_unseen(view) or certainty(most, view) is not None):
        most = view.current
    if proposed > most:
        return Step("hpa", most, "HpaMaxReplicas", f"maxReplicas of {one} is {one.max_replicas}")
    allowed = min(least, view.policy.most_workers)
    if proposed < allowed:
        return Step("hpa", allowed, "HpaMinReplicas", f"minReplicas of {one} is {least}")
    return None


def _peace(view: View) -> Step | None:
    """Do not go to zero right after somebody has raised the replicas."""
    raised = view.history.raised
    if raised is None or view.current == 0 or view.snapshot.at - raised.at >= PEACE_SECONDS:
        return None
    ago = view.snapshot.at - raised.at
    message = f"raised to {raised.replicas} by another {ago:.0f} s ago, which stands for {PEACE_SECONDS:g} s"
    return Step("hpa", view.current, "HpaJustRaised", message)


def asked(view: View) -> int | None:
    """Return what the metrics of the HPA ask for at most, None where that is not known."""
    one = sole(view)
    return None if one is None else one.asks(_unmeasured(view))


def _unmeasured(view: View) -> int:
    """Return how many pods may have no metrics yet."""
    return sum(
        pod.occupied
        and not pod.terminating
        and (pod.started_at is None or view.snapshot.now - pod.started_at < METRICS_AFTER_SECONDS)
        for pod in view.snapshot.workers.pods
    )


def least_standing(view: View) -> int:
    """Return the fewest replicas, no more than there are and beside none at all, that nobody puts back.

    Fewer than the HPA's own minimum, or than its metrics have asked for within its window, do not stand;
    where it rules between its bounds, or is about to see its first metrics, nothing does but what is there.
    """
    one, current = sole(view), view.current
    if one is None or view.policy.hpa in {HpaMode.OWN, HpaMode.OBSERVE}:
        return 0
    if view.policy.hpa is HpaMode.ACTIVATE:
        return current
    if one.load is None and _unmeasured(view):
        return min(current, one.max_replicas)
    at, window = view.snapshot.at, _window(one)
    raised = view.history.raised
    lately = raised.replicas if raised is not None and at - raised.at < window else 0
    wanted = max(one.own_min, asked(view) or 0, view.history.highest_asked(at - window), lately)
    return min(current, one.max_replicas, wanted)


def _window(one: Hpa) -> float:
    return max(one.window_seconds, PEACE_SECONDS)
