"""Telling people of a HorizontalPodAutoscaler on a target: what it may do, what we do, what is better.

Told once, and again when anything of it changes.
"""

from __future__ import annotations

from autoscaler.core.hpa import Hpa, conflict
from autoscaler.core.model import Notice, Reading
from autoscaler.core.policy import HpaMode

ADVICE = (
    'hpa = "floor" keeps the HPA in charge and has it spare busy workers; or delete it, if CPU is not what '
    "the workers are short of"
)
ROLES = {
    HpaMode.ACTIVATE: "it rules between zero and its maximum, blind to tasks, while we go to zero and come "
    f"from there. {ADVICE}",
    HpaMode.FLOOR: "it may raise, and only we lower: its minReplicas follows what is needed, and is restored "
    "at the end",
    HpaMode.OBSERVE: "it rules, and nothing is written by us",
}


def notice(hpas: Reading[tuple[Hpa, ...]], mode: HpaMode) -> Notice | None:
    """Return what is to be told of the HPAs of a target, None where there is nothing."""
    found = hpas.value
    if found is None:
        return None
    if not found:
        return None if hpas.is_fresh else _unseen(hpas.detail, mode)
    trouble = conflict(found)
    if mode is HpaMode.OWN:
        named = " and ".join(map(str, found))
        return Notice("HpaFights", f"{named} and we undo each other's work (hpa is own): {ADVICE}")
    if trouble and mode is not HpaMode.OBSERVE:
        return Notice("HpaConflict", f"{trouble}: the target is left alone until one of us is gone")
    named = " and ".join(map(str, found))
    return Notice("HpaFound", f"{named} scales it too (hpa is {mode}): {ROLES[mode]}", warning=False)


def _unseen(detail: str, mode: HpaMode) -> Notice:
    what = "nothing shrinks" if mode is HpaMode.FLOOR else "it is scaled as if there were none"
    return Notice("HpaUnseen", f"{detail}: {what}")
