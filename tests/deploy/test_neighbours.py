"""The snippets that keep other tools' hands off the replicas, put to the test with the tools themselves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import ROOT, Manifest

NEIGHBOURS = ROOT / "manifests" / "neighbours"
CHART = ROOT / "tests" / "deploy" / "chart"
PLUGIN = NEIGHBOURS / "helm" / "leave-replicas-out"
Run = Callable[..., str]


@pytest.fixture
def run(helm: str, kubectl: str, tmp_path: Path) -> Run:
    """Return how to call a tool, which leaves nothing outside of a folder of its own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "helm").symlink_to(helm)
    (tools / "kubectl").symlink_to(kubectl)
    environment = {"HOME": str(tmp_path), "PATH": f"{tools}:{os.environ['PATH']}"}

    def call(*command: object, given: str = "") -> str:
        words = [str(word) for word in command]
        done = subprocess.run(
            words, env=environment, input=given, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def replicas(text: str) -> dict[str, int | None]:
    """Return the replicas of each set, None where they are left out."""
    sets = [document for document in yaml.safe_load_all(text) if document]
    return {made["metadata"]["name"]: made["spec"].get("replicas") for made in sets}


def read(name: str) -> Manifest:
    """Return the only document of a snippet."""
    found: Manifest = yaml.safe_load((NEIGHBOURS / name).read_text())
    return found


def test_the_chart_renders_replicas(run: Run):
    """So that the tests below can fail."""
    assert replicas(run("helm", "template", "r", CHART)) == {"w": 1, "scheduler": 1}


def test_helm_4_renders_without_the_workers_replicas(run: Run):
    """By the post-renderer as a plugin; other sets keep theirs."""
    run("helm", "plugin", "install", PLUGIN)
    template = ("helm", "template", "r", CHART, "--post-renderer", "leave-replicas-out")
    assert replicas(run(*template)) == {"w": None, "scheduler": 1}
    other = run(*template, "--post-renderer-args", "component=scheduler")
    assert replicas(other) == {"w": 1, "scheduler": None}


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_helm_3_takes_the_script_itself(run: Run, kind: str):
    """It reads what was rendered and writes what is to be applied; nothing but the replicas is missing."""
    rendered = run("helm", "template", "r", CHART).replace("StatefulSet", kind)
    written = run(PLUGIN / "render", given=rendered)
    assert replicas(written) == {"w": None, "scheduler": 1}
    before, after = ({d["metadata"]["name"]: d for d in yaml.safe_load_all(t)} for t in (rendered, written))
    assert after["w"]["spec"] | {"replicas": 1} == before["w"]["spec"]
    assert after["scheduler"] == before["scheduler"]
    assert run(PLUGIN / "render", given=written) == written


def built(run: Run, folder: Path, rendered: str, more: dict[str, Any]) -> str:
    """Return what kustomize makes of rendered manifests with more in its kustomization."""
    (folder / "rendered.yaml").write_text(rendered)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["rendered.yaml"], **more}))
    return run("kubectl", "kustomize", folder)


def test_the_component_for_kustomize(run: Run, tmp_path: Path):
    """As a kustomization takes it up."""
    here, component = tmp_path / "here", tmp_path / "component"
    here.mkdir()
    component.mkdir()
    (component / "kustomization.yaml").write_bytes((NEIGHBOURS / "kustomize/kustomization.yaml").read_bytes())
    made = built(run, here, run("helm", "template", "r", CHART), {"components": ["../component"]})
    assert replicas(made) == {"w": None, "scheduler": 1}


def test_the_patches_of_flux(run: Run, tmp_path: Path):
    """Its controllers run kustomize with them: so does this."""
    release, kustomization = read("flux/helmrelease.yaml"), read("flux/flux-kustomization.yaml")
    (renderer,) = release["spec"]["postRenderers"]
    for patches in (renderer["kustomize"]["patches"], kustomization["spec"]["patches"]):
        made = built(run, tmp_path, run("helm", "template", "r", CHART), {"patches": patches})
        assert replicas(made) == {"w": None, "scheduler": 1}
    (ignored,) = release["spec"]["driftDetection"]["ignore"]
    assert ignored["paths"] == ["/spec/replicas"]
    assert ignored["target"]["labelSelector"] == "tier=airflow,component=worker"


def test_argo_cd_is_told_both_that_are_needed():
    """Without the sync option a sync for another reason writes the replicas."""
    spec = read("argo-cd/application.yaml")["spec"]
    (ignored,) = spec["ignoreDifferences"]
    assert (ignored["group"], ignored["kind"]) == ("apps", "StatefulSet")
    assert ignored["jsonPointers"] == ["/spec/replicas"]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
