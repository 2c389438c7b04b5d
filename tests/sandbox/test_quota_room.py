"""The room that is worked out is what the sandbox's admission lets in, asked for one more until it refuses.

The two know nothing of each other: each is written from Kubernetes' source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count as counted
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from autoscaler.cluster.quota_kinds import LimitRange, ResourceQuota, namespace_limits, worker_shape
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.core.quota import NamespaceLimits, Room, WorkerShape, room
from autoscaler.core.quota.amounts import read
from autoscaler.sandbox.store import ApiError, Store
from tests.sandbox.client import JSON
from tests.sandbox.drawn_quotas import Drawn, namespace
from tests.sandbox.objects import NAMESPACE, priority_class, runtime_class

pytestmark = pytest.mark.no_cover  # thousands of namespaces, which tests/core/quota covers by a table

MOST = 7
"""More workers are not asked for."""


@dataclass(frozen=True)
class Tried:
    """How many workers were let in, and what was said to the next one."""

    pods: int
    refusal: str


class Namespace:
    """A namespace of a sandbox of its own, with all that was drawn, and no worker yet."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn = drawn
        self.store = Store()
        self._classes()
        for number, spec in enumerate(drawn.others):
            self._if_valid("pods", _pod(f"other-{number}", {"spec": spec}))
        self.set = self._set()
        for ordinal, names in enumerate(drawn.kept):
            for claim in drawn.claims:
                if claim["metadata"]["name"] not in names:
                    self.store.create("persistentvolumeclaims", _claim(claim, ordinal))
        for resource, objects in (("limitranges", drawn.limit_ranges), ("resourcequotas", drawn.quotas)):
            for obj in objects:
                self._if_valid(resource, obj)

    def _classes(self) -> None:
        self.store.create("priorityclasses.scheduling.k8s.io", priority_class("high"))
        if self.drawn.default_priority:
            usual = priority_class(self.drawn.default_priority, globalDefault=True)
            self.store.create("priorityclasses.scheduling.k8s.io", usual)
        if self.drawn.overhead:
            self.store.create("runtimeclasses.node.k8s.io", runtime_class("heavy", **self.drawn.overhead))
        if self.drawn.default_storage:
            marked = {"storageclass.kubernetes.io/is-default-class": "true"}
            metadata = {"name": self.drawn.default_storage, "annotations": marked}
            self.store.create("storageclasses.storage.k8s.io", {"metadata": metadata, "provisioner": "none"})

    def _set(self) -> JSON:
        """Store a set with what was drawn, which has to be valid, and return it as it is stored.

        The deadline, which the template of a set may not have, is put back.
        """
        template = {**self.drawn.template, "spec": dict(self.drawn.template["spec"])}
        deadline = template["spec"].pop("activeDeadlineSeconds", None)
        wanted = {
            "metadata": {"name": "w", "namespace": NAMESPACE},
            "spec": {
                "replicas": 0,
                "serviceName": "w",
                "selector": {"matchLabels": {"set": "w"}},
                "template": template,
                "volumeClaimTemplates": list(self.drawn.claims),
            },
        }
        stored = self._if_valid("statefulsets.apps", wanted)
        assume(stored is not None)
        assert stored is not None
        if deadline is not None:
            stored["spec"]["template"]["spec"]["activeDeadlineSeconds"] = deadline
        return stored

    def _if_valid(self, resource: str, obj: JSON) -> JSON | None:
        try:
            return self.store.create(resource, obj)
        except ApiError as error:
            if error.status in {403, 422}:
                return None
            raise

    def limits(self) -> NamespaceLimits:
        """Return what limits the namespace, as the daemon reads it."""
        quotas, _ = self.store.list("resourcequotas", NAMESPACE)
        ranges, _ = self.store.list("limitranges", NAMESPACE)
        return namespace_limits(
            msgspec.convert(quotas, list[ResourceQuota]), msgspec.convert(ranges, list[LimitRange])
        )

    def shape(self) -> WorkerShape:
        """Return what a worker takes, as the daemon reads it."""
        spec = msgspec.convert(self.set, StatefulSet).spec
        return worker_shape(
            spec.template,
            spec.volume_claim_templates or (),
            overhead=read(self.drawn.overhead)[0],
            default_priority_class=self.drawn.default_priority,
            default_storage_class=self.drawn.default_storage,
        )

    def room(self) -> Room:
        """Return the room that is worked out."""
        return room(self.limits(), self.shape(), self.drawn.kept)

    def tried(self) -> Tried:
        """Make workers as their controller does, until one is refused."""
        for ordinal in counted():
            if ordinal == MOST:
                return Tried(MOST, "")
            try:
                self._make(ordinal)
            except ApiError as error:
                return Tried(ordinal, f"{error.status} {error.message}")
        raise AssertionError

    def _make(self, ordinal: int) -> None:
        lacking = self.drawn.kept[ordinal] if ordinal < len(self.drawn.kept) else None
        for claim in self.set["spec"].get("volumeClaimTemplates", ()):
            if lacking is None or claim["metadata"]["name"] in lacking:
                self.store.create("persistentvolumeclaims", _claim(claim, ordinal))
        self.store.create("pods", _pod(f"w-{ordinal}", self.set["spec"]["template"]))


