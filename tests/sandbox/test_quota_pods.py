"""What pods take of quotas: sidecars, pod-level resources, overhead, scopes, and which pods count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autoscaler.sandbox.admission.quota_count import recount_all
from autoscaler.sandbox.agenda import Agenda
from autoscaler.sandbox.controllers.quota_resync import QuotaResync
from autoscaler.sandbox.store import ApiError, Store
from tests.sandbox.client import JSON
from tests.sandbox.objects import NAMESPACE, pod, priority_class, quota, runtime_class, stateful_set
from tests.sandbox.room import room_for_pods, room_for_replicas

START = datetime(2026, 1, 1, tzinfo=UTC)
ONE_CPU = {"requests": {"cpu": "1"}}
FAR = {"labelSelector": {}, "topologyKey": "zone"}


def _used(store: Store, name: str = "team") -> dict[str, str]:
    used: dict[str, str] = store.get("resourcequotas", NAMESPACE, name)["status"]["used"]
    return used


def _init(name: str, *, always: bool = False, **resources: Any) -> JSON:
    policy = {"restartPolicy": "Always"} if always else {}
    return {"name": name, "image": "x", "resources": resources} | policy


def _counted(spec: JSON, *names: str) -> dict[str, str]:
    """Return what a pod with these fields takes of a quota with these names."""
    store = Store()
    store.create("runtimeclasses.node.k8s.io", runtime_class("sandboxed", cpu="250m", memory="64Mi"))
    store.create("resourcequotas", quota(hard=dict.fromkeys(names, "100Ti")))
    store.create("pods", pod("a", **spec))
    return _used(store)


@pytest.mark.parametrize(
    ("spec", "used"),
    [
        pytest.param(
            {"resources": ONE_CPU, "initContainers": [_init("i", requests={"cpu": "3"})]},
            {"requests.cpu": "3"},
            id="an init container that asks for more",
        ),
        pytest.param(
            {
                "resources": ONE_CPU,
                "initContainers": [
                    _init("i", requests={"cpu": "2"}),
                    _init("s", always=True, requests={"cpu": "3"}),
                ],
            },
            {"requests.cpu": "4"},
            id="a sidecar runs beside the containers",
        ),
        pytest.param(
            {
                "resources": ONE_CPU,
                "initContainers": [
                    _init("s", always=True, requests={"cpu": "3"}),
                    _init("i", requests={"cpu": "2"}),
                ],
            },
            {"requests.cpu": "5"},
            id="and beside the init containers that come after it",
        ),
        pytest.param(
            {
                "resources": {"limits": {"cpu": "1"}},
                "initContainers": [_init("s", always=True, limits={"cpu": "500m"})],
            },
            {"requests.cpu": "1500m", "limits.cpu": "1500m", "cpu": "1500m"},
            id="what is limited and not requested is requested",
        ),
        pytest.param(
            {"resources": {"limits": {"nvidia.com/gpu": "2"}}},
            {"requests.nvidia.com/gpu": "2"},
            id="extended resources count by requests",
        ),
        pytest.param(
            {"resources": {"limits": {"hugepages-2Mi": "4Mi", "cpu": "1"}}},
            {"hugepages-2Mi": "4Mi", "requests.hugepages-2Mi": "4Mi"},
            id="huge pages count by both names",
        ),
        pytest.param(
            {"resources": {"requests": {"ephemeral-storage": "1Gi"}, "limits": {"ephemeral-storage": "2Gi"}}},
            {
                "ephemeral-storage": "1Gi",
                "requests.ephemeral-storage": "1Gi",
                "limits.ephemeral-storage": "2Gi",
            },
            id="ephemeral storage",
        ),
        pytest.param({}, {"requests.ephemeral-storage": "0", "pods": "1"}, id="nothing asked for"),
        pytest.param(
            {"resources": {"requests": {"cpu": "100u"}}}, {"requests.cpu": "1m"}, id="thousandths at least"
        ),
    ],
)
def test_containers(spec: JSON, used: dict[str, str]) -> None:
    """They are added up, init containers one by one, sidecars with what comes after."""
    assert _counted(dict(spec), *used) == used


def _whole(spec: JSON, resources: JSON) -> JSON:
    store = Store()
    store.create("resourcequotas", quota(hard={"cpu": "9", "limits.cpu": "9", "memory": "9Gi"}))
    wanted = pod("a", **spec)
    wanted["spec"]["resources"] = resources
    store.create("pods", wanted)
    return _used(store)


@pytest.mark.parametrize(
    ("spec", "resources", "used"),
    [
        pytest.param(
            {"resources": ONE_CPU},
            {"requests": {"cpu": "3"}},
            {"cpu": "3", "limits.cpu": "0", "memory": "0"},
            id="what the pod asks for as a whole counts",
        ),
        pytest.param(
            {"resources": ONE_CPU},
            {"limits": {"cpu": "4", "memory": "2Gi"}},
            {"cpu": "1", "limits.cpu": "4", "memory": "2Gi"},
            id="requests default to those of the containers, else to the limit",
        ),
        pytest.param(
            {"resources": {"limits": {"cpu": "2"}}},
            {"limits": {"memory": "1Gi"}},
            {"cpu": "2", "limits.cpu": "2", "memory": "1Gi"},
            id="what the pod does not say is the containers' own",
        ),
    ],
)
def test_pod_level_resources(spec: JSON, resources: JSON, used: dict[str, str]) -> None:
    """They take the place of the containers' sums, and nothing must be specified then."""
    assert _whole(dict(spec), dict(resources)) == used


