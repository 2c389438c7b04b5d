"""What workers say about their concurrency, gathered beside the loop and kept.

A worker's concurrency is often nowhere in its pod template (Airflow's charts render it into a file),
so the workers are asked. Asking can take seconds when one of them hangs, so it happens in threads of
its own, and seldom: until there is an answer, and then every few minutes.

A number that was measured is kept, and stays fresh, when the workers are gone: what a worker can do
does not change by its absence, and a target at zero has to know how many to call up.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from autoscaler.brokers.remote import RemoteControl, Unanswered
from autoscaler.config.model import BrokerSettings, TargetSettings
from autoscaler.core.model import Reading, TargetRef, WorkerSet, fresh, unknown
from autoscaler.ports import BrokerUnknown

SOURCE = "celery stats"
PODS_ASKED = 3
THREADS = 2
RENEWAL_SECONDS = 300.0
RENEWAL_GRACE_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 2.0
QUICK_TRIES = 15
FORGOTTEN_AFTER_SECONDS = 86_400.0


class Remote(Protocol):
    """Whoever can ask workers: see `RemoteControl`."""

    def concurrency(self, url: str, broker: BrokerSettings, nodes: Sequence[str]) -> Mapping[str, int | None]:
        """Return what each node that answered says, None for one that does not tell."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    slots: int
    node: str
    at: float


@dataclass(frozen=True, slots=True)
class _Question:
    """Which nodes to ask, over which broker."""

    url: str = field(repr=False)
    broker: BrokerSettings
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a question. `silent` means that it was asked, but nobody answered."""

    answer: _Answer | None = None
    detail: str = ""
    silent: bool = False


@dataclass(slots=True)
class _Record:
    """What is known of one target, and when to ask again. All times are monotonic seconds."""

    touched_at: float
    uid: str = ""
    ready: tuple[str, ...] = ()
    asking: bool = False
    asked_at: float = 0.0
    due_at: float = 0.0
    failures: int = 0
    answer: _Answer | None = None
    detail: str = "no worker was ready to be asked yet"

    def pods_to_ask(self, workers: WorkerSet, now: float) -> tuple[str, ...]:
        """Return the pods to ask now: none when it is not due, others than before after a failure."""
        if self.asking:
            return ()
        if self.uid != workers.uid:
            self.uid, self.failures, self.due_at = workers.uid, 0, now
        if self.failures and self.ready != _ready(workers):
            self.due_at = min(self.due_at, self.asked_at + FIRST_PAUSE_SECONDS)
        if now < self.due_at:
            return ()
        self.ready = _ready(workers)
        first = PODS_ASKED * self.failures % max(len(self.ready), 1)
        return (self.ready[first:] + self.ready[:first])[:PODS_ASKED]

    def note(self, outcome: _Outcome, now: float) -> None:
        """Remember what came of the question that was under way."""
        self.asking, self.detail = False, outcome.detail
        if outcome.answer is not None:
            self.answer, self.failures, self.due_at = outcome.answer, 0, now + RENEWAL_SECONDS
            return
        self.failures += 1
        self.due_at = now + _pause_seconds(self.failures, silent=outcome.silent)


class CelerySlotCensus:
    """Knows the slots per worker of every target. `clock` returns monotonic seconds.

    Questions wait for one of the executor's threads, of which there are two by default.

    Workers of one target that differ: the most frequent number counts, the smaller one of two that
    are equally frequent.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        remote: Remote | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._clock = clock
        self._remote = remote or RemoteControl()
        self._records: dict[TargetRef, _Record] = {}
        self._lock = threading.Lock()
        self._executor = executor or ThreadPoolExecutor(THREADS, thread_name_prefix="census")
        self._closed = False

    def slots(self, target: TargetRef) -> Reading[int]:
        """Return what the target's workers last said, unknown before the first answer.

        Once the answer is older than the time after which it ought to have been renewed, the source
        says that it was the last one. The detail tells why a question had no answer.
        """
        now = self._clock()
        with self._lock:
            record = self._record(target, now)
            answer, detail = record.answer, record.detail
        if answer is None:
            return unknown(SOURCE, detail)
        age = now - answer.at
        overdue = age > RENEWAL_SECONDS + RENEWAL_GRACE_SECONDS
        source = f"last reported by {answer.node}" if overdue else f"{SOURCE} of {answer.node}"
        return replace(fresh(answer.slots, source, age), detail=detail)

    def ask(self, target: TargetSettings, url: str, workers: WorkerSet) -> None:
        """Have up to three ready workers asked when it is due; return at once.

        It is due when a pod is ready and nothing is known, every two seconds at first; when the
        answer is five minutes old; and when the target is another one than before (its uid). What
        fails is tried again at growing intervals, and soon when the ready pods change.
        """
        now = self._clock()
        with self._lock:
            record = self._record(target.ref, now)
            pods = () if self._closed else record.pods_to_ask(workers, now)
            if not pods:
                return
            record.asking, record.asked_at = True, now
            nodes = tuple(target.worker_node.replace("{pod}", pod) for pod in pods)
            self._executor.submit(self._inquire, record, _Question(url, target.broker, nodes))

    def close(self) -> None:
        """Drop the questions not asked yet and wait for those under way, a few seconds at most."""
        with self._lock:
            self._closed = True
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _record(self, target: TargetRef, now: float) -> _Record:
        """Return a target's record, and forget the targets that nobody has spoken of for a day."""
        record = self._records.get(target)
        if record is None:
            forgotten = now - FORGOTTEN_AFTER_SECONDS
            self._records = {ref: old for ref, old in self._records.items() if old.touched_at > forgotten}
            record = self._records[target] = _Record(now)
        record.touched_at = now
        return record

    def _inquire(self, record: _Record, question: _Question) -> None:
        outcome = self._outcome(question)
        now = self._clock()
        with self._lock:
            record.note(outcome, now)

    def _outcome(self, question: _Question) -> _Outcome:
        nodes = ", ".join(question.nodes)
        try:
            told = self._remote.concurrency(question.url, question.broker, question.nodes)
        except (BrokerUnknown, Unanswered) as refusal:
            return _Outcome(detail=str(refusal))
        except Exception as error:  # noqa: BLE001  # whatever it was, the asking has to go on
            return _Outcome(detail=f"{nodes} could not be asked ({type(error).__name__})")
        if not told:
            return _Outcome(detail=f"no answer from {nodes}", silent=True)
        answer = _most_frequent(told, self._clock())
        if answer is None:
            return _Outcome(detail=f"{', '.join(sorted(told))} did not say how many tasks run at a time")
        return _Outcome(answer)


def _ready(workers: WorkerSet) -> tuple[str, ...]:
    return tuple(pod.name for pod in workers.pods if pod.ready and not pod.terminating)


def _pause_seconds(failures: int, *, silent: bool) -> float:
    """Return the time until the next question after that many failures in a row.

    Workers are often Ready before they answer, so silence is not taken for a refusal at once.
    """
    doublings = max(failures - (QUICK_TRIES if silent else 1), 0)
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(doublings, 10), RENEWAL_SECONDS)


def _most_frequent(told: Mapping[str, int | None], at: float) -> _Answer | None:
    """Return the number that most nodes gave, the smaller of equals, and one who gave it."""
    counted = Counter(slots for slots in told.values() if slots is not None)
    if not counted:
        return None
    slots = max(counted, key=lambda number: (counted[number], -number))
    return _Answer(slots, min(node for node, number in told.items() if number == slots), at)
