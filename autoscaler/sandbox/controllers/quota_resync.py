"""Quotas are counted in full from time to time, for what no change of an object tells.

A pod on a lost node keeps its room until the time it had to stop has passed twice, and nothing changes
then; nor does anything when a quota selects other pods than before.
"""

from __future__ import annotations

from autoscaler.sandbox.admission.quota_count import RECOUNT_SECONDS, recount_all
from autoscaler.sandbox.agenda import Agenda, Timer
from autoscaler.sandbox.store import Store


class QuotaResync:
    """Counts every quota of a store again and again, on an agenda."""

    def __init__(self, store: Store, agenda: Agenda) -> None:
        self._store = store
        self._agenda = agenda
        self._timer: Timer | None = None

    def start(self) -> None:
        """Count for the first time after one period."""
        self._timer = self._agenda.later(RECOUNT_SECONDS, self._count)

    def stop(self) -> None:
        """Count no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _count(self) -> None:
        recount_all(self._store)
        self.start()
