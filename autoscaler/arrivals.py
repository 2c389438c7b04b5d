"""Which pods are so new, or so lately gone, that the quotas may not have noticed, as it is seen from here.

Pods and quotas come by different watches. For a moment a new pod is seen and its share of the quota is not,
or the other way round: deciding then would ask for pods that have no room, or take back what was asked for.
"""

from __future__ import annotations

from autoscaler.core.model import WorkerSet

COUNTING_SECONDS = 2.0
"""How long the quotas have for counting what is new or gone: they are told within milliseconds."""


class Arrivals:
    """When each pod of one target was first seen, and last, in monotonic seconds."""

    def __init__(self) -> None:
        self._first_seen: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._last: tuple[int, frozenset[str]] | None = None
        self._changed_at = 0.0
        self._short_since: float | None = None

    def see(self, at: float, workers: WorkerSet) -> None:
        """Take note of who is there; whoever is there at the first look was there before."""
        names = frozenset(pod.name for pod in workers.pods)
        since = at if self._last is not None else at - COUNTING_SECONDS
        gone = self._gone | {name: at for name in self._first_seen if name not in names}
        self._gone = {
            name: went for name, went in gone.items() if name not in names and at - went < COUNTING_SECONDS
        }
        self._first_seen = {name: self._first_seen.get(name, since) for name in names}
        if self._last != (workers.replicas, names):
            self._last, self._changed_at = (workers.replicas, names), at

    def uncounted(self, at: float) -> int:
        """Return how many pods may not have been counted yet."""
        return sum(at - seen < COUNTING_SECONDS for seen in self._first_seen.values())

    @property
    def still_counted(self) -> int:
        """How many pods are gone that may still be counted."""
        return len(self._gone)

    def settled(self, at: float, *, short: bool) -> bool:
        """Return whether pods that were asked for have been kept out for so long that they surely are.

        `short` says that they are by what is seen now: the quotas may have counted a pod that is not yet.
        """
        if not short:
            self._short_since = None
            return False
        if self._short_since is None:
            self._short_since = at
        return at - max(self._short_since, self._changed_at) >= COUNTING_SECONDS
