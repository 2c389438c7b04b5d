"""The Celery application of a stage: its tasks take their time and leave evidence of every run."""

from __future__ import annotations

import json
import os
import time

import redis
from celery import Celery

EVIDENCE = "evidence"
CYCLE_SECONDS = 0.1
"""A task that burns a share of a core does so in the beginning of each cycle."""
NAME = "stage.work"


def application(url: str | None, settings: dict[str, object]) -> Celery:
    """Return the application, for a worker or for the one who sends."""
    made = Celery("stage", broker=url, set_as_current=False)
    made.conf.update(broker_connection_retry_on_startup=True, task_ignore_result=True, **settings)
    made.task(bind=True, name=NAME)(work)
    return made


def work(task: object, seconds: float, target: str, share: float = 0.0) -> None:
    """Take a while, burn a share of a core meanwhile, and write down when it began and ended."""
    request = task.request  # type: ignore[attr-defined]  # Celery has no types
    with redis.Redis.from_url(os.environ["STAGE_EVIDENCE"]) as evidence:
        known = {"id": request.id, "target": target, "where": request.hostname}
        again = bool((request.delivery_info or {}).get("redelivered"))
        evidence.rpush(EVIDENCE, json.dumps(known | {"what": "began", "again": again, "at": time.time()}))
        _pass(seconds, share)
        evidence.rpush(EVIDENCE, json.dumps(known | {"what": "ended", "at": time.time()}))


def _pass(seconds: float, share: float) -> None:
    """Let time pass, some of it with this thread at work."""
    if not share:
        time.sleep(seconds)
        return
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        worked = time.thread_time() + share * CYCLE_SECONDS
        began = time.monotonic()
        while time.thread_time() < worked:
            sum(range(1000))
        time.sleep(max(0.0, CYCLE_SECONDS - (time.monotonic() - began)))


app = application(os.environ.get("STAGE_BROKER"), json.loads(os.environ.get("STAGE_SETTINGS", "{}")))
