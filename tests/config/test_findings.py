"""What a look at the targets came to is said in full, to people and to programs."""

from __future__ import annotations

from dataclasses import asdict

from autoscaler.config.describe import summary
from autoscaler.config.findings import COLUMNS, describe_findings, findings_fields
from autoscaler.config.parse import parse
from autoscaler.core.findings import Finding, Severity
from autoscaler.core.lint import Examined
from autoscaler.core.model import TargetRef

TEXT = """
[[targets]]
namespace = "data"
name = "w"
queues = ["a"]
[[targets]]
namespace = "data"
name = "x"
queues = ["a"]
"""
RISK = Finding("EarlyAck", Severity.RISK, "task_acks_late is false " + "and so on " * 20)
ADVICE = Finding("OrderedReady", Severity.ADVICE, "advice \x1b]31m")
LOOKS = (
    Examined(TargetRef("data", "w"), (RISK, ADVICE), ("task_acks_late: no worker",)),
    Examined(TargetRef("data", "x"), (), ()),
)


def test_lines_for_people() -> None:
    """A paragraph for each target, which a terminal can show, and the number of risks."""
    lines = describe_findings(LOOKS).splitlines()
    assert lines[:2] == ["", "data/w: 1 risk, 1 advice"]
    assert lines[2].startswith("  risk     EarlyAck: task_acks_late is false and so on")
    assert lines[3].startswith("           and so on") or lines[3].startswith("           so on")
    assert "  advice   OrderedReady: advice \\u001b]31m" in lines
    assert "  unknown  task_acks_late: no worker" in lines
    assert lines[-4:] == ["", "data/x: nothing found", "", "1 risk found in 2 targets"]
    assert all(line.isprintable() and len(line) <= COLUMNS for line in lines)
    assert describe_findings(LOOKS[1:]).splitlines()[-1] == "no risk found in 1 target"


def test_fields_for_programs() -> None:
    """Beside those of each target; null where nobody looked."""
    means = asdict(summary(parse(TEXT)))
    said = findings_fields(means, LOOKS, "")
    assert (said["risks"], said["cluster_trouble"]) == (1, "")
    assert said["targets"][0]["name"] == "w"
    assert said["targets"][0]["findings"][1] == {
        "code": "OrderedReady",
        "severity": "advice",
        "message": ADVICE.message,
    }
    assert said["targets"][1]["findings"] == ()
    blind = findings_fields(means, (), "no answer")
    assert (blind["risks"], blind["cluster_trouble"]) == (None, "no answer")
    assert blind["targets"][1]["findings"] is None
