"""What it costs to delete a pod, as its annotation tells the ReplicaSet that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

_NUMBER = re.compile(r"0|-[0-9]+|[1-9][0-9]*", re.ASCII)
_INT32 = 2**31


def deletion_cost(annotations: Mapping[str, str]) -> int | None:
    """Return the cost that a pod's annotations tell, 0 without one, None for one that is not a number.

    A number has 32 bits and neither a plus sign nor leading zeros (GetDeletionCostFromPodAnnotations).
    """
    text = annotations.get(DELETION_COST, "0")
    if not _NUMBER.fullmatch(text):
        return None
    cost = int(text)
    return cost if -_INT32 <= cost < _INT32 else None
