"""The room that is worked out is what an API server lets in: one more worker is asked for until it refuses.

What is read is what the API server stores. Nothing runs: the pods ask for a node that there is none of.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import pytest

from autoscaler.cluster.quota_kinds import LimitRange, ResourceQuota, namespace_limits, worker_shape
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.core.quota import Room, room
from autoscaler.core.quota.amounts import read
from tests.kube import JSON, Kube
from tests.waiting import eventually

pytestmark = pytest.mark.cluster

MOST = 12
"""More workers are not asked for."""

GPU = "example.org/gpu"
OVERHEAD = {"cpu": "250m", "memory": "64Mi"}


@dataclass(frozen=True)
class Case:
    """What is made in a namespace, and how many workers fit, MOST for any number.

    `template` holds fields of the pods' spec, where URGENT and HEAVY stand for the test's own
    PriorityClass and RuntimeClass.
    """

    id: str
    pods: int
    quotas: tuple[JSON, ...] = ()
    ranges: tuple[tuple[JSON, ...], ...] = ()
    template: JSON = field(default_factory=dict)
    claims: tuple[JSON, ...] = ()
    kept: int = 0


URGENT, HEAVY = "{urgent}", "{heavy}"


def hard(**amounts: str) -> JSON:
    """Return the spec of a quota; an underscore stands for a point."""
    return {"hard": {name.replace("_", "."): amount for name, amount in amounts.items()}}


def containers(*given: JSON, name: str = "worker") -> list[JSON]:
    """Return containers, each with its resources."""
    return [
        {"name": f"{name}-{i}", "image": "registry.k8s.io/pause:3.10", "resources": resources}
        for i, resources in enumerate(given)
    ]


def worker(*resources: JSON, **fields: object) -> JSON:
    """Return a pod's spec with a container for each of these resources."""
    return {"containers": containers(*resources), **fields}


