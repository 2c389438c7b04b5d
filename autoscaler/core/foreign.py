"""What people are told of a foreign write of a target's replicas: by whom, and whom it ends.

A foreign lowering ends workers by SIGTERM, busy or not, before anybody here hears of it. So it is told
with its author, and with the pods that it ends: none of them goes by our decision.
"""

from __future__ import annotations

from autoscaler.core.limits.view import NAMED
from autoscaler.core.model import Notice
from autoscaler.core.others import FIGHT_SECONDS, QUIET_SECONDS, Others, Rival, Write
from autoscaler.core.overrides import Key
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import WriterKind


def notices(
    write: Write, snapshot: Snapshot, before: Others, after: Others, *, shared: bool = False
) -> tuple[Notice, ...]:
    """Return what there is to tell of a write, `before` and `after` being the memory around it.

    `shared` says that an HPA is left its part: of that only such as ends somebody at work is told.
    """
    kind = write.writer.kind
    if kind is WriterKind.OURS:
        return ()
    if kind is WriterKind.HPA and shared:
        return (_of_our_neighbour(write, snapshot),) if _at_work(write, snapshot) else ()
    if kind is WriterKind.HPA:
        quiet = before.hpa_seen_at is None or snapshot.at - before.hpa_seen_at > QUIET_SECONDS
        told = [_of_the_hpa(write, snapshot)] if quiet else []
    else:
        known = before.frequent(snapshot.at, write.writer)
        told = [] if known else [_of_the_write(write, snapshot, after)]
    if snapshot.overrides.get(Key.EXCLUDE) is not None:
        return ()
    return (*told, *_of_a_fight(snapshot, before, after))


def _of_the_hpa(write: Write, snapshot: Snapshot) -> Notice:
    message = (
        f"{write.writer} scales the same replicas, {write.before} → {write.after}{_ended(write, snapshot)}: "
        "each undoes what the other does; let one of them do it"
    )
    return Notice("HpaWrite", message, ending(write, snapshot))


def _of_our_neighbour(write: Write, snapshot: Snapshot) -> Notice:
    what = f"{write.writer} lowered {write.before} → {write.after}"
    message = f"{what}{_ended(write, snapshot)}: it knows nothing of tasks"
    return Notice("HpaEndedWork", message, ending(write, snapshot))


def _of_the_write(write: Write, snapshot: Snapshot, after: Others) -> Notice:
    ended, answer = _ended(write, snapshot), _answer(write, snapshot, after)
    if after.frequent(snapshot.at, write.writer):
        answer = f"{answer}; it writes again and again, of which no more is told"
    message = f"replicas {write.before} → {write.after} by {write.writer}{ended}; {answer}"
    return Notice("ForeignWrite", message, ending(write, snapshot), warning=bool(ended))


def _answer(write: Write, snapshot: Snapshot, after: Others) -> str:
    """Return what is made of a write, by the limit that has the last word on it."""
    hold, rival, at = after.kept(snapshot.at), after.fighting(snapshot.at), snapshot.at
    paused, pinned = (snapshot.overrides.get(key) for key in (Key.PAUSED, Key.PAUSED_REPLICAS))
    if paused is not None and pinned is None:
        return f"left as it is: {paused}"
    if rival is not None:
        return f"left as it is for {rival.until - at:.0f} s"
    if pinned is not None:
        return f"not kept: {pinned}"
    if hold is None:
        return "answered by what the demand asks for"
    if write.writer.kind is WriterKind.PERSON:
        return f"kept for {hold.until - at:.0f} s, {'neither more nor fewer' if hold.exact else 'no fewer'}"
    return f"answered by the demand, and the {hold.replicas} that {hold.writer.name} asked for"


def _of_a_fight(snapshot: Snapshot, before: Others, after: Others) -> tuple[Notice, ...]:
    """Return that a back-off has begun, once for each."""
    fights = {rival.writer.manager: rival.fights for rival in before.rivals}
    return tuple(
        Notice(
            "FightingWriter",
            f"{rival.writer} has reversed what was asked for {_how_often(rival)}: "
            f"its number is left alone for {rival.until - snapshot.at:.0f} s, whatever the demand",
        )
        for rival in after.rivals
        if rival.fights > fights.get(rival.writer.manager, 0)
    )


def _how_often(rival: Rival) -> str:
    """Return what made it a fight: many reversals, and after a first fight any one."""
    if rival.fights > 1:
        return "again"
    return f"{len(rival.reversals)} times within {FIGHT_SECONDS / 60:.0f} minutes"


def ending(write: Write, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the pods that a lowering ends; of a Deployment it is not known which those will be."""
    return tuple(
        pod.name
        for pod in snapshot.workers.pods
        if pod.place is not None and write.after <= pod.place < write.before
    )


def _ended(write: Write, snapshot: Snapshot) -> str:
    """Return how many workers a lowering ends, and which of them are known to be at work."""
    gone = ending(write, snapshot)
    ends_any = gone or (snapshot.target.kind == "Deployment" and len(snapshot.workers.pods) > write.after)
    if write.after >= write.before or not ends_any:
        return ""
    if snapshot.target.kind != "StatefulSet":
        count = len(snapshot.workers.pods) - write.after
        return f", which ends {count} workers of the Deployment's choice by SIGTERM"
    busy = _at_work(write, snapshot)
    if not busy:
        return f", which ends {len(gone)} workers by SIGTERM"
    more = f" and {len(busy) - NAMED} more" if len(busy) > NAMED else ""
    return (
        f", which ends {len(gone)} workers by SIGTERM, {len(busy)} of them at work: "
        f"{', '.join(busy[:NAMED])}{more}"
    )


def _at_work(write: Write, snapshot: Snapshot) -> list[str]:
    """Return the pods that a lowering ends and that are known to be at work."""
    accounts = dict(snapshot.crew)
    gone = ending(write, snapshot)
    return [pod for pod in gone if (account := accounts.get(pod)) is not None and account.active]
