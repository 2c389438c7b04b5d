"""Real Celery workers as pods, against a real Redis."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import redis
from celery import Celery

from autoscaler.sandbox.redis_server import RedisServer
from autoscaler.sandbox.sessions import members
from tests.sandbox.live import Live
from tests.sandbox.world import NAMESPACE, statefulset, template

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]


def send(url: str, numbers: range) -> None:
    """Put tasks into the queue."""
    app = Celery(broker=url, set_as_current=False)
    with app.connection_for_write() as connection:
        for number in numbers:
            app.send_task("tests.sandbox.celery_app.work", args=[number], connection=connection)
    app.close()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_runs_tasks_and_ends_warmly(pool: str) -> None:
    """Three tasks run in a pod; scaled down to zero while the last one runs, it finishes that one."""
    arguments = ["-A", "tests.sandbox.celery_app", "worker", "-n", "celery@$(POD_NAME)", "-P", pool]
    arguments += ["-c", "2", "--without-gossip", "--without-mingle"]
    url = {"secretKeyRef": {"name": "broker", "key": "connection"}}
    worker = {
        "command": ["celery"],
        "args": arguments,
        "env": [{"name": "BROKER_URL", "valueFrom": url}],
    }
    with RedisServer() as server, redis.Redis.from_url(server.url) as broker:
        send(server.url, range(3))
        with Live(work_folder=ROOT) as live:
            secret = {"connection": base64.b64encode(server.url.encode()).decode()}
            live.store.create(
                "secrets", {"metadata": {"name": "broker", "namespace": NAMESPACE}, "data": secret}
            )
            live.store.create(
                "statefulsets.apps",
                statefulset(1, template=template(worker, terminationGracePeriodSeconds=60)),
            )
            live.expect(lambda: broker.llen("started") == 2, f"two tasks at once; it said {live.said()}")
            assert "celery@worker-0" in live.said()
            broker.rpush("go", "first", "second")
            live.expect(lambda: broker.llen("done") == 2 and broker.llen("started") == 3, "the third task")
            sessions = live.sessions
            live.scale(0)
            live.expect(lambda: "Warm shutdown" in live.said(), "the warm shutdown")
            broker.rpush("go", "third")
            live.expect(lambda: live.runner.endings, "the end of the worker")
            (ending,) = live.runner.endings
            assert (ending.exit_code, ending.killed) == (0, False)
            assert sorted(int(number) for number in broker.lrange("done", 0, -1)) == [0, 1, 2]
            assert not any(members(session) for session in sessions)
