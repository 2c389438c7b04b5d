"""The daemon in a namespace with quotas: what it asks for, and what it never asks for."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.kube import JSON
from tests.service.conftest import Bench
from tests.waiting import eventually

pytestmark = pytest.mark.servers

UNASKED = "max_replicas = 40\nremote_control = false\n"


def parallel(made: JSON) -> None:
    """Have a set start its pods all at once, each with half a core."""
    made["spec"]["podManagementPolicy"] = "Parallel"
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1"}}


def quota(bench: Bench, **hard: str) -> None:
    """Make the quota of the namespace, or change it."""
    path = f"/api/v1/namespaces/{bench.kube.namespace}/resourcequotas"
    spec = {"hard": {name.replace("_", "."): amount for name, amount in hard.items()}}
    status, _ = bench.kube.answer("POST", path, {"metadata": {"name": "team-a"}, "spec": spec})
    if status == 409:
        patch = {"spec": spec}
        bench.kube.call("PATCH", f"{path}/team-a", patch, None, "application/merge-patch+json")


def pods(bench: Bench) -> list[JSON]:
    """Return the pods that are there."""
    path = f"/api/v1/namespaces/{bench.kube.namespace}/pods"
    found: list[JSON] = bench.kube.call("GET", path)["items"]
    return found


def failures(bench: Bench) -> list[Any]:
    """Return the events of pods that were refused."""
    path = f"/api/v1/namespaces/{bench.kube.namespace}/events"
    return [e for e in bench.kube.call("GET", path)["items"] if e["reason"] == "FailedCreate"]


def test_a_quota_of_five_and_work_for_twenty(populated: Bench):
    """Five pods and not one refusal, and the reason is told; raised, all of the room is used in one patch."""
    bench = populated
    quota(bench, pods="5")
    bench.kube.make_set(change=parallel)
    with capture_logs() as logs:
        bench.start(bench.config(target=UNASKED))
        bench.push(20)
        eventually(lambda: len(pods(bench)) == 5)
        bench.ticks(30)
        eventually(
            lambda: any("wanted 20, 5 fit: quota team-a, pods 5 of 5 used" in e["event"] for e in logs)
        )
    assert (bench.kube.replicas(), len(pods(bench)), len(bench.patches())) == (5, 5, 1)
    quota(bench, pods="12")
    eventually(lambda: len(pods(bench)) == 12)
    bench.ticks(10)
    assert len(bench.patches()) == 2
    assert failures(bench) == []


def test_a_quota_lowered_below_its_use_ends_nobody_who_works(populated: Bench):
    """All stay while there is work; a replacement that no longer fits is not asked for."""
    bench = populated
    quota(bench, requests_cpu="2500m")
    bench.kube.make_set(change=parallel)
    bench.start(bench.config(target=UNASKED))
    bench.push(20)
    eventually(lambda: sum(pod["status"]["phase"] == "Running" for pod in pods(bench)) == 5)
    bench.ticks(3)
    quota(bench, requests_cpu="1500m")
    bench.for_a_while(lambda: bench.kube.replicas() == 5 and len(pods(bench)) == 5, 2.0)
    assert failures(bench) == []


def test_two_targets_that_burst_at_once_share_what_there_is(populated: Bench):
    """Nine pods for 20 and 10 tasks: in proportion, and nobody is refused."""
    bench = populated
    quota(bench, pods="9")
    bench.kube.make_set(change=parallel)
    bench.kube.make_set("other", change=parallel)
    other = f'[[targets]]\nnamespace = "{bench.kube.namespace}"\nname = "other"\nqueues = ["more"]\n{UNASKED}'
    bench.start(bench.config(target=UNASKED, more=other))
    pipeline = bench.client.pipeline(transaction=True)
    pipeline.lpush("default", *["task"] * 20)
    pipeline.lpush("more", *["task"] * 10)
    pipeline.execute()
    eventually(lambda: len(pods(bench)) == 9)
    bench.ticks(30)
    assert (bench.kube.replicas(), bench.kube.replicas("other")) == (6, 3)
    assert failures(bench) == []


def test_a_set_that_somebody_scaled_past_the_quota_comes_back(populated: Bench):
    """Asked for twenty by another in a quota of five: what cannot be there is not asked for any more."""
    bench = populated
    quota(bench, pods="5")
    bench.kube.make_set(replicas=20, change=parallel)
    eventually(lambda: len(pods(bench)) == 5)
    bench.start(bench.config(target=UNASKED))
    bench.push(30)
    eventually(lambda: bench.kube.replicas() == 5)
    bench.ticks(10)
    assert (bench.kube.replicas(), len(pods(bench))) == (5, 5)
