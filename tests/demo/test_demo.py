"""The demo itself, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autoscaler.sandbox.sessions import members
from tests.waiting import eventually

LONGEST_SECONDS = 150


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which everything temporary goes to a folder."""
    return {**os.environ, "TMPDIR": str(folder)}


@pytest.mark.servers
@pytest.mark.timeout(LONGEST_SECONDS + 30)
def test_a_day_in_a_minute(tmp_path: Path):
    """No task lost, none run twice, none killed; each burst answered by one patch; zero at the end."""
    words = [sys.executable, "-m", "autoscaler", "demo", "--json"]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False, env=environment(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["lost"], said["duplicated"], said["killed"], said["final_replicas"]) == (0, 0, 0, 0)
    assert said["done"] == said["sent"] > 50
    first, last_up = said["patches"][0], said["patches"][-2]
    assert first[1:] == [0, 5, "WorkWaiting"]
    assert last_up[1:] == [0, 3, "WorkWaiting"]
    assert said["patches"][-1][2:] == [0, "NoWork"]
    assert said["worker_seconds"] < said["static_worker_seconds"]
    assert said["peak_replicas"] == max(patch[2] for patch in said["patches"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.servers
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_it_can_be_ended_at_any_time(tmp_path: Path, number: signal.Signals, status: int):
    """By Ctrl-C, by a polite request or by force: no process stays, and no file."""
    words = [sys.executable, "-m", "autoscaler", "demo"]
    log = tmp_path / "log"
    folder = tmp_path / "tmp"
    folder.mkdir()
    with log.open("wb") as output:
        demo = subprocess.Popen(words, stdout=output, stderr=output, env=environment(folder))
    eventually(lambda: "ready 5 of 5" in log.read_text(), "all workers are up", seconds=60.0)
    started = descendants(demo.pid)
    assert len(started) >= 7
    demo.send_signal(number)
    assert demo.wait(60.0) == status
    eventually(lambda: not any(members(session) for session in started), "all processes have ended")
    eventually(lambda: list(folder.iterdir()) == [], "all files are gone")
    assert "Traceback" not in log.read_text()


def descendants(parent: int) -> set[int]:
    """Return the sessions of a process's children."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        _, ppid, _, sid, *_ = entry.read_text().rpartition(")")[2].split()
        if int(ppid) == parent:
            found.add(int(sid))
    return found - {os.getsid(parent)}
