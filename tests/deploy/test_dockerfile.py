"""The image, as far as it can be judged without building it."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from tests.deploy.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each with its arguments on one line."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def final_stage() -> dict[str, str]:
    """Return the last instruction of each kind of the stage that becomes the image."""
    every = instructions()
    start = max(place for place, (word, _) in enumerate(every) if word == "FROM")
    return dict(every[start:])


def test_hadolint_has_nothing_to_say() -> None:
    """It knows the mistakes that are made in these files."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint, "hadolint comes with requirements/dev.txt"
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_build_is_sent_what_is_copied_and_no_more() -> None:
    """A file that is ignored would stop it; one too many could be anybody's secret."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == allowed


def test_the_image_starts_the_command_of_the_package() -> None:
    """As a numbered user, so that Kubernetes can tell that it is not root."""
    final = final_stage()
    (command,) = json.loads(final["ENTRYPOINT"])
    assert command in PROJECT["scripts"]
    user, group = final["USER"].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_version_is_the_projects() -> None:
    """Of the image's label and of the manifests' tag."""
    arguments = dict(rest.split("=") for word, rest in instructions() if word == "ARG")
    assert arguments["VERSION"] == PROJECT["version"]
    (image,) = yaml.safe_load((ROOT / "manifests" / "base" / "kustomization.yaml").read_text())["images"]
    assert image["newTag"] == PROJECT["version"]


def test_both_stages_have_the_same_python() -> None:
    """The environment that is copied points into its own."""
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert len(bases) == 1


def test_every_package_is_held_to_its_hash() -> None:
    """All but the project's own wheel, which has just been built."""
    commands = [
        command
        for word, rest in instructions()
        if word == "RUN"
        for command in rest.split("&&")
        if " install " in command
    ]
    assert len(commands) == 3
    assert all("--require-hashes" in command or "--no-index" in command for command in commands)
