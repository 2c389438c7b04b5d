"""Real clients get along with the stand-in: kubectl, and the official library that the daemon uses."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.sandbox.objects import NAMESPACE, SETS, config_map, namespace, pod, stateful_set

KUBECTL = os.environ.get("KUBECTL") or shutil.which("kubectl") or ""
OPENSSL = shutil.which("openssl") or ""
Kubectl = Callable[..., str]
LIBRARY: Any = client  # its typed models would have to be asked for None at every step
KUBECONFIG: Any = config

needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="no kubectl on PATH, and KUBECTL names none")


@pytest.fixture(autouse=True)
def team(store: Store) -> None:
    """Store a set with a pod."""
    store.create("namespaces", namespace())
    store.create("statefulsets.apps", stateful_set())
    store.create("pods", pod("w-0", labels={"set": "w"}, node="n1"))


@pytest.fixture
def kubectl(store: Store, tmp_path: Path) -> Kubectl:
    """Return how to call kubectl, which leaves nothing outside of a folder of its own."""
    server = ApiServer(store, pod_log=lambda _namespace, name: f"first\nI am {name}\n".encode())
    return lambda *arguments: _call(server, tmp_path, arguments)


def _call(server: ApiServer, folder: Path, arguments: tuple[str, ...]) -> str:
    with server:
        file = server.write_kubeconfig(folder / "kubeconfig", namespace=NAMESPACE)
        environment = {"HOME": str(folder), "KUBECONFIG": str(file), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [KUBECTL, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_kubectl
def test_kubectl_reads(kubectl: Kubectl) -> None:
    """Tables, objects, descriptions and logs."""
    rows = [line.split() for line in kubectl("get", "sts,pods", "--no-headers").splitlines() if line]
    assert [row[:2] for row in rows] == [["statefulset.apps/w", "0/2"], ["pod/w-0", "0/1"]]
    assert rows[1][2] == "Pending"
    assert json.loads(kubectl("get", "sts", "w", "-o", "json"))["spec"]["replicas"] == 2
    assert "2 desired | 0 total" in kubectl("describe", "sts", "w")
    assert kubectl("logs", "w-0", "--tail=1") == "I am w-0\n"


@needs_kubectl
def test_kubectl_writes(kubectl: Kubectl, store: Store, tmp_path: Path) -> None:
    """Scale, annotate, delete, and apply on either side."""
    kubectl("scale", "sts", "w", "--replicas=4", "--current-replicas=2")
    kubectl("annotate", "sts", "w", "autoscaler/paused=true")
    found = store.get("statefulsets.apps", NAMESPACE, "w")
    assert found["spec"]["replicas"] == 4
    assert found["metadata"]["annotations"] == {"autoscaler/paused": "true"}
    kubectl("delete", "pod", "w-0", "--wait=false")
    assert "deletionTimestamp" in store.get("pods", NAMESPACE, "w-0")["metadata"]
    manifest = tmp_path / "manifest.json"
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    manifest.write_text(json.dumps(head | config_map("c", a="1")))
    assert kubectl("apply", "-f", str(manifest)) == "configmap/c created\n"
    manifest.write_text(json.dumps(head | config_map("c", b="2")))
    assert kubectl("apply", "-f", str(manifest)) == "configmap/c configured\n"
    assert store.get("configmaps", NAMESPACE, "c")["data"] == {"b": "2"}
    assert kubectl("apply", "--server-side", "-f", str(manifest)) == "configmap/c serverside-applied\n"


@needs_kubectl
def test_kubectl_watches(kubectl: Kubectl) -> None:
    """Until it has seen what it waits for."""
    assert kubectl("wait", "--for=jsonpath={.status.phase}=Pending", "pod/w-0", "--timeout=30s").endswith(
        "met\n"
    )


def test_the_official_client(server: ApiServer, tmp_path: Path) -> None:
    """It finds its way by the kubeconfig, and raises what the server refuses."""
    file = server.write_kubeconfig(tmp_path / "kubeconfig", token="t", namespace=NAMESPACE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with KUBECONFIG.new_client_from_config(str(file)) as api:
        apps = LIBRARY.AppsV1Api(api)
        assert [each.metadata.name for each in apps.list_stateful_set_for_all_namespaces().items] == ["w"]
        scaled = apps.patch_namespaced_stateful_set_scale("w", NAMESPACE, {"spec": {"replicas": 3}})
        assert (scaled.spec.replicas, scaled.status.replicas) == (3, 0)
        with pytest.raises(LIBRARY.ApiException) as refusal:
            apps.read_namespaced_stateful_set("none", NAMESPACE)
        assert (refusal.value.status, refusal.value.reason) == (404, "Not Found")
    assert {record.user for record in server.requests} == {"system:admin"}


@pytest.mark.skipif(not OPENSSL, reason="no openssl to make a certificate with")
def test_tls(store: Store, tmp_path: Path) -> None:
    """With a certificate the server speaks TLS, and the kubeconfig says whom to trust."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=sandbox"]
    subprocess.run([*made, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with ApiServer(store, ssl_context=context, certificate=certificate, tokens={"t": "me"}) as server:
        assert server.url.startswith("https://")
        file = server.write_kubeconfig(tmp_path / "kubeconfig", token="t")
        with KUBECONFIG.new_client_from_config(str(file)) as api:
            found = LIBRARY.AppsV1Api(api).read_namespaced_stateful_set("w", NAMESPACE)
        assert found.metadata.name == "w"
        assert [(record.user, record.path) for record in server.requests] == [("me", f"{SETS}/w")]
