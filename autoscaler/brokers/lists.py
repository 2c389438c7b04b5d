"""What waits in the lists: what of it is not due, and how long the oldest has been waiting.

The length of a list says neither. Tasks with an ETA lie in a list when no worker has taken them yet, or
when one gave them back at its end; so lists of up to `MOST_LOOKED_INTO` messages are looked into when
that matters, and again only when their length or one of their ends has changed.

When the oldest message was sent, it may say itself (`envelope`). For one that does not, markers are
kept: digests of the messages that were the newest of the list (LINDEX 0) at some time. Producers push
at one end and workers take from the other, so every message that lies behind a marker was there at its
time. When the oldest is no marker, the nearest one to it is looked for among the messages next to it;
LPOS would find it by the message only, which is not kept. The age by markers is a lower bound, off by
the time between two looks, or more after a burst of more than a window's messages.

Rights needed: LINDEX for ages, and LRANGE with it for due times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autoscaler.brokers.envelope import Envelope, digest, envelope
from autoscaler.brokers.talk import Refused, Talk, Words, array

PEEKS = 200
PEEK_SECONDS = 2.0
REFUSED_SECONDS = 60.0
MOST_LOOKED_INTO = 1000
MESSAGES_IN_READ = 4000
BYTES_IN_READ = 8_000_000
WINDOW = 1000
WINDOW_BYTES = 1_000_000
WINDOW_SECONDS = 10.0
MARKERS = 64
BY_MARKER = "first seen in its list"
BY_DUE_TIME = "due since"

Oldest = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Ends:
    """A list's length, and digests of its newest and its oldest message."""

    length: int
    newest: bytes
    oldest: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in a list that had certain ends: due times, and when the oldest due one was sent."""

    ends: Ends
    eta: tuple[float, ...]
    oldest: Oldest | None


@dataclass(slots=True)
class Lane:
    """What is remembered of one list. Times are since the epoch, but for the monotonic `…_at`."""

    ends: Ends
    peeked_at: float
    newest_since: float
    oldest_since: float
    oldest: Envelope = field(default_factory=Envelope)
    bytes_each: int = 0
    markers: dict[bytes, float] = field(default_factory=dict)
    behind: float | None = None
    window_at: float = float("-inf")
    look: Look | None = None

    def peek(self, ends: Ends, now: float, wall: float) -> None:
        """Take note of the ends as they are now."""
        if ends.newest != self.ends.newest:
            self.newest_since = wall
        if ends.oldest != self.ends.oldest:
            self.oldest_since = wall
        self.ends, self.peeked_at = ends, now

    def mark(self, message: bytes, wall: float) -> None:
        """Remember that a message was in the list at a time."""
        self.markers.setdefault(message, wall)
        if len(self.markers) > MARKERS:
            self.markers = dict(list(self.markers.items())[::2])

    def nearest(self, messages: Iterable[bytes]) -> float | None:
        """Return the time of the first marker among digests of messages, the oldest message first."""
        return next((self.markers[one] for one in messages if one in self.markers), None)

    def waiting_since(self, sent: Envelope, seen: Iterable[float | None], wall: float) -> Oldest | None:
        """Return since when a message waits: since it was sent, or since it was due; None if it is not."""
        if sent.eta is not None and sent.eta > wall:
            return None
        since, source = sent.sent_at, sent.source
        if since is None:
            since = min((at for at in seen if at is not None), default=wall)
            source = BY_MARKER
        return max(since, sent.eta or since), source

    def oldest_at(self, wall: float) -> Oldest | None:
        """Return since when the oldest message waits that is due, as far as it is known."""
        if self.look is not None and self.look.ends == self.ends:
            due = self.look.eta[0] if self.look.eta and self.look.eta[0] <= wall else None
            return self.look.oldest or (None if due is None else (due, BY_DUE_TIME))
        seen = (self.oldest_since, self.newest_since, self.behind, self.markers.get(self.ends.oldest))
        return self.waiting_since(self.oldest, seen, wall)


class Lists:
    """What is remembered of the lists that one reader reads."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._refused: dict[str, float] = {}

    def see(
        self, lengths: dict[str, int], looked_into: frozenset[str], now: float, wall: float
    ) -> Talk | None:
        """Take note of the lengths of all lists that are not empty; return the talk that follows, if any."""
        self._lanes = {key: lane for key, lane in self._lanes.items() if key in lengths}
        self._refused = {key: until for key, until in self._refused.items() if until > now}
        due = [key for key in lengths if self._due(key, lengths[key], now, key in looked_into)]
        due.sort(key=self._last_peek)
        return self._talk(due[:PEEKS], lengths, looked_into, now, wall) if due else None

    def look(self, key: str, length: int) -> Look | None:
        """Return what is in a list, None where that is not known as of now."""
        lane = self._lanes.get(key)
        if lane is None or lane.look is None or lane.look.ends != lane.ends:
            return None
        return lane.look if lane.ends.length == length else None

    def oldest(self, key: str, wall: float) -> Oldest | None:
        """Return since when the oldest message of a list waits, and who says so."""
        lane = self._lanes.get(key)
        return None if lane is None else lane.oldest_at(wall)

    def _due(self, key: str, length: int, now: float, looked_into: bool) -> bool:
        if key in self._refused:
            return False
        lane = self._lanes.get(key)
        if lane is None or lane.ends.length != length:
            return True
        return looked_into or now - lane.peeked_at >= PEEK_SECONDS

    def _last_peek(self, key: str) -> float:
        lane = self._lanes.get(key)
        return float("-inf") if lane is None else lane.peeked_at

    def _talk(
        self,
        keys: Sequence[str],
        lengths: dict[str, int],
        looked_into: frozenset[str],
        now: float,
        wall: float,
    ) -> Talk:
        questions: list[Words] = []
        for key in keys:
            questions += [("LINDEX", key, 0), ("LINDEX", key, -1)]
        answers = yield questions
        for place, key in enumerate(keys):
            self._peek(key, lengths[key], answers[2 * place], answers[2 * place + 1], now, wall)
        further = self._further(keys, looked_into, now)
        if not further:
            return
        answers = yield [question for _, question in further]
        for (key, question), answer in zip(further, answers, strict=True):
            self._read(self._lanes[key], key, question, answer, now, wall)

    def _peek(self, key: str, length: int, newest: object, oldest: object, now: float, wall: float) -> None:
        if not isinstance(newest, bytes) or not isinstance(oldest, bytes):
            self._lanes.pop(key, None)
            if newest is not None and oldest is not None:
                self._refused[key] = now + REFUSED_SECONDS
            return None
        ends = Ends(length, digest(newest), digest(oldest))
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(ends, now, wall, wall)
        elif lane.ends.oldest == ends.oldest:
            lane.peek(ends, now, wall)
            return self._mark(lane, wall)
        lane.peek(ends, now, wall)
        lane.oldest = envelope(oldest, wall)
        lane.bytes_each = max(len(newest), len(oldest))
        return self._mark(lane, wall)

    def _mark(self, lane: Lane, wall: float) -> None:
        if lane.oldest.sent_at is None:
            lane.mark(lane.ends.newest, wall)

    def _further(
        self, keys: Sequence[str], looked_into: frozenset[str], now: float
    ) -> list[tuple[str, Words]]:
        """Return which lists to read some more of, and how, as far as one read may."""
        found: list[tuple[str, Words]] = []
        messages = size = 0
        for key in keys:
            lane = self._lanes.get(key)
            question = None if lane is None else _question(lane, key, looked_into, now)
            if lane is None or question is None:
                continue
            count = min(lane.ends.length, WINDOW)
            messages, size = messages + count, size + count * lane.bytes_each
            if messages > MESSAGES_IN_READ or size > BYTES_IN_READ:
                break
            found.append((key, question))
        return found

    def _read(self, lane: Lane, key: str, question: Words, answer: object, now: float, wall: float) -> None:
        try:
            found = [one for one in array(answer, "LRANGE") if isinstance(one, bytes)]
        except Refused:
            self._refused[key] = now + REFUSED_SECONDS
            return
        messages = found[::-1]
        if question[2] == 0:
            lane.look = _look(lane, messages, wall)
            return
        digests = [digest(one) for one in messages]
        lane.window_at, lane.behind = now, lane.nearest(digests)
        if lane.behind is None and digests:
            lane.mark(digests[-1], wall)


