"""The Celery application of the demo, with tasks that leave evidence of every run.

It is set up as Airflow sets its workers up (late acknowledgement, one task reserved for each slot), and
runs in the worker pods as well as where the tasks are sent from.
"""

from __future__ import annotations

import json
import os
import time

import redis
from celery import Celery, Task

EVIDENCE_KEY = "evidence"
QUEUE = "default"

app = Celery("demo", broker=os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"))
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
)


@app.task(bind=True, name="demo.work")  # type: ignore[untyped-decorator]  # Celery has no types
def work(task: Task, seconds: float) -> None:
    """Take a while, and write down when it began and ended, and where."""
    with redis.Redis.from_url(os.environ["EVIDENCE_URL"]) as evidence:
        _write(evidence, task, "began")
        time.sleep(seconds)
        _write(evidence, task, "ended")


def _write(evidence: redis.Redis, task: Task, what: str) -> None:
    line = {"id": task.request.id, "what": what, "at": time.time(), "where": task.request.hostname}
    evidence.rpush(EVIDENCE_KEY, json.dumps(line))
