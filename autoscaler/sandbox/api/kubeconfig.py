"""The file that tells a client of Kubernetes where the server is and who it is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

_NAME = "sandbox"


def write_kubeconfig(path: Path, *, url: str, token: str, namespace: str, certificate: Path | None) -> None:
    """Write a kubeconfig that only its owner can read; `certificate` is the authority to trust."""
    cluster = {"server": url} | ({"certificate-authority": str(certificate)} if certificate else {})
    context = {"cluster": _NAME, "user": _NAME, "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _NAME,
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": _NAME, "user": {"token": token} if token else {}}],
        "contexts": [{"name": _NAME, "context": context}],
    }
    # JSON is YAML, and the file is private before anything is in it
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(config, file, indent=2)