def _question(lane: Lane, key: str, looked_into: frozenset[str], now: float) -> Words | None:
    """Return how to read some more of a list, None where there is no need to or it is too large."""
    ends = lane.ends
    if (
        key in looked_into
        and ends.length <= MOST_LOOKED_INTO
        and ends.length * lane.bytes_each <= BYTES_IN_READ
    ):
        changed = lane.look is None or lane.look.ends != ends
        return ("LRANGE", key, 0, MOST_LOOKED_INTO - 1) if changed else None
    known = lane.oldest.sent_at is not None or ends.oldest in lane.markers
    if known or now - lane.window_at < WINDOW_SECONDS:
        return None
    window = max(1, min(WINDOW, WINDOW_BYTES // max(lane.bytes_each, 1)))
    return ("LRANGE", key, -window, -1)


def _look(lane: Lane, messages: list[bytes], wall: float) -> Look:
    """Return what is in a list, of which the oldest message comes first."""
    envelopes = [envelope(one, wall) for one in messages]
    eta = sorted(one.eta for one in envelopes if one.eta is not None and one.eta > wall)
    oldest = None
    for place, sent in enumerate(envelopes):
        if sent.eta is None or sent.eta <= wall:
            behind = lane.nearest(digest(one) for one in messages[place:])
            oldest = lane.waiting_since(sent, (lane.newest_since, behind), wall)
            break
    return Look(lane.ends, tuple(eta), oldest)
