"""How much processor time the pods use, which is what a CPU autoscaler looks at.

As metrics-server does, all running pods are measured at once, now and then; what a pod uses is what
it has used between the measurements that are kept. One that was measured only once has no value.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path

from autoscaler.sandbox.agenda import Agenda

Pod = tuple[str, str]

_PROC = Path("/proc")
_SESSION, _TIMES = 3, slice(11, 15)  # of the fields that come after the name: see proc(5)
_KEPT = 4


class CpuMeter:
    """Measures the pods' processes every so many seconds; what they use is an average over three times that.

    `sessions` tells the session of each running pod's processes, by namespace and name. `seconds_of`
    returns the processor seconds that each session has used so far.
    """

    def __init__(
        self,
        agenda: Agenda,
        sessions: Callable[[], Mapping[Pod, int]],
        every_seconds: float,
        seconds_of: Callable[[], Mapping[int, float]] | None = None,
    ) -> None:
        self._agenda = agenda
        self._sessions = sessions
        self._every_seconds = every_seconds
        self._seconds_of = seconds_of or session_seconds
        self._measured: deque[tuple[float, Mapping[int, float]]] = deque(maxlen=_KEPT)

    def start(self) -> None:
        """Measure now, and from now on."""
        self._agenda.soon(self._measure)

    def cores(self, namespace: str, pod: str) -> float | None:
        """Return the cores that a pod uses, None while it does not run or was not measured twice."""
        session = self._sessions().get((namespace, pod), 0)
        known = [(at, used[session]) for at, used in self._measured if session in used]
        if len(known) < 2:  # noqa: PLR2004 - a difference needs two
            return None
        (began, before), (ended, after) = known[0], known[-1]
        return max(0.0, after - before) / (ended - began)

    def _measure(self) -> None:
        running = set(self._sessions().values())
        used = {session: seconds for session, seconds in self._seconds_of().items() if session in running}
        self._measured.append((self._agenda.now(), used))
        self._agenda.later(self._every_seconds, self._measure)


def session_seconds() -> Mapping[int, float]:
    """Return the processor seconds of each session's processes, with those of children that have ended."""
    ticks: Counter[int] = Counter()
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        ticks[int(fields[_SESSION])] += sum(map(int, fields[_TIMES]))
    per_second = os.sysconf("SC_CLK_TCK")
    return {session: count / per_second for session, count in ticks.items()}
