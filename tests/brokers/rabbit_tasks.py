"""The Celery application of the workers on RabbitMQ that the tests start."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from celery import Celery

app = Celery("tests", broker=os.environ.get("TESTS_BROKER"), set_as_current=False)
app.conf.update(json.loads(os.environ.get("TESTS_SETTINGS", "{}")))


@app.task(name="hold")  # type: ignore[untyped-decorator]  # celery has no types
def hold(release: str) -> None:
    """Run until a file is there."""
    pause = threading.Event()
    while not Path(release).exists():
        pause.wait(0.05)
