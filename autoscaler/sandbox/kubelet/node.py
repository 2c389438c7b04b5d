"""What the pods of a node share, and what is told of each that has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from autoscaler.sandbox.agenda import Agenda, Backoff
from autoscaler.sandbox.kubelet.containers import Containers
from autoscaler.sandbox.store import Store


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended a pod.

    `exit_code` is its container's, 128 + n after signal n, None when that did not run. `killed` says
    that it outlived its grace. `ending_seconds` went by between the request and the end.
    """

    namespace: str
    pod: str
    uid: str
    exit_code: int | None
    killed: bool
    ending_seconds: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The kubelet's own settings; the defaults are Kubernetes'.

    A container that has run for twice the longest pause of `restarts` starts over with the shortest.
    `least_grace_seconds` is given to every container, `config_retry_seconds` lies between two looks
    for a missing secret.
    """

    restarts: Backoff = field(default_factory=lambda: Backoff(10.0, 300.0))
    least_grace_seconds: float = 2.0
    config_retry_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Node:
    """All that the pods of a node share.

    `startup_seconds` draws how long one takes to start, `has_room` tells whether one more fits.
    """

    store: Store
    agenda: Agenda
    clock: Callable[[], datetime]
    containers: Containers
    rules: Rules
    image_environment: dict[str, str]
    startup_seconds: Callable[[], float]
    name: Callable[[], str]
    address: Callable[[], str]
    has_room: Callable[[], bool]
    ended: Callable[[Ending], None]
