"""What the daemon needs of the world: a broker to read, a cluster to see and to scale, a place to report.

Adapters implement these protocols; the daemon knows nothing else of them, and they nothing of each
other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import BrokerAccount, Hint, WorkerAccount
from autoscaler.core.events import Event
from autoscaler.core.model import (
    Cordon,
    Decision,
    Notice,
    Order,
    Outcome,
    Reading,
    TargetRef,
    WorkerPod,
    WorkerSet,
)
from autoscaler.core.quarters import Quarters
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer


class BrokerUnknown(Exception):
    """A target's broker cannot be found or used; the text says why, without any credentials."""


@dataclass(frozen=True, slots=True)
class DepthQuery:
    """Which queues to count for one target, and how the broker's keys are laid out.

    `look_into_lists` says that it matters whether waiting tasks are due: for a target without workers,
    or with ETA tasks known of.
    """

    target: TargetRef
    queues: tuple[str, ...]
    broker: BrokerSettings
    look_into_lists: bool = False


class DepthReader(Protocol):
    """One broker under one set of credentials, which may serve many targets."""

    def __hash__(self) -> int:
        """Tell readers apart."""
        ...

    def read(self, queries: Sequence[DepthQuery]) -> Sequence[Reading[BrokerAccount]]:
        """Return one reading for each query, in order, read together.

        Never raises and never waits longer than the queries' timeout: what could not be read is a
        reading of quality stale or unknown that says so.
        """
        ...

    def queues(self, query: DepthQuery) -> Reading[tuple[str, ...]]:
        """Return the queues that those of a query stand for, some of which are globs, from memory.

        They are looked for in the background; unknown until they have been found once.
        """
        ...

    @property
    def rejected_credentials(self) -> bool:
        """Whether the last read failed because the broker refused the credentials."""
        ...


class Brokers(Protocol):
    """All brokers in use."""

    def reader(self, url: str, settings: BrokerSettings) -> DepthReader:
        """Return the reader for a URL, the same one for the same server and credentials.

        Raises `BrokerUnknown` for a URL that no reader understands.
        """
        ...


class BrokerUrls(Protocol):
    """Where the URL of a target's broker comes from."""

    def known(self, target: TargetSettings) -> str | None:
        """Return the URL from memory, None when it is time to look for it.

        Raises `BrokerUnknown` when it was looked for in vain a short while ago.
        """
        ...

    def look(self, target: TargetSettings) -> None:
        """Look for the URL, which may take a while; `known` then tells what was found."""
        ...

    def doubt(self, target: TargetSettings) -> None:
        """Take note that the URL does not work, so that it is looked for again before long."""
        ...


class Cluster(Protocol):
    """The cluster as it is seen from here, without asking it."""

    def worker_set(self, target: TargetRef) -> Reading[WorkerSet]:
        """Return what was last seen of a target: unknown when it does not exist, with the reason."""
        ...

    def replica_writers(self, target: TargetRef) -> Sequence[Writer]:
        """Return who holds a target's replicas by the record of the object as it was last seen."""
        ...


class Quotas(Protocol):
    """What limits the pods of a namespace, as it is seen from here, without asking."""

    def quarters(self, target: TargetRef) -> Quarters | None:
        """Return what limits a target's workers, None where nothing does or nothing is known."""
        ...

    def pending(self, namespace: str) -> str:
        """Return why it is not known yet what limits a namespace.

        Empty where it is, and where it cannot be known for want of the right to read it.
        """
        ...


class Scaler(Protocol):
    """The thing that acts. A dry run is another one of these."""

    def scale(self, decision: Decision) -> Outcome:
        """Ask for the decision's replicas, and before for its floor, if what it was based on still holds.

        Never raises for what a cluster may answer. After a conflict the cluster's view already holds
        what was read live.
        """
        ...


class Workforce(Protocol):
    """What workers say of themselves, gathered in the background: nothing here waits for anybody."""

    def slots(self, target: TargetRef) -> Reading[int]:
        """Return the slots per worker that this target's workers last reported."""
        ...

    def workers(self, target: TargetRef, pods: Sequence[WorkerPod]) -> Sequence[tuple[str, WorkerAccount]]:
        """Return what is known of the workers in these pods, by pod; of some there may be nothing."""
        ...

    def strangers(self, target: TargetRef) -> Reading[int]:
        """Return how many workers that are none of the target's consume its queues."""
        ...

    def detail(self, target: TargetRef) -> str:
        """Return what is not known of a target's workers, and why; empty when nothing is missing."""
        ...

    def attend(
        self,
        target: TargetSettings,
        url: str,
        workers: WorkerSet,
        *,
        urgent: bool,
        leaving: Collection[str] = (),
    ) -> None:
        """Listen to a target's workers and ask them when it is due: called at every tick.

        `urgent` says that something depends on what they hold, `leaving` are the pods whose workers are
        to go.
        """
        ...

    def make_sure(self, target: TargetSettings, url: str, pods: Sequence[str]) -> frozenset[str]:
        """Ask the workers in these pods now and return who has answered, within a few timeouts."""
        ...

    def leave(self, target: TargetSettings, url: str) -> None:
        """Listen no longer: the target has no workers, and nothing waits for any."""
        ...


class Orders(Protocol):
    """The way to tell workers what to consume. A dry run has another one."""

    def give(self, target: TargetSettings, url: str, orders: Sequence[Order]) -> None:
        """Have workers told before long, and return at once; what they say later tells what came of it."""
        ...


class Cordons(Protocol):
    """The memory of which workers take no tasks because of us, which outlives the daemon."""

    def recall(self, target: TargetRef, uid: str) -> Reading[tuple[Cordon, ...]]:
        """Return the cordons of a target, from memory; unknown until they have been read once."""
        ...

    def record(self, target: TargetRef, uid: str, cordons: Sequence[Cordon]) -> str:
        """Remember these cordons of a target for good, and return why that failed, empty if it did not."""
        ...


class Hints(Protocol):
    """What others than the broker and the workers say of the demand, gathered in the background."""

    def hints(self, target: TargetRef) -> Sequence[Hint]:
        """Return what is known for a target, from memory."""
        ...

    def oldest_queued(self, target: TargetRef) -> Reading[float]:
        """Return for how many seconds the target's oldest queued task has been waiting."""
        ...


class Reporter(Protocol):
    """Whoever wants to know what was decided and what came of it."""

    def report(self, snapshot: Snapshot, decision: Decision, outcome: Outcome) -> None:
        """Take note of one target's tick."""
        ...

    def unseen(self, target: TargetRef, reason: str) -> None:
        """Take note that nothing could be decided for a target."""
        ...

    def notice(self, target: TargetRef, notice: Notice) -> None:
        """Take note of something that is no decision, once each time that it happens."""
        ...

    def failed(self, target: TargetRef, error: BaseException) -> None:
        """Take note of a target whose tick broke in a way that nobody foresaw."""
        ...


class EventSink(Protocol):
    """The place where people who look at a target find what happened to it."""

    def post(self, event: Event) -> None:
        """Have an Event told before long, and return at once: whether it can be told is its own matter."""
        ...
