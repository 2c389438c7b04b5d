"""The Celery application of the workers whose load the tests look at, and a way to start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from celery import Celery

PATIENCE_SECONDS = 60.0


def application(url: str | None, **options: Any) -> Celery:
    """Return the application, for a worker or for a producer."""
    made = Celery("load", broker=url, set_as_current=False)
    made.conf.update(broker_connection_retry_on_startup=True, task_ignore_result=True, **options)
    made.task(hold, name="hold")
    return made


def hold(path: str) -> None:
    """Run until there is a file at the path."""
    pause = threading.Event()
    while not Path(path).exists():
        pause.wait(0.05)


app = application(os.environ.get("TESTS_BROKER"), **json.loads(os.environ.get("TESTS_OPTIONS", "{}")))


class LoadWorker:
    """A worker process; it is ready when this returns."""

    def __init__(self, url: str, node: str, *arguments: str, **options: object) -> None:
        self.node = node
        command = [sys.executable, "-m", "celery", "--app", "tests.brokers.workers_app", "worker"]
        command += ["--hostname", node, "--loglevel", "info", "--without-mingle", *arguments]
        environment = {**os.environ, "TESTS_BROKER": url, "TESTS_OPTIONS": json.dumps(options)}
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stderr is not None
        if not any("ready." in line for line in self.process.stderr):
            raise AssertionError("the worker did not start")
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for _ in self.process.stderr:
            continue

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process."""
        os.kill(self.process.pid, number)

    def close(self) -> None:
        """End it at once, its children with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()


class Producer:
    """Sends tasks that run until `release`."""

    def __init__(self, url: str, directory: Path, **options: object) -> None:
        self._app = application(url, **options)
        self._path = directory / "go"

    def send(self, count: int, queue: str = "q", *, countdown: float | None = None) -> None:
        """Send tasks, to be run now or after so many seconds."""
        eta = None if countdown is None else datetime.now(UTC) + timedelta(seconds=countdown)
        for _ in range(count):
            self._app.send_task("hold", (str(self._path),), queue=queue, eta=eta)

    def release(self) -> None:
        """Let all tasks end."""
        self._path.touch()

    def close(self) -> None:
        """Hang up."""
        self._app.close()


@contextmanager
def producing(url: str, directory: Path, **options: object) -> Iterator[Producer]:
    """Yield a producer, whose tasks are let go in the end."""
    producer = Producer(url, directory, **options)
    try:
        yield producer
    finally:
        producer.release()
        producer.close()
