"""The loop: every target, once per poll interval, none of them held up by another.

Targets that share a broker are read in one round trip, each broker in a thread of its own for as long
as it takes to answer; what a decision asks of the cluster is written in threads of their own too. A
tick waits for what comes in time. What does not goes on by itself and is left out of the ticks until it
is done: a broker or an API server that hangs delays its own targets and nobody else's.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from autoscaler.config.model import ControllerSettings, TargetSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import OutcomeKind, Reading, TargetRef, unknown
from autoscaler.core.overrides import Key
from autoscaler.observe import Sharing, shared
from autoscaler.plan import Plan
from autoscaler.ports import (
    Brokers,
    BrokerUnknown,
    BrokerUrls,
    DepthReader,
    Reporter,
)
from autoscaler.reconcile import Reconciler

PATIENCE_SHARE = 0.8
"""The share of the poll interval that a tick waits for brokers and writes."""

OLDEST_PLAN_SECONDS = 1.0
"""A plan that has waited for longer than this, and than a poll interval, is not carried out any more."""

LOOK_SHARE = 0.1
"""The share of a tick's patience that it waits for brokers to be found, before those known are read."""

LOOKERS = 8
"""Brokers that are looked for at the same time."""

GIVING_BACK_SECONDS = 0.25
"""The pause between two looks at whether workers take tasks again, before the daemon ends."""

GOOD = frozenset({OutcomeKind.UNCHANGED, OutcomeKind.APPLIED, OutcomeKind.DRY_RUN})


