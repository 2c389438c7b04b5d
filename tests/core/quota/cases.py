"""Namespaces, workers, and what the API server's source says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.core.quota import LimitRange, NamespaceLimits, Quota, Scope, WorkerShape
from tests.core.quota.build import (
    claim,
    container,
    limit_range,
    limits,
    needs,
    pod,
    quota,
    rules,
    worker,
)

CPU, MEM, GPU, HUGE = "cpu", "memory", "nvidia.com/gpu", "hugepages-2Mi"
GOLD = "gold.storageclass.storage.k8s.io/"
HALF, ONE = {CPU: "500m"}, {CPU: "1"}
NO_LIMIT = ""


@dataclass(frozen=True)
class Case:
    """How many workers fit, and what the first reason is for which the next one does not."""

    id: str
    limits: NamespaceLimits
    shape: WorkerShape
    pods: int | None
    text: str = NO_LIMIT
    places: tuple[frozenset[str], ...] = ()


def _case(
    name: str,
    given: Quota | LimitRange | tuple[Quota | LimitRange, ...],
    shape: WorkerShape,
    pods: int | None,
    text: str = NO_LIMIT,
    places: tuple[frozenset[str], ...] = (),
) -> Case:
    return Case(name, limits(*(given if isinstance(given, tuple) else (given,))), shape, pods, text, places)


BARE = worker()
PLAIN = worker({CPU: "500m", MEM: "1Gi"}, {CPU: "1", MEM: "2Gi"})

COUNTS = (
    _case("no quota, no limit", (), BARE, None),
    _case("a quota of other objects", quota({"services": "0", "count/jobs.batch": "0"}), BARE, None),
    _case("pods", quota({"pods": "5"}, {"pods": "2"}), BARE, 3, "quota team, pods 5 of 5 used"),
    _case("count/pods", quota({"count/pods": "5"}, {"count/pods": "4"}), BARE, 1, "count/pods 5 of 5 used"),
    _case(
        "pods and count/pods, the tighter one",
        quota({"pods": "5", "count/pods": "4"}),
        BARE,
        4,
        "count/pods 4",
    ),
    _case("exactly full", quota({"pods": "5"}, {"pods": "5"}), BARE, 0, "quota team, pods 5 of 5 used"),
    _case("more in use than allowed", quota({"pods": "3"}, {"pods": "5"}), BARE, 0, "pods 5 of 3 used"),
    _case("none allowed", quota({"pods": "0"}), BARE, 0, "pods 0 of 0 used"),
    _case("a pod and a half", quota({"pods": "2500m"}), BARE, 2, "pods 2 of 2500m used, 1 more wanted"),
    _case("more than any computer counts", quota({"pods": "9E"}), BARE, 9 * 10**18, "pods 9E of 9E used"),
)

REQUESTS = (
    _case("cpu", quota({CPU: "2"}), worker(HALF), 4, "quota team, cpu 2 of 2 used"),
    _case("requests.cpu", quota({"requests.cpu": "2"}), worker(HALF), 4, "requests.cpu 2 of 2 used"),
    _case(
        "a rest that is too small",
        quota({"requests.cpu": "10"}),
        worker({CPU: "1500m"}),
        6,
        "quota team, requests.cpu 9 of 10 used, 1500m more wanted",
    ),
    _case("tenths add up", quota({"requests.cpu": "300m"}), worker({CPU: "0.1"}), 3),
    _case("a thousandth short", quota({"requests.cpu": "299m"}), worker({CPU: "100m"}), 2),
    _case("less than a thousandth is one", quota({"requests.cpu": "10m"}), worker({CPU: "100u"}), 10),
    _case("exponents", quota({"requests.memory": "1e9"}), worker({MEM: "1e8"}), 10),
    _case("binary against decimal", quota({"requests.memory": "1G"}), worker({MEM: "1Gi"}), 0),
    _case("decimal against binary", quota({"requests.memory": "1Gi"}), worker({MEM: "1G"}), 1),
    _case("memory", quota({MEM: "4Gi"}, {MEM: "1Gi"}), worker({MEM: "1Gi"}), 3, "memory 4Gi of 4Gi used"),
    _case("limits.cpu", quota({"limits.cpu": "3"}), PLAIN, 3, "limits.cpu 3 of 3 used"),
    _case("limits.memory", quota({"limits.memory": "5Gi"}), PLAIN, 2, "limits.memory 4Gi of 5Gi used, 2Gi"),
    _case("limits that bind before requests", quota({"requests.cpu": "9", "limits.cpu": "4"}), PLAIN, 4),
    _case("a limit stands for the request", quota({"requests.cpu": "4"}), worker({}, ONE), 4),
    _case("a request that is there stands", quota({"requests.cpu": "4"}), worker(HALF, ONE), 8),
    _case(
        "a request of nothing", quota({"requests.cpu": "1"}, {"requests.cpu": "1"}), worker({CPU: "0"}), None
    ),
    _case(
        "nothing more of what is over",
        quota({"requests.cpu": "1", "pods": "9"}, {"requests.cpu": "5"}),
        worker({CPU: "0"}),
        9,
        "pods 9 of 9 used",
    ),
    _case(
        "ephemeral-storage",
        quota({"requests.ephemeral-storage": "3Gi", "limits.ephemeral-storage": "4Gi"}),
        worker({"ephemeral-storage": "1Gi"}, {"ephemeral-storage": "2Gi"}),
        2,
        "limits.ephemeral-storage 4Gi of 4Gi used",
    ),
    _case("ephemeral-storage need not be said", quota({"ephemeral-storage": "1Gi"}), BARE, None),
    _case("a vendor's", quota({f"requests.{GPU}": "3"}), worker({}, {GPU: "2"}), 1, f"requests.{GPU} 2 of 3"),
    _case(
        "a vendor's by a wrong name", quota({GPU: "1", f"limits.{GPU}": "1"}), worker({}, {GPU: "2"}), None
    ),
    _case("a vendor's need not be said", quota({f"requests.{GPU}": "0"}), BARE, None),
    _case(
        "a device class",
        quota({"requests.deviceclass.resource.kubernetes.io/gpu": "1"}),
        worker(
            {"deviceclass.resource.kubernetes.io/gpu": "1"}, {"deviceclass.resource.kubernetes.io/gpu": "1"}
        ),
        1,
    ),
    _case("Kubernetes' own by a prefix", quota({"requests.kubernetes.io/x": "0"}), BARE, None),
    _case(
        "huge pages", quota({HUGE: "4Mi"}), worker({CPU: "1"}, {HUGE: "2Mi"}), 2, f"{HUGE} 4Mi of 4Mi used"
    ),
    _case("requests of huge pages", quota({f"requests.{HUGE}": "2Mi"}), worker({CPU: "1"}, {HUGE: "2Mi"}), 1),
)

INIT = (container({CPU: "3"}, name="init"),)
SIDECAR = container({CPU: "1"}, name="aside", sidecar=True)

SHAPES = (
    _case(
        "containers add up", quota({CPU: "4"}), WorkerShape(pod(container(HALF), container(ONE, name="b"))), 2
    ),
    _case("an init container is the least", quota({CPU: "7"}), worker(HALF, init=INIT), 2),
    _case("a small init container", quota({CPU: "7"}), worker({CPU: "4"}, init=INIT), 1),
    _case("the largest of them", quota({CPU: "7"}), worker(HALF, init=(*INIT, container(ONE, name="b"))), 2),
    _case("a sidecar adds", quota({CPU: "4"}), worker(ONE, init=(SIDECAR,)), 2),
    _case("an init container beside a sidecar", quota({CPU: "8"}), worker(HALF, init=(SIDECAR, *INIT)), 2),
    _case("an init container before a sidecar", quota({CPU: "6"}), worker(HALF, init=(*INIT, SIDECAR)), 2),
    _case("sidecars beside each other", quota({CPU: "9"}), worker(ONE, init=(SIDECAR, SIDECAR)), 3),
    _case(
        "limits of init containers",
        quota({"limits.cpu": "8"}),
        worker({}, ONE, init=(container({}, {CPU: "4"}, name="init"),)),
        2,
    ),
    _case("overhead", quota({"requests.cpu": "3"}), worker(HALF, overhead=needs({CPU: "250m"}).requests), 4),
    _case(
        "overhead of limits", quota({"limits.cpu": "3"}), worker({}, ONE, overhead=needs(HALF).requests), 2
    ),
    _case(
        "overhead where there is no limit",
        quota({"limits.memory": "1", "pods": "2"}),
        worker({MEM: "1"}, {MEM: "0"}, overhead=needs({MEM: "1Gi"}).requests),
        0,
        "the pod is not valid",
    ),
    _case(
        "overhead of a limit of nothing",
        quota({"limits.memory": "1", "pods": "2"}),
        worker({MEM: "0"}, {MEM: "0"}, overhead=needs({MEM: "1Gi"}).requests),
        2,
    ),
    _case(
        "overhead alone", quota({MEM: "2Gi"}), worker({MEM: "0"}, overhead=needs({MEM: "1Gi"}).requests), 2
    ),
    _case("the pod as a whole", quota({CPU: "8"}), worker(ONE, resources=needs({CPU: "2"})), 4),
    _case("the whole's limit", quota({"limits.cpu": "8"}), worker(ONE, resources=needs({}, {CPU: "4"})), 2),
    _case(
        "the whole's request is that of its containers",
        quota({"requests.cpu": "8"}),
        worker(ONE, resources=needs({}, {CPU: "4"})),
        8,
    ),
    _case(
        "the whole's request is its limit where no container asks",
        quota({"requests.cpu": "8"}),
        worker(resources=needs({}, {CPU: "4"})),
        2,
    ),
    _case("the whole need not be said again", quota({"limits.cpu": "8"}), worker(resources=needs(ONE)), None),
    _case(
        "the whole's huge pages are those of its containers",
        quota({f"requests.{HUGE}": "8Mi", "pods": "9"}),
        worker({}, {HUGE: "4Mi", CPU: "1"}, resources=needs({CPU: "2"})),
        2,
    ),
    _case(
        "huge pages that the whole asks for need a limit of its own",
        quota({f"requests.{HUGE}": "8Mi"}),
        worker({}, {HUGE: "4Mi", CPU: "1"}, resources=needs({CPU: "2", HUGE: "4Mi"})),
        0,
        "the pod is not valid: the pod as a whole asks for hugepages-2Mi, which needs a limit",
    ),
    _case(
        "containers ask for more than the whole may",
        quota({"pods": "9"}),
        worker({CPU: "2"}, resources=needs({}, ONE)),
        0,
        "the pod is not valid: the pod as a whole may ask for at most its cpu limit 1, not 2",
    ),
    _case("an empty whole", quota({CPU: "8"}), worker(ONE, resources=needs()), 8),
)

MUST = (
    _case("cpu must be said", quota({CPU: "1"}), BARE, 0, "quota team, must specify cpu for: worker"),
    _case(
        "limits must be said",
        quota({"limits.cpu": "4", "pods": "1"}),
        worker(ONE),
        0,
        "must specify limits.cpu",
    ),
    _case(
        "by init containers too",
        quota({"requests.memory": "9Gi"}),
        worker({MEM: "1Gi"}, init=(container(name="init"), container(name="a"))),
        0,
        "quota team, must specify requests.memory for: a,init",
    ),
    _case(
        "a quota that does not count it asks for nothing",
        quota({CPU: "1"}, None, "Terminating"),
        BARE,
        None,
    ),
    _case(
        "not counted yet", quota({"pods": "5"}, counted=False), BARE, 0, "the use of pods is not counted yet"
    ),
    _case("the use of others need not be counted", Quota("q", quota({"services": "1"}).hard), BARE, None),
    _case("no status at all", Quota("new"), BARE, None),
)

URGENT = worker(priority_class="urgent")


def _by_class(operator: str, *values: str) -> Quota:
    return quota({"pods": "2"}, None, Scope("PriorityClass", operator, values))


SCOPES = (
    _case("BestEffort, of one", quota({"pods": "2"}, None, "BestEffort"), BARE, 2),
    _case("BestEffort, of another", quota({"pods": "2"}, None, "BestEffort"), worker(ONE), None),
    _case("nothing of cpu is best effort", quota({"pods": "2"}, None, "BestEffort"), worker({CPU: "0"}), 2),
    _case("a vendor's is best effort", quota({"pods": "2"}, None, "BestEffort"), worker({}, {GPU: "1"}), 2),
    _case(
        "an init container's is not",
        quota({"pods": "2"}, None, "BestEffort"),
        worker(init=(container(ONE),)),
        None,
    ),
    _case(
        "an empty whole is best effort",
        quota({"pods": "2"}, None, "BestEffort"),
        worker(ONE, resources=needs()),
        2,
    ),
    _case("NotBestEffort", quota({"pods": "2"}, None, "NotBestEffort"), worker(ONE), 2),
    _case("NotBestEffort, of another", quota({"pods": "2"}, None, "NotBestEffort"), BARE, None),
    _case("Terminating", quota({"pods": "2"}, None, "Terminating"), worker(terminating=True), 2),
    _case("NotTerminating", quota({"pods": "2"}, None, "NotTerminating"), BARE, 2),
    _case(
        "NotTerminating, of another",
        quota({"pods": "2"}, None, "NotTerminating"),
        worker(terminating=True),
        None,
    ),
    _case("PriorityClass", quota({"pods": "2"}, None, "PriorityClass"), URGENT, 2),
    _case("PriorityClass, of none", quota({"pods": "2"}, None, "PriorityClass"), BARE, None),
    _case("PriorityClass In", _by_class("In", "urgent", "high"), URGENT, 2),
    _case("PriorityClass In, of another", _by_class("In", "high"), URGENT, None),
    _case("PriorityClass In, of none", _by_class("In", ""), BARE, None),
    _case("PriorityClass NotIn", _by_class("NotIn", "high"), URGENT, 2),
    _case("PriorityClass NotIn, of it", _by_class("NotIn", "urgent"), URGENT, None),
    _case("PriorityClass NotIn, of none", _by_class("NotIn", "high"), BARE, 2),
    _case("PriorityClass DoesNotExist", _by_class("DoesNotExist"), BARE, 2),
    _case("PriorityClass DoesNotExist, of one", _by_class("DoesNotExist"), URGENT, None),
    _case("an operator of the future counts", _by_class("Near", "high"), BARE, 2),
    _case("a scope of the future counts", quota({"pods": "2"}, None, "Weekdays"), BARE, 2),
    _case("every scope must hold", quota({"pods": "2"}, None, "BestEffort", "Terminating"), BARE, None),
    _case(
        "CrossNamespacePodAffinity",
        quota({"pods": "2"}, None, "CrossNamespacePodAffinity"),
        worker(cross_namespace_affinity=True),
        2,
    ),
    _case(
        "CrossNamespacePodAffinity, of another",
        quota({"pods": "0"}, None, "CrossNamespacePodAffinity"),
        BARE,
        None,
    ),
    _case(
        "VolumeAttributesClass is not for pods",
        quota({"pods": "0"}, None, "VolumeAttributesClass"),
        BARE,
        None,
    ),
)

SEVERAL = (
    _case(
        "the tightest binds",
        (quota({"pods": "5"}), quota({"pods": "3"}, name="a")),
        BARE,
        3,
        "quota a, pods 3",
    ),
    _case(
        "both bind, the first by name is told",
        (quota({"pods": "3"}, name="b"), quota({"pods": "3"}, name="a")),
        BARE,
        3,
        "quota a, pods 3 of 3 used",
    ),
    _case(
        "a quota of another scope does not",
        (quota({"pods": "0"}, None, "BestEffort", name="a"), quota({"pods": "3"})),
        worker(ONE),
        3,
        "quota team, pods 3 of 3 used",
    ),
)

GIVES = limit_range(
    rules(default={CPU: "1", MEM: "1Gi"}, default_request={CPU: "250m", MEM: "512Mi"}, max={CPU: "4"})
)
TWICE = limit_range(rules(default={CPU: "4"}), name="other")

RANGES = (
    _case("a default request", (GIVES, quota({"requests.cpu": "1"})), BARE, 4, "requests.cpu 1 of 1 used"),
    _case("a default limit", (GIVES, quota({"limits.memory": "3Gi"})), BARE, 3),
    _case(
        "defaults for init containers",
        (GIVES, quota({CPU: "1"})),
        worker({CPU: "1m"}, init=(container(),)),
        4,
    ),
    _case("defaults are specified", (GIVES, quota({CPU: "1", "limits.cpu": "2"})), BARE, 2),
    _case(
        "with defaults it is not best effort", (GIVES, quota({"pods": "0"}, None, "BestEffort")), BARE, None
    ),
    _case("defaults do not replace", (GIVES, quota({CPU: "1"})), worker(HALF, ONE), 2),
    _case("a maximum is the default", (limit_range(rules(max=ONE)), quota({CPU: "3"})), BARE, 3),
    _case(
        "a default limit is the default request",
        (limit_range(rules(default=ONE)), quota({CPU: "3"})),
        BARE,
        3,
    ),
    _case("a minimum is the default request", (limit_range(rules(min=HALF)), quota({CPU: "3"})), BARE, 6),
    _case(
        "the last of several items gives",
        (limit_range(rules(default=ONE), rules(default=HALF)), quota({CPU: "3"})),
        BARE,
        6,
    ),
    _case(
        "the most of what may be given", (GIVES, TWICE, quota({CPU: "4"})), BARE, 1, "quota team, cpu 4 of 4"
    ),
    _case("two that agree", (GIVES, replace(GIVES, name="a"), quota({CPU: "1"})), BARE, 4),
    _case(
        "a default limit below the request",
        GIVES,
        worker({CPU: "2"}),
        0,
        "container worker may ask for at most",
    ),
    _case(
        "above the maximum",
        GIVES,
        worker({}, {CPU: "5"}),
        0,
        "limit range sizes, maximum cpu usage per Container is 4, but limit is 5 (worker)",
    ),
    _case("just the maximum", GIVES, worker({}, {CPU: "4"}), None),
    _case(
        "a request above the maximum",
        limit_range(rules(max=ONE)),
        worker({CPU: "2"}),
        0,
        "the pod is not valid",
    ),
    _case("below the minimum", limit_range(rules(min=ONE)), worker(HALF), 0, "but request is 500m (worker)"),
    _case(
        "a limit below the minimum",
        limit_range(rules("Pod", min=ONE)),
        worker(ONE, HALF),
        0,
        "the pod is not valid",
    ),
    _case("just the minimum", limit_range(rules(min=ONE)), worker(ONE), None),
    _case(
        "no request for a pod",
        limit_range(rules("Pod", min={MEM: "1Gi"})),
        BARE,
        0,
        "limit range sizes, minimum memory usage per Pod is 1Gi, no request is specified",
    ),
    _case(
        "no limit for a pod",
        limit_range(rules("Pod", max={MEM: "1Gi"})),
        BARE,
        0,
        "maximum memory usage per Pod is 1Gi, no limit is specified",
    ),
    _case(
        "a pod's containers add up",
        limit_range(rules("Pod", max=ONE)),
        WorkerShape(pod(container({}, {CPU: "600m"}), container({}, {CPU: "600m"}, name="b"))),
        0,
        "maximum cpu usage per Pod is 1, but limit is 1200m",
    ),
    _case(
        "a pod's overhead does not",
        limit_range(rules("Pod", max=ONE)),
        worker({}, ONE, overhead=needs(ONE).requests),
        None,
    ),
    _case(
        "the whole of a pod",
        limit_range(rules("Pod", max=ONE)),
        worker(resources=needs({}, {CPU: "2"})),
        0,
        "limit is 2",
    ),
    _case(
        "huge pages of the whole are not looked at",
        limit_range(rules("Pod", max={HUGE: "2Mi"})),
        worker(ONE, resources=needs(ONE, {HUGE: "4Mi"})),
        0,
        "maximum hugepages-2Mi usage per Pod is 2Mi, no limit is specified",
    ),
    _case("a fine ratio", limit_range(rules(max_limit_request_ratio={CPU: "2"})), worker(HALF, ONE), None),
    _case(
        "too far apart",
        limit_range(rules(max_limit_request_ratio={CPU: "1500m"})),
        worker(HALF, ONE),
        0,
        "cpu max limit to request ratio per Container is 1500m, but limit is 1 and request 500m (worker)",
    ),
    _case(
        "too far apart for floats alone",
        limit_range(rules(max_limit_request_ratio={CPU: "2007m"})),
        worker(ONE, {CPU: "2007m"}),
        0,
        "but limit is 2007m",
    ),
    _case(
        "a ratio to nothing",
        limit_range(rules(max_limit_request_ratio={CPU: "2"})),
        worker({CPU: "0"}, ONE),
        0,
        "but no request is specified or it is 0",
    ),
    _case(
        "a ratio of nothing",
        limit_range(rules(max_limit_request_ratio={CPU: "2"})),
        worker(ONE),
        0,
        "but no limit is specified or it is 0",
    ),
    _case("a type of the future", limit_range(rules("Volume", max={"storage": "0"})), BARE, None),
    _case(
        "default huge pages and nothing else",
        limit_range(rules(default={HUGE: "4Mi"})),
        worker({"ephemeral-storage": "1Gi"}),
        0,
        "container worker needs cpu or memory to have hugepages-2Mi",
    ),
    _case(
        "a vendor's default without a limit",
        limit_range(rules(min={GPU: "1"})),
        BARE,
        0,
        f"container worker asks for {GPU}, which needs a limit",
    ),
    _case(
        "a vendor's request that is not the limit",
        limit_range(rules(default={GPU: "2"}, default_request={GPU: "1"})),
        BARE,
        0,
        f"container worker must ask for just its {GPU} limit 2, not 1",
    ),
    _case(
        "defaults that are more than the whole",
        limit_range(rules(default_request={CPU: "3"})),
        worker(resources=needs({CPU: "2"})),
        0,
        "its containers ask for cpu 3, the pod for 2",
    ),
    _case(
        "a default limit above the whole's",
        limit_range(rules(default={CPU: "3"}, default_request={CPU: "1"})),
        worker(resources=needs({CPU: "2"}, {CPU: "2"})),
        0,
        "container worker is held to cpu 3, the pod to 2",
    ),
    _case(
        "default huge pages above the whole's",
        limit_range(rules(default={HUGE: "4Mi"})),
        worker(ONE, resources=needs({CPU: "2", HUGE: "2Mi"}, {HUGE: "2Mi"})),
        0,
        "its containers ask for hugepages-2Mi 4Mi, the pod for 2Mi",
    ),
)

LOGS, DATA = claim(), claim("5Gi", name="data")
ALL, NONE = frozenset({"logs"}), frozenset[str]()

CLAIMS = (
    _case(
        "claims",
        quota({"persistentvolumeclaims": "3"}),
        worker(None, None, LOGS),
        3,
        "persistentvolumeclaims 3",
    ),
    _case(
        "count/persistentvolumeclaims",
        quota({"count/persistentvolumeclaims": "3"}),
        worker(None, None, LOGS, DATA),
        1,
    ),
    _case(
        "storage",
        quota({"requests.storage": "13Gi"}),
        worker(None, None, LOGS, DATA),
        2,
        "12Gi of 13Gi used, 6Gi more",
    ),
    _case("storage in whole bytes", quota({"requests.storage": "10"}), worker(None, None, claim("1500m")), 5),
    _case(
        "no storage",
        quota({"requests.storage": "0", "persistentvolumeclaims": "2"}),
        worker(None, None, claim(None)),
        2,
    ),
    _case(
        "claims that are there",
        quota({"requests.storage": "0"}),
        worker(None, None, LOGS),
        2,
        "requests.storage 0 of 0 used",
        (NONE, NONE),
    ),
    _case(
        "some there, some not",
        quota({"persistentvolumeclaims": "2"}),
        worker(None, None, LOGS),
        5,
        "persistentvolumeclaims 2 of 2 used",
        (NONE, ALL, NONE, NONE, ALL, ALL, ALL),
    ),
    _case(
        "kept claims, but no room for pods",
        quota({"pods": "3"}),
        worker(None, None, LOGS),
        3,
        "pods 3 of 3",
        (NONE,) * 9,
    ),
    _case(
        "kept claims without any limit",
        quota({"requests.storage": "1Gi"}),
        worker(None, None, LOGS),
        10_001,
        "",
        (NONE,) * 10_000,
    ),
    _case("a claim of another template", quota({"requests.storage": "0"}), BARE, None, "", (ALL,)),
    _case(
        "its class",
        quota({f"{GOLD}requests.storage": "3Gi"}),
        worker(None, None, claim("1Gi", "gold")),
        3,
        GOLD,
    ),
    _case(
        "claims of its class",
        quota({f"{GOLD}persistentvolumeclaims": "2"}),
        worker(None, None, claim("1Gi", "gold")),
        2,
    ),
    _case(
        "another class",
        quota({f"{GOLD}requests.storage": "0"}),
        worker(None, None, claim("1Gi", "tin")),
        None,
    ),
    _case("no class", quota({f"{GOLD}requests.storage": "0"}), worker(None, None, claim("1Gi", "")), None),
    _case(
        "a class that is not known",
        quota({f"{GOLD}requests.storage": "3Gi"}),
        worker(None, None, claim("1Gi", None)),
        3,
    ),
    _case(
        "no amount for its class",
        quota({f"{GOLD}requests.storage": "3Gi"}),
        worker(None, None, claim(None, "gold")),
        None,
    ),
    _case(
        "no name of a class",
        quota({".storageclass.storage.k8s.io/requests.storage": "0"}),
        worker(None, None, LOGS),
        None,
    ),
    _case(
        "something else of a class",
        quota({f"{GOLD}requests.cpu": "0"}),
        worker(None, None, claim("1Gi", "gold")),
        None,
    ),
    _case(
        "a scope of pods",
        quota({"requests.storage": "0"}, None, "BestEffort"),
        worker(None, None, LOGS),
        None,
    ),
    _case(
        "a PriorityClass",
        quota({"requests.storage": "0"}, None, "PriorityClass"),
        worker(None, None, LOGS, priority_class="a"),
        None,
    ),
    _case(
        "VolumeAttributesClass",
        quota({"persistentvolumeclaims": "2"}, None, Scope("VolumeAttributesClass", "In", ("fast",))),
        worker(None, None, claim(attributes="fast")),
        2,
    ),
    _case(
        "VolumeAttributesClass, of none",
        quota({"persistentvolumeclaims": "2"}, None, "VolumeAttributesClass"),
        worker(None, None, LOGS),
        None,
    ),
    _case(
        "a scope of the future counts claims",
        quota({"requests.storage": "2Gi"}, None, "Weekdays"),
        worker(None, None, LOGS),
        2,
    ),
    _case(
        "storage not counted yet",
        quota({"requests.storage": "2Gi"}, counted=False),
        worker(None, None, LOGS),
        0,
        "the use of requests.storage",
    ),
    _case(
        "a claim too large",
        limit_range(rules("PersistentVolumeClaim", max={"storage": "1Gi"})),
        worker(None, None, DATA),
        1,
        "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 5Gi (data)",
        (NONE,),
    ),
    _case(
        "a claim too small",
        limit_range(rules("PersistentVolumeClaim", min={"storage": "2Gi"})),
        worker(None, None, LOGS),
        0,
        "minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi (logs)",
    ),
    _case(
        "a claim of no size",
        limit_range(rules("PersistentVolumeClaim", min={"storage": "2Gi"})),
        worker(None, None, claim(None)),
        0,
        "no request is specified (logs)",
    ),
    _case(
        "a claim of no size, which has a most",
        limit_range(rules("PersistentVolumeClaim", max={"storage": "2Gi"})),
        worker(None, None, claim(None)),
        0,
        "maximum storage usage per PersistentVolumeClaim is 2Gi, no request is specified (logs)",
    ),
    _case(
        "no ratio of claims",
        limit_range(rules("PersistentVolumeClaim", max_limit_request_ratio={"storage": "2"})),
        worker(None, None, LOGS),
        None,
    ),
    _case(
        "a claim of just the most",
        limit_range(rules("PersistentVolumeClaim", max={"storage": "1Gi"})),
        worker(None, None, LOGS),
        None,
    ),
    _case(
        "a claim of a fine size",
        limit_range(rules("PersistentVolumeClaim", min={"storage": "1Gi"})),
        worker(None, None, LOGS),
        None,
    ),
)


def _torn(hard: dict[str, str], torn: dict[str, str]) -> Quota:
    return replace(quota(hard), unreadable=torn)


TORN = (
    _case(
        "a quota that cannot be read",
        _torn({}, {"pods": "five"}),
        BARE,
        0,
        "quota team, pods 'five' cannot be read: taken as no room",
    ),
    _case(
        "what the worker does not take may be torn",
        _torn({"pods": "2"}, {"requests.nvidia.com/gpu": "?"}),
        BARE,
        2,
    ),
    _case("what is torn must be said", _torn({}, {CPU: "?"}), BARE, 0, "must specify cpu"),
    _case(
        "torn storage",
        _torn({}, {"requests.storage": "?"}),
        worker(None, None, LOGS),
        0,
        "'?' cannot be read",
    ),
    _case("torn storage, no claim", _torn({}, {"requests.storage": "?"}), BARE, None),
    _case(
        "a limit range that cannot be read",
        LimitRange("sizes", (), ("max cpu '?'",)),
        BARE,
        0,
        "limit range sizes, max cpu '?' cannot be read",
    ),
    _case(
        "a template that cannot be read",
        quota({"pods": "5"}),
        replace(BARE, unreadable=("overhead cpu '?'",)),
        0,
        "the template's overhead cpu '?' cannot be read",
    ),
    _case(
        "a template that cannot be read, no limit", (), replace(BARE, unreadable=("overhead cpu '?'",)), None
    ),
)

CASES = (*COUNTS, *REQUESTS, *SHAPES, *MUST, *SCOPES, *SEVERAL, *RANGES, *CLAIMS, *TORN)
