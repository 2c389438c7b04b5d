"""Hand-written stand-ins for the ports, and a clock that stands still until it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import BrokerAccount, Delivered, Hint, QueueMessages, WorkerAccount
from autoscaler.core.events import Event
from autoscaler.core.model import (
    Cordon,
    Decision,
    Notice,
    Order,
    Outcome,
    OutcomeKind,
    Reading,
    TargetRef,
    WorkerPod,
    WorkerSet,
    fresh,
    unknown,
)
from autoscaler.core.overrides import PREFIX, parse
from autoscaler.core.quarters import Quarters
from autoscaler.core.queues import matches
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer
from autoscaler.ports import BrokerUnknown, DepthQuery

PATIENCE_SECONDS = 20.0
"""How long a test waits for another thread before it fails."""


class Clock:
    """Monotonic seconds that pass only when they are told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class FakeCluster:
    """Worker sets by target, and the scaler that changes them."""

    def __init__(self, **replicas: int) -> None:
        self.sets: dict[str, Reading[WorkerSet]] = {
            name: fresh(WorkerSet(f"uid-{name}", count), "cluster") for name, count in replicas.items()
        }
        self.foreign: dict[str, int] = {}
        self.writers: dict[str, tuple[Writer, ...]] = {}
        self.asked: list[tuple[str, int, int]] = []
        self.answer: Callable[[Decision], Outcome | None] = lambda _: None

    def worker_set(self, target: TargetRef) -> Reading[WorkerSet]:
        """Return a set as it was put here."""
        return self.sets.get(target.name, unknown("cluster", f"there is no StatefulSet {target}"))

    def replica_writers(self, target: TargetRef) -> tuple[Writer, ...]:
        """Return what was put here."""
        return self.writers.get(target.name, ())

    def replicas(self, name: str) -> int:
        """Return the replicas of a set."""
        workers = self.sets[name].value
        assert workers is not None
        return workers.replicas

    def put(self, name: str, replicas: int, uid: str = "", pods: Sequence[WorkerPod] = ()) -> None:
        """Have a set at a size, and without annotations."""
        self.sets[name] = fresh(WorkerSet(uid or f"uid-{name}", replicas, tuple(pods)), "cluster")

    def annotate(self, name: str, **annotations: str) -> None:
        """Have a set with these annotations of ours alone, such as max_replicas="3"."""
        workers = self.sets[name].value
        assert workers is not None
        named = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.sets[name] = fresh(replace(workers, overrides=parse(named)), "cluster")

    def scale(self, decision: Decision) -> Outcome:
        """Scale as the API server would: a foreign write that is not in the view is a conflict."""
        name = decision.target.name
        self.asked.append((name, decision.current, decision.replicas))
        answer = self.answer(decision)
        if answer is not None:
            return answer
        if name in self.foreign:
            self.put(name, self.foreign.pop(name))
        if self.replicas(name) != decision.current:
            return Outcome(OutcomeKind.CONFLICT, self.replicas(name), "somebody else wrote")
        self.put(name, decision.replicas)
        return Outcome(OutcomeKind.APPLIED, decision.replicas)


class FakeWorkforce:
    """Slots and accounts as told, and a note of who was attended to and how urgently."""

    def __init__(self) -> None:
        self.known: dict[str, Reading[int]] = {}
        self.accounts: dict[str, WorkerAccount] = {}
        self.attended: list[tuple[str, str, bool]] = []
        self.leaving: Collection[str] = ()
        self.orders: list[Order] = []
        self.made_sure: list[tuple[str, ...]] = []
        self.surely: dict[str, WorkerAccount] = {}
        self.mute: frozenset[str] = frozenset()
        self.takes_a_while: Callable[[], None] = lambda: None
        self.left: list[str] = []
        self.trouble = ""

    def slots(self, target: TargetRef) -> Reading[int]:
        """Return what was put here."""
        return self.known.get(target.name, unknown("workers", "never answered"))

    def workers(self, target: TargetRef, pods: Sequence[WorkerPod]) -> list[tuple[str, WorkerAccount]]:
        """Return what was put here."""
        return [(pod.name, self.accounts[pod.name]) for pod in pods if pod.name in self.accounts]

    def detail(self, target: TargetRef) -> str:
        """Return what was put here."""
        return self.trouble

    def strangers(self, target: TargetRef) -> Reading[int]:
        """Return none."""
        return fresh(0, "heartbeat")

    def attend(
        self,
        target: TargetSettings,
        url: str,
        workers: WorkerSet,
        *,
        urgent: bool,
        leaving: Collection[str] = (),
    ) -> None:
        """Note it."""
        self.attended.append((target.name, url, urgent))
        self.leaving = leaving

    def make_sure(self, target: TargetSettings, url: str, pods: Sequence[str]) -> frozenset[str]:
        """Note it, and have workers say what they were put here to say then, but for the mute ones."""
        self.made_sure.append(tuple(pods))
        self.takes_a_while()
        self.accounts |= self.surely
        return frozenset(pods) - self.mute

    def give(self, target: TargetSettings, url: str, orders: Sequence[Order]) -> None:
        """Note them."""
        self.orders += orders

    def leave(self, target: TargetSettings, url: str) -> None:
        """Note it."""
        self.left.append(target.name)


