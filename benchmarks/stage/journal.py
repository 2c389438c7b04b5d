"""What the cluster did, and what became of the tasks."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from autoscaler.sandbox.event_log import Event
from benchmarks.stage.fleet import NAMESPACE


class Journal:
    """Follows the worker sets and pods of a cluster's store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._born: dict[str, float] = {}
        self._replicas: dict[str, int] = {}
        self._lived = 0.0
        self.scale_ins: Counter[str] = Counter()
        self.removed = 0
        self.cordons: set[str] = set()

    def note(self, event: Event) -> None:
        """Take note of a change."""
        with self._lock:
            if event.resource in {"statefulsets.apps", "deployments.apps"}:
                self._note_set(event)
            elif event.resource == "pods":
                self._note_pod(event)
            elif event.resource == "configmaps":
                self._note_memory(event)

    def _note_set(self, event: Event) -> None:
        name, replicas = event.object["metadata"]["name"], event.object["spec"].get("replicas", 1)
        before = self._replicas.get(name, 0)
        if replicas < before:
            self.scale_ins[name] += 1
            self.removed += before - replicas
        self._replicas[name] = replicas

    def _note_pod(self, event: Event) -> None:
        uid = event.object["metadata"]["uid"]
        if event.type == "DELETED":
            self._lived += time.time() - self._born.pop(uid, time.time())
        else:
            self._born.setdefault(uid, time.time())

    def _note_memory(self, event: Event) -> None:
        if event.namespace == NAMESPACE and event.type == "DELETED":
            self.cordons.discard(event.object["metadata"]["name"])
        elif event.namespace == NAMESPACE and event.object.get("data", {}).get("cordons"):
            self.cordons.add(event.object["metadata"]["name"])

    @property
    def pods(self) -> int:
        """Pods that exist."""
        with self._lock:
            return len(self._born)

    @property
    def replicas(self) -> int:
        """The replicas asked for, of all targets."""
        with self._lock:
            return sum(self._replicas.values())

    def worker_seconds(self) -> float:
        """Return the time that pods have existed, added up."""
        with self._lock:
            return self._lived + sum(time.time() - born for born in self._born.values())


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the tasks.

    `lost` never ended, `doubled` began more than once, `cut` began and did not end in that run, `handed_on`
    ran after they had been handed back unrun, as kombu does with what an outstanding BRPOP still brings.
    """

    sent: int
    done: int
    lost: int
    doubled: int
    cut: int
    handed_on: int
    wait_p95_seconds: float

    @property
    def damaged(self) -> int:
        """Tasks that did not run exactly once, from beginning to end."""
        return self.lost + self.doubled + self.cut


def tally(sent: dict[str, float], lines: Iterable[bytes | str]) -> Tally:
    """Count from what the tasks wrote down; `sent` are the times at which they were sent, by id."""
    began: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    again: Counter[str] = Counter()
    waits: dict[str, float] = defaultdict(float)
    for raw in lines:
        line = json.loads(raw)
        if line["id"] not in sent:
            continue
        if line["what"] == "ended":
            ended[line["id"]] += 1
            continue
        began[line["id"]] += 1
        again[line["id"]] += line["again"]
        waits.setdefault(line["id"], line["at"] - sent[line["id"]])
    ordered = sorted(waits.values())
    return Tally(
        sent=len(sent),
        done=sum(ended[task] > 0 for task in sent),
        lost=sum(not ended[task] for task in sent),
        doubled=sum(count > 1 for count in began.values()),
        cut=sum(max(0, began[task] - max(1, ended[task])) > 0 for task in began if ended[task]),
        handed_on=sum(count > 0 for count in again.values()),
        wait_p95_seconds=round(ordered[int(0.95 * (len(ordered) - 1))], 2) if ordered else 0.0,
    )