def test_huge_pages_of_containers_are_the_pods() -> None:
    """A pod that says something as a whole takes over its containers' huge pages as a limit."""
    store = Store()
    wanted = pod("a", resources={"limits": {"cpu": "1", "hugepages-2Mi": "4Mi"}})
    wanted["spec"]["resources"] = {"limits": {"cpu": "1"}}
    assert store.create("pods", wanted)["spec"]["resources"] == {
        "limits": {"cpu": "1", "hugepages-2Mi": "4Mi"},
        "requests": {"cpu": "1", "hugepages-2Mi": "4Mi"},
    }


def test_overhead_counts() -> None:
    """That of the pod's class: always as a request, as a limit where there is one."""
    spec = {"runtimeClassName": "sandboxed", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}}
    names = ("requests.cpu", "limits.cpu", "requests.ephemeral-storage")
    assert _counted(spec, *names) == {
        "requests.cpu": "1250m",
        "limits.cpu": "2250m",
        "requests.ephemeral-storage": "0",
    }
    with pytest.raises(ApiError, match=r"must specify memory for: main"):
        _counted(spec, "memory")


def test_a_resized_container_counts_with_what_it_still_has() -> None:
    """What the node says counts where it is more, what it says of init containers only for sidecars."""
    store = Store()
    store.create("resourcequotas", quota(hard={"requests.cpu": "9", "limits.cpu": "9", "pods": "9"}))
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    store.create("pods", pod("a", resources=resources, node="n"))
    grown = store.get("pods", NAMESPACE, "a")
    had = {"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}
    status: JSON = {"name": "main", "resources": had, "allocatedResources": {"cpu": "2500m"}}
    grown["status"]["containerStatuses"] = [status]
    store.update("pods", grown, subresource="status")
    recount_all(store)
    assert _used(store) == {"limits.cpu": "3", "pods": "1", "requests.cpu": "2500m"}
    grown["status"]["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]
    status["resources"] = {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m"}}
    status["allocatedResources"] = {"cpu": "750m"}
    del grown["metadata"]["resourceVersion"]
    store.update("pods", grown, subresource="status")
    recount_all(store)
    assert _used(store) == {"limits.cpu": "500m", "pods": "1", "requests.cpu": "750m"}


def _with(container: JSON | None, whole: JSON | None) -> JSON:
    wanted = pod("a", resources=container or {})
    if whole is not None:
        wanted["spec"]["resources"] = whole
    return wanted


@pytest.mark.parametrize(
    ("container", "whole", "quality"),
    [
        (None, None, "BestEffort"),
        ({"requests": {"cpu": "0"}, "limits": {"memory": "0"}}, None, "BestEffort"),
        ({"requests": {"ephemeral-storage": "1Gi"}}, None, "BestEffort"),
        ({"requests": {"cpu": "1m"}}, None, "Burstable"),
        ({"limits": {"cpu": "1"}}, None, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, None, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}}, None, "Guaranteed"),
        (None, {"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        (None, {"limits": {"cpu": "1"}}, "Burstable"),
        ({"requests": {"cpu": "1"}}, {}, "BestEffort"),
    ],
)
def test_quality_of_service(container: JSON | None, whole: JSON | None, quality: str) -> None:
    """Amounts of zero are none, only processor and memory matter, a pod's own resources come first."""
    store = Store()
    best_effort = quota("best", hard={"pods": "0", "count/pods": "9"}, scopes=["BestEffort"])
    store.create("resourcequotas", best_effort)
    other = quota("other", hard={"pods": "9"}, scopes=["NotBestEffort"])
    store.create("resourcequotas", other)
    if quality == "BestEffort":
        with pytest.raises(ApiError, match="exceeded quota: best, requested: pods=1, used: pods=0"):
            store.create("pods", _with(container, whole))
        return
    assert store.create("pods", _with(container, whole))["status"]["qosClass"] == quality
    assert (_used(store, "best"), _used(store, "other")) == ({"count/pods": "0", "pods": "0"}, {"pods": "1"})


def test_two_containers_of_different_quality_are_burstable() -> None:
    """One that asks for nothing beside one that has all it may get."""
    wanted = pod("a", resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    wanted["spec"]["containers"].append({"name": "aside", "image": "x"})
    assert Store().create("pods", wanted)["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("affinity", "counted"),
    [
        ({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [FAR]}}, False),
        (
            {
                "podAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [FAR | {"namespaces": ["x"]}]
                }
            },
            True,
        ),
        (
            {
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 1, "podAffinityTerm": FAR | {"namespaceSelector": {}}}
                    ]
                }
            },
            True,
        ),
        ({"nodeAffinity": {}}, False),
    ],
    ids=["its own namespace", "others by name", "all of them, preferred", "nodes"],
)
def test_affinity_across_namespaces(affinity: JSON, counted: bool) -> None:
    """Required or preferred, by name or by selector."""
    store = Store()
    hard = {"pods": "5"}
    store.create("resourcequotas", quota(hard=hard, scopes=["CrossNamespacePodAffinity"]))
    store.create("pods", pod("a", affinity=affinity))
    assert _used(store) == {"pods": str(int(counted))}


