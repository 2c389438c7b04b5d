"""The whole daemon beside deploys and people."""

from __future__ import annotations

import json
import urllib.request

import pytest

from autoscaler.app import Service
from tests.kube import JSON, Kube
from tests.service.conftest import Bench
from tests.waiting import eventually

pytestmark = pytest.mark.servers

APPLY = "application/apply-patch+yaml"
MERGE = "application/strategic-merge-patch+json"
TICK_SECONDS = 0.5
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def notices(service: Service, reason: str) -> float:
    """Return how often something was told, by the metric."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as response:
        lines = response.read().decode().splitlines()
    found = [line for line in lines if line.startswith("autoscaler_notices_total") and f'"{reason}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def client_side(kube: Kube) -> tuple[int, JSON]:
    """Deploy as kubectl apply does: a three-way patch, with a note of what was applied."""
    note = json.dumps({"spec": {"replicas": 1}})
    body = {"metadata": {"annotations": {LAST_APPLIED: note}}, "spec": {"replicas": 1}}
    return kube.answer("PATCH", kube.sets("w"), body, {"fieldManager": "kubectl-client-side-apply"}, MERGE)


def server_side(kube: Kube, **query: str) -> tuple[int, JSON]:
    """Deploy as Helm 4 does."""
    head = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "w"}}
    body = json.dumps({**head, "spec": {"replicas": 1}})
    return kube.answer("PATCH", kube.sets("w"), body, {"fieldManager": "helm", **query}, APPLY)


def ticks_between_the_last_two_writes(bench: Bench) -> float:
    """Return how many ticks passed from a deploy to our answer, by the API server's clock."""
    writes = [r for r in bench.server.requests if r.method == "PATCH" and r.name == "w" and r.status == 200]
    return (writes[-1].at - writes[-2].at).total_seconds() / TICK_SECONDS


def test_three_deploys(bench: Bench):
    """Ten tasks: what two of them put back is ten again within two ticks, and the third is refused."""
    config = bench.config()
    config.write_text(
        config.read_text().replace("poll_interval_seconds = 0.1", "poll_interval_seconds = 0.5")
    )
    service = bench.start(config)
    bench.push(10)
    eventually(lambda: bench.kube.replicas() == 10)
    bench.ticks(2)
    for told, deploy in enumerate((client_side, lambda kube: server_side(kube, force="true")), start=1):
        assert deploy(bench.kube)[0] == 200
        eventually(lambda: bench.kube.replicas() == 10)
        assert ticks_between_the_last_two_writes(bench) <= 2
        bench.ticks(2)
        assert notices(service, "ForeignWrite") == told
    status, answer = server_side(bench.kube)
    assert (status, answer["reason"]) == (409, "Conflict")
    bench.ticks(3)
    assert bench.kube.replicas() == 10
    assert notices(service, "ForeignWrite") == 2
    assert notices(service, "FightingWriter") == 0


def test_a_persons_zero_is_respected_and_then_answered(bench: Bench):
    """For the grace time that is configured."""
    service = bench.start(bench.config(target="manual_grace_seconds = 2\n"))
    bench.push(4)
    eventually(lambda: bench.kube.replicas() == 4)
    bench.ticks(2)
    bench.kube.patch_set({"spec": {"replicas": 0}}, sub="scale", manager="kubectl")
    eventually(lambda: notices(service, "ForeignWrite") == 1)
    bench.for_a_while(lambda: bench.kube.replicas() == 0, 1.0)
    eventually(lambda: bench.kube.replicas() == 4)
    assert notices(service, "ForeignWrite") == 1


def test_a_tool_that_fights_is_yielded_to(bench: Bench):
    """A reset after each of our writes, as by a GitOps tool that heals itself: the fourth one stands."""
    service = bench.start(bench.config())
    bench.push(3)
    for _ in range(4):
        eventually(lambda: bench.kube.replicas() == 3)
        bench.ticks(1)
        assert server_side(bench.kube, force="true")[0] == 200
    eventually(lambda: notices(service, "FightingWriter") == 1)
    bench.for_a_while(lambda: bench.kube.replicas() == 1, 1.0)
    assert notices(service, "ForeignWrite") == 4
