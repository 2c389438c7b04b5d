"""What happened, from what the tasks themselves wrote down and what the cluster did."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from autoscaler.sandbox.demo.send import Sent


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a task, in seconds since the epoch; `ended` is None while it has not."""

    id: str
    began: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of replicas that the daemon made, `at` seconds after the first task was sent."""

    at: float
    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of a demo; times in seconds.

    `lost` tasks never ended, `duplicated` ones began more than once, `killed` workers outlived their
    grace period and were ended by force. `worker_seconds` is the time that pods existed,
    `static_worker_seconds` what a fleet of the peak size would have taken over the whole time.
    `reaction_seconds` is the longest time from a burst's arrival in an empty queue to the replicas that
    were asked for it.
    """

    sent: int
    done: int
    lost: int
    duplicated: int
    killed: int
    wait_p50_seconds: float
    wait_p95_seconds: float
    peak_replicas: int
    final_replicas: int
    worker_seconds: float
    static_worker_seconds: float
    reaction_seconds: float
    patches: tuple[Patch, ...]

    @property
    def good(self) -> bool:
        """Whether every task ran once and nothing is left."""
        return self.done == self.sent and not (
            self.lost or self.duplicated or self.killed or self.final_replicas
        )

    def as_json(self) -> str:
        """Return the documented JSON object, a patch as [seconds, from, to, reason]."""
        fields = asdict(self)
        fields["patches"] = [[p.at, p.before, p.after, p.reason] for p in self.patches]
        return json.dumps(fields, indent=2)


def runs(lines: Iterable[str]) -> list[Run]:
    """Return the runs that the tasks wrote down, oldest first."""
    found: list[Run] = []
    for raw in lines:
        line = json.loads(raw)
        if line["what"] == "began":
            found.append(Run(line["id"], line["at"], None))
            continue
        index = next(i for i in range(len(found) - 1, -1, -1) if found[i].id == line["id"])
        found[index] = Run(line["id"], found[index].began, line["at"])
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """Tasks counted from their runs; waits in seconds, sorted."""

    done: int
    lost: int
    duplicated: int
    waits: tuple[float, ...]


def tally(sent: Sequence[Sent], of: Sequence[Run]) -> Tally:
    """Count what became of the tasks that were sent.

    A task's wait ends with the beginning of its first run.
    """
    began = Counter(run.id for run in of)
    ended = {run.id for run in of if run.ended is not None}
    first = {run.id: run.began for run in reversed(of)}
    return Tally(
        done=sum(task.id in ended for task in sent),
        lost=sum(task.id not in ended for task in sent),
        duplicated=sum(began[task.id] > 1 for task in sent),
        waits=tuple(sorted(first[task.id] - task.at for task in sent if task.id in first)),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the sorted values that at least this share of them do not exceed.

    NaN without any: the nearest-rank definition has none to offer.
    """
    if not values:
        return float("nan")
    return values[max(0, math.ceil(share * len(values)) - 1)]
