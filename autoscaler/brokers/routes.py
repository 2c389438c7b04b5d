"""Which queue a delivered message came from, when only its exchange and routing key are known.

kombu keeps the bindings of an exchange in the set `_kombu.binding.<exchange>`, each member a routing
key, a pattern and a queue, joined by the separator (`kombu.transport.redis.Channel._queue_bind`). The
pattern is filled for a topic exchange alone; direct and fanout exchanges cannot be told apart, so a
binding by the very routing key goes first, and without one a message may come from any queue that is
bound without a pattern. The name of a set is made from an exchange's name, and never searched for:
beside these there are `_kombu.binding_permanent.*` and `_kombu.binding_deadlines`, which are no bindings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from autoscaler.brokers.envelope import Route
from autoscaler.brokers.talk import Refused, Talk, Words, array

KEPT_SECONDS = 60.0
MOST_EXCHANGES = 1000
WILDCARDS = {"*": r"[^.]+", "#": r".*?"}


@dataclass(frozen=True, slots=True)
class Binding:
    """One queue's binding to an exchange; `topic` where its routing key is a pattern."""

    routing_key: str
    topic: bool
    queue: str


@dataclass(frozen=True, slots=True)
class _Table:
    bindings: tuple[Binding, ...]
    at: float


class Routes:
    """The bindings of the exchanges under one prefix, kept for a minute."""

    def __init__(self, prefix: str, sep: str) -> None:
        self._prefix = prefix
        self._sep = sep
        self._tables: dict[str, _Table] = {}
        self.detail = ""

    def learn(self, exchanges: set[str], now: float) -> Talk:
        """Read the bindings of those exchanges that are not known, or not any more."""
        wanted = [name for name in sorted(exchanges) if self._due(name, now)][:MOST_EXCHANGES]
        if not wanted:
            return
        questions: list[Words] = [("SMEMBERS", f"{self._prefix}_kombu.binding.{name}") for name in wanted]
        answers = yield questions
        for name, answer in zip(wanted, answers, strict=True):
            try:
                members = array(answer, "SMEMBERS")
            except Refused as refused:
                self.detail, members = str(refused), []
            else:
                self.detail = ""
            self._tables[name] = _Table(tuple(bindings_of(members, self._sep)), now)
        self._tables = {name: table for name, table in self._tables.items() if name in exchanges}

    def queues(self, route: Route) -> tuple[str, ...]:
        """Return the queues that a message may come from: none where that cannot be told."""
        if not route.exchange:
            return (route.routing_key,) if route.routing_key else ()
        table = self._tables.get(route.exchange)
        bindings = () if table is None else table.bindings
        bound = {one.queue for one in bindings if _matches(one, route.routing_key)}
        return tuple(sorted(bound or {one.queue for one in bindings if not one.topic}))

    def _due(self, exchange: str, now: float) -> bool:
        table = self._tables.get(exchange)
        return table is None or now - table.at >= KEPT_SECONDS


def bindings_of(members: list[object], sep: str) -> list[Binding]:
    """Return the bindings that a set's members are; what is no binding is left out."""
    found: list[Binding] = []
    for member in members:
        if not isinstance(member, bytes):
            continue
        parts = member.decode("utf-8", "replace").split(sep)
        if len(parts) == len(("routing key", "pattern", "queue")) and parts[2]:
            found.append(Binding(parts[0], bool(parts[1]), parts[2]))
    return found


def _matches(binding: Binding, routing_key: str) -> bool:
    if not binding.topic:
        return binding.routing_key == routing_key
    return _pattern(binding.routing_key).fullmatch(routing_key) is not None


@lru_cache(maxsize=1024)
def _pattern(binding_key: str) -> re.Pattern[str]:
    """Return what kombu's topic exchange makes of a key: a word each for *, anything for #."""
    words = binding_key.split(".")
    return re.compile(r"\.".join(WILDCARDS.get(word, re.escape(word)) for word in words), re.DOTALL)
