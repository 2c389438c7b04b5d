"""The Makefile and what it runs, in copies of it where the work is done by stand-ins."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT

TARGETS = {
    "help",
    "test",
    "lint",
    "types",
    "layers",
    "unit",
    "test-cluster",
    "test-airflow",
    "demo",
    "bench-quota",
    "bench-reaction",
    "soak",
    "neighbour",
    "clean",
}


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person would, whatever make these tests were started by."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, body: str) -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the Makefile, whose installing and whose demo only talk."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    program(
        tmp_path / "scripts" / "install",
        'echo "installing $1"; mkdir -p .venv/bin; echo "$1" >>.venv/installed',
    )
    program(tmp_path / ".venv" / "bin" / "autoscaler", 'echo "{\\"arguments\\": \\"$*\\"}"')
    return tmp_path


def installed(folder: Path) -> list[str]:
    """Return the lists that were installed, in order."""
    record = folder / ".venv" / "installed"
    return record.read_text().split() if record.exists() else []


def test_make_alone_says_what_there_is(checkout: Path) -> None:
    """Every target is named, with a word on it."""
    done = make(checkout)
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith("make ")]
    assert {line[1] for line in lines} == TARGETS
    assert all(len(line) == 3 for line in lines)
    assert installed(checkout) == []


def test_the_checks_come_in_order(checkout: Path) -> None:
    """The quick ones first, so that a slip is told of before the tests have run."""
    printed = make(checkout, "--dry-run", "test", CI="").stdout
    order = [
        "scripts/install dev",
        "ruff check",
        "ruff format --check",
        "shellcheck",
        "hadolint Dockerfile",
        "mypy",
        "lint-imports",
        "pytest",
        "coverage report --include='autoscaler/core/*' --fail-under=100",
    ]
    places = [printed.index(command) for command in order]
    assert places == sorted(places)
    assert "no_skips" not in printed


def test_the_first_failure_ends_it(checkout: Path) -> None:
    """Nothing runs after a lint error."""
    program(checkout / ".venv" / "bin" / "ruff", "exit 1")
    program(checkout / ".venv" / "bin" / "mypy", "echo mypy ran")
    done = make(checkout, "test")
    assert done.returncode != 0
    assert "mypy ran" not in done.stdout


def test_ci_leaves_no_test_out(checkout: Path) -> None:
    """The plugin that refuses it is loaded there."""
    assert "-p tests.deploy.no_skips" in make(checkout, "--dry-run", "unit", CI="true").stdout


def test_the_tests_never_see_the_cluster_of_the_person_who_runs_them(checkout: Path) -> None:
    """Many have KUBECONFIG set in their shell; only test-cluster is meant to use it."""
    program(checkout / "scripts" / "servers", "true")
    program(checkout / ".venv" / "bin" / "coverage", "true")
    program(checkout / ".venv" / "bin" / "python", 'echo "KUBECONFIG=[$KUBECONFIG]"')
    assert "KUBECONFIG=[]" in make(checkout, "unit", KUBECONFIG="/production").stdout
    named = checkout / "kubeconfig"
    named.touch()
    assert f"KUBECONFIG=[{named}]" in make(checkout, "test-cluster", KUBECONFIG=str(named)).stdout


def test_testing_against_a_cluster_needs_one(checkout: Path) -> None:
    """Rather than falling back to whichever is current."""
    for missing in ("", "/no/such/file"):
        done = make(checkout, "test-cluster", KUBECONFIG=missing)
        assert done.returncode != 0
        assert "KUBECONFIG has to name the file" in done.stderr


def test_the_demo_prints_its_own_output_alone(checkout: Path) -> None:
    """So that `make demo DEMO_ARGS=--json` can be piped, also when it installs first."""
    done = make(checkout, "demo", "DEMO_ARGS=--json --seconds 5")
    assert done.stdout == '{"arguments": "demo --json --seconds 5"}\n'
    assert "installing demo" in done.stderr
    assert installed(checkout) == ["demo"]


def test_the_demo_makes_do_with_what_developing_needs(checkout: Path) -> None:
    """Whoever has run the tests has all of it already."""
    (checkout / ".venv" / "dev.stamp").touch()
    make(checkout, "demo")
    assert installed(checkout) == []


def test_installing_is_done_once_for_each_change_of_the_pins(checkout: Path) -> None:
    """A second run starts at once; a changed list is installed."""
    make(checkout, "demo")
    make(checkout, "demo")
    assert installed(checkout) == ["demo"]
    stamp = (checkout / ".venv" / "demo.stamp").stat().st_mtime
    os.utime(checkout / "requirements" / "demo.txt", (stamp + 5, stamp + 5))
    make(checkout, "demo")
    assert installed(checkout) == ["demo", "demo"]


def test_a_failed_installation_is_tried_again(checkout: Path) -> None:
    """It leaves no stamp behind."""
    working = (checkout / "scripts" / "install").read_text()
    program(checkout / "scripts" / "install", "exit 1")
    assert make(checkout, "demo").returncode != 0
    (checkout / "scripts" / "install").write_text(working)
    assert make(checkout, "demo").returncode == 0
    assert installed(checkout) == ["demo"]


@pytest.fixture
def installer(tmp_path: Path) -> Path:
    """Return a copy of the real script that installs, in a folder of its own."""
    (tmp_path / "scripts").mkdir()
    return Path(shutil.copy(ROOT / "scripts" / "install", tmp_path / "scripts"))


def test_an_old_python_is_refused_in_plain_words(installer: Path, tmp_path: Path) -> None:
    """Before anything is made."""
    old = program(tmp_path / "python3.9", "exit 1")  # as Python ends for sys.exit(True)
    done = subprocess.run(
        [installer, "dev"],
        env={**os.environ, "PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert str(old) in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_python_that_does_not_start_is_passed_over(installer: Path, tmp_path: Path) -> None:
    """A version manager's stand-in for a version that is not installed is there and fails."""
    commands = tmp_path / "bin"
    for name in ("python3.11", "python3.12", "python3"):
        program(commands / name, "exit 127")
    program(commands / "python3.13", f'echo "$@" >>{tmp_path}/asked; [ "$1" = -c ]')
    done = subprocess.run(
        [installer, "dev"],
        env={"PATH": f"{commands}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0  # this one can say its version and do nothing else
    assert "-m venv --clear --without-pip .venv" in (tmp_path / "asked").read_text()


def test_ci_runs_what_a_developer_runs() -> None:
    """So that a green run here is a green run there."""
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec make test"
