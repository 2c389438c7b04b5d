"""The cluster as it is seen from here: worker sets and their pods, from watches, without asking."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from autoscaler.cluster.client import Api
from autoscaler.cluster.kinds import Pod, PodTemplate
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.template import NotInTemplate, declared_slots, worker_container
from autoscaler.cluster.watch import Watcher
from autoscaler.cluster.worker_pods import WorkerPods
from autoscaler.cluster.workloads import Deployment, ReplicaSet, StatefulSet, Workload
from autoscaler.core.hpa import Hpa
from autoscaler.core.model import NO_HPAS, Reading, TargetRef, WorkerSet, fresh, stale, unknown
from autoscaler.core.overrides import NOTHING_ORDERED, Overrides, parse
from autoscaler.core.writers import Writer

BLINK_SECONDS = 5.0
"""How long no watch may be open before what was seen counts as old."""

EVERYWHERE = ""

AnyMirror = Mirror[StatefulSet] | Mirror[Pod] | Mirror[Deployment] | Mirror[ReplicaSet]
AnyWatcher = Watcher[StatefulSet] | Watcher[Pod] | Watcher[Deployment] | Watcher[ReplicaSet]


@dataclass(frozen=True, slots=True)
class Sight:
    """The mirrors of one namespace, or of all of them; of Deployments where some are targets."""

    sets: Mirror[StatefulSet]
    pods: Mirror[Pod]
    deployments: Mirror[Deployment] | None = None
    replica_sets: Mirror[ReplicaSet] | None = None

    @property
    def mirrors(self) -> tuple[AnyMirror, ...]:
        """All of them."""
        found = (self.sets, self.pods, self.deployments, self.replica_sets)
        return tuple(mirror for mirror in found if mirror is not None)

    def workloads(self, kind: str) -> Mirror[StatefulSet] | Mirror[Deployment] | None:
        """Return the mirror of a kind of worker sets, None where it is not watched."""
        return self.sets if kind == "StatefulSet" else self.deployments

    def pods_of(self, found: Workload) -> tuple[Pod, ...]:
        """Return the pods that a worker set has made."""
        if self.replica_sets is None or isinstance(found, StatefulSet):
            return self.pods.group(found.metadata.uid)
        made = self.replica_sets.group(found.metadata.uid)
        return tuple(pod for one in made for pod in self.pods.group(one.metadata.uid))


class ClusterView:
    """Implements `Cluster`, from one watch for worker sets and one for pods of each namespace.

    Without `namespaces` there is one of each for the whole cluster. Deployments are watched in those of
    `deployments` alone, and everywhere if the whole cluster is watched and there are any. `hpas` tells
    which HorizontalPodAutoscalers scale a target too.
    """

    def __init__(
        self,
        api: Api,
        namespaces: Iterable[str] | None,
        clock: Callable[[], float],
        pod_label_selector: str = "",
        containers: Callable[[TargetRef], str | None] = lambda _: None,
        deployments: Collection[str] = (),
        hpas: Callable[[TargetRef], Reading[tuple[Hpa, ...]]] = lambda _: NO_HPAS,
    ) -> None:
        self._hpas = hpas
        self._containers = containers
        self._workers = WorkerPods()
        self._sights: dict[str, Sight] = {}
        self._watchers: list[AnyWatcher] = []
        self._declared: dict[TargetRef, tuple[PodTemplate, tuple[tuple[int | None, str], str | None]]] = {}
        self._ordered: dict[TargetRef, tuple[dict[str, str], Overrides]] = {}
        for namespace in [EVERYWHERE] if namespaces is None else sorted(set(namespaces)):
            sets, pods = Mirror[StatefulSet](clock), Mirror[Pod](clock, group_by=lambda pod: pod.owner)
            within = f"/namespaces/{namespace}" if namespace else ""
            apps = f"/apis/apps/v1{within}"
            sight = self._sights[namespace] = Sight(sets, pods)
            self._watchers += [
                Watcher(api, f"{apps}/statefulsets", StatefulSet, sets, clock=clock),
                Watcher(
                    api, f"/api/v1{within}/pods", Pod, pods, label_selector=pod_label_selector, clock=clock
                ),
            ]
            if namespace in deployments or (deployments and not namespace):
                made = Mirror[Deployment](clock)
                sets_of = Mirror[ReplicaSet](clock, group_by=lambda one: one.owner)
                self._sights[namespace] = replace(sight, deployments=made, replica_sets=sets_of)
                self._watchers += [
                    Watcher(api, f"{apps}/deployments", Deployment, made, clock=clock),
                    Watcher(api, f"{apps}/replicasets", ReplicaSet, sets_of, clock=clock),
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
    def _mirrors(self) -> list[AnyMirror]:
        return [mirror for sight in self._sights.values() for mirror in sight.mirrors]

    def worker_set(self, target: TargetRef) -> Reading[WorkerSet]:
        """Return what was last seen of a target. See `Cluster`."""
        sight = self._sight(target.namespace)
        found = self.workload(target)
        missing = [mirror for mirror in sight.mirrors if not mirror.synced]
        if found is None or missing:
            trouble = missing[0].trouble if missing else f"there is no {target.kind} {target}"
            return unknown("cluster", trouble)
        declared, container = self._declaration(target, found)
        pods = sight.pods_of(found)
        workers_seen = self._workers.of(target, found, pods, container)
        workers = WorkerSet(
            uid=found.metadata.uid,
            replicas=found.spec.replicas,
            pods=workers_seen,
            declared_slots=declared[0],
            declared_by=declared[1],
            parallel=found.parallel,
            hpas=self._hpas(target),
            overrides=self._overrides(target, found),
            rollout=found.rollout(workers_seen),
            first_ordinal=found.first_ordinal,
            not_made=found.not_made,
        )
        blind, trouble = max((mirror.blind_seconds, mirror.trouble) for mirror in sight.mirrors)
        if blind > BLINK_SECONDS:
            return stale(workers, "cluster", blind, trouble)
        if found.status.replicas > len(pods):
            unseen = f"{len(pods)} pods are seen of the {found.status.replicas} that its controller has made"
            return stale(workers, "cluster", blind, unseen)
        return fresh(workers, "cluster", blind)

    def workload(self, target: TargetRef) -> Workload | None:
        """Return a target's object as it was last seen."""
        mirror = self._sight(target.namespace).workloads(target.kind)
        return None if mirror is None else mirror.get(target.namespace, target.name)

    def replica_writers(self, target: TargetRef) -> tuple[Writer, ...]:
        """Return who holds the replicas. See `Cluster`."""
        found = self.workload(target)
        return () if found is None else found.metadata.replica_writers

    def learn(self, found: Workload) -> None:
        """Take a worker set that was read or written just now."""
        sight = self._sight(found.metadata.namespace)
        if isinstance(found, StatefulSet):
            sight.sets.learn(found)
        elif sight.deployments is not None:
            sight.deployments.learn(found)

    def _sight(self, namespace: str) -> Sight:
        return self._sights[namespace if namespace in self._sights else EVERYWHERE]

    def _declaration(self, target: TargetRef, found: Workload) -> tuple[tuple[int | None, str], str | None]:
        """Return the slots that the pod template declares, and the container that runs the worker.

        They are worked out once for each template.
        """
        template = found.spec.template
        known = self._declared.get(target)
        if known is not None and known[0] is template:
            return known[1]
        slots: tuple[int | None, str] = (None, "")
        name = self._containers(target)
        try:
            container = worker_container(template, name)
            slots, name = declared_slots(container) or slots, container.name
        except NotInTemplate:
            pass
        self._declared[target] = (template, (slots, name))
        return slots, name

    def _overrides(self, target: TargetRef, found: Workload) -> Overrides:
        """Return what the annotations order, worked out once for each version of the object."""
        annotations = found.metadata.annotations
        if not annotations:
            return NOTHING_ORDERED
        known = self._ordered.get(target)
        if known is None or known[0] is not annotations:
            known = self._ordered[target] = annotations, parse(annotations)
        return known[1]
