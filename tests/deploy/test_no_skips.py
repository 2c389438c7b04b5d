"""The plugin that turns tests left out into a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT

PASSES = "def test_passes():\n    assert True\n"
SKIPS = "import pytest\ndef test_skips():\n    pytest.skip('no server')\n"
SKIPS_WHOLE_FILE = "import pytest\npytest.importorskip('not_to_be_found')\n"


def run(folder: Path, workers: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a folder with the plugin, and with nothing of this project's settings."""
    settings = folder / "pytest.ini"
    settings.write_text("[pytest]\n")
    plugins = ["-p", "xdist", "-p", "tests.deploy.no_skips", "-p", "no:cacheprovider"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-c", settings, "-n", str(workers), *options, folder],
        cwd=ROOT,
        env=inherited | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("left_out", [SKIPS, SKIPS_WHOLE_FILE])
def test_a_test_left_out_fails_the_run(tmp_path: Path, left_out: str, workers: int) -> None:
    """In one process and in several, one test or a whole file."""
    (tmp_path / "test_one.py").write_text(PASSES)
    (tmp_path / "test_two.py").write_text(left_out)
    done = run(tmp_path, workers)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "failed: 1 left out, and CI leaves nothing out" in done.stdout


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_with_nothing_left_out_passes(tmp_path: Path, workers: int) -> None:
    """A test that nobody asked for is not left out."""
    (tmp_path / "test_one.py").write_text(PASSES + "def test_other():\n    assert False\n")
    done = run(tmp_path, workers, "-k", "passes")
    assert done.returncode == pytest.ExitCode.OK
    assert "left out" not in done.stdout


def test_another_failure_keeps_its_own_exit_code(tmp_path: Path) -> None:
    """An empty run is an empty run, though a file of it was left out."""
    (tmp_path / "test_two.py").write_text(SKIPS_WHOLE_FILE)
    assert run(tmp_path, 0).returncode == pytest.ExitCode.NO_TESTS_COLLECTED