def _pod(name: str, template: JSON) -> JSON:
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": template["spec"]}


def _claim(template: JSON, ordinal: int) -> JSON:
    metadata = template["metadata"]
    return {
        "metadata": {**metadata, "name": f"{metadata['name']}-w-{ordinal}", "namespace": NAMESPACE},
        "spec": template["spec"],
    }


EXCEEDED = re.compile(r"exceeded quota: (\w+), requested: (\S+), used")


def check(drawn: Drawn) -> None:
    """See that the room is what is let in, and that the reason is among those that were found."""
    made = Namespace(drawn)
    found, tried = made.room(), made.tried()
    told = (tried.refusal, [bound.text for bound in found.bounds], drawn)
    assert MOST if found.pods is None else min(found.pods, MOST) == tried.pods, told
    if match := EXCEEDED.search(tried.refusal):
        exceeded = {(match[1], part.partition("=")[0]) for part in match[2].split(",")}
        assert exceeded <= {(bound.name, bound.resource) for bound in found.bounds}, told


thoroughly = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
seeds = st.randoms(use_true_random=True)


@settings(thoroughly, max_examples=3000)
@given(seeds)
def test_the_room_for_pods_is_what_is_let_in(rng: Random):
    """Pods of any shape, under any quotas and a limit range."""
    check(namespace(rng))


@settings(thoroughly, max_examples=1000)
@given(seeds)
def test_the_room_for_workers_with_claims_is_what_is_let_in(rng: Random):
    """Of each ordinal some claims are there already, and count."""
    check(namespace(rng, storage=True))


@settings(thoroughly, max_examples=500)
@given(seeds)
def test_several_limit_ranges_never_have_less_room_than_that(rng: Random):
    """Where they contradict each other it is chance which defaults count: no more is asked for than fits."""
    made = Namespace(namespace(rng, ranges=(2, 2, 3)))
    found, tried = made.room(), made.tried()
    expected = MOST if found.pods is None else min(found.pods, MOST)
    if contradictory(made.store.list("limitranges", NAMESPACE)[0]):
        assert expected <= tried.pods
    else:
        assert expected == tried.pods


def contradictory(ranges: list[JSON]) -> bool:
    """Return whether two limit ranges give different defaults."""
    given: dict[tuple[str, str], str] = {}
    for stored in ranges:
        own: dict[tuple[str, str], str] = {}
        for item in stored["spec"]["limits"]:
            for word in ("default", "defaultRequest"):
                own |= {(word, name): amount for name, amount in item.get(word, {}).items()}
        if any(given.setdefault(key, amount) != amount for key, amount in own.items()):
            return True
    return False
