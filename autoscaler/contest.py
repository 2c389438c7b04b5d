"""Who draws on the same quotas, so that no two targets ask for the same room.

Targets are decided about in several threads. What each wants and was promised is known to the others of its
namespace before they decide, and they decide one after the other. What there is of each is looked at anew:
the pods of one whose broker hangs come and go all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from autoscaler.core.allotment import Contender
from autoscaler.core.model import TargetRef
from autoscaler.core.quarters import Quarters
from autoscaler.core.quota import NamespaceLimits
from autoscaler.dips import Dips
from autoscaler.ports import Quotas

FRESH_SECONDS = 0.25
"""How old what was seen of others may be; in one tick nobody has to be looked at for each of the others."""

CLAIM_SECONDS = 60.0
"""How long others leave room for what a target has said it wants: one that is stuck makes no use of it."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a target wants, and what it was promised."""

    at: float
    wants: int
    promised: int


@dataclass(frozen=True, slots=True)
class _Sight:
    """What was last seen of a target, None where it is not there."""

    at: float
    contender: Contender | None


class Contests:
    """What the targets of each namespace want, and what limits them there; `clock` in monotonic seconds."""

    def __init__(self, quotas: Quotas, targets: Iterable[TargetRef], clock: Callable[[], float]) -> None:
        self._quotas = quotas
        self._clock = clock
        self._members: dict[str, list[TargetRef]] = {}
        for target in sorted(targets):
            self._members.setdefault(target.namespace, []).append(target)
        self._locks = {namespace: threading.Lock() for namespace in self._members}
        self._dips = {namespace: Dips() for namespace in self._members}
        self._looks: dict[TargetRef, Callable[[], Contender | None]] = {}
        self._sights: dict[TargetRef, _Sight] = {}
        self._claims: dict[TargetRef, _Claim] = {}

    def join(self, target: TargetRef, look: Callable[[], Contender | None]) -> None:
        """Have others see a target by `look`, which is only called while one of them has its turn."""
        self._looks[target] = look

    def quarters(self, target: TargetRef) -> Quarters | None:
        """Return what limits a target's workers, None where nothing does or it is not known."""
        return self._quotas.quarters(target)

    def pending(self, target: TargetRef) -> str:
        """Return why it is not known yet what limits a target, empty where it is."""
        return self._quotas.pending(target.namespace)

    def contested(self, target: TargetRef) -> bool:
        """Return whether there are other targets in its namespace."""
        return len(self._members[target.namespace]) > 1

    @contextmanager
    def turn(self, target: TargetRef) -> Iterator[tuple[Contender, ...]]:
        """Have the say about a namespace until the decision is made; yields the others that are there."""
        with self._locks[target.namespace]:
            others = (ref for ref in self._members[target.namespace] if ref != target)
            seen = (self._seen(ref, self._clock()) for ref in others)
            yield tuple(one for one in seen if one is not None)

    def spoken_for(self, target: TargetRef, limits: NamespaceLimits) -> NamespaceLimits:
        """Return the limits with all in use that a moment ago was, for one that has its turn."""
        return self._dips[target.namespace].filled(self._clock(), limits)

    def speak(self, contender: Contender, wants: int, promised: int) -> None:
        """Have others know what a target wants and was promised."""
        at = self._clock()
        self._sights[contender.target] = _Sight(at, contender)
        self._claims[contender.target] = _Claim(at, wants, promised)

    def withdraw(self, target: TargetRef) -> None:
        """Have a target want nothing any more, such as one that is gone."""
        self._claims.pop(target, None)

    def _seen(self, target: TargetRef, at: float) -> Contender | None:
        """Return what there is of a target, with what it wants and was promised.

        What was asked for counts even if it is not wanted any more: its controller makes those pods.
        """
        sight = self._sights.get(target)
        if sight is None or at - sight.at > FRESH_SECONDS:
            sight = self._sights[target] = _Sight(at, self._looks[target]())
        if sight.contender is None:
            return None
        asked = wants = sight.contender.asked
        claim = self._claims.get(target)
        if claim is not None and at - claim.at <= CLAIM_SECONDS:
            asked = max(asked, claim.promised)
            wants = claim.wants
        return replace(sight.contender, asked=asked, wants=max(wants, asked))
