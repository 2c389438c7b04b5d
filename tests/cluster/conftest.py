"""A cluster to test against: the sandbox, or the one that KUBECONFIG names (make test-cluster)."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.cluster.client import Api, connect
from autoscaler.cluster.view import ClusterView
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.kube import Kube


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    """Run the sandbox's API server, without anything that makes pods."""
    with ApiServer(Store()) as running:
        running.write_kubeconfig(tmp_path / "kubeconfig")
        yield running


@pytest.fixture
def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the kubeconfig of the cluster to test against."""
    named = os.environ.get("KUBECONFIG")
    if named and request.node.get_closest_marker("cluster"):
        return Path(named)
    request.getfixturevalue("server")
    return tmp_path / "kubeconfig"


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Api]:
    """Connect to the cluster."""
    connection = connect(10.0, kubeconfig)
    yield connection
    connection.close()


@pytest.fixture
def kube(kubeconfig: Path) -> Iterator[Kube]:
    """Make a namespace for one test, and remove it after."""
    connection = connect(30.0, kubeconfig)
    kube = Kube(connection.client, f"autoscaler-test-{uuid.uuid4().hex[:8]}")
    kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": kube.namespace}})
    yield kube
    for item in kube.call("GET", kube.sets())["items"]:
        kube.delete_set(item["metadata"]["name"])
    kube.call("DELETE", f"/api/v1/namespaces/{kube.namespace}")
    connection.close()


@pytest.fixture
def view(api: Api, kube: Kube) -> Iterator[ClusterView]:
    """Watch the test's namespace."""
    watching = ClusterView(api, [kube.namespace], time.monotonic)
    watching.start()
    assert watching.wait_settled(30.0, time.monotonic)
    yield watching
    watching.stop()
