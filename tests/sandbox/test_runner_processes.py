"""Pods as real processes: what they get, how they end, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autoscaler.sandbox.agenda import Backoff
from autoscaler.sandbox.kubelet.node import Rules
from autoscaler.sandbox.sessions import members
from tests.sandbox.live import Live
from tests.sandbox.world import bare_pod

PATIENCE_SECONDS = 30.0
QUICK = Rules(restarts=Backoff(0.02, 60.0), least_grace_seconds=0.2, config_retry_seconds=0.05)
SLEEP = "import time; print('up'); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"
POLITE = textwrap.dedent(
    """
    import signal, sys, threading
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    print('up')
    told.wait()
    print('bye')
    """
)
FAMILY = textwrap.dedent(
    """
    import os, signal, subprocess, sys, time
    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
    print('child', child.pid, flush=True)
    other = subprocess.Popen([sys.executable, '-c', 'import os, time; os.setpgid(0, 0); time.sleep(600)'])
    print('other', other.pid, flush=True)
    print('me', os.getpid(), flush=True)
    time.sleep(600)
    """
)


def runs(pid: int) -> bool:
    """Return whether a process is there and not just waiting to be taken note of."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def numbers(log: str) -> list[int]:
    """Return the numbers in a log."""
    return [int(word) for word in log.split() if word.isdigit()]


def wait_for(holds: Callable[[], object], what: str) -> None:
    """Wait for something outside of any store."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.02)):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError(f"waited in vain for {what}")


def test_a_pod_is_a_process_with_its_environment() -> None:
    """It has the variables of its template, its name, and the scripts of this Python in its PATH."""
    script = (
        "import os, shutil, time\n"
        "print(os.environ['HOSTNAME'], os.environ['POD_NAME'], os.environ['GREETING'])\n"
        "print('celery at', shutil.which('celery'))\n"
        "print(sorted(set(os.environ) & {'SECRET_OF_THE_PARENT'}))\n"
        "time.sleep(600)"
    )
    os.environ["SECRET_OF_THE_PARENT"] = "x"
    try:
        with Live() as live:
            live.run(script, container={"env": [{"name": "GREETING", "value": "hello $(POD_NAME)"}]})
            live.expect(lambda: "[]" in live.said(), "the pod's words")
            assert live.said().splitlines()[0] == "worker-0 worker-0 hello worker-0"
            assert f"celery at {Path(sys.executable).parent / 'celery'}" in live.said()
    finally:
        del os.environ["SECRET_OF_THE_PARENT"]


def test_a_pod_ends_within_its_grace() -> None:
    """SIGTERM reaches its process, which ends by itself with 0."""
    with Live(rules=QUICK) as live:
        live.run(POLITE, replicas=2)
        live.expect(lambda: live.said(0) and live.said(1), "two pods")
        live.scale(0)
        live.expect(lambda: len(live.runner.endings) == 2, "their ends")
        assert {(ending.exit_code, ending.killed) for ending in live.runner.endings} == {(0, False)}
        assert live.said(0) == live.said(1) == "up\nbye\n"
        live.expect(lambda: not live.store.list("pods")[0], "their removal")


def test_a_pod_that_ignores_the_signal_is_killed() -> None:
    """After its grace comes SIGKILL: exit code 137, noted as killed."""
    with Live(rules=QUICK) as live:
        live.run(STUBBORN, terminationGracePeriodSeconds=1)
        live.expect(lambda: "up" in live.said(), "the pod")
        live.scale(0)
        live.expect(lambda: live.runner.endings, "its end")
        (ending,) = live.runner.endings
        assert (ending.exit_code, ending.killed) == (137, True)
        assert ending.ending_seconds >= 1


def test_a_later_deletion_may_shorten_the_grace() -> None:
    """Removed by force while it ends: what is left of the grace is the least one."""
    with Live(rules=QUICK) as live:
        live.run(STUBBORN, terminationGracePeriodSeconds=600)
        live.expect(lambda: "up" in live.said(), "the pod")
        live.scale(0)
        live.expect(lambda: "deletionTimestamp" in live.store.list("pods")[0][0]["metadata"], "its mark")
        live.store.delete("pods", "test", "worker-0", grace_seconds=0)
        live.expect(lambda: live.runner.endings, "its end")
        assert live.runner.endings[0].killed


def test_the_signal_goes_to_the_first_process_alone() -> None:
    """As in a container: its children hear nothing until it ends, and then end with it."""
    script = (
        "import os, signal, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-u', '-c', "
        "\"import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('child told')); "
        "print('ready'); time.sleep(600)\"])\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('child', child.pid)\n"
        "child.wait()"
    )
    with Live(rules=QUICK) as live:
        live.run(script)
        live.expect(lambda: "ready" in live.said() and "child" in live.said(), "both processes")
        (child,) = numbers(live.said())
        live.scale(0)
        live.expect(lambda: live.runner.endings, "the end")
        assert live.runner.endings[0].exit_code == 7
        assert "told" not in live.said()
        assert not runs(child)


def test_a_hook_runs_before_the_signal(tmp_path: Path) -> None:
    """A preStop command has the pod's environment and comes before SIGTERM."""
    told = tmp_path / "told"
    hook = {
        "exec": {"command": [sys.executable, "-c", f"import os; open({str(told)!r}, 'a').write('hook ')"]}
    }
    script = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(told)!r}, 'a').write('term'), sys.exit(0)))\n"
        "print('up')\n"
        "time.sleep(600)"
    )
    with Live(rules=QUICK) as live:
        live.run(script, container={"lifecycle": {"preStop": hook}})
        live.expect(lambda: "up" in live.said(), "the pod")
        live.scale(0)
        live.expect(lambda: live.runner.endings, "its end")
        assert told.read_text() == "hook term"


