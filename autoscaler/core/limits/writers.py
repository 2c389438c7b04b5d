"""What speaks against the demand because somebody else has written the replicas."""

from __future__ import annotations

from autoscaler.core.limits.view import View
from autoscaler.core.model import Step
from autoscaler.core.overrides import Key

DAY_SECONDS = 86400


def manual(proposed: int, view: View) -> Step | None:
    """Keep to a person's number for a while: no fewer, and no more if it was lowered or is zero.

    Nothing is lowered for its sake beyond what was to be lowered anyway, so that a number which somebody
    has raised since comes down as the demand lets it. It does not grow past the maximum, nor past the
    connections of the database. A number that is ordered by annotation goes before it.
    """
    hold = view.history.others.kept(view.snapshot.at)
    if hold is None or view.overrides.get(Key.PAUSED_REPLICAS) is not None:
        return None
    current = view.current
    least = min(hold.replicas, max(view.policy.most_workers, current))
    most = max(hold.replicas, current) if hold.exact else max(proposed, least)
    kept = min(max(proposed, least), most)
    if kept == proposed:
        return None
    left = hold.until - view.snapshot.at
    message = (
        f"{hold.writer.name} asked for {hold.replicas}: kept until {_clock(view.snapshot.now + left)} "
        "(manual_grace_seconds)"
    )
    return Step("manual", kept, "ManualReplicas", message)


def contention(proposed: int, view: View) -> Step | None:
    """Leave the number to whoever reverses us again and again, for a while.

    Upward too, and from zero: workers that are called up to be ended at once do no work.
    """
    rival = view.history.others.fighting(view.snapshot.at)
    if rival is None or proposed == view.current:
        return None
    until = _clock(view.snapshot.now + rival.until - view.snapshot.at)
    message = f"{rival.writer.name} has reversed this again and again: its number is left alone until {until}"
    return Step("contention", view.current, "FightingWriter", message)


def _clock(now: float) -> str:
    """Return the time of the day, in UTC, of seconds since the epoch."""
    seconds = round(now) % DAY_SECONDS
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} UTC"
