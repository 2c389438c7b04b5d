"""The Celery application of the matrix: its tasks write down that they began, and run until they may end."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from celery import Celery

BEGUN, ENDED, GO = ".begun", ".ended", "go"


def application(url: str | None, settings: dict[str, object]) -> Celery:
    """Return the application, for a worker or for the one who sends."""
    made = Celery("matrix", broker=url, set_as_current=False)
    made.conf.update(broker_connection_retry_on_startup=True, task_ignore_result=True, **settings)
    made.task(bind=True, name="matrix.hold")(hold)
    return made


def hold(task: object, folder: str) -> None:
    """Run until there is a file `go` in the folder."""
    place, number = Path(folder), task.request.id  # type: ignore[attr-defined]  # Celery has no types
    (place / f"{number}{BEGUN}").touch()
    pause = threading.Event()
    while not (place / GO).exists():
        pause.wait(0.05)
    (place / f"{number}{ENDED}").touch()


app = application(os.environ.get("MATRIX_BROKER"), json.loads(os.environ.get("MATRIX_SETTINGS", "{}")))
