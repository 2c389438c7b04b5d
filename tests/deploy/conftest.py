"""The manifests as kubectl renders them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def kubectl() -> str:
    """Return the kubectl to use: the one named by KUBECTL, the pinned one, or any on PATH."""
    pinned = ROOT / ".cache" / "kubectl" / "kubectl"
    found = os.environ.get("KUBECTL") or (pinned if pinned.exists() else shutil.which("kubectl"))
    if not found:
        pytest.skip(
            "no kubectl: neither KUBECTL nor .cache/kubectl (scripts/fetch_kubectl.py) nor PATH has one"
        )
    return str(found)


@pytest.fixture(scope="session")
def helm() -> str:
    """Return the helm to use, which is one of the fourth version: the pinned one, or any on PATH."""
    pinned = ROOT / ".cache" / "kubectl" / "helm"
    found = pinned if pinned.exists() else shutil.which("helm")
    if not found:
        pytest.skip("no helm: neither .cache/kubectl (scripts/fetch_kubectl.py) nor PATH has one")
    return str(found)


@pytest.fixture(scope="session")
def kustomize(kubectl: str) -> Callable[[str], tuple[Manifest, ...]]:
    """Return a function from a folder of the manifests to what kubectl makes of it."""

    @cache
    def build(folder: str) -> tuple[Manifest, ...]:
        command = [kubectl, "kustomize", str(ROOT / "manifests" / folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return tuple(yaml.safe_load_all(done.stdout))

    return build
