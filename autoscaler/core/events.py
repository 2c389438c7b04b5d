"""Which Events people find at a target, and when one is due.

Whoever asks `kubectl describe` why a fleet has its size wants the changes and their reasons, and what
stands in the way; not a line for every tick. So a change is told each time, and what stands in the way
once: when it has held for as long as it takes to matter, and not again before it has been over for a
while. What has been told is a value that goes from tick to tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from autoscaler.core.model import Decision, Notice, Outcome, OutcomeKind, TargetRef

LULL_SECONDS = 600.0
"""For how long a thing has to be over before it is news again: longer than any poll interval."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A word that Events are told under, and when.

    `after_seconds` is for how long, without a break, a step of that reason has to stand in the decisions
    before it is told.
    """

    name: str
    warning: bool = False
    after_seconds: float = 0.0


REASONS = (
    Reason("ScaledUp"),
    Reason("ScaledDown"),
    Reason("ScaledToZero"),
    Reason("ScaledFromZero"),
    Reason("ScalingFailed", warning=True),
    Reason("InternalError", warning=True),
    Reason("DemandUnknown", warning=True, after_seconds=60.0),
    Reason("ReadingsNotFresh", warning=True, after_seconds=60.0),
    Reason("Fallback", warning=True),
    Reason("MaxReplicas", after_seconds=300.0),
    Reason("DatabaseConnections", after_seconds=300.0),
    Reason("HpaMaxReplicas", after_seconds=300.0),
    Reason("HpaUnknown", warning=True, after_seconds=60.0),
    Reason("QuotaLimited", warning=True, after_seconds=60.0),
    Reason("QuotaExceeded", warning=True),
    Reason("QuotaUnknown", warning=True, after_seconds=60.0),
    Reason("PodNotAdmitted", warning=True),
    Reason("WorkersNotConsuming", warning=True, after_seconds=60.0),
    Reason("WorkersOutOfService", warning=True, after_seconds=60.0),
    Reason("PodsCannotStart", warning=True),
    Reason("RolloutInProgress", after_seconds=300.0),
    Reason("DrainMemoryUnknown", warning=True, after_seconds=60.0),
    Reason("DrainDeadlinePassed", warning=True),
    Reason("DrainDeadlineForced", warning=True),
    Reason("PodsNotReady", warning=True, after_seconds=300.0),
    Reason("OrdinalsMissing", after_seconds=300.0),
)
"""Every reason but those of notices, which say themselves whether they warn.

A step of a decision whose reason is here gets an Event; all other limits are for the log and the metrics.
"""

BY_NAME = {reason.name: reason for reason in REASONS}


class EventFate(StrEnum):
    """What came of an Event."""

    POSTED = "posted"
    RATE_LIMITED = "rate_limited"
    QUEUE_FULL = "queue_full"
    REFUSED = "refused"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that people are told of a target.

    `uid` is that of the object it is about, `at` when it happened, in seconds since the epoch.
    """

    target: TargetRef
    uid: str
    reason: str
    message: str
    warning: bool
    at: float


@dataclass(frozen=True, slots=True)
class Episode:
    """Something that stands in the way, or has lately: since when, when last, and whether it was told.

    `key` tells one from another; both times are monotonic seconds.
    """

    key: str
    since: float
    last: float
    told: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What people have been told of one object so far."""

    uid: str = ""
    episodes: tuple[Episode, ...] = ()


Obstacles = Mapping[str, tuple[Reason, str]]
"""What stands in the way now, by what tells one from another: under which reason, and the sentence."""


def events_of(told: Told, decision: Decision, outcome: Outcome, now: float) -> tuple[Told, tuple[Event, ...]]:
    """Return what is to be told of a decision and its outcome, and what has been told then.

    `now` is in seconds since the epoch. An object that was made anew starts with nothing told.
    """
    obstacles = _obstacles(decision, outcome)
    if told.uid != decision.uid:
        told = Told(decision.uid)
    events = _changes(decision, outcome, now)
    if not obstacles and not told.episodes:
        return told, events
    told, more = _go_on(told, decision.target, obstacles, decision.at, now)
    return told, (*events, *more)


def event_of_error(
    told: Told, target: TargetRef, error: str, at: float, now: float
) -> tuple[Told, tuple[Event, ...]]:
    """Return what is to be told of a tick that broke by a kind of error, and what has been told then.

    The error's own text is for the log: nobody knows what it holds. Nothing is told of a target that
    was never seen.
    """
    if not told.uid:
        return told, ()
    message = f"a tick broke ({error}), which is a bug: the autoscaler's log has more"
    obstacles = {f"InternalError {error}": (BY_NAME["InternalError"], message)}
    return _go_on(told, target, obstacles, at, now)


def event_of_notice(uid: str, target: TargetRef, notice: Notice, now: float) -> Event:
    """Return what is to be told of a notice about an object."""
    return Event(target, uid, notice.reason, notice.message, notice.warning, now)


def _changes(decision: Decision, outcome: Outcome, now: float) -> tuple[Event, ...]:
    if outcome.kind is not OutcomeKind.APPLIED:
        return ()
    before, after = decision.current, outcome.replicas
    why = "; ".join(step.message for step in decision.steps)
    message = f"{before} → {after} replicas: {why}"
    reason = _direction(before, after)
    return (Event(decision.target, decision.uid, reason, message, BY_NAME[reason].warning, now),)


def _direction(before: int, after: int) -> str:
    if after > before:
        return "ScaledUp" if before else "ScaledFromZero"
    return "ScaledDown" if after else "ScaledToZero"


def _obstacles(decision: Decision, outcome: Outcome) -> Obstacles:
    """Return the limits worth an Event that bind, each with the demand beside it, and a write's trouble.

    Nothing stands in the way of a target that is left alone.
    """
    demand = decision.steps[0]
    alone = any(step.reason == "Excluded" for step in decision.steps)
    found = {
        step.reason: (
            BY_NAME[step.reason],
            step.message if step is demand else f"{step.message} ({demand.message})",
        )
        for step in decision.steps
        if step.reason in BY_NAME and not alone
    }
    if outcome.kind in {OutcomeKind.REFUSED, OutcomeKind.FAILED}:
        sentence = f"{decision.current} → {decision.replicas} {outcome.kind}: {outcome.message}"
        found[f"ScalingFailed {outcome.message}"] = BY_NAME["ScalingFailed"], sentence
    return found


def _go_on(
    told: Told, target: TargetRef, obstacles: Obstacles, at: float, now: float
) -> tuple[Told, tuple[Event, ...]]:
    """Return what has been told when it is told what is due by now.

    Where nothing was told yet a break begins anew; where it was, a short break does not end it.
    """
    known = {one.key: one for one in told.episodes if at - one.last < LULL_SECONDS}
    episodes, events = [], []
    for key, (reason, message) in obstacles.items():
        before = known.pop(key, None) or Episode(key, at, at, told=False)
        due = not before.told and at - before.since >= reason.after_seconds
        if due:
            events.append(Event(target, told.uid, reason.name, message, reason.warning, now))
        episodes.append(Episode(key, before.since, at, before.told or due))
    lately = (one for one in known.values() if one.told)
    return Told(told.uid, (*episodes, *lately)), tuple(events)
