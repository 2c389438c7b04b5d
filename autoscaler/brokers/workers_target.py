"""What a target is to the workforce: where its workers are reached, and which of them are its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autoscaler.brokers.address import Address, parse
from autoscaler.brokers.workers_account import Node
from autoscaler.config.model import TargetSettings
from autoscaler.ports import BrokerUnknown

NAMED = 3


@dataclass(frozen=True, slots=True)
class Slots:
    """The tasks that a worker runs at a time, who said so, and when, in monotonic seconds."""

    number: int
    node: str
    at: float


@dataclass(slots=True)
class TargetRecord:
    """What is known of one target. `ready` are the workers that were ready at the last look."""

    touched_at: float
    settings: TargetSettings | None = None
    url: str = ""
    place: Address | None = None
    refusal: str = ""
    uid: str = ""
    ready: dict[str, Node] = field(default_factory=dict)
    slots: Slots | None = None

    def find(self, target: TargetSettings, url: str) -> Address | None:
        """Return the target's place, taking its URL apart only when it has changed."""
        known = self.settings
        self.settings = target
        if url != self.url or known is None or known.broker != target.broker:
            self.url, self.refusal = url, ""
            try:
                self.place = parse(url, target.broker)
            except BrokerUnknown as error:
                self.place, self.refusal = None, str(error)
        return self.place

    def owns(self, node: str) -> bool:
        """Return whether a node's name is that of a pod of the target, be it of a past one."""
        if node in self.ready or self.settings is None:
            return True
        before, _, after = self.settings.worker_node.partition("{pod}")
        begins = f"{before}{self.settings.name}-"
        ordinal = node.removeprefix(begins).removesuffix(after)
        return node == f"{begins}{ordinal}{after}" and ordinal.isdecimal()

    def learn(self) -> None:
        """Take the slots from what the workers last said."""
        told = [
            (node.facts.slots, node.name, node.facts_at)
            for node in tuple(self.ready.values())
            if node.facts is not None and node.facts.slots is not None
        ]
        if told:
            self.slots = most_frequent(told)

    def rivals(self, now: float) -> str:
        """Return which of its workers have the name of another target's, empty where none has."""
        if self.settings is None:
            return ""
        for name, node in sorted(self.ready.items()):
            others = node.rivals(self.settings.ref, now)
            if others:
                return (
                    f"{name} is also the name of a worker of {others[0]} on the same broker, so that neither "
                    "can be asked: give them other names, and say which by worker_node"
                )
        return ""

    def silence(self) -> str:
        """Return who does not answer, empty when everybody does."""
        silent = sorted(node.name for node in tuple(self.ready.values()) if node.silent)
        if not silent:
            return ""
        others = f" and {len(silent) - NAMED} more" if len(silent) > NAMED else ""
        return f"no answer from {', '.join(silent[:NAMED])}{others}"


def most_frequent(told: Iterable[tuple[int, str, float]]) -> Slots:
    """Return the number that most workers gave, the smaller of equals, and who gave it.

    `told` are triples of slots, a worker's name and the time of its answer.
    """
    answers = list(told)
    counted: Mapping[int, int] = Counter(number for number, _, _ in answers)
    number = max(counted, key=lambda slots: (counted[slots], -slots))
    node, at = min((name, at) for slots, name, at in answers if slots == number)
    return Slots(number, node, at)
