"""Counting what became of every task, and what the cluster did."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from autoscaler.sandbox.demo.evidence import Patch, Run, Summary, quantile, runs, tally
from autoscaler.sandbox.demo.journal import DaemonLog, Journal
from autoscaler.sandbox.demo.load import Day
from autoscaler.sandbox.demo.screen import LiveScreen, Moment, PlainScreen, screen, summary_table
from autoscaler.sandbox.demo.send import Sent
from autoscaler.sandbox.event_log import Event
from tests.fakes import Clock


def line(task: str, what: str, at: float) -> str:
    """Return what a task writes down."""
    return json.dumps({"id": task, "what": what, "at": at, "where": "celery@worker-0"})


def test_every_kind_of_fate_is_counted():
    """Done, never begun, begun and not ended, run twice: the waits end with the first beginning."""
    sent = [Sent("done", 0.0), Sent("never", 0.0), Sent("broken off", 0.0), Sent("twice", 0.0)]
    lines = [
        line("done", "began", 1.0),
        line("twice", "began", 2.0),
        line("done", "ended", 3.0),
        line("broken off", "began", 4.0),
        line("twice", "began", 5.0),
        line("twice", "ended", 6.0),
    ]
    count = tally(sent, runs(lines))
    assert (count.done, count.lost, count.duplicated) == (2, 2, 1)
    assert count.waits == (1.0, 2.0, 4.0)
    assert runs(lines)[1:] == [Run("twice", 2.0, None), Run("broken off", 4.0, None), Run("twice", 5.0, 6.0)]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ((1.0,), 0.5, 1.0),
        ((1.0, 2.0), 0.5, 1.0),
        ((1.0, 2.0, 3.0), 0.5, 2.0),
        (tuple(range(1, 101)), 0.95, 95),
    ],
)
def test_quantiles_are_nearest_rank(values, share, expected):
    """The smallest value that so many do not exceed."""
    assert quantile(values, share) == expected
    assert math.isnan(quantile((), share))


def summary(**changes) -> Summary:
    """Return the summary of a demo in which all went well."""
    fields = {
        "sent": 2,
        "done": 2,
        "lost": 0,
        "duplicated": 0,
        "killed": 0,
        "wait_p50_seconds": 0.5,
        "wait_p95_seconds": 3.0,
        "peak_replicas": 5,
        "final_replicas": 0,
        "worker_seconds": 60.0,
        "static_worker_seconds": 100.0,
        "reaction_seconds": 0.4,
        "patches": (Patch(1.0, 0, 5, "WorkWaiting"), Patch(20.0, 5, 0, "NoWork")),
    }
    return Summary(**{**fields, **changes})


@pytest.mark.parametrize("fault", ["lost", "duplicated", "killed", "final_replicas"])
def test_one_fault_is_enough(fault):
    """Only a demo without any is good."""
    assert summary().good
    assert not summary(**{fault: 1}).good
    assert not summary(done=1).good


def test_the_summary_as_json_and_as_a_table():
    """The documented fields, and the same for people."""
    said = json.loads(summary().as_json())
    assert said["patches"] == [[1.0, 0, 5, "WorkWaiting"], [20.0, 5, 0, "NoWork"]]
    assert said["worker_seconds"] == 60.0
    out = io.StringIO()
    Console(file=out, width=100).print(summary_table(summary()))
    assert "40% saved" in out.getvalue()
    assert "WorkWaiting" in out.getvalue()


def set_event(replicas: int) -> Event:
    """Return a change of the worker set."""
    return Event("MODIFIED", "statefulsets.apps", {"spec": {"replicas": replicas}}, None, 1)


def pod_event(uid: str, kind: str = "MODIFIED", *, ready: bool = False, going: bool = False) -> Event:
    """Return a change of a pod."""
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    meta = {"uid": uid, **({"deletionTimestamp": "now"} if going else {})}
    return Event(kind, "pods", {"metadata": meta, "status": {"conditions": conditions}}, None, 1)


def test_the_journal_follows_replicas_and_pods():
    """Times that pods existed, those that are ready, and how soon a burst was answered."""
    clock = Clock(0.0)
    journal = Journal(clock)
    for event in (set_event(0), set_event(2), set_event(2), pod_event("a", "ADDED"), pod_event("b", "ADDED")):
        journal.note(event)
    clock.advance(10.0)
    journal.note(pod_event("a", ready=True))
    journal.note(pod_event("b", ready=True))
    assert (journal.pods, journal.ready, journal.worker_seconds()) == (2, 2, 20.0)
    journal.note(pod_event("a", ready=True, going=True))
    assert journal.ready == 1
    clock.advance(5.0)
    for _ in range(2):
        journal.note(pod_event("a", "DELETED"))
    clock.advance(100.0)
    journal.note(pod_event("b", "DELETED"))
    assert (journal.pods, journal.ready, journal.worker_seconds()) == (0, 0, 130.0)
    journal.note(set_event(0))
    clock.advance(10.0)
    journal.note(set_event(3))
    assert journal.reaction_seconds(120.0) == 5.0
    assert journal.reaction_seconds(200.0) is None


def test_the_daemons_log_is_read_as_it_grows(tmp_path):
    """Half a line waits for its other half, and what is no JSON is passed over."""
    path = tmp_path / "log"
    log = DaemonLog(path)
    log.follow()
    first = {"event": "up", "outcome": "applied", "current": 0, "wanted": 5, "reason": "WorkWaiting"}
    text = "a warning of some library\n" + json.dumps({**first, "timestamp": "1970-01-01T00:00:12Z"})
    path.write_text(text)
    log.follow()
    assert log.patches(10.0) == ()
    path.write_text(text + "\n")
    log.follow()
    assert (log.last, log.patches(10.0)) == ("up", (Patch(2.0, 0, 5, "WorkWaiting"),))


def moment(at: float, decision: str = "worker: 0 → 5") -> Moment:
    """Return how things stand in the middle."""
    return Moment(at, "day", queue=7, wanted=5, pods=4, ready=3, sent=20, done=9, decision=decision)


def test_plain_lines_are_few():
    """New decisions at once, numbers every two seconds, no control characters."""
    out = io.StringIO()
    plain = PlainScreen(Console(file=out, width=200))
    plain.say("starting")
    for at in (0.0, 0.5, 1.0, 2.5):
        plain.show(moment(at))
    plain.show(moment(3.0, "worker: 5 → 0"))
    plain.close()
    lines = out.getvalue().splitlines()
    assert [line for line in lines if "queue" in line] == [
        "   0.0 s  day: queue 7, wanted 5, ready 3 of 4, done 9 of 20",
        "   2.5 s  day: queue 7, wanted 5, ready 3 of 4, done 9 of 20",
    ]
    assert [line for line in lines if "→" in line] == ["   0.0 s  worker: 0 → 5", "   3.0 s  worker: 5 → 0"]
    assert "\x1b" not in out.getvalue()


def test_the_live_table_shows_the_same():
    """On a terminal it is redrawn in place."""
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    shown = screen(console, 6)
    assert isinstance(shown, LiveScreen)
    shown.say("starting")
    shown.show(moment(1.0))
    shown.show(moment(2.0))
    shown.close()
    assert "3 of 4" in out.getvalue()
    assert "worker: 0 → 5" in out.getvalue()
    assert isinstance(screen(Console(file=out), 6), PlainScreen)


def test_a_day_is_the_same_for_the_same_seed():
    """A burst at night, single tasks by day, a burst in the evening, in order."""
    day = Day()
    arrivals = day.arrivals(1)
    assert arrivals == day.arrivals(1) != day.arrivals(2)
    assert [len(arrivals[0].durations), len(arrivals[-1].durations)] == [day.night_tasks, day.evening_tasks]
    assert {len(arrival.durations) for arrival in arrivals[1:-1]} == {1}
    assert list(arrivals) == sorted(arrivals, key=lambda arrival: arrival.at)
    assert [day.phase(at) for at in (0.0, 20.0, 60.0)] == ["night", "day", "evening"]
