"""Random namespaces: quotas, limit ranges, others' pods, and worker sets with their claims.

The amounts are few and small, so that quotas are full after a handful of workers, and are written in all
the ways that there are. They come from a `Random` of the test's own seed: Hypothesis would take longer to
draw them than the sandbox to judge them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from autoscaler.core.quantity import parse
from tests.sandbox.client import JSON
from tests.sandbox.objects import NAMESPACE

GPU, HUGE = "nvidia.com/gpu", "hugepages-2Mi"
SIZES = {
    "cpu": (
        "0",
        "100m",
        "0.1",
        "250m",
        "500m",
        "0.5",
        "700m",
        "1",
        "1000m",
        "1500m",
        "2",
        "2007m",
        "1e0",
        "100u",
    ),
    "memory": ("0", "64Mi", "100M", "128Mi", "0.25Gi", "500M", "512Mi", "1Gi", "1e9", "1.5Gi", "1000000001"),
    "ephemeral-storage": ("0", "1Gi", "1G", "1500M", "2Gi"),
    HUGE: ("2Mi", "4Mi"),
    GPU: ("1", "2"),
    "storage": ("1Gi", "1G", "1500M", "2Gi", "5Gi", "1500m"),
}
COMPUTE = ("cpu", "memory", "ephemeral-storage")
SAID: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(COMPUTE[:2], ((), ("requests",), ("limits",), *(("requests", "limits"),) * 5)),
    "ephemeral-storage": ((), (), (), ("requests",), ("limits",), ("requests", "limits")),
}
CLASSES = ("gold", "tin")
OF_CLASS = tuple(
    f"{name}.storageclass.storage.k8s.io/{what}"
    for name in CLASSES
    for what in ("requests.storage", "persistentvolumeclaims")
)
PLAIN = {
    **dict.fromkeys(("pods", "count/pods"), ("0", "2", "3", "4", "5", "6", "9", "9E")),
    **dict.fromkeys(("cpu", "requests.cpu", "limits.cpu"), ("0", "999m", "2", "2500m", "4", "6", "9", "11")),
    **dict.fromkeys(
        ("memory", "requests.memory", "limits.memory"), ("0", "1G", "1Gi", "2Gi", "3e9", "5Gi", "6G", "9Gi")
    ),
    **dict.fromkeys(
        ("ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage"), ("3Gi", "5G", "9Gi")
    ),
    **dict.fromkeys((HUGE, f"requests.{HUGE}"), ("9Mi", "16Mi")),
    f"requests.{GPU}": ("0", "3", "5", "8"),
    **dict.fromkeys(("services", "count/jobs.batch"), ("0", "2")),
}
STORAGE = {
    **dict.fromkeys(("persistentvolumeclaims", "count/persistentvolumeclaims"), ("0", "2", "5", "7", "9")),
    "requests.storage": ("1Gi", "5G", "8Gi", "20Gi", "4"),
    **{name: ("3Gi", "9G") if name.endswith("requests.storage") else ("1", "3") for name in OF_CLASS},
}
POD_SCOPES = (
    "BestEffort",
    "NotBestEffort",
    "Terminating",
    "NotTerminating",
    "PriorityClass",
    "CrossNamespacePodAffinity",
)


@dataclass(frozen=True)
class Drawn:
    """What is made in a namespace, in this order, and what the cluster has."""

    others: tuple[JSON, ...]
    quotas: tuple[JSON, ...]
    limit_ranges: tuple[JSON, ...]
    template: JSON
    claims: tuple[JSON, ...] = ()
    kept: tuple[frozenset[str], ...] = ()
    overhead: dict[str, str] | None = None
    default_priority: str = ""
    default_storage: str = ""


def ordered(rng: Random, words: Sequence[str], resource: str) -> dict[str, str]:
    """Return an amount for each of the words, in order."""
    amounts = sorted((rng.choice(SIZES[resource]) for _ in words), key=parse)
    return dict(zip(words, amounts, strict=True))


def one_in(rng: Random, number: int) -> bool:
    """Return whether something is so that is so once in a number of times."""
    return rng.randrange(number) == 0


def some(
    rng: Random, least: int, most: int, names: str, make: Callable[[Random, str], JSON]
) -> tuple[JSON, ...]:
    """Return some objects, each with a name of its own."""
    return tuple(make(rng, name) for name in names[: rng.randint(least, most)])


def resources(rng: Random, *, whole: bool = False) -> JSON:
    """Return requests and limits, of which none asks for more than it may have."""
    drawn: JSON = {}
    for resource in COMPUTE[:2] if whole else COMPUTE:
        for word, amount in ordered(rng, rng.choice(SAID[resource]), resource).items():
            drawn.setdefault(word, {})[resource] = amount
    for resource in (HUGE,) if whole else (HUGE, GPU):
        if one_in(rng, 8):
            amount = rng.choice(SIZES[resource])
            for word in rng.choice((("limits",), ("requests", "limits"))):
                drawn.setdefault(word, {})[resource] = amount
    return drawn


def container(rng: Random, name: str) -> JSON:
    """Return a container."""
    return {"name": name, "image": "worker:1", "resources": resources(rng)}


def init_container(rng: Random, name: str) -> JSON:
    """Return an init container, which may be a sidecar."""
    return container(rng, name) | ({"restartPolicy": "Always"} if one_in(rng, 2) else {})


def pod_spec(rng: Random) -> JSON:
    """Return the spec of a pod, as it stands in a template."""
    spec: JSON = {"containers": list(some(rng, 1, 2, "ab", container))}
    if one_in(rng, 2):
        spec["initContainers"] = list(some(rng, 1, 2, "xy", init_container))
    if one_in(rng, 5):
        spec["resources"] = resources(rng, whole=True)
    if one_in(rng, 5):
        spec["activeDeadlineSeconds"] = 600
    if one_in(rng, 3):
        spec["priorityClassName"] = "high"
    if one_in(rng, 6):
        spec["affinity"] = rng.choice(AFFINITIES)
    return spec


_TERM = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
_NEAR = {"requiredDuringSchedulingIgnoredDuringExecution": [{**_TERM, "namespaces": ["other"]}]}
_WISH = {**_TERM, "namespaceSelector": {}}
AFFINITIES: tuple[JSON, ...] = (
    {"podAffinity": _NEAR},
    {"podAntiAffinity": _NEAR},
    {
        "podAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": _WISH}]
        }
    },
    {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_TERM]}},
    {"nodeAffinity": {}},
)


def quota(rng: Random, name: str, *, storage: bool) -> JSON:
    """Return a quota, which may not be one that the API server takes."""
    amounts = PLAIN | (STORAGE if storage else {})
    chosen = rng.sample(sorted(amounts), rng.randint(1, 4))
    if storage and one_in(rng, 2):
        chosen.append(rng.choice(sorted(STORAGE)))
    spec: JSON = {"hard": {resource: rng.choice(amounts[resource]) for resource in chosen}}
    if one_in(rng, 6):
        spec["scopes"] = [rng.choice(POD_SCOPES)]
        if spec["scopes"][0] in {"BestEffort", "CrossNamespacePodAffinity"}:
            spec["hard"] = {"pods": rng.choice(PLAIN["pods"])}
    elif one_in(rng, 5):
        selected = rng.choice(("PriorityClass", "VolumeAttributesClass") if storage else ("PriorityClass",))
        if selected == "VolumeAttributesClass":
            spec["hard"] = {"requests.storage": rng.choice(STORAGE["requests.storage"])}
        expression: JSON = {
            "scopeName": selected,
            "operator": rng.choice(("In", "NotIn", "Exists", "DoesNotExist")),
        }
        if "In" in expression["operator"]:
            expression["values"] = rng.choice((["high"], ["low"], ["usual", "low"]))
        spec["scopeSelector"] = {"matchExpressions": [expression]}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def limit_range(rng: Random, name: str, *, storage: bool) -> JSON:
    """Return a limit range, which may not be one that the API server takes."""
    kinds = ("Container", "Pod", *(("PersistentVolumeClaim",) if storage else ()))
    items = [limit_range_item(rng, kind) for kind in rng.sample(kinds, rng.randint(1, 2))]
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"limits": items}}


def limit_range_item(rng: Random, kind: str) -> JSON:
    """Return the rules for one type of object."""
    item: JSON = {"type": kind}
    names = ("storage",) if kind == "PersistentVolumeClaim" else ("cpu", "cpu", "memory", "memory", HUGE, GPU)
    words = ("min", "defaultRequest", "default", "max") if kind == "Container" else ("min", "max")
    for resource in sorted({rng.choice(names) for _ in range(rng.randint(1, 2))}):
        chosen = [word for word in words if one_in(rng, 3)]
        for word, amount in ordered(rng, chosen, resource).items():
            item.setdefault(word, {})[resource] = amount
        if kind != "PersistentVolumeClaim" and one_in(rng, 6):
            ratio = rng.choice(("1", "1500m", "2", "2007m", "4"))
            item.setdefault("maxLimitRequestRatio", {})[resource] = ratio
    return item


def claim(rng: Random, name: str) -> JSON:
    """Return a template of claims."""
    spec: JSON = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": rng.choice(SIZES["storage"])}},
    }
    if (named := rng.choice(("gold", "tin", "", None))) is not None:
        spec["storageClassName"] = named
    if one_in(rng, 3):
        spec["volumeAttributesClassName"] = "high"
    return {"metadata": {"name": name}, "spec": spec}


def namespace(rng: Random, *, storage: bool = False, ranges: tuple[int, ...] = (0, 0, 1)) -> Drawn:
    """Return all that a test makes; with storage the worker has claims, of which it kept some."""
    template: JSON = {"metadata": {"labels": {"set": "w"}}, "spec": pod_spec(rng)}
    overhead = rng.choice((None, None, None, {"cpu": "250m"}, {"memory": "64Mi", "cpu": "1"}))
    if overhead:
        template["spec"]["runtimeClassName"] = "heavy"
    claims = some(rng, 1, 2, "dl", claim) if storage else ()
    kept = [
        frozenset(one["metadata"]["name"] for one in claims if one_in(rng, 2))
        for _ in range(rng.randint(0, 3) if storage else 0)
    ]
    return Drawn(
        others=tuple(pod_spec(rng) for _ in range(rng.randint(0, 2))),
        quotas=tuple(quota(rng, name, storage=storage) for name in "abc"[: rng.choice((1, 1, 2, 3))]),
        limit_ranges=tuple(limit_range(rng, name, storage=storage) for name in "xyz"[: rng.choice(ranges)]),
        template=template,
        claims=claims,
        kept=tuple(kept),
        overhead=overhead,
        default_priority=rng.choice(("", "", "", "usual")),
        default_storage=rng.choice(("", "gold")) if storage else "",
    )
