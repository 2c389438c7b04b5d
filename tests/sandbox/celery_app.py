"""The Celery application of the workers in the sandbox's tests.

Its task waits until the test lets it go on, so that a test decides what runs when.
"""

from __future__ import annotations

import os

import redis
from celery import Celery

PATIENCE_SECONDS = 30

app = Celery("sandbox-tests", broker=os.environ.get("BROKER_URL", ""))
app.conf.worker_prefetch_multiplier = 1


def work(number: int) -> None:
    """Say that it has started, wait for a word in the list `go`, say that it is done."""
    with redis.Redis.from_url(os.environ["BROKER_URL"]) as connected:
        connected.rpush("started", number)
        if connected.blpop(["go"], timeout=PATIENCE_SECONDS) is not None:
            connected.rpush("done", number)


app.task(work)
