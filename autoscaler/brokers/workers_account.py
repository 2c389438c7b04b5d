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

from dataclasses import dataclass

from autoscaler.brokers.heartbeats import Heard
from autoscaler.brokers.workers_answers import Facts, Holding
from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import Quality

BUSY_SECONDS = 60.0
FACTS_SECONDS = 60.0
SHORTEST_SECONDS = 2.0
QUICK_TRIES = 15
NEVER = float("-inf")


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

    def restarted(self) -> None:
        """Forget what another process of the same name said, but for what its kind can do."""
        self.said, self.silent, self.asked_at, self.facts_at = None, 0, None, NEVER

    def due(self, now: float, heard: Heard | None) -> bool:
        """Return whether it is time to ask."""
        if self.queued:
            return False
        if self.asked_at is None:
            return True
        since = now - self.asked_at
        if since < SHORTEST_SECONDS:
            return False
        if turned(heard, self.asked_at) and not (heard and heard.offline):
            return True
        if self._belied(heard):
            return True
        return since >= (self._pause() if self.silent else self._interval(heard))

    def wants_facts(self, now: float, heard: Heard | None) -> bool:
        """Return whether to ask for what seldom changes, too."""
        return self.facts is None or now - self.facts_at >= FACTS_SECONDS or turned(heard, self.facts_at)

    def take(self, at: float, holding: Holding | None, facts: Facts | None) -> None:
        """Take what was answered to a question sent at a time."""
        if facts is not None:
            self.facts, self.facts_at = facts, at
        if holding is None:
            self.silent += 1
        else:
            self.moving = self.said is None or self.said.holding != holding
            self.said, self.silent = Said(holding, at), 0

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
            queues=facts.queues if facts else None,
            age_seconds=age,
            quality=Quality.FRESH if good else Quality.STALE,
            source=source,
        )

    def _interval(self, heard: Heard | None) -> float:
        """Return the time until the next question: short while it matters and what it holds changes."""
        leaves = heard is not None and heard.offline
        hurry = self.moving and not leaves and self.interval_seconds < BUSY_SECONDS
        return SHORTEST_SECONDS if hurry else self.interval_seconds

    def _belied(self, heard: Heard | None) -> bool:
        """Return whether a worker that answered that it is idle has been heard to run something since.

        A heartbeat says nothing of what it reserves, and with early acknowledgement the broker nothing of
        what it runs.
        """
        said = self.said
        if said is None or heard is None or not heard.active or self.silent:
            return False
        return heard.active_at > said.at and not said.holding.active and not said.holding.reserved

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
