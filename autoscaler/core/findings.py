"""What a finding is: one thing to change, with what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a task may be lost or run twice, or whether something merely could be better."""

    RISK = "risk"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change: `code` is a CamelCase word fit for a label or a condition's reason."""

    code: str
    severity: Severity
    message: str


def risk(code: str, message: str) -> Finding:
    """Return one by which a task may be lost or run twice."""
    return Finding(code, Severity.RISK, message)


def advice(code: str, message: str) -> Finding:
    """Return one about what could be better."""
    return Finding(code, Severity.ADVICE, message)
