"""Who of a target's workers is alive and what each of them runs, gathered beside the loop.

Two streams feed it: heartbeats, which come by themselves (`heartbeats_streams`), and inspections, sent
when they are due by a few threads over one control connection for each broker (`workers_line`). The
loop reads what is known from memory. How both are merged: `workers_account`.

Questions go to workers by name, at most `NODES_AT_ONCE` in one call, and to all targets of a broker
together. Every worker of a broker gets to see every question, so they are few: while nothing depends on
the answers one a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import replace

from autoscaler.brokers.heartbeats import Heard, Roll
from autoscaler.brokers.heartbeats_streams import Streams
from autoscaler.brokers.workers_account import BUSY_SECONDS, SHORTEST_SECONDS, Node
from autoscaler.brokers.workers_desk import OpenLine
from autoscaler.brokers.workers_desks import Desks
from autoscaler.brokers.workers_target import TargetRecord
from autoscaler.config.model import TargetSettings
from autoscaler.core.account import WorkerAccount
from autoscaler.core.model import Order, Quality, Reading, TargetRef, WorkerPod, WorkerSet, fresh, unknown

SOURCE = "celery stats"
THREADS = 4
RENEWAL_GRACE_SECONDS = 360.0
FORGOTTEN_AFTER_SECONDS = 86_400.0
LEAVING_SECONDS = 0.8
"""The time between two questions to an idle worker that is to go: one for each look of a second."""

SURE_TIMEOUTS = 3
"""How long the last question before a worker goes is waited for, in timeouts of an answer."""

NOBODY = "no worker was ready to be asked yet"


class Workforce:
    """Knows the workers of all targets. `clock` returns monotonic seconds, `wall` those since the epoch.

    A target's methods may be called from any thread, but not from two at a time.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        *,
        streams: Streams | None = None,
        open_line: OpenLine | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._clock = clock
        self._streams = streams or Streams(clock)
        self._desks = Desks(clock, wall, open_line, executor or ThreadPoolExecutor(THREADS, "inspect"))
        self._targets: dict[TargetRef, TargetRecord] = {}
        self._lock = threading.Lock()

    def attend(
        self,
        target: TargetSettings,
        url: str,
        workers: WorkerSet,
        *,
        urgent: bool,
        leaving: Collection[str] = (),
    ) -> None:
        """Listen to a target's heartbeats and ask its workers when it is due. See the port."""
        self.want(target, url, on=True)
        self.ask(target, url, workers, urgent=urgent, leaving=leaving)

    def leave(self, target: TargetSettings, url: str) -> None:
        """Listen no longer. See the port."""
        self.want(target, url, on=False)

    def want(self, target: TargetSettings, url: str, *, on: bool) -> None:
        """Have a target's heartbeats listened to, or not: call it every tick."""
        place = self._target(target.ref).find(target, url) if url else None
        if place is not None:
            self._streams.want(target.ref, place, target.broker, on=on)

    def drop(self, target: TargetRef) -> None:
        """Forget a target that is no longer configured."""
        with self._lock:
            record = self._targets.pop(target, None)
        if record is not None and record.place is not None and record.settings is not None:
            self._streams.want(target, record.place, record.settings.broker, on=False)

    def ask(
        self,
        target: TargetSettings,
        url: str,
        workers: WorkerSet,
        *,
        urgent: bool = False,
        leaving: Collection[str] = (),
    ) -> None:
        """Have the ready workers asked that are due, and return at once: call it every tick.

        A worker is due when it has become ready, when it begins to consume again, when it is heard to work
        after an answer that it is idle, every `inspect_every_seconds` while it is `urgent` to know, or
        the worker holds ETA tasks, every minute otherwise, and sooner after silence; never twice within
        two seconds. One that is `leaving` is asked more often while it is idle, for all that its going
        depends on, whether it is ready or not.
        """
        record, now = self._target(target.ref), self._clock()
        place = record.find(target, url)
        self._desks.sweep(now)
        if place is None or not target.remote_control:
            return
        if record.uid != workers.uid:
            record.uid, record.ready = workers.uid, {}
        desk, roll = self._desks.at(place), self._streams.roll(target.ref)
        directory = desk.directory(target.broker)
        ready: dict[str, Node] = {}
        for pod in workers.pods:
            leaves = pod.name in leaving
            if (pod.ready or leaves) and not pod.terminating:
                node = directory.node(_node_of(target, pod))
                ready[node.name] = node
                if node.name not in record.ready or node.started_at != pod.started_at:
                    node.restarted(pod.started_at)
                node.wanted_at = now
                node.claim(target.ref, now)
                heard = _heard(roll, node.name)
                minded = node.is_minded(heard)
                node.interval_seconds = _interval(node, target, urgent=urgent or minded, leaves=leaves)
                if node.due(now, heard):
                    desk.put(node, target.broker, facts=leaves or node.wants_facts(now, heard))
        record.ready = ready
        if roll is not None:
            for node in directory.unknown(roll, now):
                desk.put(node, target.broker, facts=True)

    def give(self, target: TargetSettings, url: str, orders: Sequence[Order]) -> None:
        """Tell workers what to consume. See the port."""
        record, now = self._target(target.ref), self._clock()
        place = record.find(target, url)
        if place is None:
            return
        desk = self._desks.at(place)
        directory = desk.directory(target.broker)
        for order in orders:
            node = directory.node(_named(target, order.pod))
            if node.takes(order, now) and not node.rivals(target.ref, now):
                desk.put(node, target.broker, facts=True, order=order)

    def make_sure(self, target: TargetSettings, url: str, pods: Sequence[str]) -> frozenset[str]:
        """Ask workers now, and wait for what they answer. See the port."""
        began, place = self._clock(), self._target(target.ref).find(target, url)
        if place is None:
            return frozenset()
        desk = self._desks.at(place)
        directory = desk.directory(target.broker)
        nodes = {pod: directory.node(_named(target, pod)) for pod in pods}
        asked = [desk.put(node, target.broker, facts=True) for node in nodes.values()]
        wait(asked, timeout=SURE_TIMEOUTS * target.broker.answer_timeout_seconds)
        return frozenset(pod for pod, node in nodes.items() if node.has_answered(began))

    def workers(self, target: TargetRef, pods: Sequence[WorkerPod]) -> tuple[tuple[str, WorkerAccount], ...]:
        """Return what is known of the workers in these pods, by pod; of some there may be nothing."""
        record, now, roll = self._target(target), self._clock(), self._streams.roll(target)
        if record.settings is None:
            return ()
        accounts = []
        for pod in pods:
            name = _node_of(record.settings, pod)
            node = self._node(record, name)
            if node.started_at not in {None, pod.started_at} or node.rivals(target, now):
                continue  # what another process of the name said
            account = node.account(now, _heard(roll, name))
            if account is not None:
                leaves = pod.terminating and account.quality is Quality.FRESH
                accounts.append((pod.name, replace(account, quality=Quality.STALE) if leaves else account))
        return tuple(accounts)

    def slots(self, target: TargetRef) -> Reading[int]:
        """Return the tasks that a worker of the target runs at a time: what most of them last said.

        The smaller of equally frequent numbers counts. A number that was measured is kept, and stays
        fresh, when the workers are gone: a target at zero has to know how many to call up.
        """
        record, now = self._target(target), self._clock()
        record.learn()
        detail = self._trouble(record)
        if record.slots is None:
            return unknown(SOURCE, detail or NOBODY)
        age = now - record.slots.at
        overdue = age > RENEWAL_GRACE_SECONDS
        node = record.slots.node
        source = f"last reported by {node}" if overdue else f"{SOURCE} of {node}"
        return replace(fresh(record.slots.number, source, age), detail=detail)

    def strangers(self, target: TargetRef) -> Reading[int]:
        """Return how many workers that are not the target's are heard that consume its queues.

        Their queues have to be asked of them, twenty a minute at most; unknown while nobody listens.
        """
        record, now, roll = self._target(target), self._clock(), self._streams.roll(target)
        if roll is None or record.settings is None or not self._streams.listens(target):
            return unknown("heartbeat", self._streams.detail(target) or "not listened for long enough")
        desk = None if record.place is None else self._desks.known(record.place)
        if desk is None or not record.settings.remote_control:
            return unknown("heartbeat", "workers are not asked which queues they consume")
        directory = desk.directory(record.settings.broker)
        consumers = frozenset[str]().union(*(directory.consumers(queue) for queue in record.settings.queues))
        count = 0
        for name in consumers:
            heard = roll.heard(name)
            count += heard is not None and heard.lasts(now) and not heard.offline and not record.owns(name)
        return fresh(count, "heartbeat and inspection")

    def detail(self, target: TargetRef) -> str:
        """Return what is not known of a target's workers, and why; empty when nothing is missing."""
        record = self._target(target)
        parts = (self._streams.detail(target), self._trouble(record))
        return "; ".join(part for part in parts if part)

    def close(self) -> None:
        """End the streams and the threads, once what they are doing is done."""
        self._desks.close()
        self._streams.close()

    def _target(self, target: TargetRef) -> TargetRecord:
        """Return a target's record, and forget the targets that nobody has spoken of for a day."""
        now = self._clock()
        record = self._targets.get(target)
        if record is None:
            with self._lock:
                kept = now - FORGOTTEN_AFTER_SECONDS
                self._targets = {ref: old for ref, old in self._targets.items() if old.touched_at > kept}
                record = self._targets.setdefault(target, TargetRecord(now))
        record.touched_at = now
        return record

    def _node(self, record: TargetRecord, name: str) -> Node:
        desk = None if record.place is None else self._desks.known(record.place)
        if desk is None or record.settings is None:
            return Node(name)
        return desk.directory(record.settings.broker).find(name) or Node(name)

    def _trouble(self, record: TargetRecord) -> str:
        """Return why workers have not answered."""
        if record.settings is not None and not record.settings.remote_control:
            return "remote control is switched off: what workers reserve, and their ETA tasks, is not known"
        if record.refusal:
            return record.refusal
        rivals = record.rivals(self._clock())
        if rivals:
            return rivals
        desk = None if record.place is None else self._desks.known(record.place)
        return (desk.detail if desk is not None else "") or record.silence()


def _node_of(target: TargetSettings, pod: WorkerPod) -> str:
    return _named(target, pod.name)


def _named(target: TargetSettings, pod: str) -> str:
    return target.worker_node.replace("{pod}", pod)


def _interval(node: Node, target: TargetSettings, *, urgent: bool, leaves: bool) -> float:
    """Return the time until a worker's next question."""
    said = node.said
    if leaves:
        busy = said is not None and said.holding.active + said.holding.reserved > 0
        return SHORTEST_SECONDS if busy else LEAVING_SECONDS
    hurry = urgent or bool(said and said.holding.eta)
    return target.inspect_every_seconds if hurry else BUSY_SECONDS


def _heard(roll: Roll | None, node: str) -> Heard | None:
    return None if roll is None else roll.heard(node)
