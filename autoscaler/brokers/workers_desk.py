"""Sending inspections and orders: one call at a time for each broker, in a few threads for all of them.

Questions to one broker wait at its desk and go out together; workers that did not answer the last time
go by themselves and last, so that nobody waits for them. What a worker is told to consume goes before
the question what it consumes, so that the answer tells what has come of it. A broker that does not let
itself be asked is left alone for growing pauses, and a connection that is idle for half a minute is
closed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from autoscaler.breaker import Breaker, refusal
from autoscaler.brokers.address import Address
from autoscaler.brokers.workers_account import Node
from autoscaler.brokers.workers_answers import FACTS, HELD, facts, holding
from autoscaler.brokers.workers_directory import Directory
from autoscaler.brokers.workers_failures import reason
from autoscaler.brokers.workers_line import Answers, Layout, layout_of
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import Order

NODES_AT_ONCE = 20
ROUND, ROUNDS = ("active_queues",), 5
"""What workers are asked after an order, and how often at once: they mostly obey before the second time."""

IDLE_SECONDS = 30.0
FORGOTTEN_AFTER_SECONDS = 600.0


class Control(Protocol):
    """An open control connection: see `ControlLine`."""

    layout: Layout

    @property
    def worn(self) -> bool: ...  # noqa: D102  # see there
    def tell(self, nodes: Sequence[str], command: str, arguments: Mapping[str, str]) -> None: ...  # noqa: D102
    def ask(self, nodes: Sequence[str], commands: Sequence[str]) -> Answers: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


OpenLine = Callable[[Address, BrokerSettings], Control]


@dataclass(frozen=True, slots=True)
class _Question:
    node: Node
    broker: BrokerSettings
    facts: bool
    order: Order | None = None
    answered: Future[None] = field(default_factory=Future)

    @property
    def goes_with(self) -> tuple[Layout, bool]:
        """What the questions of one call have in common."""
        return layout_of(self.broker), bool(self.node.silent)


class Desk:
    """The questions to the workers of one broker. Safe to use from several threads."""

    def __init__(
        self, place: Address, open_line: OpenLine, executor: Executor, clock: Callable[[], float]
    ) -> None:
        self._place = place
        self._open = open_line
        self._executor = executor
        self._clock = clock
        self._questions: deque[_Question] = deque()
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False
        self._control: Control | None = None
        self._breaker = Breaker()
        self._detail = ""
        self._used_at = clock()
        self._directories: dict[Layout, Directory] = {}

    def directory(self, broker: BrokerSettings) -> Directory:
        """Return the workers that are reached the way that a target's settings say."""
        layout = layout_of(broker)
        found = self._directories.get(layout)
        return self._directories.setdefault(layout, Directory()) if found is None else found

    @property
    def detail(self) -> str:
        """Why the workers cannot be asked, empty when they can."""
        if not self._detail or self._breaker.admits(self._clock()):
            return self._detail
        return refusal(self._breaker, self._detail, self._clock())

    def put(
        self, node: Node, broker: BrokerSettings, *, facts: bool, order: Order | None = None
    ) -> Future[None]:
        """Have a node asked before long, and told before that what to consume.

        What is returned is done when it has been asked, or will not be as its broker has to be left alone.
        """
        question = _Question(node, broker, facts or order is not None, order)
        with self._lock:
            if self._closed or not (self._busy or self._breaker.admits(self._clock())):
                question.answered.set_result(None)
                return question.answered
            node.queued = True
            node.ordered = order or node.ordered
            self._questions.append(question)
            if not self._busy:
                self._busy = True
                self._executor.submit(self._work)
        return question.answered

    def idle(self, now: float) -> bool:
        """Return whether the connection is not needed; close it in a thread then."""
        with self._lock:
            if self._busy or now - self._used_at < IDLE_SECONDS:
                return False
            if self._control is not None:
                self._busy = True
                self._executor.submit(self._work)
            self._closed = now - self._used_at >= FORGOTTEN_AFTER_SECONDS and self._control is None
            return self._closed

    def close(self) -> None:
        """Hang up; nobody may be asking any more."""
        with self._lock:
            self._closed = True
            _settle(self._questions)
            self._questions.clear()
        self._hang_up()

    def _work(self) -> None:
        """Send one call, or hang up where there is none to send; then let others have the thread."""
        with self._lock:
            batch = self._batch()
        try:
            if batch:
                self._ask(batch)
            else:
                self._hang_up()
        finally:
            with self._lock:
                _settle(batch)
                self._used_at = self._clock()
                self._busy = bool(self._questions) and not self._closed
                if self._busy:
                    self._executor.submit(self._work)

    def _batch(self) -> list[_Question]:
        """Take the first question, of a worker that answers if there is one, and what can go with it.

        No worker is in it twice, so that it is told one thing after the other.
        """
        first = min(self._questions, key=lambda question: bool(question.node.silent), default=None)
        batch: dict[int, _Question] = {}
        left: deque[_Question] = deque()
        for question in self._questions:
            fits = first is not None and question.goes_with == first.goes_with
            if fits and len(batch) < NODES_AT_ONCE and id(question.node) not in batch:
                batch[id(question.node)] = question
            else:
                left.append(question)
        self._questions = left
        return list(batch.values())

    def _ask(self, batch: Sequence[_Question]) -> None:
        at = self._clock()
        for question in batch:
            question.node.asked_at = at
            if question.order is not None:
                question.node.told(at)
        try:
            answers = self._call(batch)
        except Exception as error:  # noqa: BLE001  # whatever it was, the asking has to go on
            self._fail(f"{self._place} {reason(error, batch[0].broker.timeout_seconds)}")
            for question in batch:
                question.node.asked_at = None
            return
        ended_at = self._clock()
        self._breaker, self._detail = self._breaker.succeeded(), answers.detail
        for question in batch:
            told = answers.told.get(question.node.name, {})
            known = facts(told)
            question.node.take(at, ended_at, holding(told), known)
            if known is not None:
                self.directory(question.broker).note(question.node.name, known.queues)

    def _call(self, batch: Sequence[_Question]) -> Answers:
        broker = batch[0].broker
        if self._control is not None and (self._control.worn or self._control.layout != layout_of(broker)):
            self._hang_up()
        if self._control is None:
            self._control = self._open(self._place, broker)
        self._tell(self._control, batch)
        commands = HELD + FACTS if any(question.facts for question in batch) else HELD
        return self._control.ask(sorted({question.node.name for question in batch}), commands)

    def _tell(self, control: Control, batch: Sequence[_Question]) -> None:
        """Tell nodes what to consume, those together that are told the same, and wait until they do.

        A worker obeys in the next round of its loop, and may say in the same round what was before.
        """
        same: dict[tuple[str, str], list[str]] = {}
        ordered = [(question.node, question.order) for question in batch if question.order is not None]
        for node, order in ordered:
            command = "add_consumer" if order.consume else "cancel_consumer"
            for queue in order.queues:
                same.setdefault((command, queue), []).append(node.name)
        for (command, queue), nodes in same.items():
            control.tell(sorted(nodes), command, {"queue": queue})
        waited_for = {node.name: order for node, order in ordered}
        for _ in range(ROUNDS if ordered else 0):
            told = control.ask(sorted(waited_for), ROUND).told
            waited_for = {
                name: order for name, order in waited_for.items() if not _obeyed(order, told.get(name))
            }
            if not waited_for or not told:
                return

    def _fail(self, detail: str) -> None:
        self._breaker = self._breaker.failed(self._clock())
        self._detail = detail
        self._hang_up()
        with self._lock:
            _settle(self._questions)
            self._questions.clear()

    def _hang_up(self) -> None:
        control, self._control = self._control, None
        if control is not None:
            control.close()


def _obeyed(order: Order, told: Mapping[str, Any] | None) -> bool:
    """Return whether a worker's answer says that it does what it was told; silence is not waited for."""
    if told is None:
        return True
    consumed = {queue.name for queue in told["active_queues"]}
    return consumed.issuperset(order.queues) if order.consume else consumed.isdisjoint(order.queues)


def _settle(questions: Iterable[_Question]) -> None:
    """Take note that questions were asked, or will not be."""
    for question in questions:
        question.node.queued = False
        if question.node.ordered is question.order:
            question.node.ordered = None
        question.answered.set_result(None)
