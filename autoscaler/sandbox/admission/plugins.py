"""Which admission plug-ins there are, in the order in which they see a new object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from autoscaler.sandbox.admission.limit_ranges import admit_limits
from autoscaler.sandbox.admission.pods import admit_pod
from autoscaler.sandbox.admission.quota import admit_quota
from autoscaler.sandbox.objects.values import JSON

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

Admission = Callable[["Store", str, JSON], JSON]
"""Given the store, the resource and a new object, returns the object to store or raises `ApiError`."""


def default_plugins() -> list[Admission]:
    """Return the plug-ins of an ordinary cluster."""
    return [admit_limits, admit_pod, admit_quota]