def claim(storage: str, name: str = "logs", **fields: str) -> JSON:
    """Return a template of claims."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return {"metadata": {"name": name}, "spec": {"storageClassName": "", **spec, **fields}}


CPU = {"requests": {"cpu": "300m"}}
BOTH = {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128M"}}
SIDECAR = {**containers({"requests": {"cpu": "500m"}}, name="aside")[0], "restartPolicy": "Always"}
INIT = containers({"requests": {"cpu": "1"}}, name="init")[0]
GOLD = "gold.storageclass.storage.k8s.io/"
DEFAULTS = {
    "type": "Container",
    "default": {"cpu": "1"},
    "defaultRequest": {"cpu": "400m"},
    "max": {"cpu": "2"},
}

CASES = (
    Case("nothing limits", MOST, template=worker({})),
    Case("pods", 5, (hard(pods="5"),), template=worker({})),
    Case("the tightest of two quotas", 3, (hard(pods="5"), hard(requests_cpu="1")), template=worker(CPU)),
    Case("exactly full in odd words", 4, (hard(requests_cpu="1200m"),), template=worker(CPU)),
    Case("a rest too small", 3, (hard(requests_cpu="1199m"),), template=worker(CPU)),
    Case("decimal in binary", 8, (hard(limits_memory="1Gi", pods="9"),), template=worker(BOTH)),
    Case("a limit is a request", 3, (hard(requests_cpu="3500m"),), template=worker({"limits": {"cpu": "1"}})),
    Case("nothing said", 0, (hard(requests_cpu="4"),), template=worker({})),
    Case(
        "init container without a limit",
        0,
        (hard(limits_cpu="4"),),
        template=worker(BOTH, initContainers=[INIT]),
    ),
    Case("init container", 4, (hard(cpu="4"),), template=worker(CPU, initContainers=[INIT])),
    Case(
        "sidecar before an init container",
        4,
        (hard(cpu="6"),),
        template=worker(CPU, initContainers=[SIDECAR, INIT]),
    ),
    Case(
        "sidecar after an init container",
        6,
        (hard(cpu="6"),),
        template=worker(CPU, initContainers=[INIT, SIDECAR]),
    ),
    Case(
        "the pod as a whole",
        3,
        (hard(requests_cpu="6", limits_cpu="99"),),
        template=worker(CPU, resources={"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}),
    ),
    Case(
        "the whole's limit alone",
        6,
        (hard(requests_cpu="2", limits_cpu="12"),),
        template=worker(CPU, resources={"limits": {"cpu": "2"}}),
    ),
    Case("overhead", 5, (hard(requests_cpu="3"),), template=worker(CPU, runtimeClassName=HEAVY)),
    Case(
        "a vendor's resource",
        2,
        ({"hard": {f"requests.{GPU}": "5"}},),
        template=worker({"limits": {GPU: "2"}}),
    ),
    Case(
        "ephemeral storage need not be said",
        7,
        ({"hard": {"pods": "7", "ephemeral-storage": "0"}},),
        template=worker({}),
    ),
    Case(
        "best effort", 2, ({**hard(pods="2"), "scopes": ["BestEffort"]}, hard(pods="9")), template=worker({})
    ),
    Case(
        "not best effort",
        9,
        ({**hard(pods="2"), "scopes": ["BestEffort"]}, hard(pods="9")),
        template=worker(CPU),
    ),
    Case("not terminating", 4, ({**hard(pods="4"), "scopes": ["NotTerminating"]},), template=worker({})),
    Case(
        "of a priority",
        3,
        (
            {
                **hard(pods="3"),
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": [URGENT]}]
                },
            },
        ),
        template=worker({}, priorityClassName=URGENT),
    ),
    Case(
        "of no such priority",
        MOST,
        (
            {
                **hard(pods="3"),
                "scopeSelector": {
                    "matchExpressions": [
                        {"scopeName": "PriorityClass", "operator": "NotIn", "values": [URGENT]}
                    ]
                },
            },
        ),
        template=worker({}, priorityClassName=URGENT),
    ),
    Case(
        "defaults of a limit range", 5, (hard(requests_cpu="2", limits_cpu="9"),), ((DEFAULTS,),), worker({})
    ),
    Case("above a limit range's maximum", 0, (), ((DEFAULTS,),), worker({"limits": {"cpu": "3"}})),
    Case("a default limit below the request", 0, (), ((DEFAULTS,),), worker({"requests": {"cpu": "1500m"}})),
    Case("a ratio", 0, (), (({"type": "Pod", "maxLimitRequestRatio": {"cpu": "3"}},),), worker(BOTH)),
    Case(
        "two limit ranges",
        2,
        (hard(requests_cpu="1", requests_memory="9Gi"),),
        ((DEFAULTS,), ({"type": "Container", "defaultRequest": {"memory": "1Gi"}},)),
        worker({}),
    ),
    Case(
        "claims",
        3,
        (hard(persistentvolumeclaims="7", requests_storage="9Gi"),),
        template=worker({}),
        claims=(claim("1Gi"), claim("1.5Gi", "data")),
    ),
    Case(
        "claims that were kept",
        4,
        (hard(persistentvolumeclaims="4"),),
        template=worker({}),
        claims=(claim("1Gi"),),
        kept=3,
    ),
    Case(
        "claims of a class",
        2,
        ({"hard": {f"{GOLD}requests.storage": "5Gi"}},),
        template=worker({}),
        claims=(claim("2Gi", storageClassName="gold"), claim("9Gi", "data")),
    ),
    Case(
        "a claim that is too large",
        1,
        (),
        (({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},),),
        worker({}),
        (claim("2Gi"),),
        kept=1,
    ),
)


class Place:
    """The test's namespace: what is made in it, and what is read of it."""

    def __init__(self, kube: Kube, case: Case) -> None:
        self.kube = kube
        self.case = case
        self.set: JSON = {}

    def post(self, kind: str, obj: JSON, **query: str) -> tuple[int, JSON]:
        """Make an object of the core group, and return the status and the answer."""
        return self.kube.answer("POST", self.path(kind), obj, query)

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of objects of a kind, or of one of them."""
        return f"/api/v1/namespaces/{self.kube.namespace}/{kind}" + (f"/{name}" if name else "")

    def items(self, kind: str) -> list[JSON]:
        """Return all objects of a kind as they are stored."""
        return list(self.kube.call("GET", self.path(kind))["items"])

    def make(self) -> None:
        """Make all but the workers. What was kept is made before any limit."""
        # whoever makes namespaces' accounts may be at it: no pod is let in before
        assert self.post("serviceaccounts", {"metadata": {"name": "default"}})[0] in {201, 409}
        for ordinal in range(self.case.kept):
            for template in self.case.claims:
                assert self.post("persistentvolumeclaims", claim_of(template, ordinal))[0] == 201
        for number, items in enumerate(self.case.ranges):
            made = {"metadata": {"name": f"range-{number}"}, "spec": {"limits": list(items)}}
            assert self.post("limitranges", made)[0] == 201
        for number, spec in enumerate(self.case.quotas):
            made = {"metadata": {"name": f"quota-{number}"}, "spec": spec}
            assert self.post("resourcequotas", made)[0] == 201
        eventually(self.counted, "the quotas are counted")
        self.see_that_admission_knows()

        def change(wanted: JSON) -> None:
            spec = wanted["spec"]["template"]["spec"]
            spec |= {"nodeSelector": {"autoscaler-test": "nowhere"}, **self.case.template}
            wanted["spec"]["volumeClaimTemplates"] = list(self.case.claims)

        self.set = self.kube.make_set(change=change)

    def counted(self) -> bool:
        """Whether the status of each quota has all that its spec has."""
        return all(
            quota["spec"]["hard"] == quota.get("status", {}).get("hard")
            and quota["spec"]["hard"].keys() == quota["status"].get("used", {}).keys()
            for quota in self.items("resourcequotas")
        )

    def see_that_admission_knows(self) -> None:
        """Wait until a quota that came last is known to admission, which hears of them in their order."""
        last = {"metadata": {"name": "zz-last"}, "spec": {"hard": {"count/secrets": "0"}}}
        assert self.post("resourcequotas", last)[0] == 201
        secret = {"metadata": {"name": "none"}}
        eventually(lambda: self.post("secrets", secret, dryRun="All")[0] == 403, "admission knows the quotas")

    def room(self) -> Room:
        """Return the room that is worked out from what the API server stores."""
        limits = namespace_limits(
            msgspec.convert(self.items("resourcequotas"), list[ResourceQuota]),
            msgspec.convert(self.items("limitranges"), list[LimitRange]),
        )
        spec = msgspec.convert(self.kube.get_set(), StatefulSet).spec
        heavy = "runtimeClassName" in self.case.template
        shape = worker_shape(
            spec.template, spec.volume_claim_templates or (), overhead=read(OVERHEAD if heavy else None)[0]
        )
        return room(limits, shape, [()] * self.case.kept)

    def tried(self) -> tuple[int, str]:
        """Make workers as their controller does until one is refused: how many there are, and why."""
        for ordinal in range(MOST):
            for kind, obj in self.parts(ordinal):
                status, answer = self.post(kind, obj)
                if status != 201:
                    assert status in {403, 422}, answer
                    return ordinal, answer["message"]
        return MOST, ""

    def parts(self, ordinal: int) -> Iterator[tuple[str, JSON]]:
        """Return what a worker consists of: the claims that it lacks, then its pod."""
        if ordinal >= self.case.kept:
            for template in self.set["spec"].get("volumeClaimTemplates", ()):
                yield "persistentvolumeclaims", claim_of(template, ordinal)
        template = self.set["spec"]["template"]
        yield "pods", {"metadata": {"name": f"w-{ordinal}"}, "spec": template["spec"]}


def claim_of(template: JSON, ordinal: int) -> JSON:
    """Return an ordinal's claim."""
    return {"metadata": {"name": f"{template['metadata']['name']}-w-{ordinal}"}, "spec": template["spec"]}


