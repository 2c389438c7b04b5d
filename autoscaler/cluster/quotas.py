"""What limits the pods of each namespace, as watches tell it: quotas, limit ranges, and its claims.

A namespace that has neither a quota nor a limit range costs nothing. Without the right to read them there
is no telling what fits: workers are asked for as if there were none. The watch logs what is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import Listing, Meta, Struct
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.quota_kinds import LimitRange, ResourceQuota, namespace_limits, worker_shape
from autoscaler.cluster.view import EVERYWHERE, ClusterView
from autoscaler.cluster.watch import Watcher
from autoscaler.cluster.workloads import StatefulSet, Workload
from autoscaler.core.model import Reading, TargetRef, fresh, unknown
from autoscaler.core.quarters import Quarters, is_exceeded
from autoscaler.core.quota import NamespaceLimits, Room, WorkerShape, room

SOURCE = "ResourceQuotas and LimitRanges"


class PersistentVolumeClaim(Struct, frozen=True):
    """A claim that is there."""

    metadata: Meta


AnyWatcher = Watcher[ResourceQuota] | Watcher[LimitRange] | Watcher[PersistentVolumeClaim]


@dataclass(slots=True)
class _Sight:
    """The mirrors of one namespace, or of all of them; that of claims once they matter."""

    quotas: Mirror[ResourceQuota]
    ranges: Mirror[LimitRange]
    claims: Mirror[PersistentVolumeClaim] | None = None


@dataclass(slots=True)
class _Known:
    """What was made of a namespace's objects, and of which."""

    quotas: tuple[ResourceQuota, ...]
    ranges: tuple[LimitRange, ...]
    limits: NamespaceLimits
    exceeded: bool


class NamespaceQuotas:
    """Implements `Quotas`, from one watch for quotas and one for limit ranges of each namespace.

    Without `namespaces` there is one of each for the whole cluster. Claims are watched from the moment that
    a target of theirs is seen to have any.
    """

    def __init__(
        self, api: Api, namespaces: Iterable[str] | None, view: ClusterView, clock: Callable[[], float]
    ) -> None:
        self._api = api
        self._view = view
        self._clock = clock
        self._lock = threading.Lock()
        self._sights: dict[str, _Sight] = {}
        self._watchers: list[AnyWatcher] = []
        self._known: dict[str, _Known] = {}
        self._shapes: dict[TargetRef, tuple[object, object, WorkerShape]] = {}
        for namespace in [EVERYWHERE] if namespaces is None else sorted(set(namespaces)):
            quotas = Mirror[ResourceQuota](clock, group_by=_namespace)
            ranges = Mirror[LimitRange](clock, group_by=_namespace)
            self._sights[namespace] = _Sight(quotas, ranges)
            self._watchers += [
                Watcher(api, _path(namespace, "resourcequotas"), ResourceQuota, quotas, clock=clock),
                Watcher(api, _path(namespace, "limitranges"), LimitRange, ranges, clock=clock),
            ]

    def start(self) -> None:
        """Begin to watch."""
        for watcher in self._watchers:
            watcher.start()

    def stop(self) -> None:
        """End all watches."""
        with self._lock:
            watchers = tuple(self._watchers)
        for watcher in watchers:
            watcher.stop()

    def wait_settled(self, seconds: float) -> bool:
        """Wait until quotas and limit ranges were listed or refused, and return whether it was in time."""
        deadline = self._clock() + seconds
        return all(
            mirror.wait_settled(max(0.0, deadline - self._clock()))
            for sight in self._sights.values()
            for mirror in (sight.quotas, sight.ranges)
        )

    def pending(self, namespace: str) -> str:
        """Return why it is not known yet what limits a namespace. See `Quotas`."""
        sight = self._sight(namespace)
        return next((mirror.trouble for mirror in (sight.quotas, sight.ranges) if not mirror.settled), "")

    def quarters(self, target: TargetRef) -> Quarters | None:
        """Return what limits a target's workers. See `Quotas`."""
        known = None if self.pending(target.namespace) else self._limits(target.namespace)
        if known is None:
            return None
        workload = self._view.workload(target)
        if workload is None:
            return None
        shape = self._shape(target, workload)
        first = workload.first_ordinal if isinstance(workload, StatefulSet) else 0
        claims = self._claims(target) if shape.claims else frozenset()
        return Quarters(known.limits, shape, claims, first, known.exceeded)

    def _sight(self, namespace: str) -> _Sight:
        return self._sights[namespace if namespace in self._sights else EVERYWHERE]

    def _limits(self, namespace: str) -> _Known | None:
        """Return what limits a namespace, worked out anew only when one of its objects is another one."""
        sight = self._sight(namespace)
        quotas, ranges = sight.quotas.group(namespace), sight.ranges.group(namespace)
        if not quotas and not ranges:
            return None
        known = self._known.get(namespace)
        if known is None or not (_same(known.quotas, quotas) and _same(known.ranges, ranges)):
            limits = namespace_limits(quotas, ranges)
            known = self._known[namespace] = _Known(quotas, ranges, limits, is_exceeded(limits))
        return known

    def _shape(self, target: TargetRef, workload: Workload) -> WorkerShape:
        """Return what one worker takes, worked out once for each template."""
        template = workload.spec.template
        claims = workload.spec.volume_claim_templates if isinstance(workload, StatefulSet) else ()
        known = self._shapes.get(target)
        if known is None or known[0] is not template or known[1] is not claims:
            known = self._shapes[target] = template, claims, worker_shape(template, claims or ())
        return known[2]

    def _claims(self, target: TargetRef) -> frozenset[str]:
        """Return the names of the claims that are there: none while that is not known, which errs safely."""
        sight = self._sight(target.namespace)
        with self._lock:
            if sight.claims is None:
                sight.claims = Mirror[PersistentVolumeClaim](self._clock, group_by=_namespace)
                where = target.namespace if target.namespace in self._sights else EVERYWHERE
                path = _path(where, "persistentvolumeclaims")
                watcher = Watcher(self._api, path, PersistentVolumeClaim, sight.claims, clock=self._clock)
                self._watchers.append(watcher)
                watcher.start()
        middle = f"-{target.name}-"
        names = (claim.metadata.name for claim in sight.claims.group(target.namespace))
        return frozenset(name for name in names if middle in name)


def room_on(api: Api, found: Workload, there: int) -> Reading[Room]:
    """Return for how many workers a namespace has room, by asking now; `there` are those that it has.

    Claims that it kept count as made: what is told errs on the side of more room.
    """
    namespace = found.metadata.namespace
    try:
        quotas = api.get(_path(namespace, "resourcequotas"), Listing[ResourceQuota]).items
        ranges = api.get(_path(namespace, "limitranges"), Listing[LimitRange]).items
    except ApiError as error:
        return unknown(SOURCE, f"they cannot be read: {error.message}")
    limits = namespace_limits(quotas or (), ranges or ())
    shape = worker_shape(found.spec.template)
    more = room(limits, shape)
    return fresh(Room(None if more.pods is None else there + more.pods, more.bounds), SOURCE)


def _path(namespace: str, plural: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{plural}" if namespace else f"/api/v1/{plural}"


def _namespace(found: ResourceQuota | LimitRange | PersistentVolumeClaim) -> str:
    return found.metadata.namespace


def _same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
