"""Quotas, limit ranges and workers in few words, their amounts written as in Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.core.quota import (
    ClaimTemplate,
    Container,
    LimitRange,
    LimitRangeItem,
    NamespaceLimits,
    PodShape,
    Quota,
    Requirements,
    Scope,
    WorkerShape,
)
from autoscaler.core.quota.amounts import Amounts, read

Texts = Mapping[str, str]


def amounts(texts: Texts | None) -> Amounts:
    """Return amounts that can all be read."""
    found, unreadable = read(texts)
    assert not unreadable
    return found


def quota(
    hard: Texts, used: Texts | None = None, *scopes: str | Scope, name: str = "team", counted: bool = True
) -> Quota:
    """Return a quota; what `used` leaves out is 0 in use, unless it is not counted."""
    zero = dict.fromkeys(hard, "0") if counted else {}
    conditions = tuple(Scope(scope) if isinstance(scope, str) else scope for scope in scopes)
    return Quota(name, amounts(hard), amounts({**zero, **(used or {})}), conditions)


def container(
    requests: Texts | None = None, limits: Texts | None = None, name: str = "worker", *, sidecar: bool = False
) -> Container:
    """Return a container."""
    return Container(name, needs(requests, limits), sidecar)


def needs(requests: Texts | None = None, limits: Texts | None = None) -> Requirements:
    """Return requests and limits."""
    return Requirements(amounts(requests), amounts(limits))


def pod(*containers: Container, init: tuple[Container, ...] = (), **fields: object) -> PodShape:
    """Return a pod; the keywords are its other fields."""
    return PodShape(containers, init, **fields)  # type: ignore[arg-type]  # named as the fields are


def worker(
    requests: Texts | None = None,
    limits: Texts | None = None,
    *claims: ClaimTemplate,
    init: tuple[Container, ...] = (),
    **fields: object,
) -> WorkerShape:
    """Return a worker of one container, and its claims; the keywords are its pod's other fields."""
    return WorkerShape(pod(container(requests, limits), init=init, **fields), claims)


def claim(
    storage: str | None = "1Gi", storage_class: str | None = "", attributes: str = "", name: str = "logs"
) -> ClaimTemplate:
    """Return a claim template."""
    size = amounts({"storage": storage})["storage"] if storage else None
    return ClaimTemplate(name, size, storage_class, attributes)


def rules(kind: str = "Container", **texts: Texts) -> LimitRangeItem:
    """Return the rules of a limit range for one type of object."""
    return LimitRangeItem(kind, **{name: amounts(given) for name, given in texts.items()})


def limit_range(*items: LimitRangeItem, name: str = "sizes") -> LimitRange:
    """Return a limit range."""
    return LimitRange(name, items)


def limits(*given: Quota | LimitRange) -> NamespaceLimits:
    """Return what limits a namespace."""
    return NamespaceLimits(
        tuple(one for one in given if isinstance(one, Quota)),
        tuple(one for one in given if isinstance(one, LimitRange)),
    )
