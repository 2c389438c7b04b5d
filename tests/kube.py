"""A plain way to make, change and remove objects, in the sandbox or in a real cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from kubernetes.client import ApiClient

JSON = dict[str, Any]
SETS = "/apis/apps/v1/namespaces/{}/statefulsets"
LABELS = {"app": "autoscaler-test"}


class Kube:
    """One namespace of a cluster, written to as anybody else would."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, str] | None = None,
        kind: str = "",
    ) -> JSON:
        """Send a request and return the answer, which has to be a success."""
        status, answer = self.answer(method, path, body, query, kind)
        assert status < 300, answer
        return answer

    def answer(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, str] | None = None,
        kind: str = "",
    ) -> tuple[int, JSON]:
        """Send a request and return the status and the answer."""
        headers = {"Accept": "application/json", "Content-Type": kind or "application/json"}
        request = self.client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self.client.call_api(*request, _request_timeout=30)
        return response.status, msgspec.json.decode(response.read())

    def sets(self, name: str = "", sub: str = "") -> str:
        """Return the path of the worker sets, or of one, or of a part of it."""
        return SETS.format(self.namespace) + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")

    def make_set(
        self, name: str = "w", replicas: int = 0, change: Callable[[JSON], None] = lambda _: None
    ) -> JSON:
        """Make a worker set, changed before it is sent."""
        made = worker_set(name, replicas)
        change(made)
        return self.call("POST", self.sets(), made)

    def get_set(self, name: str = "w") -> JSON:
        """Return a worker set."""
        return self.call("GET", self.sets(name))

    def replicas(self, name: str = "w") -> int:
        """Return the replicas that are asked for."""
        return int(self.get_set(name)["spec"]["replicas"])

    def patch_set(self, body: JSON, name: str = "w", sub: str = "", manager: str = "somebody") -> JSON:
        """Merge something into a worker set."""
        query = {"fieldManager": manager}
        return self.call("PATCH", self.sets(name, sub), body, query, "application/merge-patch+json")

    def scale(self, replicas: int, name: str = "w") -> JSON:
        """Scale a worker set as somebody else would."""
        return self.patch_set({"spec": {"replicas": replicas}}, name, "scale")

    def delete_set(self, name: str = "w") -> None:
        """Delete a worker set."""
        self.call("DELETE", self.sets(name))

    def make_secret(self, name: str, **values: str) -> None:
        """Make a Secret."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        self.call("POST", path, {"metadata": {"name": name}, "stringData": values})


def worker_set(name: str, replicas: int) -> JSON:
    """Return a worker set whose pods any cluster admits, and which do nothing."""
    container: JSON = {
        "name": "worker",
        "image": "registry.k8s.io/pause:3.10",
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
        },
    }
