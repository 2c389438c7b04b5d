"""The Kubernetes API, spoken through the official client's transport.

The official client knows how to find a cluster and how to prove who we are; its typed models are left
aside. Whatever can go wrong leaves here as an `ApiError`, told apart by the HTTP status and never by
the text of a message.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, ApiException, Configuration

from autoscaler.cluster.kinds import Status

T = TypeVar("T")
IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
CONNECTIONS = 64


class ClusterUnknown(Exception):
    """There is no configuration that says where the cluster is."""


class ApiError(Exception):
    """The API server said no, or nothing.

    `status` is the HTTP status, 0 where there was no answer; `reason` is the API server's own word for
    it, such as `AlreadyExists`, `causes` what it says beside it, such as `NamespaceTerminating`.
    """

    def __init__(self, status: int, reason: str, message: str, causes: Collection[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes


class Api:
    """A connection to one cluster; `namespace` is the one that this process belongs to there."""

    def __init__(self, client: ApiClient, timeout_seconds: float, namespace: str = "default") -> None:
        self._client = client
        self._timeout = timeout_seconds
        self.namespace = namespace

    @property
    def client(self) -> ApiClient:
        """The official client, for what is not done here."""
        return self._client

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.rest_client.close()

    @property
    def host(self) -> str:
        """The URL of the API server."""
        return str(self._client.configuration.host)

    def get(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        """Return an object, or a list of them. Raises `ApiError`."""
        return self._decoded(self._send("GET", path, query=query), kind)

    def json_patch(self, path: str, operations: list[dict[str, Any]], manager: str, kind: type[T]) -> T:
        """Apply a JSON patch as the given field manager and return the answer. Raises `ApiError`."""
        response = self._send(
            "PATCH",
            path,
            query={"fieldManager": manager},
            body=operations,
            content_type="application/json-patch+json",
        )
        return self._decoded(response, kind)

    def create(self, path: str, body: object, manager: str, kind: type[T]) -> T:
        """Create an object in a collection and return it as it is stored. Raises `ApiError`."""
        response = self._send(
            "POST", path, query={"fieldManager": manager}, body=body, content_type="application/json"
        )
        return self._decoded(response, kind)

    def merge_patch(self, path: str, body: object, manager: str, kind: type[T]) -> T:
        """Apply a merge patch as the given field manager and return the answer. Raises `ApiError`."""
        response = self._send(
            "PATCH",
            path,
            query={"fieldManager": manager},
            body=body,
            content_type="application/merge-patch+json",
        )
        return self._decoded(response, kind)

    def delete(self, path: str, preconditions: Mapping[str, str]) -> None:
        """Delete an object, provided that its `uid` or `resourceVersion` are these. Raises `ApiError`."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": dict(preconditions)}
        self._decoded(self._send("DELETE", path, body=body, content_type="application/json"), msgspec.Raw)

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], silence_seconds: float
    ) -> Iterator[urllib3.response.BaseHTTPResponse]:
        """Open an answer that goes on, such as a watch, closed after `silence_seconds` of silence.

        Raises `ApiError` for an answer that is none.
        """
        response = self._send("GET", path, query=query, silence_seconds=silence_seconds)
        try:
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise _refusal(response.status, self._body(response))
            yield response
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "",
        silence_seconds: float | None = None,
    ) -> urllib3.response.BaseHTTPResponse:
        headers = {"Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            serialized = self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
        except (config.ConfigException, OSError) as error:  # the token is read anew now and then
            raise ApiError(0, "NoCredentials", f"no credentials for the API server: {error}") from error
        try:
            answer = self._client.call_api(
                *serialized, _request_timeout=(self._timeout, silence_seconds or self._timeout)
            )
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            raise unreachable(error) from error
        response: urllib3.response.BaseHTTPResponse = answer.response
        return response

    def _decoded(self, response: urllib3.response.BaseHTTPResponse, kind: type[T]) -> T:
        body = self._body(response)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _refusal(response.status, body)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise ApiError(
                response.status, "NotUnderstood", f"an answer that makes no sense: {error}"
            ) from error

    @staticmethod
    def _body(response: urllib3.response.BaseHTTPResponse) -> bytes:
        try:
            return response.data
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(error) from error


def unreachable(error: Exception) -> ApiError:
    """Return the error for an API server that did not answer."""
    cause = getattr(error, "reason", None)
    return ApiError(0, "Unreachable", f"no answer from the API server: {cause or error}")


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        said = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        said = Status(message=body[:200].decode(errors="replace").strip())
    return ApiError(status, said.reason or "Unknown", said.message or f"HTTP status {status}", said.causes)


def own_namespace(
    kubeconfig: Path | None = None, context: str | None = None, account: Path = IN_CLUSTER_NAMESPACE
) -> str:
    """Return the namespace that this process belongs to: its pod's own, or that of its kubeconfig.

    `account` is the file in which a pod finds that of its service account.
    """
    if kubeconfig is None and not os.environ.get("KUBECONFIG") and account.exists():
        return account.read_text().strip()
    path = str(kubeconfig or os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION)
    try:
        contexts, active = config.list_kube_config_contexts(path)
    except (config.ConfigException, OSError):
        return "default"
    chosen = next((found for found in contexts if found["name"] == context), active)
    return str(chosen["context"].get("namespace") or "default")


def connect(timeout_seconds: float, kubeconfig: Path | None = None, context: str | None = None) -> Api:
    """Return a connection to the cluster that this process belongs to or is told of.

    A kubeconfig that is given, or named by KUBECONFIG, goes first; then the pod's own service account;
    then `~/.kube/config`. Raises `ClusterUnknown`.
    """
    settings = Configuration()
    path = str(kubeconfig or os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION)
    try:
        if kubeconfig is None and not os.environ.get("KUBECONFIG") and IN_CLUSTER_TOKEN.exists():
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(path, context=context, client_configuration=settings)
    except (config.ConfigException, OSError) as error:
        raise ClusterUnknown(f"{path}: {error}") from error
    settings.connection_pool_maxsize = CONNECTIONS
    settings.retries = False
    settings.keep_alive = True
    return Api(ApiClient(settings), timeout_seconds, own_namespace(kubeconfig, context))