@dataclass(frozen=True, slots=True)
class Tick:
    """How a tick went: of how many targets, what became of those it served, and its duration.

    `unseen` counts targets that the cluster does not show, `blind` those whose demand is not known,
    `late` those that something was still being waited for.
    """

    targets: int
    served: int
    unseen: int
    blind: int
    failed: int
    late: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether every target was seen, read and served."""
        return self.served == self.targets and not self.blind


@dataclass(frozen=True, slots=True)
class Group:
    """Targets that are read together, with the URL of the broker they share."""

    reader: DepthReader
    url: str = field(repr=False)
    members: tuple[Reconciler, ...]


class Result(Enum):
    """What became of one target in one tick."""

    SERVED = auto()
    BLIND = auto()
    UNSEEN = auto()
    FAILED = auto()
    LATE = auto()


Pending = Future[Result]
SharedQueues = dict[TargetRef, dict[str, Sharing]]


class Daemon:
    """Ticks until it is told to stop."""

    def __init__(
        self,
        settings: ControllerSettings,
        reconcilers: Sequence[Reconciler],
        *,
        urls: BrokerUrls,
        brokers: Brokers,
        reporter: Reporter,
        clock: Callable[[], float],
    ) -> None:
        self._interval = settings.poll_interval_seconds
        self._reconcilers = tuple(reconcilers)
        self._urls = urls
        self._brokers = brokers
        self._reporter = reporter
        self._clock = clock
        # Looking for brokers, reading them and writing wait for different things: none takes the threads
        # of another.
        self._lookers = ThreadPoolExecutor(LOOKERS, thread_name_prefix="look")
        self._readers = ThreadPoolExecutor(settings.threads, thread_name_prefix="read")
        self._writers = ThreadPoolExecutor(settings.threads, thread_name_prefix="write")
        self._under_way: dict[Hashable, Future[Any]] = {}
        self._shared: dict[DepthReader, tuple[tuple[TargetSettings, ...], SharedQueues]] = {}
        self.finished_at: float | None = None

    def run(self, stop: threading.Event, ticked: Callable[[float], None]) -> None:
        """Tick at every multiple of the poll interval until `stop` is set, finishing the tick at hand.

        `ticked` is told the seconds that each tick took.
        """
        due = self._clock()
        while not stop.is_set():
            ticked(self.tick().seconds)
            due = next_due(due, self._interval, self._clock())
            stop.wait(max(0.0, due - self._clock()))

    def look_once(self, patience_seconds: float) -> Tick:
        """See to every target once, in a process that ends then: nothing is begun that takes longer."""
        for reconciler in self._reconcilers:
            reconciler.drains = False
        return self.tick(patience_seconds)

    def give_back(self, seconds: float) -> int:
        """Have every worker that was told to take no tasks take them again, within so many seconds.

        Returns how many have not said by then that they do; those are still remembered. What was moved of
        HPAs is restored on the way, as far as nobody at work is put at risk by that.
        """
        for reconciler in self._reconcilers:
            reconciler.closing = True
        deadline = self._clock() + seconds
        pause = threading.Event()
        while self._clock() < deadline:
            under_way = any(member.busy for member in self._reconcilers)
            left = sum(member.cordons for member in self._reconcilers)
            floors = any(member.holds_floor for member in self._reconcilers)
            if not left and not under_way and not floors:
                return 0
            self.tick()
            pause.wait(GIVING_BACK_SECONDS)
        return sum(member.cordons for member in self._reconcilers)

    def close(self) -> None:
        """End the threads, once what they are doing is done."""
        self._lookers.shutdown(wait=True, cancel_futures=True)
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._writers.shutdown(wait=True, cancel_futures=True)

    def tick(self, patience_seconds: float | None = None) -> Tick:
        """See to every target once.

        Waits no longer than `patience_seconds`, by default most of the poll interval.
        """
        started = self._clock()
        patience = self._interval * PATIENCE_SHARE if patience_seconds is None else patience_seconds
        deadline = started + patience
        self._look_for_brokers(started + patience * LOOK_SHARE)
        results = self._serve_all(deadline)
        self._under_way = {key: job for key, job in self._under_way.items() if not job.done()}
        self.finished_at = self._clock()
        count = Counter(results)
        return Tick(
            targets=len(self._reconcilers),
            served=count[Result.SERVED] + count[Result.BLIND],
            unseen=count[Result.UNSEEN],
            blind=count[Result.BLIND],
            failed=count[Result.FAILED],
            late=count[Result.LATE],
            seconds=self.finished_at - started,
        )

    def _look_for_brokers(self, deadline: float) -> None:
        """Look for the brokers that are not known, or no longer, waiting for what comes in time."""
        jobs = []
        for reconciler in self._reconcilers:
            target = reconciler.target
            try:
                due = self._urls.known(target) is None
            except BrokerUnknown:
                due = False
            if due:
                jobs.append(self._begin(self._lookers, ("look", target.ref), self._look, reconciler))
        self._wait(jobs, deadline)

    def _serve_all(self, deadline: float) -> list[Result]:
        groups, strays = self._groups()
        readers = {group.reader for group in groups}
        self._shared = {reader: known for reader, known in self._shared.items() if reader in readers}
        jobs = [
            (len(group.members), self._begin(self._readers, group.reader, self._serve, group))
            for group in groups
        ]
        pending = [self._see_to(member, account) for member, account in strays]
        self._wait([job for _, job in jobs], deadline)
        for size, job in jobs:
            pending += job.result() if job.done() else [_done(Result.LATE)] * size
        self._wait(pending, deadline)
        return [job.result() if job.done() else Result.LATE for job in pending]

    def _begin(
        self, pool: ThreadPoolExecutor, key: Hashable, work: Callable[..., Any], *arguments: object
    ) -> Future[Any]:
        """Start a piece of work, unless the last one of its kind is still under way."""
        job = self._under_way.get(key)
        if job is None or job.done():
            job = self._under_way[key] = pool.submit(work, *arguments)
        return job

    def _wait(self, jobs: Sequence[Future[Any]], deadline: float) -> None:
        wait(jobs, timeout=max(0.0, deadline - self._clock()))

    def _groups(self) -> tuple[list[Group], list[tuple[Reconciler, Reading[BrokerAccount]]]]:
        """Return the targets by broker, and those without one with what is known of their demand."""
        found: dict[DepthReader, tuple[str, list[Reconciler]]] = {}
        strays: list[tuple[Reconciler, Reading[BrokerAccount]]] = []
        for reconciler in self._reconcilers:
            broker = reconciler.target.broker
            reason = "it is still being looked for"
            try:
                url = self._urls.known(reconciler.target)
                reader = None if url is None else self._brokers.reader(url, broker)
            except BrokerUnknown as error:
                url, reader, reason = None, None, str(error)
            if url is None or reader is None:
                strays.append((reconciler, unknown("broker", reason)))
            else:
                found.setdefault(reader, (url, []))[1].append(reconciler)
        return [Group(reader, url, tuple(members)) for reader, (url, members) in found.items()], strays

    def _look(self, member: Reconciler) -> None:
        try:
            self._urls.look(member.target)
        except Exception as error:  # noqa: BLE001  # one broken target never stops the others
            self._reporter.failed(member.target.ref, error)

    def _serve(self, group: Group) -> list[Pending]:
        """Read a broker and see to every target that it serves."""
        try:
            accounts = _read(group)
        except Exception as error:  # noqa: BLE001  # one broken broker never stops the others
            for member in group.members:
                self._reporter.failed(member.target.ref, error)
            accounts = [unknown("broker", "reading it failed") for _ in group.members]
        if group.reader.rejected_credentials:
            for member in group.members:
                self._urls.doubt(member.target)
        sharing = self._sharing(group)
        seen = [
            (member, shared(account, sharing.get(member.target.ref, {})))
            for member, account in zip(group.members, accounts, strict=True)
        ]
        for member, account in seen:
            self._bid(member, account)
        return [self._see_to(member, account, group.url) for member, account in seen]

    def _bid(self, member: Reconciler, account: Reading[BrokerAccount]) -> None:
        """Have a target's wants known before any of its group is decided about."""
        if not member.claim():
            return
        try:
            member.bid(account)
        except Exception as error:  # noqa: BLE001  # one broken target never stops the others
            self._reporter.failed(member.target.ref, error)
        finally:
            member.release()

    def _sharing(self, group: Group) -> SharedQueues:
        """Return who shares which queue with whom, worked out anew only when a target has other queues.

        One that an annotation has left alone takes no part.
        """
        targets = tuple(member.target for member in group.members if not member.excluded)
        known = self._shared.get(group.reader)
        if known is None or known[0] != targets:
            known = self._shared[group.reader] = targets, sharing_among(targets)
        return known[1]

    def _see_to(self, member: Reconciler, account: Reading[BrokerAccount], url: str = "") -> Pending:
        """Plan for a target here, and carry the plan out elsewhere if that takes time."""
        if not member.claim():
            return _done(Result.LATE)
        handed_on = False
        try:
            plan = member.plan(account)
            if plan is None:
                return _done(Result.UNSEEN)
            if url:
                member.attend(url, plan)
            if plan.writes:
                job = self._writers.submit(self._carry_out, member, plan, url)
                handed_on = True
                return job
            member.carry_out(plan, url)
            return _done(_result(plan, good=True))
        except Exception as error:  # noqa: BLE001  # one broken target never stops the others
            self._reporter.failed(member.target.ref, error)
            return _done(Result.FAILED)
        finally:
            if not handed_on:
                member.release()

    def _carry_out(self, member: Reconciler, plan: Plan, url: str) -> Result:
        """Carry a plan out, unless it has waited so long for its turn that it has to be made anew."""
        try:
            if self._clock() - plan.snapshot.at > max(OLDEST_PLAN_SECONDS, self._interval):
                return Result.LATE
            outcome = member.carry_out(plan, url)
            return _result(plan, good=outcome.kind in GOOD)
        except Exception as error:  # noqa: BLE001  # one broken target never stops the others
            self._reporter.failed(member.target.ref, error)
            return Result.FAILED
        finally:
            member.release()


