"""The workers of one broker, by name and by the queues that they consume.

Targets that share a broker share what is known of its workers, so that nobody is asked twice, and the
workers of one target that consume another's queues are found without asking for them.
"""

from __future__ import annotations

import threading

from autoscaler.brokers.heartbeats import Roll
from autoscaler.brokers.workers_account import NEVER, Node

STRANGERS_SECONDS = 60.0
LOOK_SECONDS = 2.0
STRANGERS_AT_ONCE = 20
GONE_SECONDS = 600.0


class Directory:
    """The workers that are reached in one way. Safe to read from any thread."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._consumers: dict[str, frozenset[str]] = {}
        self._queues: dict[str, frozenset[str]] = {}
        self._looked_at: float | None = None
        self._lock = threading.Lock()

    def node(self, name: str) -> Node:
        """Return a worker's record."""
        found = self._nodes.get(name)
        return self._nodes.setdefault(name, Node(name)) if found is None else found

    def find(self, name: str) -> Node | None:
        """Return a worker's record if there is one."""
        return self._nodes.get(name)

    def consumers(self, queue: str) -> frozenset[str]:
        """Return the workers that said they consume a queue."""
        return self._consumers.get(queue, frozenset())

    def note(self, name: str, queues: tuple[str, ...]) -> None:
        """Remember the queues of a worker."""
        with self._lock:
            self._enter(name, frozenset(queues))

    def _enter(self, name: str, after: frozenset[str]) -> None:
        before = self._queues.pop(name, frozenset())
        for queue in before - after:
            self._consumers[queue] -= {name}
            if not self._consumers[queue]:
                del self._consumers[queue]
        for queue in after - before:
            self._consumers[queue] = self._consumers.get(queue, frozenset()) | {name}
        if after:
            self._queues[name] = after

    def _forget_gone(self, roll: Roll, now: float) -> None:
        """Forget the workers that no target has spoken of for a while, and that are not heard either."""
        for name, node in tuple(self._nodes.items()):
            if now - node.wanted_at > GONE_SECONDS and roll.heard(name) is None:
                with self._lock:
                    self._nodes.pop(name, None)
                    self._enter(name, frozenset())

    def unknown(self, roll: Roll, now: float) -> list[Node]:
        """Return those who are heard and whose queues ought to be asked for, at most twenty at once.

        Everybody is asked once a minute.
        """
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return []
        self._looked_at = now
        self._forget_gone(roll, now)
        nodes = [self.node(name) for name in roll.alive(now)]
        due = [
            node
            for node in nodes
            if not node.queued and now - max(node.asked_at or NEVER, node.wanted_at) >= STRANGERS_SECONDS
        ]
        return sorted(due, key=lambda node: node.asked_at or NEVER)[:STRANGERS_AT_ONCE]
