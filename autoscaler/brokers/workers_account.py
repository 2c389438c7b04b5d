"""What is known of one worker from its answers and its heartbeats together, and when to ask it again.

The rule of merging:

- What a worker answered is as old as the question. It is fresh for twice the time after which the
  next answer is due, unless a later question stayed without an answer, or the worker has since said
  that it begins or ends to consume. It is stale then, and never says anything else than it said.
- A heartbeat that is newer than the answer, and recent, corrects how many tasks run. More than
  answered: they were reserved before. The account stays as old as the answer, being no younger than
  its oldest part.
- Of a worker that never answered a heartbeat tells how many tasks run, and nothing else. A worker
  that said it ends to consume, or is missed, is stale.
- Nobody speaks for a worker that neither answered nor was heard: there is no account.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from autoscaler.brokers.heartbeats import Heard
from autoscaler.brokers.workers_answers import Facts, Holding
from autoscaler.core.account import Answer, WorkerAccount
from autoscaler.core.model import Order, Quality, TargetRef

BUSY_SECONDS = 60.0
FACTS_SECONDS = 60.0
MINDED_SECONDS = 10.0
SHORTEST_SECONDS = 2.0
QUICK_TRIES = 15
NEVER = float("-inf")
KEPT_ANSWERS = 2
RIVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a worker held when the question was sent, in monotonic seconds."""

    holding: Holding
    at: float


