"""Who draws on the same quotas, so that no two targets ask for the same room.

Targets are decided about in several threads. What each wants and was promised is known to the others of its
namespace before they decide, and they decide one after the other.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from autoscaler.core.allotment import Contender
from autoscaler.core.model import TargetRef
from autoscaler.core.quarters import Quarters
from autoscaler.ports import Quotas


class Contests:
    """What the targets of each namespace want, by namespace, and what limits them there."""

    def __init__(self, quotas: Quotas, targets: Iterable[TargetRef]) -> None:
        self._quotas = quotas
        self._sizes = Counter(target.namespace for target in targets)
        self._locks = {namespace: threading.Lock() for namespace in self._sizes}
        self._known: dict[str, dict[TargetRef, Contender]] = {namespace: {} for namespace in self._sizes}

    def quarters(self, target: TargetRef) -> Quarters | None:
        """Return what limits a target's workers, None where nothing does or it is not known."""
        return self._quotas.quarters(target)

    def pending(self, target: TargetRef) -> str:
        """Return why it is not known yet what limits a target, empty where it is."""
        return self._quotas.pending(target.namespace)

    def contested(self, target: TargetRef) -> bool:
        """Return whether there are other targets in its namespace."""
        return self._sizes[target.namespace] > 1

    @contextmanager
    def turn(self, target: TargetRef) -> Iterator[tuple[Contender, ...]]:
        """Have the say about a namespace until the decision is made; yields the others that have spoken."""
        with self._locks[target.namespace]:
            known = self._known[target.namespace]
            yield tuple(one for ref, one in sorted(known.items()) if ref != target)

    def speak(self, contender: Contender) -> None:
        """Have others know what a target wants and was promised."""
        self._known[contender.target.namespace][contender.target] = contender

    def withdraw(self, target: TargetRef) -> None:
        """Have a target want nothing any more, such as one that is gone."""
        self._known[target.namespace].pop(target, None)
