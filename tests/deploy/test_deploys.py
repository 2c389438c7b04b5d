"""Real deploys of a chart whose workers have been scaled: by Helm 4, as Helm 3 did it, and by kubectl.

Helm keeps its releases in a PostgreSQL here: the sandbox does not speak protobuf, in which Helm sends
Secrets.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from autoscaler.cluster.client import connect
from autoscaler.cluster.habits import declared
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.config.model import TargetSettings
from autoscaler.core.lint import lint
from autoscaler.core.model import fresh
from autoscaler.core.writers import WriterKind, latest
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.deploy.test_neighbours import CHART, PLUGIN
from tests.kube import Kube
from tests.metrics_sources.servers import Postgres, postgres_binaries

pytestmark = pytest.mark.servers

RECORDED = Path(__file__).parents[1] / "recordings" / "21-helm-apply-conflict.json"
OMITTING = ("--post-renderer", "leave-replicas-out")
AS_HELM_3 = ("--server-side=false",)


class Deploys:
    """A cluster with a release of the chart, and the tools to deploy it again."""

    def __init__(self, helm: str, kubectl: str, folder: Path, stack: ExitStack, database: Postgres) -> None:
        server = stack.enter_context(ApiServer(Store(), bookmark_seconds=0.2))
        kubeconfig = server.write_kubeconfig(folder / "kubeconfig", namespace="data")
        api = connect(10.0, kubeconfig)
        stack.callback(api.close)
        self.kube = Kube(api.client, "data")
        self.kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": "data"}})
        tools = folder / "tools"
        tools.mkdir()
        (tools / "helm").symlink_to(helm)
        (tools / "kubectl").symlink_to(kubectl)
        store = f"host=127.0.0.1 port={database.port} user=owner password=owner-password dbname=postgres"
        self._environment = {
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HELM_DRIVER": "sql",
            "HELM_DRIVER_SQL_CONNECTION_STRING": f"{store} sslmode=disable",
        }
        self._folder = folder
        self.release = folder.name.replace("_", "-")
        self.run("helm", "plugin", "install", str(PLUGIN))

    def run(self, *command: str) -> str:
        """Call a tool and return what it complains of, empty when all is well."""
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stderr if done.returncode else ""

    def install(self, replicas: int = 1, *options: str) -> None:
        """Install the release."""
        values = f"--set=replicas={replicas}"
        assert self.run("helm", "install", self.release, str(CHART), values, *options) == ""

    def upgrade(self, *options: str) -> str:
        """Upgrade it, and return what Helm complains of."""
        return self.run("helm", "upgrade", self.release, str(CHART), *options)

    def manifest(self, replicas: int | None = 1) -> str:
        """Write down what the chart renders, without the replicas if None, and return the file's path."""
        options = OMITTING if replicas is None else (f"--set=replicas={replicas}",)
        command = ("helm", "template", self.release, str(CHART), *options)
        path = self._folder / "manifest.yaml"
        with path.open("wb") as output:
            subprocess.run(command, env=self._environment, stdout=output, check=True, timeout=60)
        return str(path)

    def apply(self, replicas: int | None = 1) -> str:
        """Apply what the chart renders by kubectl, and return what it complains of."""
        return self.run("kubectl", "apply", "-f", self.manifest(replicas))

    def scale(self, replicas: int) -> None:
        """Scale the workers as the daemon does."""
        self.kube.patch_set({"spec": {"replicas": replicas}}, "w", "scale", manager="autoscaler")

    @property
    def seen(self) -> StatefulSet:
        """The workers' set as the daemon sees it."""
        return msgspec.convert(self.kube.get_set(), StatefulSet)

    @property
    def findings(self) -> list[str]:
        """What `autoscaler check` says of who owns the replicas."""
        target = TargetSettings("data", "w", ("q",))
        habits = declared(self.seen, target, fresh((), ""), fresh((), ""))
        return [one.code for one in lint(habits) if one.code.startswith("Replicas")]

    @property
    def state(self) -> tuple[int, WriterKind, str]:
        """The replicas, and who is taken for the one who wrote them."""
        writer = latest(self.seen.metadata.replica_writers)
        return self.kube.replicas(), writer.kind, writer.name


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """Run a PostgreSQL."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server is not installed")
    with ExitStack() as stack:
        made = Postgres(binaries)
        stack.callback(made.close)
        yield made


@pytest.fixture
def deploys(helm: str, kubectl: str, tmp_path: Path, database: Postgres) -> Iterator[Deploys]:
    """Return the tools and a cluster."""
    with ExitStack() as stack:
        yield Deploys(helm, kubectl, tmp_path, stack, database)


def test_helm_4_is_refused_and_check_has_warned(deploys: Deploys):
    """In the words of the real API server; nothing changes, and forced it takes the replicas back."""
    deploys.install()
    assert deploys.findings == ["ReplicasAppliedServerSide"]
    deploys.scale(10)
    complaint = deploys.upgrade()
    cause = json.loads(RECORDED.read_text())["response"]["body"]["details"]["causes"][1]
    assert f"Apply failed with 1 conflict: {cause['message']}: {cause['field']}" in complaint
    assert deploys.state == (10, WriterKind.OURS, "autoscaler")
    assert deploys.upgrade("--force-conflicts") == ""
    assert deploys.state == (1, WriterKind.DEPLOY_TOOL, "Helm")
    assert deploys.findings == ["ReplicasAppliedServerSide"]


def test_helm_4_without_replicas_leaves_ours_alone(deploys: Deploys):
    """The remedy: once we have written them, they belong to nobody else."""
    deploys.install()
    deploys.scale(10)
    assert deploys.upgrade(*OMITTING) == ""
    assert deploys.upgrade(*OMITTING, "--force-conflicts") == ""
    assert deploys.state == (10, WriterKind.OURS, "autoscaler")
    assert deploys.findings == []


def test_replicas_that_nobody_else_has_written_fall_to_one(deploys: Deploys):
    """What to mind: Helm gives up what it alone has set, and one is the default."""
    deploys.install(3)
    assert deploys.upgrade(*OMITTING) == ""
    assert deploys.kube.replicas() == 1


def test_as_helm_3_does_it_each_upgrade_puts_the_replicas_back(deploys: Deploys):
    """Also the one in which they go; from the next one on they are left alone."""
    deploys.install(2, *AS_HELM_3)
    assert deploys.findings == ["ReplicasAppliedClientSide"]
    deploys.scale(10)
    assert deploys.upgrade(*AS_HELM_3, "--set=replicas=2") == ""
    assert deploys.state == (2, WriterKind.DEPLOY_TOOL, "Helm")
    deploys.scale(10)
    assert deploys.upgrade(*AS_HELM_3, *OMITTING) == ""
    assert deploys.kube.replicas() == 1
    deploys.scale(10)
    assert deploys.upgrade(*AS_HELM_3, *OMITTING) == ""
    assert deploys.state == (10, WriterKind.OURS, "autoscaler")


def test_kubectl_apply_puts_the_replicas_back_as_long_as_it_remembers_them(deploys: Deploys):
    """The remedy: what it remembers is told to have no replicas, before they go from the manifest."""
    assert deploys.apply() == ""
    assert deploys.findings == ["ReplicasAppliedClientSide"]
    deploys.scale(10)
    assert deploys.apply() == ""
    assert deploys.state == (1, WriterKind.DEPLOY_TOOL, "kubectl apply")
    deploys.scale(10)
    assert deploys.run("kubectl", "apply", "set-last-applied", "-f", deploys.manifest(replicas=None)) == ""
    assert deploys.findings == []
    assert deploys.apply(replicas=None) == ""
    assert deploys.state == (10, WriterKind.OURS, "autoscaler")


def test_kubectl_apply_takes_back_what_goes_from_its_manifest(deploys: Deploys):
    """What to mind: without that step the deploy in which replicas go sets them to one."""
    assert deploys.apply() == ""
    deploys.scale(10)
    assert deploys.apply(replicas=None) == ""
    assert deploys.kube.replicas() == 1


def test_kubectl_scale_is_a_persons_and_leaves_no_time(deploys: Deploys):
    """Edits and patches do."""
    deploys.install()
    assert deploys.run("kubectl", "scale", "sts/w", "--replicas=4") == ""
    assert deploys.state == (4, WriterKind.PERSON, "kubectl scale")
    assert latest(deploys.seen.metadata.replica_writers).written_at is None
    assert deploys.run("kubectl", "patch", "sts/w", "-p", '{"spec": {"replicas": 5}}') == ""
    assert deploys.state == (5, WriterKind.PERSON, "kubectl patch")
    assert latest(deploys.seen.metadata.replica_writers).written_at is not None
