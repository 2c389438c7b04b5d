"""The command line as a user meets it: output, errors, exit status, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from autoscaler.cli import app
from tests.service.conftest import Bench
from tests.waiting import PATIENCE_SECONDS, eventually

GOOD = '[[targets]]\nnamespace = "data"\nname = "w"\nqueues = ["default"]\n'


def call(*words: object, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Call the command in this process and return exit status, output and errors."""
    result = CliRunner().invoke(app, [str(word) for word in words], env=env or {})
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Write the smallest configuration there is."""
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    return path


def test_check_says_what_a_configuration_means(good: Path):
    """A table for people."""
    status, out, _ = call("check", "--offline", "--config", good)
    assert status == 0
    assert "1 target, looked at every 1 s" in out
    assert "data/w" in out


def test_check_as_json(good: Path):
    """Documented fields for programs, whether it is valid or not."""
    status, out, _ = call("check", "--offline", "--config", good, "--json")
    said = json.loads(out)
    assert (status, said["valid"], said["problems"]) == (0, True, [])
    assert said["targets"][0]["name"] == "w"
    good.write_text(GOOD + "min_replicas = 11\n")
    status, out, _ = call("check", "--offline", "--config", good, "--json")
    said = json.loads(out)
    assert (status, said["valid"]) == (2, False)
    assert said["problems"][0]["key"] == "targets[0].min_replicas"


def test_a_bad_configuration_stops_every_command(good: Path):
    """All problems at once, on standard error, with exit status 2."""
    good.write_text(GOOD.replace("queues", "queue") + 'max_replicas = "ten"\n')
    for command in (("run", "--once"), ("check", "--offline"), ("rbac", "--offline")):
        status, out, errors = call(*command, "--config", good)
        assert (status, out) == (2, "")
        assert "queue" in errors
        assert "max_replicas" in errors


def test_check_reads_a_url_that_stands_in_the_file(good: Path):
    """What no reader understands is known before anything runs."""
    good.write_text(GOOD + 'broker.url = "sqs://guest:guest@h"\n')
    status, _, errors = call("check", "--offline", "--config", good)
    assert status == 2
    assert "broker.url of data/w" in errors
    assert "guest" not in errors


def test_check_without_a_cluster(good: Path, tmp_path: Path):
    """Said in a line; an error only where a look at the cluster is insisted on."""
    words = ("check", "--config", good, "--kubeconfig", tmp_path / "nothing")
    status, out, errors = call(*words)
    assert (status, errors) == (0, "")
    assert out.splitlines()[-1].startswith("the cluster was not looked at: ")
    status, out, errors = call(*words, "--live")
    assert (status, errors.startswith("autoscaler: no cluster: ")) == (2, True)
    status, out, _ = call(*words, "--json")
    said = json.loads(out)
    assert (status, said["valid"], said["risks"], said["targets"][0]["findings"]) == (0, True, None, None)
    assert "nothing" in said["cluster_trouble"]


def test_check_with_an_api_server_that_does_not_answer(bench: Bench):
    """It is soon known, and said with its address."""
    bench.server.faults.fail(503)
    words = ("check", "--config", bench.config(), "--kubeconfig", bench.kubeconfig)
    status, out, _ = call(*words)
    assert status == 0
    assert "the cluster was not looked at: http" in out


def test_check_of_the_live_cluster(bench: Bench):
    """Risks, advice and what is not known, for each target; they do not change the exit status."""
    bench.kube.patch_set({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 30}}}})
    more = f"""[[targets]]\nnamespace = "{bench.kube.namespace}"\nname = "gone"\nremote_control = false\n"""
    words = ("check", "--config", bench.config(more), "--kubeconfig", bench.kubeconfig, "--live")
    status, out, errors = call(*words)
    lines = out.splitlines()
    assert (status, errors) == (0, "")
    assert f"{bench.kube.namespace}/w: 1 risk, 0 advice" in lines
    assert any(line.startswith("  risk     GracePeriodShort: ") for line in lines)
    assert "how long tasks run: no worker is ready to be asked" in " ".join(out.split())
    assert any(line.startswith("  risk     RemoteControlOff: ") for line in lines)
    assert lines[-1] == "2 risks found in 2 targets"
    assert bench.broker.url not in out
    status, out, _ = call(*words, "--json")
    said = json.loads(out)
    assert (status, said["cluster_trouble"], said["risks"]) == (0, "", 2)
    (finding,) = said["targets"][0]["findings"]
    assert (finding["code"], finding["severity"]) == ("GracePeriodShort", "risk")
    assert any("there is no StatefulSet" in gap for gap in said["targets"][1]["not_known"])


def test_check_says_where_a_url_is_missing(bench: Bench):
    """A Secret that is not there leaves the workers unasked, and no more than that."""
    config = bench.config(target='broker.secret = { name = "other", key = "url" }')
    status, out, _ = call("check", "--config", config, "--kubeconfig", bench.kubeconfig)
    assert status == 0
    assert "how long tasks run: Secret" in " ".join(out.split())


def test_run_without_a_cluster(good: Path, tmp_path: Path):
    """A kubeconfig that is not there is a wrong usage."""
    status, _, errors = call("run", "--config", good, "--kubeconfig", tmp_path / "nothing")
    assert status == 2
    assert "no cluster" in errors


def test_rbac_offline_prints_what_it_knows(good: Path):
    """Valid YAML, and exit status 1 as a Secret could not be looked up."""
    status, out, errors = call("rbac", "--offline", "--config", good)
    documents = list(yaml.safe_load_all(out))
    assert status == 1
    assert [document["kind"] for document in documents] == ["Role", "RoleBinding"] * 2
    assert "the Secrets that the pod template of data/w takes URLs from" in errors
    status, out, _ = call("rbac", "--offline", "--config", good, "--json", "--account", "ops/scaler")
    assert json.loads(out)["items"][1]["subjects"][0]["namespace"] == "ops"
    for account in ("nonsense", "a/b/c", "/b"):
        assert call("rbac", "--config", good, "--account", account)[0] == 2


def test_rbac_finds_the_secret_of_the_pod_template(bench: Bench, good: Path):
    """It looks into the cluster for what the Role has to name."""
    reference = {"secretKeyRef": {"name": "broker", "key": "url"}}
    container = dict(
        bench.kube.get_set()["spec"]["template"]["spec"]["containers"][0],
        env=[{"name": "CELERY_BROKER_URL", "valueFrom": reference}],
    )
    bench.kube.patch_set({"spec": {"template": {"spec": {"containers": [container]}}}})
    good.write_text(GOOD.replace('"data"', f'"{bench.kube.namespace}"'))
    status, out, errors = call("rbac", "--config", good, "--kubeconfig", bench.kubeconfig)
    assert (status, errors) == (0, "")
    assert {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": ["broker"],
        "verbs": ["get"],
    } in next(yaml.safe_load_all(out))["rules"]


def command(*words: object) -> Sequence[str]:
    """Return the command line of a process."""
    return [sys.executable, "-m", "autoscaler", *map(str, words)]


def test_once(bench: Bench):
    """One look: exit status 0 when every target was served, 1 when one was not."""
    bench.push(3)
    run = ["run", "--once", "--config", bench.config(), "--kubeconfig", bench.kubeconfig]
    done = subprocess.run(
        command(*run), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert bench.kube.replicas() == 3
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines if "wanted" not in line] == ["started, live", "looked once"]
    bench.kube.delete_set()
    done = subprocess.run(
        command(*run), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stderr.splitlines()[-1])["unseen"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_in_order(bench: Bench, number: signal.Signals):
    """The tick at hand is finished, the last line says so, the exit status is 0."""
    words = command("run", "--config", bench.config(), "--kubeconfig", bench.kubeconfig)
    log = bench.folder / "log"
    with log.open("wb") as output, subprocess.Popen(words, stderr=output) as daemon:
        bench.push(2)
        eventually(lambda: bench.kube.replicas() == 2)
        daemon.send_signal(number)
        assert daemon.wait(PATIENCE_SECONDS) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[-1]["event"] == "stopped"
    assert bench.broker.url not in log.read_text()


def test_a_port_that_is_taken_is_said(bench: Bench):
    """With the keys of the configuration that hold it."""
    config = bench.config()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("http_port = 0", f"http_port = {port}"))
        words = command("run", "--config", config, "--kubeconfig", bench.kubeconfig)
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            env=os.environ.copy(),
        )
    assert done.returncode == 2
    assert f"controller.http_host, http_port: 127.0.0.1:{port}" in done.stderr


def test_help_names_every_command():
    """What a newcomer reads first."""
    status, out, _ = call("--help")
    assert status == 0
    for name in ("run", "check", "rbac", "demo"):
        assert name in out
    assert call("--version")[1].startswith("autoscaler ")
