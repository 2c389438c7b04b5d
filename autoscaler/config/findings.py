"""What a look at the live targets came to, in the words and fields of `autoscaler check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from autoscaler.config.describe import count, documented
from autoscaler.config.literal import printable
from autoscaler.core.findings import Finding, Severity
from autoscaler.core.lint import Examined

COLUMNS = 100
LABEL = 8
INDENT = " " * (LABEL + 3)


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One thing to change about a target's workers."""

    code: str = documented("a CamelCase word for it")
    severity: str = documented("risk: a task may be lost or run twice; advice: it could be better")
    message: str = documented("what is found, what it costs and what to do")


@dataclass(frozen=True, slots=True)
class TargetFindings:
    """What a look at one target came to."""

    findings: tuple[FindingSummary, ...] | None = documented(
        "what there is to change about its workers; null where the cluster was not reached"
    )
    not_known: tuple[str, ...] | None = documented("what could not be found out about it, and why")


@dataclass(frozen=True, slots=True)
class LookSummary:
    """What a look at the cluster came to."""

    cluster_trouble: str = documented("why the cluster was not looked at; empty where it was")
    risks: int | None = documented("how many findings of all targets are risks; null where it was not")


def findings_fields(summary: dict[str, Any], looks: Sequence[Examined], trouble: str) -> dict[str, Any]:
    """Return a configuration's summary, as JSON has it, with what the look at its targets came to."""
    found = [_fields(look) for look in looks] or [TargetFindings(None, None)] * len(summary["targets"])
    targets = [target | asdict(findings) for target, findings in zip(summary["targets"], found, strict=True)]
    return summary | asdict(LookSummary(trouble, None if trouble else risks(looks))) | {"targets": targets}


def risks(looks: Sequence[Examined]) -> int:
    """Return how many findings of all targets are risks."""
    return sum(one.severity is Severity.RISK for look in looks for one in look.findings)


def describe_findings(looks: Sequence[Examined]) -> str:
    """Return what the look at all targets came to, in lines for people."""
    return "\n".join([*(line for look in looks for line in ("", *_lines(look))), "", _total(looks)])


def _fields(look: Examined) -> TargetFindings:
    found = (FindingSummary(one.code, one.severity.value, one.message) for one in look.findings)
    return TargetFindings(tuple(found), look.not_known)


def _lines(look: Examined) -> Iterator[str]:
    yield f"{look.target}: {_counts(look.findings)}"
    for one in look.findings:
        yield from _wrapped(one.severity.value, f"{one.code}: {one.message}")
    for gap in look.not_known:
        yield from _wrapped("unknown", gap)


def _wrapped(label: str, text: str) -> list[str]:
    return wrap(
        printable(text),
        COLUMNS,
        initial_indent=f"  {label:<{LABEL}} ",
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _counts(findings: Sequence[Finding]) -> str:
    if not findings:
        return "nothing found"
    counted = Counter(one.severity for one in findings)
    advice = f"{counted[Severity.ADVICE]} advice"
    return f"{count(counted[Severity.RISK], 'risk')}, {advice}"


def _total(looks: Sequence[Examined]) -> str:
    number = risks(looks)
    return f"{count(number, 'risk') if number else 'no risk'} found in {count(len(looks), 'target')}"
