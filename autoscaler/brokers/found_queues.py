"""Which queues a Redis has, for targets that name theirs by a glob.

Redis has no key for an empty queue, and does not know what a queue is. kombu's bindings tell of queues
that somebody has declared, and the lists of those that hold something. Both are found by SCAN, in the
background and in small steps, and remembered for a day, so that a queue that fills again is not news.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

from autoscaler.brokers.routes import bindings_of
from autoscaler.brokers.talk import Refused, Talk, Words, array
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import Reading, fresh, unknown
from autoscaler.core.queues import matches

EVERY_SECONDS = 15.0
REMEMBERED_SECONDS = 86_400.0
KEYS_A_STEP = 1000
MOST_STEPS = 5000
SETS_AT_ONCE = 100
BINDINGS = "_kombu.binding."
NOT_YET = "its queues are still being looked for"
TOO_MANY = f"there are more than {MOST_STEPS * KEYS_A_STEP} keys to look for queues in"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the keys of some targets are, and which of them are no queues of tasks."""

    prefix: str
    sep: str
    steps: tuple[int, ...]
    events: str

    def queue_of(self, key: str) -> str:
        """Return the queue whose list has a key."""
        name = key.removeprefix(self.prefix)
        for step in self.steps:
            if step and name.endswith(f"{self.sep}{step}"):
                return name.removesuffix(f"{self.sep}{step}")
        return name

    def holds_tasks(self, queue: str) -> bool:
        """Whether a queue may be one of tasks: not of events, of remote control or of kombu's own."""
        others = (f"{self.events}.", "_kombu.")
        return not queue.endswith(".pidbox") and not queue.startswith(others)


def shelf_of(broker: BrokerSettings) -> Shelf:
    """Return where a target's queues are."""
    return Shelf(broker.global_keyprefix, broker.sep, broker.priority_steps, broker.event_queue_prefix)


class FoundQueues:
    """The queues on one shelf. Looked at by one thread, and looked for by another."""

    def __init__(self, shelf: Shelf, source: str) -> None:
        self._shelf = shelf
        self._source = source
        self._seen: dict[str, float] = {}
        self._complete_at: float | None = None
        self._began_at = float("-inf")
        self._trouble = ""

    def wants_background(self, now: float) -> bool:
        """Whether it is time to look for them."""
        return now - self._began_at >= EVERY_SECONDS

    def matching(self, names: Iterable[str], now: float) -> Reading[tuple[str, ...]]:
        """Return the queues that names with globs stand for, sorted; unknown before the first search."""
        if self._complete_at is None:
            return unknown(self._source, self._trouble or NOT_YET)
        names = tuple(names)
        found = tuple(sorted(queue for queue in self._seen if matches(names, queue)))
        return fresh(found, self._source, now - self._complete_at)

    def trouble(self, detail: str) -> None:
        """Take note of why the last search failed; what was found before stays known."""
        self._trouble = detail

    def background_talk(self, now: float, ended: Callable[[], bool]) -> Talk:
        """Return the talk that finds all of them."""
        self._began_at = now
        try:
            bindings = yield from self._scan(("MATCH", f"{_literal(self._shelf.prefix + BINDINGS)}*"), ended)
            lists = yield from self._scan(
                ("MATCH", f"{_literal(self._shelf.prefix)}*", "TYPE", "list"), ended
            )
            bound = yield from self._bound(sorted(bindings))
        except Refused as refused:
            self.trouble(str(refused))
            return
        if ended():
            return
        queues = {self._shelf.queue_of(key) for key in lists} | bound
        kept = {queue: at for queue, at in self._seen.items() if now - at < REMEMBERED_SECONDS}
        self._seen = kept | {queue: now for queue in queues if self._shelf.holds_tasks(queue)}
        self._complete_at, self._trouble = now, ""

    def _scan(
        self, selection: Words, ended: Callable[[], bool]
    ) -> Generator[list[Words], list[object], set[str]]:
        """Return all keys that a selection finds. Raises `Refused`."""
        found: set[str] = set()
        cursor = "0"
        for _ in range(MOST_STEPS):
            answers = yield [("SCAN", cursor, *selection, "COUNT", KEYS_A_STEP)]
            answer = array(answers[0], "SCAN")
            if len(answer) != len(("cursor", "keys")):
                raise Refused("does not answer SCAN as Redis does")
            cursor = _text(answer[0])
            found.update(map(_text, array(answer[1], "SCAN")))
            if cursor == "0" or ended():
                return found
        raise Refused(TOO_MANY)

    def _bound(self, keys: list[str]) -> Generator[list[Words], list[object], set[str]]:
        """Return the queues that the bindings of some keys lead to. Raises `Refused`."""
        found: set[str] = set()
        for start in range(0, len(keys), SETS_AT_ONCE):
            answers = yield [("SMEMBERS", key) for key in keys[start : start + SETS_AT_ONCE]]
            for answer in answers:
                found.update(one.queue for one in bindings_of(array(answer, "SMEMBERS"), self._shelf.sep))
        return found


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _literal(text: str) -> str:
    """Return a text as Redis' MATCH takes it for itself."""
    return "".join(f"\\{character}" if character in "*?[]^-\\" else character for character in text)
