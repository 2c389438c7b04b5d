"""The stand-in cluster in one piece, as the composition root and its users see it."""

from __future__ import annotations

import json
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from autoscaler.sandbox.cluster import SandboxCluster
from autoscaler.sandbox.store import ApiError
from tests.sandbox.fleet import deployment
from tests.sandbox.world import NAME, NAMESPACE, names, statefulset, template

SET = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{NAME}"
NAMESPACE_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def call(cluster: SandboxCluster, method: str, path: str, body: object = None, token: str = "") -> Any:
    """Send a request as a client would, and return the answer's object."""
    headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(cluster.url + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def manifest(replicas: int, **container: Any) -> dict[str, Any]:
    """Return a whole StatefulSet manifest."""
    made = statefulset(replicas, template=template(container))
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", **made}


def ready(cluster: SandboxCluster) -> int:
    """Return how many replicas the API says are ready."""
    return int(call(cluster, "GET", SET)["status"].get("readyReplicas", 0))


def test_scaling_over_http_makes_and_ends_pods() -> None:
    """What the autoscaler will do: patch the scale, and see pods come and go."""
    with SandboxCluster(runner="null", startup_seconds=0.0) as cluster:
        cluster.apply(manifest(0))
        call(cluster, "PATCH", f"{SET}/scale", {"spec": {"replicas": 3}})
        assert cluster.until(lambda: ready(cluster) == 3)
        assert len(call(cluster, "GET", NAMESPACE_PODS)["items"]) == 3
        call(cluster, "PATCH", f"{SET}/scale", {"spec": {"replicas": 0}})
        assert cluster.until(lambda: not call(cluster, "GET", NAMESPACE_PODS)["items"])
        assert [ending.killed for ending in cluster.endings] == [False] * 3


def test_a_deployment_over_http_gives_up_its_cheapest_pod() -> None:
    """Scaled through /scale, it deletes first the pod whose deletion cost was lowered."""
    made = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment(3)}
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"

    def available() -> int:
        return int(call(cluster, "GET", path)["status"].get("availableReplicas", 0))

    with SandboxCluster(runner="null", startup_seconds=0.0) as cluster:
        cluster.apply(made)
        assert cluster.until(lambda: available() == 3)
        before = names(call(cluster, "GET", NAMESPACE_PODS)["items"])
        note = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}}
        call(cluster, "PATCH", f"{NAMESPACE_PODS}/{before[1]}", note)
        call(cluster, "PATCH", f"{path}/scale", {"spec": {"replicas": 2}})
        assert cluster.until(lambda: len(call(cluster, "GET", NAMESPACE_PODS)["items"]) == 2)
        assert names(call(cluster, "GET", NAMESPACE_PODS)["items"]) == [before[0], before[2]]
        call(cluster, "DELETE", path)
        assert cluster.until(lambda: not call(cluster, "GET", NAMESPACE_PODS)["items"])


def test_pods_of_a_full_quota_wait() -> None:
    """The API's own quota refuses pods, the status stops, and an Event tells why."""
    with SandboxCluster(runner="null", startup_seconds=0.0) as cluster:
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "team", "namespace": NAMESPACE},
                "spec": {"hard": {"pods": "2"}},
            }
        )
        cluster.apply(manifest(5))
        assert cluster.until(lambda: ready(cluster) == 2)
        events = f"/api/v1/namespaces/{NAMESPACE}/events?fieldSelector=reason%3DFailedCreate"
        assert cluster.until(lambda: call(cluster, "GET", events)["items"])
        message = call(cluster, "GET", events)["items"][0]["message"]
        assert "exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2" in message