@dataclass(slots=True)
class Node:
    """What one worker was asked and answered. Times are monotonic seconds.

    `moving` says that its last answer was another one than that before, so that the next is due soon.
    `silent` counts the questions without an answer since the last one that had one, `interval_seconds`
    is the time after which the next answer is due, `wanted_at` when a target last spoke of it.
    `answers` are the last ones in a row, `cordoned_at` is when it first said that it consumes nothing,
    having said nothing else since, and `ordered_at` when it was last told what to consume; `ordered` is
    what it is about to be told. `started_at` is when its process started, in seconds since the epoch.
    `claims` are the targets that have a worker of this name, and when they last said so.
    """

    name: str
    said: Said | None = None
    facts: Facts | None = None
    facts_at: float = NEVER
    asked_at: float | None = None
    silent: int = 0
    interval_seconds: float = BUSY_SECONDS
    moving: bool = False
    queued: bool = False
    wanted_at: float = NEVER
    answers: tuple[Said, ...] = ()
    cordoned_at: float | None = None
    ordered_at: float = NEVER
    ordered: Order | None = None
    started_at: float | None = None
    claims: dict[TargetRef, float] = field(default_factory=dict)

    def claim(self, target: TargetRef, now: float) -> None:
        """Take note that a target has a worker of this name."""
        self.claims[target] = now

    def rivals(self, target: TargetRef, now: float) -> tuple[TargetRef, ...]:
        """Return the other targets that had a worker of this name lately: nobody can tell them apart."""
        return tuple(
            other for other, at in self.claims.items() if other != target and now - at < RIVAL_SECONDS
        )

    def restarted(self, started_at: float | None = None) -> None:
        """Forget what another process of the same name said, but for what its kind can do."""
        self.started_at = started_at
        self.said, self.silent, self.asked_at, self.facts_at = None, 0, None, NEVER
        self.answers, self.cordoned_at, self.ordered_at = (), None, NEVER

    def due(self, now: float, heard: Heard | None) -> bool:
        """Return whether it is time to ask."""
        if self.queued:
            return False
        if self.asked_at is None:
            return True
        since = now - self.asked_at
        if since < min(SHORTEST_SECONDS, self.interval_seconds):
            return False
        if turned(heard, self.asked_at) and not (heard and heard.offline):
            return True
        if self._belied(heard) or self._freed(heard, self.asked_at):
            return True
        return since >= (self._pause() if self.silent else self._interval(heard))

    def wants_facts(self, now: float, heard: Heard | None) -> bool:
        """Return whether to ask for what seldom changes, too."""
        seconds = MINDED_SECONDS if self.is_minded(heard) else FACTS_SECONDS
        return self.facts is None or now - self.facts_at >= seconds or turned(heard, self.facts_at)

    def is_minded(self, heard: Heard | None) -> bool:
        """Return whether it was told what to consume, and may forget it when it connects anew."""
        return self.ordered_at > NEVER and is_forgetful("" if heard is None else heard.version)

    def has_answered(self, since: float) -> bool:
        """Return whether it has answered a question that was sent since a time."""
        return self.said is not None and self.said.at >= since

    def takes(self, order: Order, now: float) -> bool:
        """Return whether an order may be sent now: whoever is silent finds all of them when it goes on."""
        if self.ordered == order:
            return False
        return not self.silent or self.asked_at is None or now - self.asked_at >= self._pause()

    def told(self, at: float) -> None:
        """Take note that it was told what to consume: what it said of that before counts no more."""
        self.ordered_at, self.cordoned_at = at, None

    def take(self, at: float, ended_at: float, holding: Holding | None, facts: Facts | None) -> None:
        """Take what was answered to a question sent at a time, in a call that ended at another.

        That a worker consumes nothing is true from the end of the call on, at the latest.
        """
        if facts is not None:
            self.facts, self.facts_at = facts, at
            if facts.queues:
                self.cordoned_at = None
            elif self.cordoned_at is None:
                self.cordoned_at = ended_at
        if holding is None:
            self.silent += 1
            self.answers = ()
        else:
            self.moving = self.said is None or self.said.holding != holding
            self.said, self.silent = Said(holding, at), 0
            self.answers = (*self.answers, self.said)[-KEPT_ANSWERS:]

    def account(self, now: float, heard: Heard | None) -> WorkerAccount | None:
        """Return what is known by now."""
        if self.said is not None:
            return self._answered(self.said, now, heard)
        if heard is None or heard.active is None:
            return None
        good = heard.lasts(now) and not heard.offline
        return WorkerAccount(
            node=self.name,
            active=heard.active,
            reserved=None,
            eta=None,
            slots=None,
            queues=None,
            age_seconds=now - heard.active_at,
            quality=Quality.FRESH if good else Quality.STALE,
            source="heartbeat",
        )

    def _answered(self, said: Said, now: float, heard: Heard | None) -> WorkerAccount:
        held, age, facts = said.holding, now - said.at, self.facts
        good = age <= 2 * self.interval_seconds and not self.silent and not turned(heard, said.at)
        active, reserved, source = held.active, held.reserved, "inspection"
        if heard is not None and heard.active is not None and heard.active_at > said.at and heard.lasts(now):
            reserved = max(0, reserved - max(0, heard.active - active))
            active, source = heard.active, "inspection and heartbeat"
        return WorkerAccount(
            node=self.name,
            active=active,
            reserved=reserved,
            eta=held.eta,
            slots=facts.slots if facts else None,
            queues=facts.queues if facts and self._is_settled else None,
            age_seconds=age,
            quality=Quality.FRESH if good else Quality.STALE,
            source=source,
            cordoned_seconds=self._cordoned_seconds(now, heard),
            answers=self._unbroken(now, heard),
            forgetful=is_forgetful("" if heard is None else heard.version),
        )

    @property
    def _is_settled(self) -> bool:
        """Whether it has said what it consumes since it was told so, and is not about to be told again."""
        return self.ordered is None and self.facts_at >= self.ordered_at

    def _cordoned_seconds(self, now: float, heard: Heard | None) -> float | None:
        """Return for how long it has consumed nothing; not known once it has begun or ended since."""
        if self.cordoned_at is None or not self._is_settled or turned(heard, self.facts_at):
            return None
        return now - self.cordoned_at

    def _unbroken(self, now: float, heard: Heard | None) -> tuple[Answer, ...]:
        """Return the last answers in a row that nothing heard since contradicts."""
        said = self.said
        if said is None or self.silent or turned(heard, said.at):
            return ()
        if heard is not None and heard.active and heard.active_at > said.at:
            return ()
        return tuple(
            Answer(now - answer.at, answer.holding.active, answer.holding.reserved) for answer in self.answers
        )

    def _interval(self, heard: Heard | None) -> float:
        """Return the time until the next question: short while it matters and what it holds changes."""
        leaves = heard is not None and heard.offline
        hurry = self.moving and not leaves and self.interval_seconds < BUSY_SECONDS
        return min(SHORTEST_SECONDS, self.interval_seconds) if hurry else self.interval_seconds

    def _belied(self, heard: Heard | None) -> bool:
        """Return whether a worker that answered that it is idle has been heard to run something since.

        A heartbeat says nothing of what it reserves, and with early acknowledgement the broker nothing of
        what it runs.
        """
        said = self.said
        if said is None or heard is None or not heard.active or self.silent:
            return False
        return heard.active_at > said.at and not said.holding.active and not said.holding.reserved

    def _freed(self, heard: Heard | None, asked_at: float) -> bool:
        """Return whether a worker that is to go, and was busy or silent, was heard to run nothing since."""
        busy = self.silent or (self.said is not None and self.said.holding.active)
        if not busy or heard is None or self.interval_seconds > SHORTEST_SECONDS:
            return False
        return heard.active == 0 and heard.active_at > asked_at

    def _pause(self) -> float:
        """Return the time until the next question after questions without an answer.

        A worker that has never answered may be starting. One that hangs finds every question when it
        goes on, so the pauses grow.
        """
        tries = self.silent - (QUICK_TRIES if self.said is None else 1)
        return min(SHORTEST_SECONDS * 2.0 ** min(max(tries, 0), 10), BUSY_SECONDS)


def turned(heard: Heard | None, since: float) -> bool:
    """Return whether a worker has begun or ended to consume, or come back, since a time."""
    return heard is not None and heard.turned_at is not None and heard.turned_at >= since


def is_forgetful(version: str) -> bool:
    """Return whether a Celery of this version loses a queue that it was given back when it reconnects.

    Before 5.7 `add_consumer` of a queue that the worker knows does not select it again
    (https://github.com/celery/celery/issues/7733).
    """
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    return numbers < [5, 7]
