"""When a pod counts as ready: the results of its readiness probe, in a row."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.sandbox.objects.values import JSON, dig


@dataclass(frozen=True, slots=True)
class Probe:
    """A readiness probe that runs a command, and what it has told so far.

    `in_a_row` counts the last results that contradict `ready`.
    """

    command: tuple[str, ...]
    initial_delay_seconds: float = 0.0
    period_seconds: float = 10.0
    timeout_seconds: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3
    ready: bool = False
    in_a_row: int = 0

    @classmethod
    def of(cls, container: JSON) -> Probe | None:
        """Return a container's probe, None where it has none that runs a command."""
        spec = container.get("readinessProbe", {})
        command = dig(spec, "exec", "command")
        if not command:
            return None
        return cls(
            command=tuple(command),
            initial_delay_seconds=spec.get("initialDelaySeconds", 0.0),
            period_seconds=spec.get("periodSeconds", 10.0),
            timeout_seconds=spec.get("timeoutSeconds", 1.0),
            success_threshold=spec.get("successThreshold", 1),
            failure_threshold=spec.get("failureThreshold", 3),
        )

    def heard(self, *, passed: bool) -> Probe:
        """Return the probe after one more result."""
        if passed == self.ready:
            return replace(self, in_a_row=0)
        count = self.in_a_row + 1
        needed = self.success_threshold if passed else self.failure_threshold
        if count < needed:
            return replace(self, in_a_row=count)
        return replace(self, ready=passed, in_a_row=0)
