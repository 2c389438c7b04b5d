"""What a container's template makes of SIGTERM."""

from __future__ import annotations

import pytest

from autoscaler.cluster.kinds import Container, EnvVar, Execution, Hook, Lifecycle
from autoscaler.cluster.shutdown import Unclear, cold_signal, shell_in_between

EXEC = "set -e\n# the worker\nexec \\\nairflow celery worker"


def container(*command: str, args: tuple[str, ...] = (), stop: str = "", signal: str = "") -> Container:
    """Return a container of a command line, a preStop and a stop signal."""
    hook = Hook(exec=Execution(command=("sh", "-c", stop))) if stop else None
    lifecycle = Lifecycle(pre_stop=hook, stop_signal=signal)
    return Container(name="w", command=command, args=args, lifecycle=lifecycle)


@pytest.mark.parametrize(
    ("made", "begins"),
    [
        (
            Container(name="w", env=(EnvVar(name="REMAP_SIGTERM", value="SIGQUIT"),)),
            "REMAP_SIGTERM=SIGQUIT in the environment of container w",
        ),
        (
            container("sh", "-c", "REMAP_SIGTERM=SIGQUIT exec celery worker"),
            "REMAP_SIGTERM=SIGQUIT in the command of container w",
        ),
        (container("celery", "worker", signal="SIGQUIT"), "lifecycle.stopSignal SIGQUIT"),
        (container("celery", "worker", stop="kill -QUIT 1; sleep 9"), "the preStop of container w"),
        (container("celery", "worker", stop="pkill -s SIGQUIT celery"), "the preStop"),
        (container("celery", "worker", stop="sleep 5 && kill -3 1"), "the preStop"),
        (container("sh", "-c", "trap 'kill -s QUIT $P' TERM; celery worker"), "the command"),
    ],
)
def test_what_makes_it_cold(made: Container, begins: str):
    """Celery kills its tasks on SIGQUIT, whoever sends it."""
    assert cold_signal(made).startswith(begins)


@pytest.mark.parametrize(
    "made",
    [
        container("celery", "worker"),
        container("celery", "worker", stop="kill -TERM 1; while kill -0 1; do sleep 3; done"),
        container("celery", "worker", signal="SIGTERM"),
        Container(name="w", env=(EnvVar(name="REMAP_SIGTERM", value="SIGTERM"),)),
        Container(name="w", command=None, args=None, env=None),
    ],
)
def test_what_does_not(made: Container):
    """Any other signal, and none."""
    assert cold_signal(made) == ""


@pytest.mark.parametrize(
    ("made", "hides"),
    [
        (container("celery", "-A", "app", "worker"), False),
        (container("sh", "-c", "celery -A app worker"), True),
        (container("/bin/bash", "-lc", args=("celery -A app worker -c 4 # all",)), True),
        (container("bash", "-o", "pipefail", "-c", "X=1 celery worker | tee log"), True),
        (container("sh", "-c", "until nc h 1; do sleep 1; done; if true; then celery worker; fi"), True),
        (container("sh", "-c", "exec celery -A app worker"), False),
        (container("sh", "-c", "cd /srv && X=1 exec /opt/bin/celery worker"), False),
        (container(args=("bash", "-c", EXEC)), False),
        (container("dumb-init", "--", "sh", "-c", "exec celery worker"), False),
    ],
)
def test_whether_a_shell_hides_sigterm(made: Container, hides: bool):
    """A shell passes no signal on, unless it becomes the worker."""
    assert shell_in_between(made) is hides


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (container(), "the image's own"),
        (container(args=("sh", "-c", "celery worker")), "started by something else"),
        (container("tini", "--", "sh", "-c", "celery worker"), "started by something else"),
        (container("sh", "-c", "celery worker", stop="kill -TERM 7"), "a preStop"),
        (container("sh", "-c", "trap 'kill $P' TERM; celery worker & P=$!; wait"), "traps"),
        (container("sh", "/start.sh"), "cannot be read"),
        (container("sh", "-c", "/start.sh"), "cannot be read"),
        (container("sh", "-c", "celery worker 'open"), "cannot be read"),
        (container("sh"), "cannot be read"),
    ],
)
def test_what_cannot_be_told(made: Container, why: str):
    """Nothing is claimed of what the template does not show."""
    with pytest.raises(Unclear, match=why):
        shell_in_between(made)
