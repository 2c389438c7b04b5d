"""LimitRanges complete and judge pods and claims in the words of the real plug-in."""

from __future__ import annotations

import pytest

from autoscaler.sandbox.store import ApiError, Store
from tests.sandbox.client import JSON
from tests.sandbox.objects import NAMESPACE, claim, limit_range, pod, quota

CONTAINER = {"type": "Container"}


def _named(name: str, *items: JSON) -> JSON:
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"limits": list(items)}}


def _init(name: str, *, always: bool = False, **resources: JSON) -> JSON:
    policy = {"restartPolicy": "Always"} if always else {}
    return {"name": name, "image": "x", "resources": resources} | policy


def _refusal(store: Store, wanted: JSON) -> str:
    with pytest.raises(ApiError) as refusal:
        store.create("pods", wanted)
    return refusal.value.message.removeprefix('pods "a" is forbidden: ')


def test_defaults_are_given_and_noted(store: Store) -> None:
    """To init containers too, from every range, and what a container says itself stays."""
    store.create("limitranges", _named("b", CONTAINER | {"default": {"cpu": "2", "memory": "1Gi"}}))
    store.create("limitranges", _named("a", CONTAINER | {"default": {"cpu": "1"}}))
    wanted = pod("a", resources={"requests": {"memory": "256Mi"}}, initContainers=[_init("first")])
    created = store.create("pods", wanted)
    assert [each["resources"] for each in created["spec"]["containers"]] == [
        {"requests": {"cpu": "1", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    ]
    assert [each["resources"] for each in created["spec"]["initContainers"]] == [
        {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    ]
    assert created["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: memory limit for container main; "
        "memory request for init container first; memory limit for init container first"
    )
    assert created["status"]["qosClass"] == "Burstable"


def test_a_request_above_the_default_limit_is_invalid(store: Store) -> None:
    """What is given makes the pod break a rule of its kind."""
    store.create("limitranges", limit_range(CONTAINER | {"default": {"cpu": "1"}}))
    assert _refusal(store, pod("a", resources={"requests": {"cpu": "2"}})) == (
        'Pod "a" is invalid: spec.containers[0].resources.requests: Invalid value: "2": '
        "must be less than or equal to cpu limit of 1"
    )


@pytest.mark.parametrize(
    ("item", "spec", "message"),
    [
        pytest.param(
            CONTAINER | {"maxLimitRequestRatio": {"cpu": "2"}},
            {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2500m"}}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000",
            id="ratio",
        ),
        pytest.param(
            CONTAINER | {"maxLimitRequestRatio": {"cpu": "2"}},
            {"resources": {"requests": {"cpu": "0"}, "limits": {"cpu": "1"}}},
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
            id="ratio without a request",
        ),
        pytest.param(
            CONTAINER | {"maxLimitRequestRatio": {"cpu": "2"}},
            {"resources": {"requests": {"cpu": "1"}}},
            "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0",
            id="ratio without a limit",
        ),
        pytest.param(
            CONTAINER | {"max": {"cpu": "2"}, "default": {"cpu": "1"}},
            {"initContainers": [_init("i", requests={"cpu": "3"}, limits={"cpu": "3"})]},
            "maximum cpu usage per Container is 2, but limit is 3",
            id="an init container",
        ),
        pytest.param(
            CONTAINER | {"min": {"cpu": "1"}, "max": {"memory": "1Gi"}},
            {"resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m", "memory": "2Gi"}}},
            "[minimum cpu usage per Container is 1, but request is 500m, "
            "maximum memory usage per Container is 1Gi, but limit is 2Gi]",
            id="two complaints",
        ),
        pytest.param(
            CONTAINER | {"min": {"cpu": "1"}},
            {
                "resources": {"requests": {"cpu": "500m"}},
                "initContainers": [_init("i", requests={"cpu": "500m"})],
            },
            "minimum cpu usage per Container is 1, but request is 500m",
            id="the same complaint twice is told once",
        ),
        pytest.param(
            {"type": "Pod", "max": {"cpu": "3"}},
            {
                "resources": {"limits": {"cpu": "1"}},
                "initContainers": [_init("s", always=True, limits={"cpu": "2500m"})],
            },
            "maximum cpu usage per Pod is 3, but limit is 3500m",
            id="a pod with a sidecar",
        ),
        pytest.param(
            {"type": "Pod", "max": {"cpu": "3"}, "maxLimitRequestRatio": {"cpu": "2"}},
            {
                "resources": {"limits": {"cpu": "1"}},
                "initContainers": [
                    _init("s", always=True, limits={"cpu": "1"}),
                    _init("i", limits={"cpu": "2500m"}),
                ],
            },
            "maximum cpu usage per Pod is 3, but limit is 3500m",
            id="a pod with an init container after a sidecar",
        ),
        pytest.param(
            {"type": "Pod", "maxLimitRequestRatio": {"memory": "1100m"}},
            {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}},
            "memory max limit to request ratio per Pod is 1100m, but provided ratio is 2.000000",
            id="a pod's ratio",
        ),
        pytest.param(
            CONTAINER | {"max": {"memory": "20P"}, "default": {"memory": "1"}},
            {"resources": {"limits": {"memory": "21P"}}},
            "maximum memory usage per Container is 20P, but limit is 21P",
            id="more than can be told in thousandths",
        ),
    ],
)
def test_pods_out_of_range(store: Store, item: JSON, spec: JSON, message: str) -> None:
    """All that one range objects to is told at once."""
    store.create("limitranges", limit_range(item))
    assert _refusal(store, pod("a", **spec)) == message


def test_the_first_range_that_objects_is_the_one_that_tells(store: Store) -> None:
    """By name; the others are not asked."""
    store.create("limitranges", _named("a", CONTAINER | {"min": {"memory": "1Gi"}}))
    store.create("limitranges", _named("b", CONTAINER | {"max": {"cpu": "1"}, "default": {"cpu": "1"}}))
    wanted = pod("a", resources={"requests": {"memory": "1Mi"}, "limits": {"cpu": "4"}})
    assert _refusal(store, wanted) == "minimum memory usage per Container is 1Gi, but request is 1Mi"


def test_a_pods_own_resources_are_judged_and_its_overhead_is_not(store: Store) -> None:
    """In the place of the containers' sums."""
    store.create("limitranges", limit_range({"type": "Pod", "max": {"cpu": "3"}}))
    wanted = pod("a", resources={"limits": {"cpu": "1"}})
    wanted["spec"]["resources"] = {"limits": {"cpu": "4"}}
    assert _refusal(store, wanted) == "maximum cpu usage per Pod is 3, but limit is 4"
    store.create(
        "runtimeclasses.node.k8s.io",
        {"metadata": {"name": "r"}, "handler": "r", "overhead": {"podFixed": {"cpu": "9"}}},
    )
    store.create("pods", pod("a", runtimeClassName="r", resources={"limits": {"cpu": "3"}}))


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("1Gi", ""),
        ("2Gi", ""),
        ("512Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi"),
        ("3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"),
    ],
)
def test_claims_out_of_range(store: Store, storage: str, message: str) -> None:
    """By what they request; pods are none of that item's business."""
    item = {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}
    store.create("limitranges", limit_range(item, CONTAINER | {"min": {"cpu": "1"}}))
    if not message:
        store.create("persistentvolumeclaims", claim("a", storage))
        return
    with pytest.raises(ApiError) as refusal:
        store.create("persistentvolumeclaims", claim("a", storage))
    assert refusal.value.message == f'persistentvolumeclaims "a" is forbidden: {message}'


def test_a_claim_without_what_is_limited(store: Store) -> None:
    """Another resource than storage must be requested too where a range has a least or a most of it."""
    item = {"type": "PersistentVolumeClaim", "min": {"cpu": "1"}, "max": {"storage": "2Gi", "memory": "1Gi"}}
    store.create("limitranges", limit_range(item))
    with pytest.raises(ApiError) as refusal:
        store.create("persistentvolumeclaims", claim("a"))
    assert refusal.value.message.endswith(
        "[minimum cpu usage per PersistentVolumeClaim is 1.  No request is specified, "
        "maximum memory usage per PersistentVolumeClaim is 1Gi.  No request is specified]"
    )


def test_ranges_judge_before_quotas(store: Store) -> None:
    """A pod that is out of range takes no room."""
    store.create("resourcequotas", quota(hard={"pods": "0"}))
    store.create("limitranges", limit_range({"type": "Pod", "max": {"cpu": "1"}}))
    assert _refusal(store, pod("a")) == "maximum cpu usage per Pod is 1.  No limit is specified"
