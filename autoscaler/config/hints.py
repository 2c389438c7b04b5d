"""What Prometheus may be asked about a target's demand."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.config.setting import setting


@dataclass(frozen=True, slots=True)
class HintSettings:
    """A number from Prometheus that says something about a target's demand."""

    name: str = setting("what it is called in logs and explanations", at_least=1)
    query: str = setting(
        "PromQL that yields one number, or several that are added up; {namespace}, {name} and {release} "
        "are filled in",
        at_least=1,
    )
    means: str = setting(
        "what the number counts: tasks that want a slot, workers that are wanted, or, being more than "
        "zero, a veto against scaling to zero",
        "tasks",
        choices=("tasks", "workers", "veto"),
    )
    alive_query: str | None = setting(
        "PromQL that yields more than zero while whoever provides the number is alive; its number is not "
        "believed otherwise",
        None,
        at_least=1,
    )
