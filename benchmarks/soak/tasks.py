"""The Celery application of the soak: its tasks take their time and leave evidence of every run."""

from __future__ import annotations

import json
import os
import time

import redis
from celery import Celery

EVIDENCE = "evidence"
NAME = "soak.work"


def application(url: str | None, settings: dict[str, object]) -> Celery:
    """Return the application, for a worker or for the one who sends."""
    made = Celery("soak", broker=url, set_as_current=False)
    made.conf.update(broker_connection_retry_on_startup=True, task_ignore_result=True, **settings)
    made.task(bind=True, name=NAME)(work)
    return made


def work(task: object, seconds: float, target: str) -> None:
    """Take a while, and write down when it began and ended."""
    request = task.request  # type: ignore[attr-defined]  # Celery has no types
    with redis.Redis.from_url(os.environ["SOAK_EVIDENCE"]) as evidence:
        known = {"id": request.id, "target": target, "where": request.hostname}
        again = bool((request.delivery_info or {}).get("redelivered"))
        evidence.rpush(EVIDENCE, json.dumps(known | {"what": "began", "again": again, "at": time.time()}))
        time.sleep(seconds)
        evidence.rpush(EVIDENCE, json.dumps(known | {"what": "ended", "at": time.time()}))


app = application(os.environ.get("SOAK_BROKER"), json.loads(os.environ.get("SOAK_SETTINGS", "{}")))
