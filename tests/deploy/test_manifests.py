"""The manifests, as kubectl hands them to a cluster."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import kubernetes_validate
import pytest
import yaml

from autoscaler.cluster.rbac import ServiceAccount, render, rights
from autoscaler.config.model import ControllerSettings, Settings, TargetSettings
from autoscaler.config.parse import parse
from tests.deploy.conftest import ROOT, Manifest
from tests.deploy.grants import ALLOWED, READING, grants

MANIFESTS = ROOT / "manifests"
FOLDERS = sorted(
    path.parent.relative_to(MANIFESTS).as_posix()
    for path in MANIFESTS.rglob("kustomization.yaml")
    if "neighbours" not in path.parts  # parts for others to take up, see test_neighbours
)
Kustomize = Callable[[str], tuple[Manifest, ...]]
everywhere = pytest.mark.parametrize("folder", FOLDERS)


def the(kind: str, documents: tuple[Manifest, ...]) -> Manifest:
    """Return the only document of a kind."""
    (found,) = (document for document in documents if document["kind"] == kind)
    return found


def pod(documents: tuple[Manifest, ...]) -> dict[str, Any]:
    """Return the specification of the daemon's pod."""
    spec: dict[str, Any] = the("Deployment", documents)["spec"]["template"]["spec"]
    return spec


def config_text(documents: tuple[Manifest, ...]) -> str:
    """Return the configuration file that the daemon will see."""
    (text,) = the("ConfigMap", documents)["data"].values()
    return str(text)


def settings(text: str) -> Settings:
    """Return what the daemon makes of a configuration."""
    return parse(text, "manifests")