def test_what_takes_nothing_is_let_in_where_too_much_is_used_already() -> None:
    """Only the names that an object takes something of are compared."""
    store = Store()
    store.create("resourcequotas", quota(hard={"requests.cpu": "4", "limits.cpu": "4"}))
    store.create("pods", pod("a", resources={"requests": {"cpu": "3"}, "limits": {"cpu": "3"}}))
    store.update("resourcequotas", quota(hard={"requests.cpu": "4", "limits.cpu": "1"}))
    none = {"requests": {"cpu": "0"}, "limits": {"cpu": "0"}}
    store.create("pods", pod("b", resources=none))
    with pytest.raises(
        ApiError, match=r"requested: limits.cpu=1m, used: limits.cpu=3, limited: limits.cpu=1"
    ):
        store.create("pods", pod("c", resources={"limits": {"cpu": "1m"}}))


def test_a_quota_that_has_not_been_counted() -> None:
    """Without a status it refuses nothing; with half of one it refuses everything."""
    store = Store()
    counted = quota(hard={"pods": "0", "requests.nvidia.com/gpu": "1"})
    store.create("resourcequotas", counted)
    store.update("resourcequotas", counted | {"status": {}}, subresource="status")
    store.create("pods", pod("a"))
    half = {"hard": {"pods": "5", "requests.nvidia.com/gpu": "1"}, "used": {"pods": "1"}}
    store.update("resourcequotas", counted | {"status": half}, subresource="status")
    with pytest.raises(
        ApiError, match=r"status unknown for quota: team, resources: pods,requests.nvidia.com/gpu"
    ):
        store.create("pods", pod("b"))


def test_what_nobody_counts_has_no_use(store: Store) -> None:
    """Of extended resources only requests are counted, of unknown kinds nothing."""
    hard = {"limits.nvidia.com/gpu": "0", "count/foos.example.org": "0", "count/events": "0", "pods": "1"}
    store.create("resourcequotas", quota(hard=hard))
    store.create("pods", pod("a", resources={"limits": {"nvidia.com/gpu": "1"}}))
    assert store.get("resourcequotas", NAMESPACE, "team")["status"] == {"hard": hard, "used": {"pods": "1"}}


def test_requirements_come_before_room() -> None:
    """Every quota first looks whether it can count a pod, only then is room compared."""
    store = Store()
    store.create("resourcequotas", quota("a", hard={"pods": "0"}))
    store.create("resourcequotas", quota("b", hard={"cpu": "1"}))
    with pytest.raises(ApiError, match="failed quota: b: must specify cpu for: main"):
        store.create("pods", pod("x"))


def test_a_full_quota_is_told_before_a_taken_name() -> None:
    """The quota is asked before the name is."""
    store = Store()
    store.create("resourcequotas", quota(hard={"pods": "1"}))
    store.create("pods", pod("a"))
    with pytest.raises(ApiError, match="exceeded quota: team"):
        store.create("pods", pod("a"))