def test_a_probe_is_a_command_in_the_pod(tmp_path: Path) -> None:
    """Ready once the command exits with 0; one that hangs is killed and counts as failed."""
    flag = tmp_path / "flag"
    check = (
        f"import os, pathlib, time; flag = pathlib.Path({str(flag)!r}); assert os.environ['POD_NAME']\n"
        "time.sleep(0 if flag.exists() else 600)"
    )
    probe = {
        "exec": {"command": [sys.executable, "-c", check]},
        "periodSeconds": 0.05,
        "timeoutSeconds": 0.5,
    }
    with Live(rules=QUICK) as live:
        live.run(SLEEP, container={"readinessProbe": probe})
        live.expect(lambda: live.container_status().get("started"), "the start")
        assert live.ready() == 0
        flag.touch()
        live.expect(lambda: live.ready() == 1, "readiness")


def test_a_probe_that_cannot_run_fails() -> None:
    """A command that does not exist is a failed probe, not a broken kubelet."""
    probe = {"exec": {"command": ["/no/such/check"]}, "periodSeconds": 0.05}
    with Live(rules=QUICK) as live:
        live.run(SLEEP, container={"readinessProbe": probe})
        live.expect(lambda: "up" in live.said(), "the pod")
        assert live.ready() == 0
        live.scale(0)
        live.expect(lambda: live.runner.endings, "its end")


def test_a_crashing_process_is_restarted() -> None:
    """Its restarts are counted, its output goes on in the same file."""
    with Live(rules=QUICK) as live:
        live.run("import sys; print('up'); sys.exit(3)")
        live.expect(lambda: live.container_status().get("restartCount", 0) >= 2, "two restarts")
        assert live.container_status()["lastState"]["terminated"]["exitCode"] == 3
        assert live.said().count("up") >= 2


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"command": ["/no/such/program"]}, "No such file or directory"),
        ({"command": []}, "no command specified"),
    ],
)
def test_what_cannot_be_started_is_told(container: dict[str, object], message: str) -> None:
    """StartError with exit code 128, and then the usual restarts."""
    with Live() as live:
        live.run(SLEEP, container=container)
        live.expect(
            lambda: (
                live.container_status().get("state", {}).get("waiting", {}).get("reason")
                == "CrashLoopBackOff"
            ),
            "the crash loop",
        )
        last = live.container_status()["lastState"]["terminated"]
        assert (last["reason"], last["exitCode"]) == ("StartError", 128)
        assert message in last["message"]


def test_a_stop_leaves_no_process() -> None:
    """Whatever a pod has started ends with it, in a group of its own or not, stubborn or not."""
    with Live(rules=QUICK) as live:
        live.run(FAMILY)
        live.store.create("pods", bare_pod("stubborn", {"command": [sys.executable, "-u", "-c", STUBBORN]}))
        live.expect(lambda: "me" in live.said(), "the family")
        live.expect(lambda: "up" in live.log("test", "stubborn"), "the stubborn one")
        pids = numbers(live.said())
        assert len(pids) == 3
        assert all(runs(pid) for pid in pids)
        me = pids[2]
        assert set(members(me)) == set(pids)
    assert not any(runs(pid) for pid in pids)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sandbox")]


SANDBOX = """
import signal
import time
from tests.sandbox.live import Live

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in what it runs beside
with Live() as live:
    live.run({family!r})
    live.expect(lambda: "me" in live.said(), "the family")
    print(live.folder, live.said(), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_a_sandbox_that_dies(number: signal.Signals) -> None:
    """However the sandbox's process ends, its pods end, with all that they have started."""
    script = SANDBOX.format(family=FAMILY)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as sandbox:
        assert sandbox.stdout is not None
        first = sandbox.stdout.readline().decode()
        folder, pids = Path(first.split()[0]), numbers(first)
        while len(pids) < 3:
            pids += numbers(sandbox.stdout.readline().decode())
        assert folder.exists()
        assert all(runs(pid) for pid in pids)
        sandbox.send_signal(number)
    wait_for(lambda: not any(runs(pid) for pid in pids), "the end of the pods")
    wait_for(lambda: not folder.exists(), "the end of their folder")