@everywhere
@pytest.mark.parametrize("version", ["1.28", kubernetes_validate.latest_version()])
def test_every_document_is_valid(kustomize: Kustomize, folder: str, version: str) -> None:
    """By the schemas of the oldest and the newest Kubernetes, with unknown fields being errors."""
    for document in kustomize(folder):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_check_of_documents_finds_a_wrong_field(kustomize: Kustomize) -> None:
    """What a typing mistake in a manifest would look like."""
    wrong = {**the("Deployment", kustomize("base")), "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


@everywhere
def test_everything_is_labelled_and_at_home(kustomize: Kustomize, folder: str) -> None:
    """Only what is about a target, or about no namespace, is outside the autoscaler's own."""
    for document in kustomize(folder):
        assert document["metadata"]["labels"]["app.kubernetes.io/name"] == "celery-autoscaler"
        if not document["kind"].startswith(("Role", "ClusterRole", "Namespace")):
            assert document["metadata"]["namespace"] == "celery-autoscaler"
    assert the("Namespace", kustomize(folder))["metadata"]["name"] == "celery-autoscaler"


@everywhere
def test_the_pod_is_restricted(kustomize: Kustomize, folder: str) -> None:
    """What the namespace enforces, and a root file system that cannot be written."""
    namespace = the("Namespace", kustomize(folder))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = pod(kustomize(folder))
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@everywhere
def test_one_daemon_at_a_time(kustomize: Kustomize, folder: str) -> None:
    """Without an election, the old one has to be gone before the new one starts."""
    spec = the("Deployment", kustomize(folder))["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    assert the("PodDisruptionBudget", kustomize(folder))["spec"]["maxUnavailable"] == 1


@everywhere
def test_the_parts_find_each_other(kustomize: Kustomize, folder: str) -> None:
    """Selectors select the pod, the account exists and its token is mounted there alone."""
    documents = kustomize(folder)
    template = the("Deployment", documents)["spec"]["template"]
    for selector in (
        the("Deployment", documents)["spec"]["selector"],
        the("PodDisruptionBudget", documents)["spec"]["selector"],
        the("NetworkPolicy", documents)["spec"]["podSelector"],
    ):
        assert selector["matchLabels"].items() <= template["metadata"]["labels"].items()
    account = the("ServiceAccount", documents)
    assert template["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False
    assert template["spec"]["automountServiceAccountToken"] is True


@everywhere
def test_the_config_map_is_mounted_whole_where_the_daemon_looks(kustomize: Kustomize, folder: str) -> None:
    """A subPath would never be updated, and a hashed name would not be the one that a user edits."""
    documents = kustomize(folder)
    (volume,) = pod(documents)["volumes"]
    config = the("ConfigMap", documents)
    assert volume["configMap"]["name"] == config["metadata"]["name"] == "celery-autoscaler"
    (container,) = pod(documents)["containers"]
    (mount,) = container["volumeMounts"]
    assert (mount["name"], "subPath" in mount) == (volume["name"], False)
    file = PurePosixPath(container["args"][2])
    assert container["args"][:3] == ["run", "--config", str(file)]
    assert str(file.parent) == mount["mountPath"]
    assert list(config["data"]) == [file.name]


@everywhere
def test_metrics_and_probes_are_reachable_and_nothing_else(kustomize: Kustomize, folder: str) -> None:
    """All of them on the port that the daemon listens on by default."""
    documents = kustomize(folder)
    (container,) = pod(documents)["containers"]
    (port,) = container["ports"]
    assert port == {"name": "http", "containerPort": ControllerSettings().http_port}
    assert "http_port" not in tomllib.loads(config_text(documents))["controller"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    annotations = the("Deployment", documents)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])
    policy = the("NetworkPolicy", documents)["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]


@everywhere
def test_the_configuration_is_one_that_the_daemon_takes(kustomize: Kustomize, folder: str) -> None:
    """And it names targets."""
    assert settings(config_text(kustomize(folder))).targets


@everywhere
def test_what_the_configuration_states_are_the_defaults(kustomize: Kustomize, folder: str) -> None:
    """Whoever reads a value in the ConfigMap may take it for what holds without it."""
    parsed = settings(config_text(kustomize(folder)))
    assert parsed.controller == ControllerSettings()
    for target in parsed.targets:
        plain = TargetSettings(target.namespace, target.name, target.queues, broker=target.broker)
        assert target == plain


@everywhere
def test_rights_never_go_beyond_the_list(kustomize: Kustomize, folder: str) -> None:
    """Only the overlay that is named for it reads Secrets that nobody named."""
    for grant in grants(kustomize(folder)):
        assert grant.permission in ALLOWED
        if grant.needs_names and not (
            folder == "overlays/secrets-cluster-wide" and grant.permission == ("", "secrets", "get")
        ):
            assert grant.names
            assert grant.namespace == "airflow"


@everywhere
def test_only_the_account_is_bound(kustomize: Kustomize, folder: str) -> None:
    """Every role is bound, to nobody but the daemon."""
    documents = kustomize(folder)
    subject = {"kind": "ServiceAccount", "name": "celery-autoscaler", "namespace": "celery-autoscaler"}
    bindings = [document for document in documents if document["kind"].endswith("RoleBinding")]
    assert all(binding["subjects"] == [subject] for binding in bindings)
    bound = {(b["roleRef"]["kind"], b["metadata"].get("namespace"), b["roleRef"]["name"]) for b in bindings}
    roles = [document for document in documents if document["kind"] in ("Role", "ClusterRole")]
    assert bound == {(r["kind"], r["metadata"].get("namespace"), r["metadata"]["name"]) for r in roles}


def test_the_base_has_the_rights_that_its_configuration_calls_for() -> None:
    """The file is what `autoscaler rbac --config manifests/base/config.toml` prints."""
    configured = settings((MANIFESTS / "base" / "config.toml").read_text())
    assert (MANIFESTS / "base" / "rights.yaml").read_text() == render(
        rights(configured, {}, ServiceAccount())
    )


@pytest.mark.parametrize("folder", ["base", "overlays/staging"])
def test_what_reaches_the_cluster_is_what_the_configuration_calls_for(
    kustomize: Kustomize, folder: str
) -> None:
    """Patching the rights for staging comes to the same as working them out for a dry run."""
    documents = kustomize(folder)
    found = [document for document in documents if document["kind"] in ("Role", "RoleBinding")]
    configured = settings(config_text(documents))
    dry = folder == "overlays/staging"
    configured = replace(configured, controller=replace(configured.controller, dry_run=dry))
    wanted = rights(configured, {}, ServiceAccount())
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_staging_is_the_base_in_dry_run(kustomize: Kustomize) -> None:
    """Nothing else differs, or trying it there would prove little."""
    base, staging = kustomize("base"), kustomize("overlays/staging")
    state = [document for document in base if document["metadata"]["name"] == "celery-autoscaler-state"]
    assert [document["kind"] for document in state] == ["Role", "RoleBinding"]
    kept = [document for document in base if document not in state]
    differing = {new["kind"] for old, new in zip(kept, staging, strict=True) if old != new}
    assert differing == {"Role", "Deployment"}
    live, dry = pod(base), pod(staging)
    args = [*live["containers"][0]["args"], "--dry-run"]
    assert dry == {**live, "containers": [{**live["containers"][0], "args": args}]}


def test_staging_may_not_write_at_all(kustomize: Kustomize) -> None:
    """Whatever its configuration says."""
    assert {grant.verb for grant in grants(kustomize("overlays/staging"))} == set(READING)


def test_the_opt_in_adds_the_reading_of_secrets_alone(kustomize: Kustomize) -> None:
    """And takes nothing of the base away."""
    base, opted = kustomize("base"), kustomize("overlays/secrets-cluster-wide")
    assert all(document in opted for document in base)
    added = [document for document in opted if document not in base]
    assert [document["kind"] for document in added] == ["ClusterRole", "ClusterRoleBinding"]
    (grant,) = grants(added)
    assert (grant.permission, grant.names) == (("", "secrets", "get"), ())


def test_the_image_and_the_pod_agree() -> None:
    """The user that the Dockerfile names is the one that the pod asks for."""
    deployment = yaml.safe_load((MANIFESTS / "base" / "deployment.yaml").read_text())
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    user = f"USER {context['runAsUser']}:{context['runAsGroup']}"
    assert user in (ROOT / "Dockerfile").read_text().splitlines()
