"""Which URL a target's broker has, from memory; where it is said is looked up again only when it has to be.

That is at first sight, when the pod template changes, and after an authentication failure. A failure
is remembered for a while too, so that a Secret that is missing is not asked for at every tick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from autoscaler.cluster.kinds import PodTemplate
from autoscaler.cluster.url_sources import UrlSources
from autoscaler.config.model import TargetSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import BrokerUnknown

REFRESH_SECONDS = 10.0
"""The shortest time between two looks for the same URL."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look for a URL gave: the URL or the reason why there is none, never both."""

    at: float
    template: PodTemplate | None
    url: str = field(repr=False)
    reason: str


class ClusterBrokerUrls:
    """Implements `BrokerUrls`."""

    def __init__(self, sources: UrlSources, clock: Callable[[], float]) -> None:
        self._sources = sources
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[TargetRef, Found] = {}
        self._doubted: set[TargetRef] = set()

    def known(self, target: TargetSettings) -> str | None:
        """Return the URL from memory. See `BrokerUrls`."""
        with self._lock:
            found = self._found.get(target.ref)
            doubted = target.ref in self._doubted
        if found is None or found.template != self._sources.template(target, target.broker):
            return None
        if self._clock() - found.at >= REFRESH_SECONDS and (found.reason or doubted):
            return None
        if found.reason:
            raise BrokerUnknown(found.reason)
        return found.url

    def look(self, target: TargetSettings) -> None:
        """Look for the URL. See `BrokerUrls`."""
        template = self._sources.template(target, target.broker)
        try:
            found = Found(self._clock(), template, self._sources.read(target, target.broker, template), "")
        except BrokerUnknown as error:
            found = Found(self._clock(), template, "", str(error))
        with self._lock:
            self._found[target.ref] = found
            self._doubted.discard(target.ref)

    def doubt(self, target: TargetSettings) -> None:
        """Take note that the URL does not work. See `BrokerUrls`."""
        with self._lock:
            self._doubted.add(target.ref)
