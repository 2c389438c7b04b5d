"""What every pod gets on its way in: an account with its token, patience with its node."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from autoscaler.sandbox.objects.pod_defaults import containers_of
from autoscaler.sandbox.objects.values import JSON

if TYPE_CHECKING:
    from autoscaler.sandbox.store import Store

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, not a password
_TOKEN_SECONDS = 3607
_FILE_MODE = 0o644
_TOLERATION_SECONDS = 300
_NODE_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def admit_pod(_store: Store, resource: str, obj: JSON) -> JSON:
    """Complete a pod in place, as the ServiceAccount and toleration plug-ins do."""
    if resource != "pods":
        return obj
    spec = obj["spec"]
    account = spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", account)
    tolerations = spec.setdefault("tolerations", [])
    for trouble in _NODE_TROUBLES:
        if not any(toleration.get("key") in {None, trouble} for toleration in tolerations):
            tolerations.append(_patience(trouble))
    if spec.get("automountServiceAccountToken", True):
        _mount_token(spec)
    return obj


def _patience(trouble: str) -> JSON:
    return {
        "key": trouble,
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": _TOLERATION_SECONDS,
    }


def _mount_token(spec: JSON) -> None:
    name = "kube-api-access-" + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
    mount = {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}
    for container in containers_of(spec):
        mounts = container.setdefault("volumeMounts", [])
        if not any(other.get("mountPath") == _TOKEN_PATH for other in mounts):
            mounts.append(dict(mount))
    spec.setdefault("volumes", []).append({"name": name, "projected": _token_sources()})


def _token_sources() -> JSON:
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
            {"configMap": authority},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
        ],
        "defaultMode": _FILE_MODE,
    }
