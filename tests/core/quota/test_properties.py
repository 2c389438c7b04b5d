"""What holds of the room for workers whatever the quotas, limit ranges and templates are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.quantity import Quantity
from autoscaler.core.quota import (
    BoundKind,
    ClaimTemplate,
    Container,
    LimitRange,
    LimitRangeItem,
    NamespaceLimits,
    PodShape,
    Quota,
    Refusal,
    Requirements,
    Scope,
    WorkerShape,
    charge,
    excess,
    room,
)

RESOURCES = ("cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "nvidia.com/gpu")
HARD = (
    *(
        "pods",
        "count/pods",
        "cpu",
        "memory",
        "requests.cpu",
        "requests.memory",
        "limits.cpu",
        "limits.memory",
    ),
    *("requests.ephemeral-storage", "requests.hugepages-2Mi", "requests.nvidia.com/gpu", "services"),
    *("persistentvolumeclaims", "count/persistentvolumeclaims", "requests.storage"),
    *(
        "gold.storageclass.storage.k8s.io/requests.storage",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims",
    ),
)
SCOPES = (
    *("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass"),
    *("CrossNamespacePodAffinity", "VolumeAttributesClass", "Weekdays"),
)
MOST = 15
"""More are not asked for one by one."""


def quantities(most: int, parts: int = 4) -> st.SearchStrategy[Quantity]:
    """Draw small multiples of a quarter."""
    return st.integers(0, most * parts).map(lambda number: Quantity(Fraction(number, parts)))


def amounts(names: tuple[str, ...], most: int, size: int) -> st.SearchStrategy[dict[str, Quantity]]:
    """Draw amounts of some resources."""
    return st.dictionaries(st.sampled_from(names), quantities(most), max_size=size)


NEEDS = st.builds(Requirements, amounts(RESOURCES, 2, 3), amounts(RESOURCES, 3, 3))
CONTAINERS = st.builds(Container, st.sampled_from("abc"), NEEDS, st.booleans())
PODS = st.builds(
    PodShape,
    st.lists(CONTAINERS, min_size=1, max_size=2).map(tuple),
    st.lists(CONTAINERS, max_size=2).map(tuple),
    st.none() | NEEDS,
    amounts(("cpu", "memory"), 1, 2),
    st.booleans(),
    st.sampled_from(("", "high")),
    st.booleans(),
)
CLAIM_TEMPLATES = st.builds(
    ClaimTemplate,
    st.sampled_from(("logs", "data")),
    st.none() | quantities(2),
    st.sampled_from(("", "gold", "tin", None)),
    st.sampled_from(("", "fast")),
)
WORKERS = st.builds(
    WorkerShape, PODS, st.lists(CLAIM_TEMPLATES, max_size=2, unique_by=lambda c: c.name).map(tuple)
)
CONDITIONS = st.builds(
    Scope, st.sampled_from(SCOPES), st.sampled_from(("Exists", "In", "NotIn")), st.just(("high", "fast"))
)


@st.composite
def quotas(draw: st.DrawFn, name: str) -> Quota:
    """Draw a quota, at times not counted in full and at times with something that cannot be read."""
    hard = draw(amounts(HARD, 10, 5))
    used = {resource: draw(quantities(4)) for resource in hard if draw(st.integers(0, 19))}
    torn = (
        draw(st.dictionaries(st.sampled_from(HARD), st.just("?"), max_size=1))
        if draw(st.integers(0, 9)) == 0
        else {}
    )
    scopes = draw(st.lists(CONDITIONS, max_size=1)) if draw(st.booleans()) else []
    return Quota(name, hard, used, tuple(scopes), torn)


RULES = st.builds(
    LimitRangeItem,
    st.sampled_from(("Container", "Pod", "PersistentVolumeClaim")),
    min=amounts((*RESOURCES[:2], "storage"), 1, 1),
    default=amounts(RESOURCES[:2], 2, 2),
    default_request=amounts(RESOURCES[:2], 1, 2),
)


@st.composite
def namespaces(draw: st.DrawFn) -> NamespaceLimits:
    """Draw what limits a namespace."""
    ranges = (
        LimitRange(name, tuple(draw(st.lists(RULES, max_size=2)))) for name in "xy"[: draw(st.integers(0, 2))]
    )
    return NamespaceLimits(
        tuple(draw(quotas(name)) for name in "abc"[: draw(st.integers(0, 3))]), tuple(ranges)
    )


PLACES = st.lists(st.frozensets(st.sampled_from(("logs", "data"))), max_size=6)


def one_by_one(
    limits: NamespaceLimits, shape: WorkerShape, places: list[frozenset[str]]
) -> tuple[int, tuple]:
    """Return how many workers are let in, asked for one after the other, and why the next one is not."""
    every = frozenset(claim.name for claim in shape.claims)
    for count in range(MOST + len(places)):
        after = charge(limits, shape, places[count] if count < len(places) else every)
        if isinstance(after, Refusal):
            return count, after.bounds
        limits = after
    return MOST + len(places), ()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(namespaces(), WORKERS, PLACES)
def test_the_room_is_what_is_let_in_one_by_one(limits, shape, places):
    """The division gives what asking for one more and one more gives, and the same reasons."""
    count, bounds = one_by_one(limits, shape, places)
    found = room(limits, shape, places)
    if found.pods is None:
        assert (count, found.bounds) == (MOST + len(places), ())
    else:
        assert min(found.pods, MOST + len(places)) == count
        assert found.pods > count or found.bounds == bounds


def size(found: int | None) -> float:
    """Return a room that can be compared."""
    return float("inf") if found is None else found


@settings(max_examples=150, deadline=None, derandomize=True)
@given(namespaces(), WORKERS, PLACES, st.data())
def test_more_allowed_is_never_less_room(limits, shape, places, data):
    """Raise one amount of one quota."""
    raised = _changed(limits, data, "hard")
    assert size(room(raised, shape, places).pods) >= size(room(limits, shape, places).pods)
    assert excess(raised, shape).pods <= excess(limits, shape).pods


@settings(max_examples=150, deadline=None, derandomize=True)
@given(namespaces(), WORKERS, PLACES, st.data())
def test_more_in_use_is_never_more_room(limits, shape, places, data):
    """Let somebody else take something."""
    fuller = _changed(limits, data, "used")
    assert size(room(fuller, shape, places).pods) <= size(room(limits, shape, places).pods)
    assert excess(fuller, shape).pods >= excess(limits, shape).pods


def _changed(limits: NamespaceLimits, data: st.DataObject, which: str) -> NamespaceLimits:
    changed = []
    for quota in limits.quotas:
        more = {name: data.draw(quantities(3)) for name in getattr(quota, which)}
        hard, used = (
            {name: had + more.get(name, Quantity()) for name, had in amounts.items()} if grows else amounts
            for amounts, grows in ((quota.hard, which == "hard"), (quota.used, which == "used"))
        )
        changed.append(replace(quota, hard=hard, used=used))
    return replace(limits, quotas=tuple(changed))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(namespaces(), WORKERS)
def test_no_quota_is_exceeded_once_the_excess_is_gone(limits, shape):
    """So many workers fewer, and what they took is within every quota; one fewer of them is not enough."""
    found = excess(limits, shape)
    for workers, enough in ((found.pods, True), (found.pods - 1, False)):
        if workers < 0:
            continue
        within = [
            quota.used[bound.resource] - bound.requested * workers <= quota.hard[bound.resource]
            for quota, bound in _needs(limits, shape)
        ]
        assert all(within) is enough


def _needs(limits: NamespaceLimits, shape: WorkerShape):
    """Return what a worker's pod takes of each quota: where nothing is allowed, all that it takes binds."""
    full = tuple(replace(quota, hard={name: Quantity() for name in quota.hard}) for quota in limits.quotas)
    by_name = {quota.name: quota for quota in limits.quotas}
    alone = replace(shape, claims=())
    return [
        (by_name[bound.name], bound)
        for bound in room(replace(limits, quotas=full), alone).bounds
        if bound.used is not None
    ]


@given(WORKERS, PLACES)
def test_where_nothing_is_limited_only_the_pod_itself_can_be_at_fault(shape, places):
    """Any number fits, or none."""
    found = room(NamespaceLimits(), shape, places)
    assert found.pods in {None, 0}
    assert all(bound.kind is BoundKind.INVALID for bound in found.bounds)
    assert excess(NamespaceLimits(), shape).pods == 0
