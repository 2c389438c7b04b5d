"""The thread on which the sandbox's controllers work, and its time."""

from __future__ import annotations

import logging
import threading

import pytest

from autoscaler.sandbox.agenda import Agenda

PATIENCE_SECONDS = 30.0


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def test_calls_come_in_order_of_time_and_then_of_arrival() -> None:
    """Sooner first; at the same time first come, first served."""
    clock, made = Clock(), list[str]()
    agenda = Agenda(clock)
    agenda.later(2, lambda: made.append("late"))
    agenda.later(1, lambda: made.append("first"))
    agenda.later(1, lambda: made.append("second"))
    agenda.run_due()
    assert made == []
    clock.seconds = 2
    agenda.run_due()
    assert made == ["first", "second", "late"]
    assert agenda.next_at is None


def test_what_a_call_adds_is_made_in_its_turn() -> None:
    """A call may add calls, for now or for later."""
    clock, made = Clock(), list[str]()
    agenda = Agenda(clock)

    def first() -> None:
        made.append("first")
        agenda.soon(lambda: made.append("third"))
        agenda.later(5, lambda: made.append("much later"))

    agenda.soon(first)
    agenda.soon(lambda: made.append("second"))
    agenda.run_due()
    assert made == ["first", "second", "third"]
    assert agenda.next_at == 5


def test_a_call_can_be_called_off() -> None:
    """It is not made, and does not count as the next."""
    clock, made = Clock(), list[str]()
    agenda = Agenda(clock)
    agenda.later(1, lambda: made.append("off")).cancel()
    agenda.later(3, lambda: made.append("on"))
    assert agenda.next_at == 3
    clock.seconds = 3
    agenda.run_due()
    assert made == ["on"]


def test_a_call_that_fails_is_told_and_does_not_stop_the_next(caplog: pytest.LogCaptureFixture) -> None:
    """The error goes to the log with its trace."""
    made: list[str] = []
    agenda = Agenda(Clock())

    def fail() -> None:
        raise RuntimeError("broken")

    agenda.soon(fail)
    agenda.soon(lambda: made.append("next"))
    with caplog.at_level(logging.ERROR):
        agenda.run_due()
    assert made == ["next"]
    assert "broken" in caplog.text


def test_the_thread_sleeps_until_the_next_call_or_a_sooner_one() -> None:
    """A call for now is made at once, though the thread waits for one in an hour."""
    agenda, made = Agenda(), threading.Event()
    threads: list[str] = []

    def note() -> None:
        threads.append(threading.current_thread().name)
        made.set()

    agenda.start()
    agenda.later(3600, lambda: None)
    agenda.later(0.01, note)
    assert made.wait(PATIENCE_SECONDS)
    agenda.stop()
    assert threads == ["sandbox-agenda"]


def test_nothing_is_made_after_a_stop() -> None:
    """The call being made is finished, what waits is dropped, and what comes later too."""
    agenda, entered, leave = Agenda(), threading.Event(), threading.Event()
    made: list[str] = []

    def slow() -> None:
        entered.set()
        leave.wait(PATIENCE_SECONDS)
        made.append("slow")

    agenda.start()
    agenda.soon(slow)
    agenda.soon(lambda: made.append("dropped"))
    assert entered.wait(PATIENCE_SECONDS)
    threading.Timer(0.05, leave.set).start()
    agenda.stop()
    agenda.soon(lambda: made.append("after"))
    agenda.run_due()
    assert made == ["slow"]
    assert agenda.next_at is None
