"""Events that a controller tells its users, counted instead of repeated."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from autoscaler.sandbox.controllers.ownership import MANAGER
from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.values import JSON, stamp
from autoscaler.sandbox.store import Store

REMEMBERED = 4096  # events that may still be counted on; client-go's recorder keeps as many

log = logging.getLogger(__name__)


class EventRecorder:
    """Writes core/v1 Events; the same event again raises the count of the first.

    `clock` returns aware UTC, `component` names the controller that speaks.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], component: str) -> None:
        self._store = store
        self._clock = clock
        self._component = component
        self._names: OrderedDict[tuple[str, str, str, str], str] = OrderedDict()
        self._written = 0

    def record(self, involved: JSON, kind: str, reason: str, message: str) -> None:
        """Record that something happened to an object. `kind` is Normal or Warning.

        What the store refuses is left untold, as Kubernetes does: telling must not stop the doing.
        """
        try:
            self._record(involved, kind, reason, message)
        except ApiError as error:
            log.warning("the Event %s of %s was refused: %s", reason, involved["metadata"]["name"], error)

    def _record(self, involved: JSON, kind: str, reason: str, message: str) -> None:
        metadata = involved["metadata"]
        key = (metadata["uid"], kind, reason, message)
        name = self._names.get(key)
        if name is not None and self._counted(metadata["namespace"], name):
            return
        self._names[key] = self._write(involved, kind, reason, message)
        if len(self._names) > REMEMBERED:
            self._names.popitem(last=False)

    def _counted(self, namespace: str, name: str) -> bool:
        """Raise the count of an event; False when it is gone."""
        now = stamp(self._clock())

        def once_more(event: JSON) -> JSON:
            return {**event, "count": event["count"] + 1, "lastTimestamp": now}

        try:
            self._store.modify("events", namespace, name, once_more, manager=MANAGER)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def _write(self, involved: JSON, kind: str, reason: str, message: str) -> str:
        metadata, now = involved["metadata"], stamp(self._clock())
        self._written += 1
        nanoseconds = int(self._clock().timestamp() * 1e9) + self._written
        name = f"{metadata['name']}.{nanoseconds:x}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": involved["apiVersion"],
                "kind": involved["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "resourceVersion": metadata["resourceVersion"],
                "uid": metadata["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "eventTime": None,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
        self._store.create("events", body, manager=MANAGER)
        return name