def sharing_among(targets: Sequence[TargetSettings]) -> SharedQueues:
    """Return who shares which queue with whom: in proportion to the workers that each may have."""
    consumers: dict[tuple[str, str], list[TargetSettings]] = {}
    for target in sorted(targets, key=lambda t: t.ref):
        for queue in target.queues:
            consumers.setdefault((target.broker.global_keyprefix, queue), []).append(target)
    found: dict[TargetRef, dict[str, Sharing]] = {}
    for (_, queue), sharers in consumers.items():
        weights = tuple(target.max_replicas for target in sharers)
        for place, target in enumerate(sharers if len(sharers) > 1 else ()):
            found.setdefault(target.ref, {})[queue] = Sharing(weights, place)
    return found


def _read(group: Group) -> list[Reading[BrokerAccount]]:
    """Return what a broker tells about each target, once the queues are known that are its."""
    reasons = [member.find_queues(group.reader) for member in group.members]
    asking = [member for member, reason in zip(group.members, reasons, strict=True) if not reason]
    accounts = iter(group.reader.read([member.query for member in asking]))
    return [unknown("broker", reason) if reason else next(accounts) for reason in reasons]


def next_due(due: float, interval: float, now: float) -> float:
    """Return the next multiple of the interval after `due` that is not past, skipping what was missed."""
    due += interval
    if now > due:
        due += interval * math.ceil((now - due) / interval)
    return due


def _result(plan: Plan, *, good: bool) -> Result:
    if not good:
        return Result.FAILED
    alone = plan.snapshot.overrides.get(Key.EXCLUDE) is not None
    return Result.SERVED if alone or plan.snapshot.broker.is_fresh else Result.BLIND


def _done(result: Result) -> Pending:
    job: Pending = Future()
    job.set_result(result)
    return job
