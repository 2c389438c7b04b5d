"""Giving HorizontalPodAutoscalers their users' own minimums back, for whoever takes the daemon away.

The daemon does so itself at its end, but not while workers are busy that the HPA would lower past then.
"""

from __future__ import annotations

import time

from autoscaler.cluster.client import Api
from autoscaler.cluster.floor_notes import FloorNotes
from autoscaler.cluster.floors import Restored, restore
from autoscaler.config.model import Settings


class Unreadable(Exception):
    """What there is to restore could not be read; the text says why."""


def release(settings: Settings, api: Api) -> tuple[Restored, ...]:
    """Restore every minimum that is remembered, whatever the workers do. Raises `Unreadable`."""
    controller = settings.controller
    notes = FloorNotes(api, controller.namespace or api.namespace, time.monotonic)
    notes.start()
    try:
        notes.wait_settled(controller.api_timeout_seconds)
        if notes.trouble:
            raise Unreadable(notes.trouble)
        return tuple(restore(api, notes, kept) for kept in notes.all())
    finally:
        notes.stop()
