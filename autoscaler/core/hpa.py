"""A HorizontalPodAutoscaler on a target, as far as living beside it takes.

It knows nothing of tasks: on CPU it takes a worker that waits for a database for idle, and lowers past it.
At no replicas it does nothing, and what is below its minimum or below what its metrics ask for it puts back
at its next look (pkg/controller/podautoscaler/horizontal.go in Kubernetes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoscaler.core.policy import HpaMode

USUAL_TOLERANCE = 0.1
USUAL_WINDOW_SECONDS = 300.0
"""The defaults of the HPA controller's flags, which cannot be read from here."""


@dataclass(frozen=True, slots=True)
class Hpa:
    """What is known of one.

    `min_replicas` is the minimum that is in force, `own_min` the one that its user gave it: they differ
    while we have moved it. `floored` says that the latter is remembered, to be restored. `load` is how
    many times its target the busiest of its metrics was, None without any, when there were `replicas`.
    `window_seconds` is for how long it follows the highest that its metrics asked for; a `load` that is
    within `tolerance` of 1 changes nothing. `metrics` names what it looks at, `inactive` says why it does
    not compute anything at present.
    """

    name: str
    uid: str
    min_replicas: int
    max_replicas: int
    own_min: int
    floored: bool = False
    load: float | None = None
    replicas: int = 0
    tolerance: float = USUAL_TOLERANCE
    window_seconds: float = USUAL_WINDOW_SECONDS
    metrics: tuple[str, ...] = ()
    inactive: str = ""
    made_by_keda: bool = False

    @property
    def scales_to_zero(self) -> bool:
        """Whether its user has given it the last worker too, which takes the feature gate HPAScaleToZero."""
        return self.own_min == 0

    def asks(self, unmeasured: int) -> int | None:
        """Return the most replicas that its metrics may ask for, None while they are missing.

        As many pods as may be `unmeasured` count as being just at the target where that means more to stay,
        as they do for the controller (replica_calculator.go).
        """
        if self.load is None or not self.replicas:
            return None
        unmeasured = min(unmeasured, self.replicas)
        worth = self.load * self.replicas + max(0.0, 1 - self.load) * unmeasured
        if abs(worth / self.replicas - 1) <= self.tolerance:
            return self.replicas
        return math.ceil(round(worth, 6))

    def __str__(self) -> str:
        on = f" on {', '.join(self.metrics)}" if self.metrics else ""
        return f"HPA {self.name} ({self.own_min} to {self.max_replicas}{on})"


@dataclass(frozen=True, slots=True)
class Floor:
    """What is to become of an HPA's minimum: from `was` to `to`.

    `own` is the user's own, to be remembered before anything is written. `released` says that this is the
    end of it: his own is in force again and need not be remembered any more.
    """

    name: str
    uid: str
    was: int
    to: int
    own: int
    released: bool = False

    @classmethod
    def of(cls, hpa: Hpa, to: int, *, released: bool = False) -> Floor:
        """Return the move of an HPA's minimum to another."""
        return cls(hpa.name, hpa.uid, hpa.min_replicas, to, hpa.own_min, released)

    def __str__(self) -> str:
        if self.was == self.to:
            return f"minReplicas of HPA {self.name} is its own {self.own}"
        again = ", its own" if self.released else ""
        return f"minReplicas of HPA {self.name} {self.was} → {self.to}{again}"


def conflict(hpas: tuple[Hpa, ...]) -> str:
    """Return why a target cannot be shared with these HPAs, empty if it can."""
    if len(hpas) > 1:
        return f"{len(hpas)} HPAs scale it: {', '.join(one.name for one in hpas)}"
    made = next((one.name for one in hpas if one.made_by_keda), None)
    return "" if made is None else f"HPA {made} is KEDA's, which scales it to zero and back itself"


def only(hpas: tuple[Hpa, ...]) -> Hpa | None:
    """Return the one that a target is shared with, None where there is none, or none to share with."""
    return None if not hpas or conflict(hpas) else hpas[0]


def shared(hpas: tuple[Hpa, ...], mode: HpaMode) -> bool:
    """Return whether an HPA is left its part of the work on a target."""
    return mode in {HpaMode.ACTIVATE, HpaMode.FLOOR} and only(hpas) is not None
