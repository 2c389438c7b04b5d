"""The HorizontalPodAutoscalers that scale the targets too, from a watch in each of their namespaces.

Where they may not be read, or the cluster has none of autoscaling/v2, that is no reason to stand still: a
reading of none that is stale says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.hpa_kinds import HorizontalPodAutoscaler, target_key
from autoscaler.cluster.kinds import Listing
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.view import BLINK_SECONDS, EVERYWHERE
from autoscaler.cluster.watch import Watcher
from autoscaler.core.hpa import Hpa
from autoscaler.core.model import Reading, TargetRef, fresh, stale, unknown
from autoscaler.core.writers import FIELD_MANAGER

GROUP = "/apis/autoscaling/v2"
SOURCE = "HPAs"

Owns = Callable[[str], Reading[int | None]]
"""What is remembered of a user's own minReplicas, by the HPA's uid; None where nothing is."""


def nothing_remembered(uid: str) -> Reading[int | None]:
    """Return that nothing is remembered, as where nothing is ever written."""
    del uid
    return fresh(None, "nowhere")


class ClusterHpas:
    """The HPAs of some namespaces, or of all where there are none given."""

    def __init__(
        self,
        api: Api,
        namespaces: Iterable[str] | None,
        clock: Callable[[], float],
        owns: Owns = nothing_remembered,
    ) -> None:
        self._owns = owns
        self._mirrors: dict[str, Mirror[HorizontalPodAutoscaler]] = {}
        self._watchers: list[Watcher[HorizontalPodAutoscaler]] = []
        for namespace in [EVERYWHERE] if namespaces is None else sorted(set(namespaces)):
            mirror = self._mirrors[namespace] = Mirror[HorizontalPodAutoscaler](
                clock, group_by=lambda one: one.target
            )
            self._watchers.append(
                Watcher(api, collection(namespace), HorizontalPodAutoscaler, mirror, clock=clock)
            )

    def start(self) -> None:
        """Begin to watch."""
        for watcher in self._watchers:
            watcher.start()

    def stop(self) -> None:
        """End all watches."""
        for watcher in self._watchers:
            watcher.stop()

    def wait_settled(self, seconds: float, clock: Callable[[], float]) -> bool:
        """Wait until they were listed or refused, and return whether it was in time."""
        deadline = clock() + seconds
        return all(mirror.wait_settled(max(0.0, deadline - clock())) for mirror in self._mirrors.values())

    def on(self, target: TargetRef) -> Reading[tuple[Hpa, ...]]:
        """Return those that scale a target, from memory."""
        mirror = self._mirror(target.namespace)
        if not mirror.synced:
            if mirror.settled:
                return stale((), SOURCE, mirror.blind_seconds, f"HPAs cannot be read: {mirror.trouble}")
            return unknown(SOURCE, f"HPAs: {mirror.trouble}")
        found = []
        for one in mirror.group(target_key(target)):
            own = self._owns(one.metadata.uid)
            ours = one.min_written_by(FIELD_MANAGER)
            if ours and not own.is_fresh:
                return unknown(SOURCE, f"the own minReplicas of HPA {one.metadata.name}: {own.detail}")
            found.append(one.seen(own.value if ours else None, remembered=own.value is not None))
        blind = mirror.blind_seconds
        if blind > BLINK_SECONDS:
            return stale(tuple(found), SOURCE, blind, f"HPAs: {mirror.trouble}")
        return fresh(tuple(found), SOURCE, blind)

    def learn(self, found: HorizontalPodAutoscaler) -> None:
        """Take one that was read or written just now."""
        self._mirror(found.metadata.namespace).learn(found)

    def _mirror(self, namespace: str) -> Mirror[HorizontalPodAutoscaler]:
        return self._mirrors[namespace if namespace in self._mirrors else EVERYWHERE]


def on(api: Api, target: TargetRef) -> Reading[tuple[Hpa, ...]]:
    """Return the HPAs that scale a target, by asking now."""
    try:
        listed = api.get(collection(target.namespace), Listing[HorizontalPodAutoscaler])
    except ApiError as error:
        return unknown(SOURCE, f"they cannot be read: {error.message}")
    found = (one for one in listed.items or () if one.target == target_key(target))
    return fresh(tuple(one.seen(None) for one in found), SOURCE)


def collection(namespace: str) -> str:
    """Return the path of a namespace's HPAs, or of all."""
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{GROUP}{within}/horizontalpodautoscalers"
