"""Whose the unacknowledged messages are, since when, and which of them are not due.

kombu keeps the delivered messages of all queues together (`kombu.transport.redis.QoS`): the hash `unacked`
has `[message, exchange, routing key]` by delivery tag, the sorted set `unacked_index` the time of delivery. A
message does not change while it lies there, so each is looked into once, when its tag is new, and forgotten
when its tag is gone.

Up to `MOST_IN_READ` messages that is done in the read itself, and only when something has changed: every
read asks for the number of messages and for the newest tags with their times. Of more messages a thread in
the background keeps account, a page at a time so that Redis is never held up, and what it found has an age.

Rights needed: ZRANGE for anything beyond the number; HMGET to tell queues and due times; SMEMBERS for
other exchanges than the default one; HSCAN for messages that the index lacks. Redis 6.2 is needed for more
than `MOST_IN_READ` messages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from autoscaler.brokers.delivered import Content, Shares, groups_of
from autoscaler.brokers.envelope import delivery
from autoscaler.brokers.routes import Routes
from autoscaler.brokers.talk import Batches, Refused, Talk, Words, array
from autoscaler.core.account import Delivered
from autoscaler.core.model import Quality, Reading, stale

UNACKED_KEY = "unacked"
INDEX_KEY = "unacked_index"
NEWEST = 128
MOST_IN_READ = 2000
MOST_IN_MEMORY = 200_000
PAGE = 1000
RENEWAL_SECONDS = 10.0
RENEWAL_OF_FEW_SECONDS = 60.0
REFUSED_SECONDS = 60.0

Scores = dict[bytes, float]
Pages = Generator[Sequence[Words], list[object], Scores]


@dataclass(frozen=True, slots=True)
class Mark:
    """What every read sees: the number of messages, and the newest tags with their scores."""

    count: int
    newest: tuple[object, ...] = ()

    @property
    def holds_all(self) -> bool:
        """Whether there are no older tags than the newest ones."""
        return len(self.newest) < 2 * NEWEST


@dataclass(frozen=True, slots=True)
class Account:
    """What a look has found, and at which `mark`; `at` is when it began, in monotonic seconds.

    `loose` are messages that the index lacks.
    """

    mark: Mark
    at: float
    contents: Mapping[bytes, Content] = field(default_factory=dict)
    loose: Mapping[bytes, Content] = field(default_factory=dict)
    shares: Shares = field(default_factory=lambda: Shares(()))


NOTHING = Account(Mark(-1), 0.0)


class Unacked:
    """The account of the unacknowledged messages under one prefix."""

    def __init__(self, prefix: str, sep: str) -> None:
        self._hash = prefix + UNACKED_KEY
        self._index = prefix + INDEX_KEY
        self._routes = Routes(prefix, sep)
        self._seen = Mark(0)
        self._account = NOTHING
        self._refusal = ""
        self._refused_until = 0.0
        self._trouble = ""
        self._lock = threading.Lock()

    @property
    def question(self) -> Words:
        """What to ask beside the number of messages."""
        return ("ZRANGE", self._index, -NEWEST, -1, "WITHSCORES")

    def may_ask(self, now: float) -> bool:
        """Return whether the question is worth asking: it is not for a while after a refusal."""
        return now >= self._refused_until

    def see(self, count: int, newest: object, now: float) -> Talk | None:
        """Take note of the answers, and return the talk that follows from them, if any."""
        if newest is None:
            self._seen = Mark(count)
            return None
        try:
            mark = Mark(count, tuple(array(newest, "ZRANGE")))
        except Refused as refused:
            self._seen = Mark(count)
            self._refuse(str(refused), now)
            return None
        self._seen = mark
        if count == 0:
            self._publish(Account(mark, now))
        if self._is_current(now) or not self.fits_read:
            return None
        return self._tell_troubles(self.look(now, self._pages_in_read(mark)), now)

    @property
    def fits_read(self) -> bool:
        """Whether the messages are few enough to be looked into while reading."""
        return self._seen.count <= MOST_IN_READ

    def wants_background(self, now: float) -> bool:
        """Whether a look beside the reads is due."""
        if now < self._refused_until or not 0 < self._seen.count <= MOST_IN_MEMORY:
            return False
        missing = self._account.mark == self._seen and self._account.shares.missing > 0
        return missing if self.fits_read else not self._is_current(now)

    def background_talk(self, now: float, ended: Callable[[], bool]) -> Talk:
        """Return the talk that looks into any number of messages, in small bites."""
        return self._tell_troubles(self._in_background(now, ended), now)

    def delivered(
        self,
        queues: tuple[str, ...],
        shared_queues: frozenset[str],
        *,
        shared: bool,
        source: str,
        now: float,
        wall: float,
    ) -> Reading[Delivered]:
        """Return one target's share, as of now if nothing has changed since it was looked into."""
        seen, account = self._seen, self._account
        if self._refusal and seen.count:
            return _counted(seen.count, self._refusal, source, shared=shared)
        if seen.count > MOST_IN_MEMORY:
            return _counted(
                seen.count, f"more than {MOST_IN_MEMORY} are not told apart", source, shared=shared
            )
        if account is NOTHING:
            detail = self._trouble or "they are still being looked into"
            return _counted(seen.count, detail, source, shared=shared)
        share = account.shares.of(queues, shared_queues, shared=shared, now=wall)
        detail = self._routes.detail or self._trouble
        if account.mark == seen:
            return Reading(share, source, Quality.FRESH, 0.0, detail)
        return stale(share, source, now - account.at, detail or "they are being looked into")

    def trouble(self, detail: str) -> None:
        """Take note of why looking into the messages failed."""
        self._trouble = detail

    def look(self, now: float, pages: Pages) -> Talk:
        """Look into the messages that `pages` finds; those that were known are not read again."""
        mark, known = self._seen, self._account
        scores = yield from pages
        contents = {tag: known.contents[tag] for tag in scores if tag in known.contents}
        yield from self._fetch([tag for tag in scores if tag not in contents], contents)
        missing = max(0, mark.count - len(contents))
        loose = known.loose if len(known.loose) == missing else {}
        yield from self._settle(Account(mark, now, contents, loose), scores)

    def _is_current(self, now: float) -> bool:
        account = self._account
        renewal = RENEWAL_OF_FEW_SECONDS if account.mark.holds_all else RENEWAL_SECONDS
        return account.mark == self._seen and now - account.at < renewal

    def _tell_troubles(self, talk: Talk, now: float) -> Talk:
        try:
            yield from talk
        except Refused as refused:
            self._refuse(str(refused), now)
        else:
            self._refusal = self._trouble = ""

    def _refuse(self, detail: str, now: float) -> None:
        self._refusal, self._refused_until = detail, now + REFUSED_SECONDS

    def _pages_in_read(self, mark: Mark) -> Pages:
        if mark.holds_all:
            return scores_of(list(mark.newest))
        (answer,) = yield [("ZRANGE", self._index, 0, 2 * MOST_IN_READ, "WITHSCORES")]
        return scores_of(array(answer, "ZRANGE"))

    def _in_background(self, now: float, ended: Callable[[], bool]) -> Talk:
        count, newest = yield [
            ("HLEN", self._hash),
            ("ZRANGE", self._index, -NEWEST, -1, "WITHSCORES"),
        ]
        if not isinstance(count, int):
            return
        mark, known = Mark(count, tuple(array(newest, "ZRANGE"))), self._account
        scores = yield from self._pages(ended)
        contents = {tag: known.contents[tag] for tag in scores if tag in known.contents}
        yield from self._fetch([tag for tag in scores if tag not in contents], contents)
        loose: dict[bytes, Content] = {}
        if count > len(contents):
            yield from self._scan(contents, loose)
        if not ended():
            yield from self._settle(Account(mark, now, contents, loose), scores)

    def _pages(self, ended: Callable[[], bool]) -> Pages:
        """Read the whole index by score: ranks shift while messages are acknowledged."""
        scores: Scores = {}
        lowest, size = "-inf", PAGE
        while not ended():
            (answer,) = yield [
                ("ZRANGE", self._index, lowest, "+inf", "BYSCORE", "LIMIT", 0, size, "WITHSCORES")
            ]
            page = array(answer, "ZRANGE")
            found = scores_of(page)
            before = len(scores)
            scores.update(found)
            if len(page) < 2 * size or len(scores) > MOST_IN_MEMORY:
                break
            # a page full of one score would come again for ever
            size = PAGE if len(scores) > before else 2 * size
            lowest = repr(max(found.values(), default=0.0))
        return scores

    def _fetch(self, tags: list[bytes], contents: dict[bytes, Content]) -> Talk:
        """Look into messages by tag; those that are gone meanwhile are left out."""
        batches, place, alike = Batches(), 0, _Alike()
        while place < len(tags):
            batch = tags[place : place + batches.size]
            (answer,) = yield [("HMGET", self._hash, *batch)]
            values = array(answer, "HMGET")
            batches.saw(values)
            for tag, value in zip(batch, values, strict=False):
                if isinstance(value, bytes):
                    contents[tag] = alike.content(value)
            place += len(batch)

    def _scan(self, contents: Mapping[bytes, Content], loose: dict[bytes, Content]) -> Talk:
        """Find the messages that the index lacks."""
        batches, cursor, alike = Batches(), b"0", _Alike()
        while True:
            (answer,) = yield [("HSCAN", self._hash, cursor, "COUNT", batches.size)]
            page = array(answer, "HSCAN")
            pairs = page[1] if len(page) == len(("cursor", "pairs")) else None
            if not isinstance(pairs, list) or not isinstance(page[0], bytes):
                raise Refused("does not answer HSCAN as Redis does")
            batches.saw(pairs[1::2])
            for tag, value in zip(pairs[::2], pairs[1::2], strict=False):
                if isinstance(tag, bytes) and isinstance(value, bytes) and tag not in contents:
                    loose[tag] = alike.content(value)
            cursor = page[0]
            if cursor == b"0" or len(loose) > MOST_IN_MEMORY:
                return

    def _settle(self, found: Account, scores: Scores) -> Talk:
        """Learn what the routes of the messages mean, sort the messages by them, and publish."""
        everything = {**found.loose, **found.contents} if found.loose else found.contents
        exchanges = {route.exchange for route, _ in set(everything.values()) if route and route.exchange}
        yield from self._routes.learn(exchanges, found.at)
        missing = max(0, found.mark.count - len(everything))
        shares = Shares(groups_of(everything, scores, self._routes.queues), missing)
        self._publish(Account(found.mark, found.at, found.contents, found.loose, shares))

    def _publish(self, account: Account) -> None:
        with self._lock:
            if self._account is NOTHING or account.at >= self._account.at:
                self._account = account


class _Alike:
    """Contents, the same object for the same content: most messages of a queue have the same."""

    def __init__(self) -> None:
        self._contents: dict[Content, Content] = {}

    def content(self, value: bytes) -> Content:
        found: Content = delivery(value) or (None, None)
        return self._contents.setdefault(found, found)


def scores_of(page: list[object]) -> Scores:
    """Return what ZRANGE with scores answered, by tag."""
    scores: Scores = {}
    for tag, score in zip(page[::2], page[1::2], strict=False):
        if not isinstance(tag, bytes) or not isinstance(score, bytes):
            raise Refused("does not answer ZRANGE as Redis does")
        try:
            scores[tag] = float(score)
        except ValueError:
            raise Refused("does not answer ZRANGE as Redis does") from None
    return scores


def _counted(count: int, detail: str, source: str, *, shared: bool) -> Reading[Delivered]:
    value = Delivered(uncounted=count, shared=shared and count > 0)
    return Reading(value, source, Quality.FRESH, 0.0, detail if count else "")