def test_pods_print_what_their_processes_print() -> None:
    """The log of a pod is the output of its process, also over HTTP and after its end."""
    with SandboxCluster(startup_seconds=0.0, patience_seconds=0.5) as cluster:
        words = [sys.executable, "-u", "-c", "import time; print('hello'); time.sleep(600)"]
        cluster.apply(manifest(1, command=words))
        assert cluster.until(lambda: cluster.log(NAMESPACE, f"{NAME}-0") == "hello\n")
        url = f"{cluster.url}{NAMESPACE_PODS}/{NAME}-0/log"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.read() == b"hello\n"
        call(cluster, "PATCH", f"{SET}/scale", {"spec": {"replicas": 0}})
        assert cluster.until(lambda: cluster.endings)
        assert cluster.log(NAMESPACE, f"{NAME}-0") == "hello\n"


def test_applying_again_changes_what_is_said_and_keeps_the_rest() -> None:
    """A second manifest replaces the spec; identity, status and other labels stay."""
    with SandboxCluster(runner="null", startup_seconds=0.0) as cluster:
        first = cluster.apply(manifest(1))
        assert cluster.until(lambda: ready(cluster) == 1)
        second = cluster.apply(manifest(2))
        assert second["metadata"]["uid"] == first["metadata"]["uid"]
        assert second["status"]["readyReplicas"] == 1
        assert cluster.until(lambda: ready(cluster) == 2)


def test_what_cannot_be_applied_is_told() -> None:
    """A manifest that the API refuses, and a kind that there is not."""
    with SandboxCluster(runner="null") as cluster:
        with pytest.raises(ApiError, match="Invalid value"):
            cluster.apply(manifest(-1))
        with pytest.raises(KeyError, match="does not know Widget of example"):
            cluster.apply({"apiVersion": "example/v1", "kind": "Widget", "metadata": {"name": "x"}})


def test_the_kubeconfig_leads_here_with_the_first_token() -> None:
    """A client that reads the file is let in; one without a token is not."""
    with SandboxCluster(runner="null", tokens={"secret": "me", "other": "you"}) as cluster:
        config = json.loads(cluster.kubeconfig.read_text())
        token = config["users"][0]["user"]["token"]
        assert (config["clusters"][0]["cluster"]["server"], token) == (cluster.url, "secret")
        assert call(cluster, "GET", NAMESPACE_PODS, token=token)["items"] == []
        with pytest.raises(urllib.error.HTTPError) as refused:
            call(cluster, "GET", NAMESPACE_PODS)
        refused.value.close()
        assert refused.value.code == 401


def test_nothing_is_left_behind() -> None:
    """No folder, no thread, no port; and a second stop does no harm."""
    cluster = SandboxCluster(runner="process")
    cluster.start()
    folder = cluster.folder
    assert cluster.kubeconfig.exists()
    url = cluster.url
    cluster.stop()
    cluster.stop()
    assert not folder.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sandbox")]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5)


def test_a_given_folder_keeps_the_logs(tmp_path: Path) -> None:
    """Whoever names a folder can read what the pods printed after the cluster has gone."""
    with SandboxCluster(startup_seconds=0.0, folder=tmp_path, patience_seconds=0.5) as cluster:
        cluster.apply(manifest(1, command=[sys.executable, "-c", "print('hello')"]))
        assert cluster.until(lambda: "hello" in cluster.log(NAMESPACE, f"{NAME}-0"))
    (log,) = (tmp_path / "logs").iterdir()
    assert "hello" in log.read_text()
    assert not cluster.kubeconfig.exists()


def test_what_fails_to_start_takes_the_rest_down(tmp_path: Path) -> None:
    """When one part cannot start, those before it are stopped again."""
    (tmp_path / "kubeconfig").mkdir()
    cluster = SandboxCluster(folder=tmp_path)
    with pytest.raises(OSError, match="kubeconfig"):
        cluster.start()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sandbox")]


def test_waiting_ends() -> None:
    """What never holds is not waited for for ever."""
    with SandboxCluster(runner="null") as cluster:
        assert not cluster.until(lambda: False, seconds=0.1)
        assert cluster.until(lambda: True, seconds=0.0)