class FakeCordons:
    """A memory that can be lost, and refuse to take anything."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Cordon, ...]] = {}
        self.lost = ""
        self.refusal = ""
        self.recorded: list[tuple[Cordon, ...]] = []

    def recall(self, target: TargetRef, uid: str) -> Reading[tuple[Cordon, ...]]:
        """Return what was recorded."""
        if self.lost:
            return unknown("cordons", self.lost)
        return fresh(self.known.get(uid, ()), "cordons")

    def record(self, target: TargetRef, uid: str, cordons: Sequence[Cordon]) -> str:
        """Remember them, unless told to refuse."""
        if not self.refusal:
            self.known[uid] = tuple(cordons)
            self.recorded.append(tuple(cordons))
        return self.refusal


class FakeHints:
    """Hints as told."""

    def __init__(self) -> None:
        self.known: tuple[Hint, ...] = ()
        self.oldest: Reading[float] = unknown("airflow database", "it is not configured")

    def hints(self, target: TargetRef) -> tuple[Hint, ...]:
        """Return what was put here."""
        return self.known

    def oldest_queued(self, target: TargetRef) -> Reading[float]:
        """Return what was put here."""
        return self.oldest


@dataclass
class FakeReader:
    """A broker that answers what it is told, and waits at the gate while that is shut."""

    ready: dict[str, int] = field(default_factory=dict)
    silent: bool = False
    broken: bool = False
    rejected_credentials: bool = False
    reads: int = 0
    names: Sequence[str] | None = None
    queries: Sequence[DepthQuery] = ()
    gate: threading.Event = field(default_factory=threading.Event)
    reading: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def __hash__(self) -> int:
        return id(self)

    def queues(self, query: DepthQuery) -> Reading[tuple[str, ...]]:
        """Return the queues that match among those put here."""
        if self.names is None:
            return unknown("redis", "its queues are still being looked for")
        return fresh(tuple(name for name in self.names if matches(query.queues, name)), "redis")

    def read(self, queries: Sequence[DepthQuery]) -> list[Reading[BrokerAccount]]:
        """Return a reading for each query."""
        self.reads += 1
        self.queries = queries
        self.reading.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        if self.broken:
            raise RuntimeError("a bug")
        if self.silent:
            return [unknown("redis", "did not answer") for _ in queries]
        return [
            fresh(
                BrokerAccount(
                    tuple(QueueMessages(queue, ((0, self.ready.get(queue, 0)),)) for queue in query.queues),
                    fresh(Delivered(), "redis"),
                ),
                "redis",
            )
            for query in queries
        ]


class FakeBrokers:
    """Readers by URL."""

    def __init__(self, **readers: FakeReader) -> None:
        self.readers = readers

    def reader(self, url: str, settings: BrokerSettings) -> FakeReader:
        """Return the reader that was put here."""
        if url not in self.readers:
            raise BrokerUnknown(f"no broker of the kind of {url}")
        return self.readers[url]


class FakeUrls:
    """URLs that are known from the start, found by a look, missing, or (None) the end of a look."""

    def __init__(self, known: dict[str, str], findable: dict[str, str | None] | None = None) -> None:
        self.urls = known
        self.findable = findable or {}
        self.looked: list[str] = []
        self.doubted: list[str] = []

    def known(self, target: TargetSettings) -> str | None:
        """Return the URL, None where a look would find it."""
        if target.name in self.urls:
            return self.urls[target.name]
        if target.name in self.findable:
            return None
        raise BrokerUnknown("Secret data/broker: not found")

    def look(self, target: TargetSettings) -> None:
        """Find it."""
        self.looked.append(target.name)
        url = self.findable[target.name]
        if url is None:
            raise RuntimeError("a bug in looking")
        self.urls[target.name] = url

    def doubt(self, target: TargetSettings) -> None:
        """Note it."""
        self.doubted.append(target.name)


class FakeQuotas:
    """What limits each target's workers."""

    def __init__(self) -> None:
        self.found: dict[str, Quarters] = {}
        self.waiting = ""

    def quarters(self, target: TargetRef) -> Quarters | None:
        """Return what was put here."""
        return self.found.get(target.name)

    def pending(self, namespace: str) -> str:
        """Return what is being waited for."""
        return self.waiting


class FakeReporter:
    """A list of everything that was reported."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, Decision, Outcome]] = []
        self.sights: list[tuple[str, str]] = []
        self.failures: list[tuple[str, BaseException]] = []
        self.notices: list[Notice] = []

    def report(self, snapshot: Snapshot, decision: Decision, outcome: Outcome) -> None:
        """Note it."""
        assert snapshot.target == decision.target
        self.reports.append((decision.target.name, decision, outcome))

    def unseen(self, target: TargetRef, reason: str) -> None:
        """Note it."""
        self.sights.append((target.name, reason))

    def notice(self, target: TargetRef, notice: Notice) -> None:
        """Note it."""
        self.notices.append(notice)

    def failed(self, target: TargetRef, error: BaseException) -> None:
        """Note it."""
        self.failures.append((target.name, error))


class FakeSink:
    """A list of the Events that were to be told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def post(self, event: Event) -> None:
        """Note it."""
        self.events.append(event)
