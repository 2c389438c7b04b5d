"""What is known of the tasks of one target: what waits, what runs, what is not due yet, and who says so.

A length of one list is not the load. Tasks wait in several lists, lie reserved in a worker, run with
their message acknowledged or not, or are not due for an hour; and a worker that died has left some
behind. Each source sees a part of that. Here the parts have one shape, whichever broker they come from,
so that the demand can be reckoned from all of them together.

Times of messages and tasks are seconds since the epoch, UTC, as Celery writes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.core.model import Quality, Reading


@dataclass(frozen=True, slots=True)
class QueueMessages:
    """The messages of one queue that the broker holds and has not delivered.

    `by_priority` counts all of them, as (priority, messages) pairs, the priority None where the broker
    does not tell; `eta` are the due times of those among them that are not due yet, sorted. `eta_known`
    is False where messages could not be looked into: they all count as due then.
    """

    queue: str
    by_priority: tuple[tuple[int | None, int], ...]
    eta: tuple[float, ...] = ()
    eta_known: bool = True

    @property
    def messages(self) -> int:
        """All messages, due or not."""
        return sum(messages for _, messages in self.by_priority)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The messages that were delivered to workers and not acknowledged, of one target's queues.

    `due_at_delivery` holds the time of delivery of each task that is due, sorted; `eta` the due times of
    the others, sorted. Where the broker gives no more than a number, that is `uncounted`: tasks of
    which neither the time nor the due time is known. `shared` says that some may be another target's.
    """

    deliveries: tuple[float, ...] = ()
    eta: tuple[float, ...] = ()
    uncounted: int = 0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """All that a broker tells about one target's tasks.

    `oldest_at` is when the oldest waiting task was sent, by the source that `oldest_source` names.
    `consumers` counts the consumers of its queues, None where the broker does not tell.
    """

    queues: tuple[QueueMessages, ...]
    delivered: Reading[Delivered]
    oldest_at: float | None = None
    oldest_source: str = ""
    consumers: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a worker: the tasks that ran and those it had reserved, and how long ago it was asked."""

    age_seconds: float
    active: int
    reserved: int


@dataclass(frozen=True, slots=True)
class WorkerAccount:
    """What one worker says, or what is heard of it.

    `active` tasks run, `reserved` ones wait in the worker (those that run not among them), `eta` are
    due times of tasks that it holds until then. What it did not say is None. `age_seconds` is the age of
    what was heard, `quality` whether that may be relied on. `queues` are those it consumes, None where
    it has not said so since it was last told to consume others. `cordoned_seconds` is how long ago it
    first said that it consumes none, having said nothing else since. `answers` are its last ones in a
    row, at most two, none of them contradicted by what was heard later. `forgetful` says that it may lose
    queues which it was given back when its connection to the broker is made anew.
    """

    node: str
    active: int | None
    reserved: int | None
    eta: tuple[float, ...] | None
    slots: int | None
    queues: tuple[str, ...] | None
    age_seconds: float
    quality: Quality
    source: str
    cordoned_seconds: float | None = None
    answers: tuple[Answer, ...] = ()
    forgetful: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether it can be relied on."""
        return self.quality is Quality.FRESH


@dataclass(frozen=True, slots=True)
class Hint:
    """What somebody else says about the demand, such as Airflow's metrics or its database.

    `tasks` want a slot according to it, None where it only explains. `explanation` is a sentence, such
    as that a pool is full. A hint may raise the demand, explain it or veto zero; it never shrinks.
    """

    name: str
    tasks: Reading[int]
    explanation: str = ""
