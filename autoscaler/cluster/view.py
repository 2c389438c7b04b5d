"""The cluster as it is seen from here: worker sets and their pods, from watches, without asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from autoscaler.cluster.client import Api
from autoscaler.cluster.kinds import Pod, PodTemplate, StatefulSet
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.template import NotInTemplate, declared_slots, worker_container
from autoscaler.cluster.watch import Watcher
from autoscaler.core.model import Reading, TargetRef, WorkerPod, WorkerSet, fresh, stale, unknown

BLINK_SECONDS = 5.0
"""How long no watch may be open before what was seen counts as old."""

EVERYWHERE = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """The mirrors of one namespace, or of all of them."""

    sets: Mirror[StatefulSet]
    pods: Mirror[Pod]


class ClusterView:
    """Implements `Cluster`, from one watch for worker sets and one for pods of each namespace.

    Without `namespaces` there is one of each for the whole cluster.
    """

    def __init__(
        self,
        api: Api,
        namespaces: Iterable[str] | None,
        clock: Callable[[], float],
        pod_label_selector: str = "",
        containers: Callable[[TargetRef], str | None] = lambda _: None,
    ) -> None:
        self._containers = containers
        self._sights: dict[str, Sight] = {}
        self._watchers: list[Watcher[StatefulSet] | Watcher[Pod]] = []
        self._declared: dict[TargetRef, tuple[PodTemplate, tuple[int | None, str]]] = {}
        for namespace in [EVERYWHERE] if namespaces is None else sorted(set(namespaces)):
            sight = Sight(Mirror(clock), Mirror(clock, group_by=lambda pod: pod.owner))
            within = f"/namespaces/{namespace}" if namespace else ""
            self._sights[namespace] = sight
            self._watchers += [
                Watcher(api, f"/apis/apps/v1{within}/statefulsets", StatefulSet, sight.sets, clock=clock),
                Watcher(
                    api,
                    f"/api/v1{within}/pods",
                    Pod,
                    sight.pods,
                    label_selector=pod_label_selector,
                    clock=clock,
                ),
            ]

    def start(self) -> None:
        """Begin to watch."""
        for watcher in self._watchers:
            watcher.start()

    def stop(self) -> None:
        """End all watches."""
        for watcher in self._watchers:
            watcher.stop()

    @property
    def trouble(self) -> str:
        """Why not everything has been listed yet, empty once it has.

        A namespace that we may not list does not count: its targets are reported as unseen, and the
        others are served.
        """
        waiting = [mirror for mirror in self._mirrors if not mirror.settled]
        if waiting:
            return waiting[0].trouble
        refused = [mirror for mirror in self._mirrors if not mirror.synced]
        return refused[0].trouble if len(refused) == len(self._mirrors) else ""

    def wait_settled(self, seconds: float, clock: Callable[[], float]) -> bool:
        """Wait until everything has been listed or refused, and return whether it was in time."""
        deadline = clock() + seconds
        return all(mirror.wait_settled(max(0.0, deadline - clock())) for mirror in self._mirrors)

    @property
    def _mirrors(self) -> list[Mirror[StatefulSet] | Mirror[Pod]]:
        return [mirror for sight in self._sights.values() for mirror in (sight.sets, sight.pods)]

    def worker_set(self, target: TargetRef) -> Reading[WorkerSet]:
        """Return what was last seen of a target. See `Cluster`."""
        sight = self._sight(target.namespace)
        found = self.stateful_set(target)
        if found is None or not sight.pods.synced:
            mirror = sight.pods if sight.sets.synced else sight.sets
            trouble = mirror.trouble if not mirror.synced else f"there is no {target.kind} {target}"
            return unknown("cluster", trouble)
        declared = self._declaration(target, found)
        workers = WorkerSet(
            uid=found.metadata.uid,
            replicas=found.spec.replicas,
            pods=tuple(
                WorkerPod(
                    name=pod.metadata.name,
                    ready=pod.ready,
                    terminating=pod.metadata.deletion_timestamp is not None,
                    started_at=pod.started_at(self._containers(target)),
                    occupied=pod.occupied(self._containers(target)),
                    place=found.place(pod.metadata.name),
                )
                for pod in sight.pods.group(found.metadata.uid)
                if pod.status.phase not in {"Succeeded", "Failed"}
            ),
            declared_slots=declared[0],
            declared_by=declared[1],
            updating=found.updating,
        )
        blind = max(sight.sets.blind_seconds, sight.pods.blind_seconds)
        if blind > BLINK_SECONDS:
            return stale(workers, "cluster", blind, sight.sets.trouble or sight.pods.trouble)
        return fresh(workers, "cluster", blind)

    def stateful_set(self, target: TargetRef) -> StatefulSet | None:
        """Return a target's object as it was last seen."""
        return self._sight(target.namespace).sets.get(target.namespace, target.name)

    def learn(self, found: StatefulSet) -> None:
        """Take a worker set that was read or written just now."""
        self._sight(found.metadata.namespace).sets.learn(found)

    def _sight(self, namespace: str) -> Sight:
        return self._sights[namespace if namespace in self._sights else EVERYWHERE]

    def _declaration(self, target: TargetRef, found: StatefulSet) -> tuple[int | None, str]:
        """Return the slots that the pod template declares, worked out once for each template."""
        template = found.spec.template
        known = self._declared.get(target)
        if known is not None and known[0] is template:
            return known[1]
        try:
            container = worker_container(template, self._containers(target))
            declared = declared_slots(container) or (None, "")
        except NotInTemplate:
            declared = (None, "")
        self._declared[target] = (template, declared)
        return declared
