"""The Celery application of the tests that compare what is reported with what is true.

A task runs until its gate opens: until somebody pushes to the Redis list of that name.
"""

from __future__ import annotations

import json
import os

import redis
from celery import Celery
from kombu.entity import Exchange, Queue

URL = os.environ.get("TESTS_BROKER", "redis://127.0.0.1:1/0")
LONGEST_SECONDS = 90


def make_app(url: str, transport: dict[str, object]) -> Celery:
    """Return the application for a broker."""
    app = Celery("demand", broker=url, set_as_current=False)
    app.conf.broker_transport_options = transport
    app.conf.worker_prefetch_multiplier = 2
    app.conf.task_queues = [
        Queue("default", Exchange(""), routing_key="default"),
        Queue("other", Exchange(""), routing_key="other"),
        Queue("mail", Exchange("shop", type="direct"), routing_key="send"),
        Queue("europe", Exchange("orders", type="topic"), routing_key="order.*.eu"),
        Queue("audit", Exchange("orders", type="topic"), routing_key="audit.#"),
    ]
    app.conf.task_default_queue = "default"
    app.conf.task_create_missing_queues = True
    app.task(name="late", acks_late=True)(wait_at_gate)
    app.task(name="early", acks_late=False)(wait_at_gate)
    return app


def wait_at_gate(gate: str) -> None:
    """Run until the gate opens."""
    client = redis.Redis.from_url(os.environ.get("TESTS_GATES", URL))
    try:
        client.blpop([gate], timeout=LONGEST_SECONDS)
    finally:
        client.close()


app = make_app(URL, json.loads(os.environ.get("TESTS_TRANSPORT", "{}")))
