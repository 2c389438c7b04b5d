"""Server-side apply: placeholder."""

from __future__ import annotations

from autoscaler.sandbox.api.calls import Call
from autoscaler.sandbox.errors import unsupported_media_type
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store


def apply(_store: Store, _call: Call) -> tuple[JSON, bool]:
    """Apply."""
    raise unsupported_media_type(())
