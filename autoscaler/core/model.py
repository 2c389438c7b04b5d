"""The values that one tick hands from stage to stage.

Everything seen of a target arrives as one `Snapshot`; deciding turns it into a `Decision`; acting on
that yields an `Outcome`. Nothing here knows where a value came from or where it goes, so the live
daemon, a dry run and a simulator can share the code between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from autoscaler.core.hpa import Floor, Hpa
from autoscaler.core.overrides import NOTHING_ORDERED, Overrides

T = TypeVar("T")


class Quality(StrEnum):
    """How far a reading can be trusted: only a fresh one may shrink a fleet."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value with its provenance.

    `value` is None exactly when `quality` is unknown; `age_seconds` is the time since the value was
    true at its source; `detail` says why a reading is not fresh. Build one with `fresh`, `stale` or
    `unknown`.
    """

    value: T | None
    source: str
    quality: Quality
    age_seconds: float = 0.0
    detail: str = ""

    @property
    def is_fresh(self) -> bool:
        """Whether the value was read now, from a source that answered."""
        return self.quality is Quality.FRESH


def fresh(value: T, source: str, age_seconds: float = 0.0) -> Reading[T]:
    """Return a reading that its source has just given."""
    return Reading(value, source, Quality.FRESH, age_seconds)


def stale(value: T, source: str, age_seconds: float, detail: str) -> Reading[T]:
    """Return the last value of a source that does not answer at the moment."""
    return Reading(value, source, Quality.STALE, age_seconds, detail)


def unknown(source: str, detail: str) -> Reading[T]:
    """Return a reading for a source that has nothing to offer, which is never the same as zero."""
    return Reading(None, source, Quality.UNKNOWN, detail=detail)


NO_HPAS: Reading[tuple[Hpa, ...]] = fresh((), "nobody looked")


@dataclass(frozen=True, slots=True, order=True)
class TargetRef:
    """The address of a target in the cluster."""

    namespace: str
    name: str
    kind: str = "StatefulSet"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class WorkerPod:
    """One pod of a target, as far as scaling cares.

    `started_at` is when its worker started, in seconds since the epoch, None while it does not run.
    `occupied` is False only where the pod's status proves that no worker runs in it. `place` counts
    the ordinals from the set's first one: replicas of n keep the places below n.

    `created_at` is when the pod was made, `turned_at` when it became Ready or ceased to be, `ends_at` by
    when it is to have ended, all in seconds since the epoch and None where nobody says. `why_unready` says
    why it is not Ready, in the words of its status. `restarts` counts those of its containers.
    `unreachable` says that its containers are fine by the last word of a node that is not heard any more,
    `awaits_volume` that it has volumes of its own and may be waiting for one. `revision` names the template
    that it was made from.
    """

    name: str
    ready: bool
    terminating: bool
    started_at: float | None = None
    occupied: bool = True
    place: int | None = None
    created_at: float | None = None
    turned_at: float | None = None
    ends_at: float | None = None
    why_unready: str = ""
    restarts: int = 0
    unreachable: bool = False
    awaits_volume: bool = False
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the pods of a worker set have come on their way to another template.

    `revision` names that template. `total` pods are to have it, `updated` do. `waits_for` says what is
    missing until it is over, in words for people, and nothing once it is: under a partition the revisions
    of a set differ for good. `ends` counts the pods that it has still to end, `old` are their names where
    they are known.
    """

    revision: str
    total: int
    updated: int
    waits_for: tuple[str, ...] = ()
    ends: int = 0
    old: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerSet:
    """What the cluster says of a target: the replicas asked for and the pods that exist.

    `declared_slots` is what the pod template says of the tasks that a worker runs at a time, None
    where it says nothing; `declared_by` names the place that says it. `rollout` is there while the
    template has changed and pods are replaced by the cluster. `parallel` says that pods are started and
    ended all at once, and not one after the other. The ordinals count from `first_ordinal`. `not_made`
    says why pods are missing, where their controller says so. `hpas` are the HorizontalPodAutoscalers that
    scale it too: a stale reading of none stands for a cluster that does not tell. `overrides` are what the
    annotations of the target order, those that have expired among them.
    """

    uid: str
    replicas: int
    pods: tuple[WorkerPod, ...] = ()
    declared_slots: int | None = None
    declared_by: str = ""
    parallel: bool = True
    hpas: Reading[tuple[Hpa, ...]] = NO_HPAS
    overrides: Overrides = NOTHING_ORDERED
    rollout: Rollout | None = None
    first_ordinal: int = 0
    not_made: str = ""

    @property
    def updating(self) -> bool:
        """Whether a rollout is in progress."""
        return self.rollout is not None and bool(self.rollout.waits_for)

    @property
    def ready(self) -> int:
        """Pods that are Ready and staying."""
        return sum(pod.ready and not pod.terminating for pod in self.pods)

    @property
    def places(self) -> frozenset[int]:
        """The places that have a pod; pods of a Deployment that stay are counted from 0 up.

        A place in a set is filled anew only when its pod is gone, while a Deployment replaces one that ends
        at once.
        """
        if all(pod.place is None for pod in self.pods):
            return frozenset(range(len(self.pods) - self.terminating))
        return frozenset(pod.place for pod in self.pods if pod.place is not None)

    @property
    def leaving(self) -> int:
        """Pods that end, or are about to, and that no others come in place of."""
        if all(pod.place is None for pod in self.pods):
            return self.terminating + max(0, len(self.pods) - self.terminating - self.replicas)
        return sum(pod.place is not None and pod.place >= self.replicas for pod in self.pods)

    @property
    def terminating(self) -> int:
        """Pods that were told to end and have not ended yet."""
        return sum(pod.terminating for pod in self.pods)


