"""What benchmarks of the loop put in place of a cluster."""

from __future__ import annotations

from autoscaler.core.model import TargetRef


class NoQuotas:
    """Nothing limits anybody."""

    def quarters(self, _: TargetRef) -> None:
        """Return nothing."""

    def pending(self, _: str) -> str:
        """Return that nothing is being waited for."""
        return ""
