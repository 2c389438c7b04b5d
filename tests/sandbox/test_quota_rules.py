"""What an API server refuses of quotas, limit ranges and what containers ask for: 422, in its words."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.store import ApiError, Store
from tests.sandbox.client import JSON
from tests.sandbox.objects import claim, limit_range, pod, priority_class, quota, runtime_class, stateful_set

STANDARD = "must be a standard resource type or fully qualified"
WRONG_SCOPE = "unsupported scope applied to resource"
NAME_PART = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def _causes(store: Store, resource: str, obj: JSON) -> list[str]:
    """Return the complaints about an object, without those about its name."""
    with pytest.raises(ApiError) as refusal:
        store.create(resource, obj)
    assert refusal.value.status == 422
    assert refusal.value.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in refusal.value.details["causes"]]


def _selector(*expressions: JSON) -> JSON:
    return {"scopeSelector": {"matchExpressions": list(expressions)}}


def _by(scope: str, operator: str, *values: str) -> JSON:
    return {"scopeName": scope, "operator": operator} | ({"values": list(values)} if values else {})


@pytest.mark.parametrize(
    ("hard", "spec", "causes"),
    [
        (
            {"gpu": "1"},
            {},
            [f'hard[gpu]: "gpu": {STANDARD}', 'hard[gpu]: "gpu": must be a standard resource for quota'],
        ),
        ({"storage": "1"}, {}, ['hard[storage]: "storage": must be a standard resource for quota']),
        (
            {"a/b/c": "1"},
            {},
            [
                f'hard[a/b/c]: "a/b/c": a valid label key {NAME_PART} with an optional '
                "DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ],
        ),
        (
            {"-x": "1"},
            {},
            [
                f'hard[-x]: "-x": name part {NAME_PART}',
                'hard[-x]: "-x": must be a standard resource for quota',
            ],
        ),
        ({"/x": "1"}, {}, ['hard[/x]: "/x": prefix part must be non-empty']),
        (
            {"count/": "1"},
            {},
            [
                'hard[count/]: "count/": name part must be non-empty',
                f'hard[count/]: "count/": name part {NAME_PART}',
            ],
        ),
        ({"pods": "-1"}, {}, ['hard[pods]: "-1": must be greater than or equal to 0']),
        ({"pods": "1500m"}, {}, ['hard[pods]: "1500m": must be an integer']),
        ({"nvidia.com/gpu": "1500m"}, {}, ['hard[nvidia.com/gpu]: "1500m": must be an integer']),
        ({"requests.cpu": "1"}, {"scopes": ["BestEffort"]}, [f'scopes: ["BestEffort"]: {WRONG_SCOPE}']),
        (
            {"requests.ephemeral-storage": "1"},
            {"scopes": ["NotTerminating"]},
            [f'scopes: ["NotTerminating"]: {WRONG_SCOPE}'],
        ),
        ({"pods": "1"}, {"scopes": ["Best"]}, ['scopes: ["Best"]: unsupported scope']),
        (
            {"pods": "1"},
            {"scopes": ["BestEffort", "NotBestEffort"]},
            ['scopes: ["BestEffort","NotBestEffort"]: conflicting scopes'],
        ),
        (
            {"pods": "1"},
            _selector(_by("PriorityClass", "In")),
            [
                "scopeSelector.matchExpressions.values: Required value: must be at least one value "
                "when `operator` is 'In' or 'NotIn' for scope selector"
            ],
        ),
        (
            {"pods": "1"},
            _selector(_by("PriorityClass", "Exists", "a")),
            [
                'scopeSelector.matchExpressions.values: ["a"]: must be no value '
                "when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            ],
        ),
        (
            {"pods": "1"},
            _selector(_by("PriorityClass", "Like")),
            ['scopeSelector.matchExpressions.operator: "Like": not a valid selector operator'],
        ),
        (
            {"pods": "1"},
            _selector(_by("None", "Exists")),
            ['scopeSelector.matchExpressions.scopeName: "None": unsupported scope'],
        ),
        (
            {"pods": "1"},
            _selector(_by("Terminating", "In", "a")),
            [
                "scopeSelector.matchExpressions.operator: \"In\": must be 'Exist' when scope is any of "
                "ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
                "ResourceQuotaScopeBestEffort, "
                "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
            ],
        ),
        (
            {"pods": "1"},
            _selector(_by("Terminating", "Exists"), _by("NotTerminating", "Exists")),
            ["scopeSelector.matchExpressions: null: conflicting scopes"],
        ),
        (
            {"secrets": "1"},
            _selector(_by("PriorityClass", "In", "a")),
            [
                'scopeSelector.matchExpressions: {"MatchExpressions":[{"ScopeName":"PriorityClass",'
                f'"Operator":"In","Values":["a"]}}]}}: {WRONG_SCOPE}'
            ],
        ),
        (
            {"pods": "1", "requests.storage": "1"},
            {"scopes": ["VolumeAttributesClass"]},
            [f'scopes: ["VolumeAttributesClass"]: {WRONG_SCOPE}'],
        ),
    ],
)
def test_quotas(store: Store, hard: JSON, spec: JSON, causes: list[str]) -> None:
    """Names, amounts, scopes, and which of them go together."""
    told = _causes(store, "resourcequotas", quota(hard=hard, **spec))
    assert [text.removeprefix("spec.").replace("Invalid value: ", "") for text in told] == causes


@pytest.mark.parametrize(
    ("hard", "spec"),
    [
        ({"count/pods": "1", "requests.nvidia.com/gpu": "1500m"}, {"scopes": ["BestEffort"]}),
        ({"count/deployments.apps": "1", "hugepages-2Mi": "1Gi", "requests.hugepages-1Gi": "1"}, {}),
        ({"gold.storageclass.storage.k8s.io/requests.storage": "1Gi", "services.loadbalancers": "1"}, {}),
        ({"requests.storage": "1"}, _selector(_by("VolumeAttributesClass", "In", "fast"))),
        ({}, {"scopes": ["BestEffort", "NotTerminating"]}),
    ],
)
def test_quotas_that_are_valid(store: Store, hard: JSON, spec: JSON) -> None:
    """Names with a domain are not looked at by scopes."""
    store.create("resourcequotas", quota(hard=hard, **spec))


def test_the_scopes_of_a_quota_cannot_change(store: Store) -> None:
    """Its selector can."""
    store.create("resourcequotas", quota(hard={"pods": "1"}, scopes=["BestEffort"]))
    with pytest.raises(
        ApiError, match=r'spec.scopes: Invalid value: \["NotBestEffort"\]: field is immutable'
    ):
        store.update("resourcequotas", quota(hard={"pods": "1"}, scopes=["NotBestEffort"]))
    by_priority = _selector(_by("PriorityClass", "Exists"))
    store.update("resourcequotas", quota(hard={"pods": "1"}, scopes=["BestEffort"], **by_priority))


@pytest.mark.parametrize(
    ("item", "causes"),
    [
        ({"type": "Node"}, ['type: "Node": must be a standard limit type or fully qualified']),
        ({"type": ""}, ['type: "": name part must be non-empty', f'type: "": name part {NAME_PART}']),
        (
            {"type": "Pod", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}},
            [
                "default: Forbidden: may not be specified when `type` is 'Pod'",
                "defaultRequest: Forbidden: may not be specified when `type` is 'Pod'",
            ],
        ),
        (
            {"type": "PersistentVolumeClaim"},
            [
                "limits: Required value: either minimum or maximum storage value is required, "
                "but neither was provided"
            ],
        ),
        (
            {"type": "PersistentVolumeClaim", "max": {"storage": "1", "foo": "1"}},
            [f'max[foo]: "foo": {STANDARD}'],
        ),
        (
            {"type": "Container", "max": {"pods": "1"}},
            [
                f'{side}[pods]: "pods": must be a standard resource for containers'
                for side in ("max", "default", "defaultRequest")
            ],
        ),
        (
            {"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}},
            [
                'min[cpu]: "2": min value 2 is greater than max value 1',
                'defaultRequest[cpu]: "1": min value 2 is greater than default request value 1',
                'default[cpu]: "2": min value 2 is greater than default value 1',
            ],
        ),
        (
            {
                "type": "Container",
                "max": {"cpu": "1"},
                "default": {"cpu": "3"},
                "defaultRequest": {"cpu": "2"},
            },
            [
                'defaultRequest[cpu]: "2": default request value 2 is greater than max value 1',
                'default[cpu]: "1": default value 3 is greater than max value 1',
            ],
        ),
        (
            {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}},
            ['defaultRequest[cpu]: "2": default request value 2 is greater than default limit value 1'],
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "500m"}},
            ['maxLimitRequestRatio[cpu]: "500m": ratio 500m is less than 1'],
        ),
        (
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}},
            ['maxLimitRequestRatio[cpu]: "3": ratio 3 is greater than max/min = 2.000000'],
        ),
        (
            {
                "type": "Container",
                "default": {"hugepages-2Mi": "4Mi"},
                "defaultRequest": {"hugepages-2Mi": "2Mi"},
            },
            [
                'defaultRequest[hugepages-2Mi]: "2Mi": default value 4Mi must equal to '
                "defaultRequest value 2Mi in hugepages-2Mi"
            ],
        ),
    ],
)
def test_limit_ranges(store: Store, item: JSON, causes: list[str]) -> None:
    """The least is at most the default request, that at most the default limit, that at most the most."""
    told = _causes(store, "limitranges", limit_range(item))
    assert [text.removeprefix("spec.limits[0].").replace("Invalid value: ", "") for text in told] == causes


def test_a_type_stands_once_in_a_limit_range(store: Store) -> None:
    """Two ranges may have it."""
    item = {"type": "Pod", "max": {"cpu": "1"}}
    told = _causes(store, "limitranges", limit_range(item, item))
    assert told == ['spec.limits[1].type: Duplicate value: "Pod"']


@pytest.mark.parametrize(
    ("resources", "causes"),
    [
        (
            {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
            ['requests: "2": must be less than or equal to cpu limit of 1'],
        ),
        ({"requests": {"memory": "-1"}}, ['requests[memory]: "-1": must be greater than or equal to 0']),
        (
            {"requests": {"gpus": "1"}},
            [
                f'requests[gpus]: "gpus": {STANDARD}',
                'requests[gpus]: "gpus": must be a standard resource for containers',
            ],
        ),
        (
            {"limits": {"requests.cpu": "1"}},
            [
                f'{side}[requests.cpu]: "requests.cpu": must be a standard resource for containers'
                for side in ("limits", "requests")
            ],
        ),
        (
            {"limits": {"requests.a.com/x": "1"}},
            [
                f'{side}[requests.a.com/x]: "requests.a.com/x": '
                "doesn't follow extended resource name standard"
                for side in ("limits", "requests")
            ],
        ),
        (
            {"requests": {"a.com/x": "1"}},
            ["limits: Required value: Limit must be set for non overcommitable resources"],
        ),
        (
            {"requests": {"a.com/x": "1"}, "limits": {"a.com/x": "2"}},
            ['requests: "1": must be equal to a.com/x limit of 2'],
        ),
        (
            {"limits": {"a.com/x": "1500m"}},
            [f'{side}[a.com/x]: "1500m": must be an integer' for side in ("limits", "requests")],
        ),
        ({"limits": {"hugepages-2Mi": "2Mi"}}, ["Forbidden: HugePages require cpu or memory"]),
        (
            {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}},
            [
                f'{side}[hugepages-2Mi]: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi'
                for side in ("limits", "requests")
            ],
        ),
        (
            {"limits": {"hugepages-x": "3Mi", "cpu": "1"}},
            [
                f'{side}[hugepages-x]: "3Mi": 3Mi is not positive integer multiple of hugepages-x'
                for side in ("limits", "requests")
            ],
        ),
    ],
)
def test_containers(store: Store, resources: JSON, causes: list[str]) -> None:
    """What a container asks for, in a pod as in the template of a set, for init containers too."""
    told = _causes(store, "pods", pod("a", resources=resources))
    path = "spec.containers[0].resources"
    wanted = [f"{path}{': ' if text.startswith('Forbidden') else '.'}{text}" for text in causes]
    assert [text.replace("Invalid value: ", "") for text in told] == wanted


@pytest.mark.parametrize(
    ("container", "whole", "causes"),
    [
        (
            {"requests": {"cpu": "2"}},
            {"requests": {"cpu": "1"}},
            ['requests[cpu]: "1": must be greater than or equal to aggregate container requests of 2'],
        ),
        (
            {"limits": {"cpu": "2"}},
            {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
            [
                'requests: "2": must be less than or equal to cpu limit of 1',
                'containers[0][cpu].limits: "2": must be less than or equal to pod limits of 1',
            ],
        ),
        (
            {},
            {"requests": {"ephemeral-storage": "1"}},
            [
                'requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": '
                'supported values: "cpu", "hugepages-", "memory"'
            ],
        ),
        ({}, {"requests": {"x": "1"}}, [f'requests[x]: "x": {STANDARD}']),
        (
            {"limits": {"cpu": "1", "hugepages-2Mi": "4Mi"}},
            {"limits": {"cpu": "1", "hugepages-2Mi": "2Mi"}},
            [
                'requests[hugepages-2Mi]: "2Mi": must be greater than or equal to '
                "aggregate container requests of 4Mi",
                'limits[hugepages-2Mi]: "2Mi": must be greater than or equal to '
                "aggregate container limits of 4Mi",
                'containers[0][hugepages-2Mi].limits: "4Mi": must be less than or equal to pod limits of 2Mi',
            ],
        ),
    ],
)
def test_whole_pods(store: Store, container: JSON, whole: JSON, causes: list[str]) -> None:
    """A pod asks for at least as much as its containers."""
    wanted = pod("a", resources=container)
    wanted["spec"]["resources"] = whole
    told = _causes(store, "pods", wanted)
    assert [text.removeprefix("spec.resources.").replace("Invalid value: ", "") for text in told] == causes


def _template(**spec: Any) -> JSON:
    found = stateful_set()
    found["spec"]["template"]["spec"] |= spec
    return found


def test_templates_of_sets(store: Store) -> None:
    """They are held to the same rules, and know no deadline."""
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    first = {"name": "first", "image": "x", "resources": resources}
    assert _causes(
        store, "statefulsets.apps", _template(initContainers=[first], activeDeadlineSeconds=5)
    ) == [
        'spec.template.spec.initContainers[0].resources.requests: Invalid value: "2": '
        "must be less than or equal to cpu limit of 1",
        "spec.template.spec.activeDeadlineSeconds: Forbidden: "
        "activeDeadlineSeconds in StatefulSet is not Supported",
    ]


def test_deadlines(store: Store) -> None:
    """A pod has at least a second."""
    assert _causes(store, "pods", pod("a", activeDeadlineSeconds=0)) == [
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"
    ]


def test_amounts_that_are_none(store: Store) -> None:
    """They are refused as they are read."""
    with pytest.raises(ApiError, match="quantities must match the regular expression"):
        store.create("pods", pod("a", resources={"requests": {"cpu": "much"}}))


@pytest.mark.parametrize(
    ("resource", "obj", "causes"),
    [
        (
            "persistentvolumeclaims",
            claim("a", accessModes=[]),
            ["spec.accessModes: Required value: at least 1 access mode is required"],
        ),
        ("persistentvolumeclaims", claim("a", resources={}), ["spec.resources[storage]: Required value"]),
        (
            "persistentvolumeclaims",
            claim("a", "0"),
            ['spec.resources[storage]: Invalid value: "0": must be greater than zero'],
        ),
        (
            "priorityclasses.scheduling.k8s.io",
            priority_class("a", 10**9 + 1),
            ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
        ),
        ("runtimeclasses.node.k8s.io", runtime_class("a") | {"handler": ""}, ["handler: Required value"]),
    ],
    ids=["modes", "storage", "no storage", "priority", "handler"],
)
def test_claims_and_classes(store: Store, resource: str, obj: JSON, causes: list[str]) -> None:
    """What they must say."""
    assert _causes(store, resource, obj) == causes
