"""What is told at a target, and what the documentation says of it."""

from __future__ import annotations

import re
from pathlib import Path

from autoscaler.core.decide import decide
from autoscaler.core.events import BY_NAME, REASONS
from autoscaler.core.history import History
from autoscaler.core.model import Notice, Outcome, OutcomeKind, TargetRef, unknown
from autoscaler.report.events import WAITING, EventReporter
from tests.builders import NOW, TARGET, depth, policy, snapshot
from tests.fakes import Clock, FakeSink

ROOT = Path(__file__).parents[2]


class Desk:
    """A reporter, what it has told, and its clocks."""

    def __init__(self) -> None:
        self.sink, self.clock, self.wall = FakeSink(), Clock(), Clock(NOW)
        self.reporter = EventReporter(self.sink, self.clock, self.wall)

    def say(self, replicas, reading, kind=OutcomeKind.UNCHANGED, message="", uid="uid-1"):
        """Report a decision made now."""
        seen = snapshot(replicas, reading, at=self.clock.now, uid=uid)
        made = decide(seen, policy(), History.seeded(0.0, replicas))
        after = made.replicas if kind is OutcomeKind.APPLIED else replicas
        self.reporter.report(seen, made, Outcome(kind, after, message))

    @property
    def told(self) -> list[tuple[str, str]]:
        """The uids and reasons of what was told."""
        return [(event.uid, event.reason) for event in self.sink.events]


def test_a_change_is_told_of_the_object_that_was_decided_on():
    """With the time on the wall, and the sentence that the log has."""
    desk = Desk()
    desk.wall.advance(7.0)
    desk.say(0, depth(3), OutcomeKind.APPLIED)
    (event,) = desk.sink.events
    assert (event.target, event.uid, event.reason, event.at) == (TARGET, "uid-1", "ScaledFromZero", NOW + 7)
    assert event.message == (
        "0 → 3 replicas: 3 ready + 0 with workers = 3 slots wanted; 1 a worker (slots_per_worker) makes 3"
    )


def test_each_target_has_its_own_memory_of_what_was_told():
    """The same trouble of the same target is told once, from tick to tick."""
    desk = Desk()
    for _ in range(100):
        desk.say(2, unknown("redis", "silent"))
        desk.clock.advance(1.0)
    assert desk.told == [("uid-1", "DemandUnknown")]
    desk.say(2, unknown("redis", "silent"), uid="uid-2")
    desk.clock.advance(60.0)
    desk.say(2, unknown("redis", "silent"), uid="uid-2")
    assert desk.told == [("uid-1", "DemandUnknown"), ("uid-2", "DemandUnknown")]


def test_a_notice_is_about_the_object_of_the_last_decision():
    """Every one is told: whoever gives it does so once."""
    desk = Desk()
    desk.say(1, depth(1))
    for _ in range(2):
        desk.reporter.notice(TARGET, Notice("OtherPodsWent", "they went"))
    assert desk.told == [("uid-1", "OtherPodsWent")] * 2


def test_a_notice_before_the_first_decision_waits_for_it():
    """With the time at which it came; without an object's uid nobody would be shown it."""
    desk = Desk()
    for number in range(WAITING + 2):
        desk.reporter.notice(TARGET, Notice(f"Notice{number}", "early", warning=False))
    desk.reporter.notice(TargetRef("data", "other"), Notice("Elsewhere", "early"))
    assert desk.told == []
    desk.wall.advance(60.0)
    desk.say(0, depth(1), OutcomeKind.APPLIED)
    waited = [("uid-1", f"Notice{number}") for number in range(2, WAITING + 2)]
    assert desk.told == [*waited, ("uid-1", "ScaledFromZero")]
    assert {event.at for event in desk.sink.events[:-1]} == {NOW}
    desk.say(1, depth(1))
    assert len(desk.told) == WAITING + 1


def test_a_tick_that_broke_is_told_by_the_kind_of_its_error():
    """Its text may hold anything."""
    desk = Desk()
    desk.reporter.failed(TARGET, ValueError("redis://user:secret@host"))
    desk.say(1, depth(1))
    for _ in range(3):
        desk.reporter.failed(TARGET, ValueError("redis://user:secret@host"))
    assert desk.told == [("uid-1", "InternalError")]
    assert "secret" not in desk.sink.events[0].message


def test_nothing_is_told_of_a_target_that_is_not_seen():
    """There is no object to tell it of."""
    desk = Desk()
    desk.reporter.unseen(TARGET, "there is no StatefulSet data/worker")
    assert desk.told == []


def test_credentials_are_never_told():
    """Neither in a decision nor in a notice: Events are for more eyes than Secrets."""
    desk = Desk()
    desk.say(1, depth(5), OutcomeKind.REFUSED, "redis://user:secret@host/0 refused")
    desk.reporter.notice(TARGET, Notice("Odd", "amqp://user:secret@host"))
    assert [event.message for event in desk.sink.events] == [
        "1 → 5 refused: redis://***@host/0 refused",
        "amqp://***@host",
    ]


def test_the_documents_table_is_the_codes():
    """Every reason with its type and its time, and every notice that anything in the code gives."""
    rows = re.findall(
        r"^\| `(\w+)` \| (Normal|Warning) \| (.+?) \| .+ \|$",
        (ROOT / "docs/events.md").read_text(),
        re.MULTILINE,
    )
    documented = {name: (kind, when) for name, kind, when in rows}
    assert len(documented) == len(rows)
    source = [path.read_text() for path in sorted((ROOT / "autoscaler").rglob("*.py"))]
    notices = {name for text in source for name in re.findall(r'\bNotice\(\s*"(\w+)"', text)}
    assert set(documented) == set(BY_NAME) | notices
    for reason in REASONS:
        kind, when = documented[reason.name]
        assert kind == ("Warning" if reason.warning else "Normal")
        assert (f"for {reason.after_seconds:g} s" in when) == bool(reason.after_seconds)


def test_every_reason_is_one_that_something_gives():
    """A limit that was renamed would never be told again, and nobody would miss it."""
    table = ROOT / "autoscaler/core/events.py"
    places = [path for path in sorted((ROOT / "autoscaler").rglob("*.py")) if path != table]
    given = {word for path in places for word in re.findall(r'"([A-Z]\w+)"', path.read_text())}
    ours = {"ScaledUp", "ScaledDown", "ScaledToZero", "ScaledFromZero", "ScalingFailed", "InternalError"}
    assert set(BY_NAME) - given <= ours
