"""The sandbox's nodes: every pod in the store gets one, and lives there until it is removed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from autoscaler.sandbox.agenda import Agenda
from autoscaler.sandbox.event_log import DELETED, Event
from autoscaler.sandbox.kubelet.containers import Containers
from autoscaler.sandbox.kubelet.node import Ending, Node, Rules
from autoscaler.sandbox.kubelet.pod_life import PodLife
from autoscaler.sandbox.kubelet.pod_record import PodRecord
from autoscaler.sandbox.kubelet.processes import image_environment
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

NODES = 3


class PodRunner:
    """Scheduler and kubelet of all pods.

    A pod's container starts after a time drawn from the range `startup_seconds`, the same times in
    the same order for the same `seed`. `clock` returns aware UTC. All nodes together hold `room` pods, any
    number where that is None; more wait until one of them ends.
    """

    def __init__(
        self,
        store: Store,
        agenda: Agenda,
        clock: Callable[[], datetime],
        containers: Containers,
        *,
        startup_seconds: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
        rules: Rules | None = None,
        room: int | None = None,
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._containers = containers
        self._endings: list[Ending] = []
        self._lives: dict[str, PodLife] = {}
        self._unsubscribe: Callable[[], None] | None = None
        draw = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        names = itertools.cycle(f"sandbox-node-{number + 1}" for number in range(NODES))
        addresses = _addresses()
        self._node = Node(
            store=store,
            agenda=agenda,
            clock=clock,
            containers=containers,
            rules=rules or Rules(),
            image_environment=image_environment(),
            startup_seconds=lambda: draw.uniform(*startup_seconds),
            name=lambda: next(names),
            address=lambda: next(addresses),
            has_room=lambda: room is None or sum(life.scheduled for life in self._lives.values()) < room,
            ended=self._ended,
        )

    @property
    def endings(self) -> tuple[Ending, ...]:
        """What ended each pod that has ended, in order."""
        return tuple(self._endings)

    def start(self) -> None:
        """Take in every pod there is, and from now on each new one."""
        self._unsubscribe = self._store.subscribe(self._on_event)
        for pod in self._store.list("pods")[0]:
            self._agenda.soon(partial(self._see, pod))

    def stop(self) -> None:
        """End all containers. The agenda must have stopped before, so that none starts meanwhile."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._containers.stop()

    def _on_event(self, event: Event) -> None:
        if event.resource == "pods":
            see = self._miss if event.type == DELETED else self._see
            self._agenda.soon(partial(see, event.object))

    def _see(self, pod: JSON) -> None:
        uid = pod["metadata"]["uid"]
        life = self._lives.get(uid)
        if life is None:
            if PodRecord(self._node, pod).read() is None:
                return  # news of a pod that has ended
            life = self._lives[uid] = PodLife(self._node, pod)
        life.observe(pod)

    def _miss(self, pod: JSON) -> None:
        life = self._lives.get(pod["metadata"]["uid"])
        if life is not None:
            life.vanish()

    def _ended(self, ending: Ending) -> None:
        self._endings.append(ending)
        del self._lives[ending.uid]
        for uid in [uid for uid, life in self._lives.items() if not life.scheduled]:
            self._agenda.soon(partial(self._look_again, uid))

    def _look_again(self, uid: str) -> None:
        """See whether there is room now for a pod that has waited for some."""
        life = self._lives.get(uid)
        if life is not None and not life.scheduled:
            life.retry()


def _addresses() -> Iterator[str]:
    for number in itertools.count(4):
        yield f"10.244.{number // 256 % 256}.{number % 256}"
