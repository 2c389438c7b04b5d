"""What a person reads, and how often."""

import io
import json
import logging

import pytest
import structlog

from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Outcome, OutcomeKind, stale, unknown
from autoscaler.core.policy import HpaMode
from autoscaler.report.fan import Reporters
from autoscaler.report.log import LogReporter, set_up
from tests.builders import TARGET, annotated, depth, policy, rules, snapshot
from tests.core.test_hpa import beside, decided, hpa


@pytest.fixture
def out():
    """Log as JSON into a text that can be read."""
    stream = io.StringIO()
    set_up("json", "info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict]:
    """Return the log lines so far."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def say(reporter, replicas, reading, kind=OutcomeKind.UNCHANGED, held=None, message=""):
    """Report a decision for a target of a size."""
    seen = snapshot(replicas, reading)
    decision = decide(seen, held or policy(down=rules(window=60)), History.seeded(0.0, replicas))
    after = decision.replicas if kind is OutcomeKind.APPLIED else replicas
    reporter.report(seen, decision, Outcome(kind, after, message))


def test_a_decision_is_one_line_with_inputs_steps_and_outcome(out):
    """Everything needed to understand it, in one place."""
    say(LogReporter(), 0, depth(7), OutcomeKind.APPLIED, policy(most=5))
    (line,) = lines(out)
    assert line["event"] == (
        "data/worker: 0 → 5: 7 ready + 0 with workers = 7 slots wanted; "
        "1 a worker (slots_per_worker) makes 7; max_replicas is 5"
    )
    assert (line["level"], line["outcome"], line["current"], line["wanted"]) == ("info", "applied", 0, 5)
    assert [step["reason"] for step in line["steps"]] == ["WorkWaiting", "MaxReplicas"]
    assert line["inputs"]["queues"] == {"default": 7}
    assert (line["inputs"]["broker_quality"], line["inputs"]["delivered"]) == ("fresh", 0)


@pytest.mark.parametrize(
    ("current", "reading", "kind", "words"),
    [
        (0, depth(3), OutcomeKind.APPLIED, "0 → 3, minReplicas of HPA cpu 1 → 3: 3 ready"),
        (3, depth(3), OutcomeKind.APPLIED, "stays at 3, minReplicas of HPA cpu 1 → 3: 3 ready"),
        (0, depth(3), OutcomeKind.CONFLICT, "0 → 3 dropped"),
        (3, depth(3), OutcomeKind.DRY_RUN, "dry run, stays at 3, minReplicas of HPA cpu 1 → 3 not asked for"),
    ],
    ids=["with the replicas", "alone", "not at all", "dry"],
)
def test_the_floor_of_an_hpa_is_said(out, current, reading, kind, words):
    """With the replicas, or by itself."""
    seen = beside(snapshot(current, reading), hpa())
    decision = decided(seen, HpaMode.FLOOR)
    LogReporter().report(seen, decision, Outcome(kind, decision.replicas))
    (line,) = lines(out)
    assert words in line["event"]
    assert line["floor"] == {"hpa": "cpu", "was": 1, "to": 3}
    assert line["inputs"]["hpa"] == ["HPA cpu (1 to 10 on cpu)"]


def test_a_pause_is_a_line_when_it_begins_and_when_it_ends(out):
    """With what is ordered among the inputs."""
    reporter = LogReporter()
    for orders in ({}, {"paused": "true"}, {"paused": "true"}, {}):
        seen = annotated(snapshot(1, depth(1)), **orders)
        decision = decide(seen, policy(), History.seeded(0.0, 1))
        reporter.report(seen, decision, Outcome(OutcomeKind.UNCHANGED, 1))
    first, paused, last = lines(out)
    assert paused["event"].endswith("; paused by annotation: it stays at 1")
    assert paused["inputs"]["overrides"] == ["paused by annotation"]
    assert first["inputs"]["overrides"] == last["inputs"]["overrides"] == []


def test_the_same_decision_is_not_said_again(out):
    """A thousand ticks of the same are one line, and tasks that come and go are no news."""
    reporter = LogReporter()
    say(reporter, 0, depth(3), OutcomeKind.APPLIED)
    for ready in (3, 2, 3, 1, 3, 0):
        say(reporter, 3, depth(ready), held=policy(down=rules(window=2000)))
    assert len(lines(out)) == 1


def test_a_limit_that_begins_to_bind_is_said(out):
    """The fleet is at its maximum: that is worth a line, once."""
    reporter = LogReporter()
    for ready in (5, 9, 12):
        say(reporter, 5, depth(ready), held=policy(most=5))
    assert [line["reason"] for line in lines(out)] == ["WorkWaiting", "MaxReplicas"]


def test_an_unknown_demand_and_its_return_are_said(out):
    """Once each."""
    reporter = LogReporter()
    for reading in (depth(2), unknown("redis", "silent"), unknown("redis", "silent"), depth(2)):
        say(reporter, 2, reading)
    assert [line["reason"] for line in lines(out)] == ["WorkWaiting", "DemandUnknown", "WorkWaiting"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (OutcomeKind.DRY_RUN, "dry run, 0 → 2 not asked for"),
        (OutcomeKind.CONFLICT, "0 → 2 dropped, replicas are 9"),
        (OutcomeKind.REFUSED, "0 → 2 refused, replicas are 9"),
        (OutcomeKind.FAILED, "0 → 2 failed, replicas are 9"),
    ],
)
def test_outcomes_have_words(out, kind, words):
    """What did not work is a warning."""
    say(LogReporter(), 0, depth(2), kind, message="replicas are 9")
    (line,) = lines(out)
    assert words in line["event"]
    assert line["level"] == ("info" if kind is OutcomeKind.DRY_RUN else "warning")


def test_every_write_is_said(out):
    """Somebody scales again and again, and so do we: each time there is a line."""
    reporter = LogReporter()
    for _ in range(3):
        say(reporter, 4, depth(6), OutcomeKind.APPLIED)
    assert [line["event"].split(": ")[1] for line in lines(out)] == ["4 → 6"] * 3


def test_a_broker_that_falls_silent_is_a_warning(out):
    """At the first reading that failed, and its return at the first that did not."""
    reporter = LogReporter()
    value = depth(2).value
    for reading in (
        depth(2),
        stale(value, "redis", 1.0, "silent"),
        stale(value, "redis", 2.0, "silent"),
        depth(2),
    ):
        say(reporter, 2, reading)
    assert [line["level"] for line in lines(out)] == ["info", "warning", "info"]


def test_a_new_trouble_is_said(out):
    """The same decision failing for another reason is news, for the same reason it is not."""
    reporter = LogReporter()
    for message in ("no answer", "no answer", "forbidden"):
        say(reporter, 0, depth(2), OutcomeKind.FAILED, message=message)
    say(reporter, 0, depth(2), OutcomeKind.APPLIED)
    assert len(lines(out)) == 3


def test_troubles_are_said_once_each(out):
    """A target out of sight and a broken tick: one line each, until something changes."""
    reporter = LogReporter()
    for _ in range(3):
        reporter.unseen(TARGET, "there is no StatefulSet data/worker")
    for _ in range(3):
        reporter.failed(TARGET, ValueError("broken"))
    first, second = lines(out)
    assert first["event"] == "data/worker: cannot be seen: there is no StatefulSet data/worker"
    assert "ValueError: broken" in second["exception"]


def test_no_credentials_in_any_field(out):
    """Whatever holds a URL, in a sentence, a list or a traceback, the password does not get out."""
    reporter = LogReporter()
    secret = "redis://user:p@ss@broker:6379/0"
    reporter.failed(TARGET, ValueError(f"cannot parse {secret}"))
    say(reporter, 1, unknown(f"redis {secret}", f"no answer from {secret}"))
    structlog.get_logger().info("x", nested=[{"url": secret}])
    logging.getLogger("library").warning("connecting to %s", secret)
    assert "p@ss" not in out.getvalue()
    assert out.getvalue().count("***@broker:6379") >= 5


def test_the_console_form_is_one_readable_line():
    """No structures, no colours where there is no terminal."""
    stream = io.StringIO()
    set_up("console", "info", stream)
    say(Reporters(LogReporter()), 0, depth(1), OutcomeKind.APPLIED)
    assert stream.getvalue().count("\n") == 1
    assert "data/worker: 0 → 1: 1 ready" in stream.getvalue()
    assert "steps" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
