"""What there is to say about an HPA on a target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.findings import Severity
from autoscaler.core.habits import UNSEEN, Habits
from autoscaler.core.hpa import Hpa
from autoscaler.core.lint import lint
from autoscaler.core.lint_hpa import HPA_FINDINGS
from autoscaler.core.model import fresh
from autoscaler.core.policy import HpaMode
from tests.core.test_hpa import ACTIVATE, FLOOR, OBSERVE, OWN, hpa

RISK, ADVICE = Severity.RISK, Severity.ADVICE
KEDA = hpa(made_by_keda=True)


def beside(mode: HpaMode | None, *hpas: Hpa, **settings: Any) -> Habits:
    """Return a target with HPAs, of which nothing else is known."""
    bounds = {"min_replicas": 0, "max_replicas": 10}
    return Habits(hpa_mode=mode, hpas=fresh(hpas, "HPAs"), **{**bounds, **settings})


CASES: dict[str, tuple[Habits, Severity, str, str]] = {
    "two": (
        beside(FLOOR, hpa(), hpa()),
        RISK,
        "HpaConflict",
        "2 HPAs scale it: cpu, cpu. The target is",
    ),
    "KEDA": (beside(ACTIVATE, KEDA), RISK, "HpaConflict", "HPA cpu is KEDA's"),
    "a fight": (beside(OWN, hpa()), RISK, "HpaFights", "hpa is own, but HPA cpu (1 to 10 on cpu) scales"),
    "two fights": (beside(OWN, hpa(), KEDA), RISK, "HpaFights", "and HPA cpu"),
    "activate": (beside(ACTIVATE, hpa()), ADVICE, "HpaRules", 'With hpa = "floor" its minReplicas follows'),
    "zero": (beside(ACTIVATE, hpa(least=0)), ADVICE, "HpaRules", "scales to zero itself"),
    "maximum": (beside(FLOOR, hpa(most=5)), ADVICE, "HpaBounds", "max_replicas 10 is more than its maxRep"),
    "minimum": (beside(FLOOR, hpa(least=3), max_replicas=2), ADVICE, "HpaBounds", "max_replicas 2 is less"),
    "metrics": (
        beside(FLOOR, hpa(inactive="FailedGetResourceMetric")),
        ADVICE,
        "HpaInactive",
        "(FailedGetResourceMetric)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_finding(name: str):
    """Each alone."""
    habits, severity, code, words = CASES[name]
    (found,) = lint(habits)
    assert (found.severity, found.code) == (severity, code)
    assert words in found.message


def test_a_minimum_of_ours_that_an_hpa_does_not_keep():
    """Beside the advice to have it follow."""
    rules, bounds = lint(beside(ACTIVATE, hpa(), min_replicas=2))
    assert (rules.code, bounds.code) == ("HpaRules", "HpaBounds")
    assert "min_replicas 2 is more than its minReplicas 1" in bounds.message


@pytest.mark.parametrize(
    "habits",
    [
        beside(ACTIVATE),
        beside(FLOOR, hpa()),
        beside(FLOOR, hpa(inactive="ScalingDisabled")),
        beside(OBSERVE, hpa()),
        beside(OBSERVE, hpa(), hpa()),
        beside(None, hpa(), hpa()),
        Habits(hpa_mode=OWN),
    ],
    ids=["none", "floor", "at zero", "observe", "observe two", "no mode", "not known"],
)
def test_nothing_to_say(habits: Habits):
    """What is fine, or not known."""
    assert lint(habits) == ()


def test_to_forget_adds_nothing():
    """Whatever is not known makes no finding."""
    for habits, *_ in CASES.values():
        told = {one.code for one in lint(habits)}
        for nothing in ({"hpas": UNSEEN}, {"hpa_mode": None}, {"max_replicas": None}, {"min_replicas": None}):
            assert {one.code for one in lint(replace(habits, **nothing))} <= told
    assert len(HPA_FINDINGS) == len({code for _, _, code, _ in CASES.values()})