@dataclass(frozen=True, slots=True)
class Cordon:
    """A worker that was told by us to take no new tasks, or is about to be: what a crash must not forget.

    `queues` are those taken from it, none while it has not said which it consumes. `started_at` tells
    its process from a later one, which consumes again by itself. `since` is when it was first meant to
    go, in seconds since the epoch, None while it is only spared. `giving_back` says that its queues are
    to be consumed again, and `returned` that it has confirmed that: then it is remembered only because
    it may forget its queues again.
    """

    pod: str
    queues: tuple[str, ...] = ()
    started_at: float | None = None
    since: float | None = None
    giving_back: bool = False
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What to tell a worker: to consume these queues, or to consume them no more."""

    pod: str
    queues: tuple[str, ...]
    consume: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a decision: the replicas after it, and why.

    `limit` names the stage (`demand`, `tolerance`, `max_replicas`, …), `reason` is a CamelCase word
    fit for a label or an Event, `message` is the sentence for people.
    """

    limit: str
    replicas: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas a target should have, and every step that led there.

    `current` is the number that the decision was based on, `demand_slots` the tasks wanting a slot
    (None while unknown), `later_tasks` those that are not due yet, `proposal` what the demand asks for
    after the tolerance: the number that the stabilisation windows remember, `wanted` what would be asked
    for without any quota. `cordons` are to be remembered before any of the `orders` is given. `departing`
    are the pods whose workers go by the replicas, `ripe` those that could go as well if they said now that
    they are idle. `floor` is what is to become of an HPA's minimum before the replicas change, `hpa_asks`
    what its metrics ask for. `without_room` are the pods that are missing since a quota keeps them out.
    """

    target: TargetRef
    at: float
    uid: str
    current: int
    demand_slots: int | None
    proposal: int
    wanted: int
    idle: bool
    later_tasks: int
    steps: tuple[Step, ...]
    cordons: tuple[Cordon, ...] = ()
    orders: tuple[Order, ...] = ()
    departing: tuple[str, ...] = ()
    ripe: tuple[str, ...] = ()
    floor: Floor | None = None
    hpa_asks: int | None = None
    without_room: tuple[str, ...] = ()

    @property
    def draining(self) -> frozenset[str]:
        """The pods that are meant to go, or whose cordon is not what it should be yet."""
        meant = {cordon.pod for cordon in self.cordons if cordon.since is not None}
        return frozenset(meant | {order.pod for order in self.orders})

    @property
    def replicas(self) -> int:
        """The replicas to ask for."""
        return self.steps[-1].replicas

    @property
    def changes_scale(self) -> bool:
        """Whether anything is to be asked of the cluster: other replicas, or another floor."""
        return self.replicas != self.current or self.floor is not None

    @property
    def bound_by(self) -> tuple[str, ...]:
        """The limits that changed what the demand asked for, in order."""
        return tuple(step.limit for step in self.steps[1:])

    @property
    def reason(self) -> str:
        """The reason of the last step, which is the one that settled the number."""
        return self.steps[-1].reason


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a target that people should know and that is no decision, told once each time.

    `reason` is a CamelCase word of a fixed list, fit for a label or an Event, `message` the sentence for
    people, `pods` those that it is about. `warning` says that something may have to be done about it.
    """

    reason: str
    message: str
    pods: tuple[str, ...] = ()
    warning: bool = True


class OutcomeKind(StrEnum):
    """What came of a decision."""

    UNCHANGED = "unchanged"
    APPLIED = "applied"
    DRY_RUN = "dry_run"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision: `replicas` is the number that stands now, as far as it is known."""

    kind: OutcomeKind
    replicas: int
    message: str = ""
