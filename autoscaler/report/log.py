"""The log: one line when a decision changes, with what it was made from and what came of it.

A thousand targets looked at every second must not write a thousand lines a second. A line is due when
the number asked for changes, when a limit worth knowing begins or ceases to bind, and when an outcome
is a new trouble; everything else is a repetition.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from autoscaler.core.model import Decision, Notice, Outcome, OutcomeKind, TargetRef
from autoscaler.core.snapshot import Snapshot

CREDENTIALS = re.compile(r"(?<=://)\S*@")
ROUTINE = frozenset(
    {
        "NoWork",
        "NotQuietForLong",
        "ScaleDownStabilized",
        "ScaleUpStabilized",
        "WithinTolerance",
        "WorkInProgress",
        "WorkWaiting",
    }
)
"""Reasons that come and go with every task: alone they are no news."""

IN_THE_SENTENCE = frozenset({"current", "demand_slots", "outcome", "reason", "target", "wanted"})
CALM = frozenset({OutcomeKind.UNCHANGED, OutcomeKind.APPLIED, OutcomeKind.DRY_RUN})


def set_up(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log line to a stream (standard error by default), as JSON or for a person to read."""
    as_json = log_format == "json"
    out = sys.stderr if stream is None else stream
    renderer: tuple[Processor, ...] = (
        (structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer(ensure_ascii=False))
        if as_json
        else (
            _without_structure,
            structlog.processors.format_exc_info,
            redact,
            structlog.dev.ConsoleRenderer(colors=out.isatty()),
        )
    )
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    libraries = logging.StreamHandler(out)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[libraries], level=logging.WARNING, force=True)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take the credentials out of anything that looks like a URL."""
    return {key: _redacted(value) for key, value in event.items()}


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return CREDENTIALS.sub("***@", value)
    if isinstance(value, dict):
        return {key: _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return value


def _without_structure(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Leave out what the sentence says already."""
    return {
        key: value
        for key, value in event.items()
        if key not in IN_THE_SENTENCE and not isinstance(value, dict | list)
    }


class LogReporter:
    """Implements `Reporter` by log lines."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._lock = threading.Lock()
        self._said: dict[TargetRef, object] = {}

    def report(self, snapshot: Snapshot, decision: Decision, outcome: Outcome) -> None:
        """Write a line where the decision says something new. See `Reporter`."""
        news = self._news(decision.target, _gist(snapshot, decision, outcome))
        if not news and outcome.kind is not OutcomeKind.APPLIED:
            return
        well = outcome.kind in CALM and snapshot.broker.is_fresh
        level = "info" if well else "warning"
        getattr(self._log, level)(sentence(decision, outcome), **_fields(snapshot, decision, outcome))

    def unseen(self, target: TargetRef, reason: str) -> None:
        """Write a line when a target goes out of sight. See `Reporter`."""
        if self._news(target, ("unseen", reason)):
            self._log.warning(f"{target}: cannot be seen: {reason}", target=str(target))

    def notice(self, target: TargetRef, notice: Notice) -> None:
        """Write it down. See `Reporter`."""
        write = self._log.warning if notice.warning else self._log.info
        pods = {"pods": list(notice.pods)} if notice.pods else {}
        write(f"{target}: {notice.message}", target=str(target), reason=notice.reason, **pods)

    def failed(self, target: TargetRef, error: BaseException) -> None:
        """Write what broke, once for each kind of error in a row. See `Reporter`."""
        if self._news(target, ("failed", type(error), str(error))):
            self._log.error(f"{target}: its tick broke", target=str(target), exc_info=error)

    def _news(self, target: TargetRef, gist: object) -> bool:
        with self._lock:
            if self._said.get(target) == gist:
                return False
            self._said[target] = gist
            return True


def sentence(decision: Decision, outcome: Outcome) -> str:
    """Return a decision and its outcome in one sentence for people."""
    what = {
        OutcomeKind.UNCHANGED: f"stays at {decision.current}",
        OutcomeKind.APPLIED: _move(decision, outcome.replicas),
        OutcomeKind.DRY_RUN: f"dry run, {_move(decision, decision.replicas)} not asked for",
        OutcomeKind.CONFLICT: f"{decision.current} → {decision.replicas} dropped, {outcome.message}",
        OutcomeKind.REFUSED: f"{decision.current} → {decision.replicas} refused, {outcome.message}",
        OutcomeKind.FAILED: f"{decision.current} → {decision.replicas} failed, {outcome.message}",
    }[outcome.kind]
    return f"{decision.target}: {what}: {'; '.join(step.message for step in decision.steps)}"


def _move(decision: Decision, replicas: int) -> str:
    """Return the way to so many replicas, with that of the floor of an HPA."""
    moved = f"{decision.current} → {replicas}"
    if decision.floor is None:
        return moved
    stays = replicas == decision.current
    return f"{f'stays at {decision.current}' if stays else moved}, {decision.floor}"


def _gist(snapshot: Snapshot, decision: Decision, outcome: Outcome) -> object:
    """Return what makes a decision the same as the one before; a write is news in any case."""
    limits = tuple(step.reason for step in decision.steps if step.reason not in ROUTINE)
    trouble = "" if outcome.kind in CALM else f"{outcome.kind}: {outcome.message}"
    return decision.replicas, limits, trouble, snapshot.broker.quality


def _fields(snapshot: Snapshot, decision: Decision, outcome: Outcome) -> dict[str, object]:
    account = snapshot.broker.value
    delivered = None if account is None else account.delivered
    return {
        "target": str(decision.target),
        "outcome": outcome.kind.value,
        "current": decision.current,
        "wanted": decision.replicas,
        "demand_slots": decision.demand_slots,
        "reason": decision.reason,
        "floor": None
        if decision.floor is None
        else {"hpa": decision.floor.name, "was": decision.floor.was, "to": decision.floor.to},
        "steps": [
            {"limit": step.limit, "replicas": step.replicas, "reason": step.reason, "message": step.message}
            for step in decision.steps
        ],
        "inputs": {
            "queues": None if account is None else {q.queue: q.messages for q in account.queues},
            "not_due": decision.later_tasks,
            "delivered": None
            if delivered is None or delivered.value is None
            else len(delivered.value.deliveries) + len(delivered.value.eta) + delivered.value.uncounted,
            "delivered_quality": None if delivered is None else delivered.quality.value,
            "delivered_detail": "" if delivered is None else delivered.detail,
            "oldest_waiting_seconds": None
            if account is None or account.oldest_at is None
            else round(snapshot.now - account.oldest_at, 3),
            "broker_source": snapshot.broker.source,
            "broker_quality": snapshot.broker.quality.value,
            "broker_age_seconds": round(snapshot.broker.age_seconds, 3),
            "hints": [
                {
                    "name": hint.name,
                    "tasks": hint.tasks.value,
                    "quality": hint.tasks.quality.value,
                    "age_seconds": round(hint.tasks.age_seconds, 3),
                    "detail": hint.tasks.detail,
                    "explanation": hint.explanation,
                }
                for hint in snapshot.hints
            ],
            "slots_per_worker": snapshot.slots.value,
            "slots_source": snapshot.slots.source,
            "workers_detail": snapshot.crew_detail,
            "workers_ready": snapshot.workers.ready,
            "workers_terminating": snapshot.workers.terminating,
            "overrides": [str(override) for override in snapshot.overrides.declared],
            "cluster_quality": snapshot.workers_quality.value,
            "hpa": [str(hpa) for hpa in snapshot.hpas.value or ()],
            "hpa_asks": decision.hpa_asks,
        },
    }