@pytest.fixture
def classes(kube: Kube) -> Iterator[dict[str, str]]:
    """Make a PriorityClass and a RuntimeClass for one test, and remove them after."""
    name = f"autoscaler-test-{uuid.uuid4().hex[:8]}"
    made: dict[str, JSON] = {
        "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": 1000},
        "/apis/node.k8s.io/v1/runtimeclasses": {"handler": "none", "overhead": {"podFixed": OVERHEAD}},
    }
    for path, fields in made.items():
        kube.call("POST", path, {"metadata": {"name": name}, **fields})
    yield {URGENT: name, HEAVY: name}
    for path in made:
        kube.call("DELETE", f"{path}/{name}")


def named(case: Case, classes: dict[str, str]) -> Case:
    """Return a case with the names of the test's own classes."""
    text = msgspec.json.encode(case).decode()
    for placeholder, name in classes.items():
        text = text.replace(placeholder, name)
    return msgspec.json.decode(text, type=Case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_so_many_workers_are_let_in(kube: Kube, classes: dict[str, str], case: Case):
    """As many as the room says, and the next one is refused for a reason that it gives."""
    place = Place(kube, named(case, classes))
    place.make()
    found, (pods, refusal) = place.room(), place.tried()
    told = (refusal, [bound.text for bound in found.bounds])
    assert (MOST if found.pods is None else min(found.pods, MOST)) == pods == case.pods, told
    if "exceeded quota" in refusal:
        assert any(f"exceeded quota: {bound.name}, " in refusal for bound in found.bounds), told