def test_terminating_pods_count_until_their_time_is_up() -> None:
    """Twice the time they have, since the deletion's own stamp is when the first has passed."""
    now = [START]
    store = Store(clock=lambda: now[0])
    store.create("resourcequotas", quota(hard={"pods": "9", "count/pods": "9"}))
    store.create("pods", pod("a", node="n1", terminationGracePeriodSeconds=100))
    store.delete("pods", NAMESPACE, "a")
    seconds = [0.0]
    agenda = Agenda(lambda: seconds[0])
    resync = QuotaResync(store, agenda)
    resync.start()
    for passed, pods in ((200, "1"), (201, "0")):
        now[0] = START + timedelta(seconds=passed)
        recount_all(store)
        assert _used(store) == {"count/pods": "1", "pods": pods}
    store.create("pods", pod("b"))
    now[0] = START
    seconds[0] = 300.0
    agenda.run_due()
    assert _used(store) == {"count/pods": "2", "pods": "2"}
    assert agenda.next_at == 600.0
    resync.stop()
    assert agenda.next_at is None


def test_a_deadline_set_later_changes_the_scope() -> None:
    """The pod moves from one quota to the other, where there has to be room for it."""
    store = Store()
    store.create("resourcequotas", quota("batch", hard={"pods": "1"}, scopes=["Terminating"]))
    store.create("resourcequotas", quota("rest", hard={"pods": "5"}, scopes=["NotTerminating"]))
    for name in "ab":
        created = store.create("pods", pod(name))
        created["spec"]["activeDeadlineSeconds"] = 60
        if name == "a":
            store.update("pods", created)
            continue
        with pytest.raises(ApiError, match="exceeded quota: batch"):
            store.update("pods", created, dry_run=True)
        with pytest.raises(ApiError, match="exceeded quota: batch"):
            store.update("pods", created)
    assert (_used(store, "batch"), _used(store, "rest")) == ({"pods": "1"}, {"pods": "1"})


def test_a_new_selector_waits_for_the_next_full_count() -> None:
    """Only another `hard` is counted after at once."""
    store = Store()
    store.create("priorityclasses.scheduling.k8s.io", priority_class("urgent"))
    by = [{"scopeName": "PriorityClass", "operator": "Exists"}]
    store.create("resourcequotas", quota(hard={"pods": "5"}, scopeSelector={"matchExpressions": by}))
    store.create("pods", pod("a"))
    without = [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]
    store.update("resourcequotas", quota(hard={"pods": "5"}, scopeSelector={"matchExpressions": without}))
    assert _used(store) == {"pods": "0"}
    recount_all(store)
    assert _used(store) == {"pods": "1"}


def test_services_are_counted_by_what_they_open(store: Store) -> None:
    """Load balancers and ports on nodes have names of their own."""
    names = ("services", "services.loadbalancers", "services.nodeports", "count/services")
    store.create("resourcequotas", quota(hard=dict.fromkeys(names, "3")))
    ports = [{"port": 80}, {"port": 443}]
    meta = {"name": "s", "namespace": NAMESPACE}
    store.create("services", {"metadata": meta, "spec": {"type": "LoadBalancer", "ports": ports}})
    assert _used(store) == {
        "count/services": "1",
        "services": "1",
        "services.loadbalancers": "1",
        "services.nodeports": "2",
    }
    changed = store.get("services", NAMESPACE, "s")
    changed["spec"] |= {"allocateLoadBalancerNodePorts": False, "ports": [*ports, {"port": 1, "nodePort": 3}]}
    store.update("services", changed)
    recount_all(store)
    assert _used(store)["services.nodeports"] == "1"
    changed["spec"] = {"type": "ClusterIP", "ports": ports}
    del changed["metadata"]["resourceVersion"]
    store.update("services", changed)
    assert (_used(store)["services.loadbalancers"], _used(store)["services.nodeports"]) == ("0", "0")


def test_room_is_what_is_admitted() -> None:
    """By brute force, for pods and for the replicas of a set."""
    store = Store()
    created = store.create("statefulsets.apps", stateful_set())
    store.create("resourcequotas", quota(hard={"pods": "7"}))
    found = room_for_pods(store, pod("x"), at_most=4)
    assert (found.count, found.refusal) == (4, None)
    found = room_for_replicas(store, created, first=2)
    assert found.count == 3
    assert found.refusal is not None
    assert found.refusal.message.startswith('pods "w-5" is forbidden: exceeded quota: team')
