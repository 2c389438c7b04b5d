"""The arithmetic against what a real API server and its controllers did (tests/recordings, 27 to 34)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from autoscaler.cluster.quota_kinds import (
    LimitRange,
    ResourceQuota,
    SizedPodTemplate,
    namespace_limits,
    worker_shape,
)
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.core.quota import (
    NamespaceLimits,
    Refusal,
    Scope,
    WorkerShape,
    charge,
    counts_against_quota,
    excess,
    room,
)

RECORDINGS = Path(__file__).parents[2] / "recordings"


def body(number: int) -> Any:
    """Return the answer of a recording."""
    (found,) = RECORDINGS.glob(f"{number}-*.json")
    return json.loads(found.read_text())["response"]["body"]


def recorded_quotas() -> list[ResourceQuota]:
    """Return the quotas as they were listed when the set had five pods of eight."""
    return msgspec.convert(body(28)["items"], list[ResourceQuota])


def recorded_worker() -> WorkerShape:
    """Return what a worker of the recorded set takes."""
    recorded = msgspec.convert(body(27), StatefulSet)
    return worker_shape(recorded.spec.template, recorded.spec.volume_claim_templates or ())


def test_eight_were_asked_for_and_five_came():
    """What the API server refused is what does not fit, in its own numbers."""
    found = room(namespace_limits(recorded_quotas(), ()), recorded_worker())
    assert found.pods == 0
    (bound,) = found.bounds
    assert bound.text == "quota team, pods 5 of 5 used"
    refused = body(29)["items"][0]["message"]
    assert refused.endswith(
        f"exceeded quota: {bound.name}, requested: {bound.resource}={bound.requested}, "
        f"used: {bound.resource}={bound.used}, limited: {bound.resource}={bound.hard}"
    )


def test_five_workers_take_what_the_quota_says():
    """Charged one by one to an empty quota they use what its controller and admission counted."""
    recorded = body(28)["items"][0]
    used = recorded["status"]["used"]
    recorded["status"]["used"] = used | {"pods": "0", "requests.cpu": "0", "limits.memory": "0"}
    limits = namespace_limits([msgspec.convert(recorded, ResourceQuota)], ())
    for _ in range(5):
        after = charge(limits, recorded_worker(), ())
        assert isinstance(after, NamespaceLimits)
        limits = after
    assert {name: str(quantity) for name, quantity in limits.quotas[0].used.items()} == used
    assert isinstance(charge(limits, recorded_worker(), ()), Refusal)
    assert excess(limits, recorded_worker()).pods == 0


def test_pods_take_what_their_template_says():
    """The recorded pods, which have all their defaults, count as much as the template that lacks some."""
    template = msgspec.convert(body(27), StatefulSet).spec.template
    for pod in body(30)["items"]:
        made = msgspec.convert({"spec": pod["spec"]}, SizedPodTemplate)
        assert worker_shape(made).pod == worker_shape(template).pod


def test_pods_that_were_ending_were_counted():
    """Within their grace period, as the recorded used says."""
    now = 1.0
    for pod in body(31)["items"]:
        meta = pod["metadata"]
        deleted = meta.get("deletionTimestamp")
        at = datetime.fromisoformat(deleted).timestamp() if deleted else None
        now = at or now
        assert counts_against_quota(at, meta.get("deletionGracePeriodSeconds"), pod["status"]["phase"], now)


def test_a_recorded_limit_range_gives_its_defaults():
    """A container that says nothing takes 250m and 512Mi of a quota, and is held to 1 and 1Gi."""
    ranges = [msgspec.convert(body(32), LimitRange)]
    unused = body(28)["items"][0]
    unused["status"]["used"] = {"pods": "0", "requests.cpu": "3", "limits.memory": "0"}
    silent = worker_shape(msgspec.convert({"spec": {"containers": [{"name": "worker"}]}}, SizedPodTemplate))
    found = room(namespace_limits([msgspec.convert(unused, ResourceQuota)], ranges), silent)
    assert found.pods == 4
    assert found.bound is not None
    assert found.bound.text == "quota team, requests.cpu 4 of 4 used"


def test_a_quota_that_was_just_made_limits_nothing_yet():
    """Its status is empty until its controller has counted; admission passes it by until then."""
    made = [msgspec.convert(body(number), ResourceQuota) for number in (33, 34)]
    assert [quota.status.hard for quota in made] == [None, None]
    assert room(namespace_limits(made, ()), recorded_worker()).pods is None


def test_recorded_scopes_are_read():
    """The one counts pods that ask for nothing, the other those of a class."""
    made = [msgspec.convert(body(number), ResourceQuota) for number in (33, 34)]
    scopes = [scope for quota in namespace_limits(made, ()).quotas for scope in quota.scopes]
    assert scopes == [Scope("BestEffort"), Scope("PriorityClass", "In", ("high",))]
