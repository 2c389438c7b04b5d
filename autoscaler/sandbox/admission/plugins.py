"""Which admission plug-ins there are, in the order in which they see a new object.

As in a real server, the first kind completes an object before it is checked against the rules of its
kind, the second judges it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from autoscaler.sandbox.admission.classes import (
    check_priority_class,
    set_overhead,
    set_priority,
    set_storage_class,
)
from autoscaler.sandbox.admission.limit_ranges import check_limits, default_limits
from autoscaler.sandbox.admission.pods import admit_pod
from autoscaler.sandbox.admission.quota import admit_quota
from autoscaler.sandbox.objects.values import JSON

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

Admission = Callable[["Store", str, JSON], JSON]
"""Given the store, the resource and a new object, returns the object to store or raises `ApiError`."""


def completing_plugins() -> tuple[Admission, ...]:
    """Return the plug-ins of an ordinary cluster that change an object in place."""
    return (default_limits, admit_pod, set_priority, set_storage_class, set_overhead)


def judging_plugins() -> list[Admission]:
    """Return the plug-ins of an ordinary cluster that let an object in or refuse it."""
    return [check_limits, check_priority_class, admit_quota]
