"""The queues that a glob stands for, found in a real Redis and a real RabbitMQ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.brokers.found_queues import EVERY_SECONDS
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import Reading, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.conftest import OpenReader
from tests.brokers.rabbits import Vhost, query
from tests.brokers.servers import CeleryWorker, FakeClock, RedisServer, wait_until

pytestmark = pytest.mark.servers

BROKER = BrokerSettings(timeout_seconds=5.0)


def asked(*queues: str, **settings: object) -> DepthQuery:
    """Return a query for queues, some of them globs."""
    return DepthQuery(TargetRef("ns", "w"), queues, replace(BROKER, **settings))  # type: ignore[arg-type]  # as the test has them


def found(reader: RedisReader, wanted: DepthQuery) -> tuple[str, ...]:
    """Return the queues once they were looked for."""
    readings: list[Reading[tuple[str, ...]]] = []

    def known() -> bool:
        readings.append(reader.queues(wanted))
        return readings[-1].value is not None

    wait_until(known, "the queues")
    assert readings[-1].value is not None
    return readings[-1].value


def test_lists_and_bindings_tell_of_queues(server: RedisServer, reader_of: OpenReader) -> None:
    """Lists of any priority, under the prefix and no other; what holds no tasks is none of them."""
    keys = server.admin
    for key in ("etl-a", "etl-b\x06\x163", "other", "etl-[x]", "celeryev.1", "w.celery.pidbox"):
        keys.lpush(key, "task")
    keys.set("etl-string", "1")
    keys.hset("unacked", "tag", "1")
    keys.sadd("_kombu.binding.etl-empty", "etl-empty\x06\x16\x06\x16etl-empty")
    keys.sadd("_kombu.binding.celeryev", "worker.#\x06\x16\x06\x16celeryev.2")
    keys.lpush("app:etl-elsewhere", "task")
    reader = reader_of(server.url)
    assert reader.queues(asked("etl-*")).detail == "its queues are still being looked for"
    assert found(reader, asked("etl-*")) == ("etl-[x]", "etl-a", "etl-b", "etl-empty")
    assert found(reader, asked("etl-[[]x]", "oth?r", "none")) == ("etl-[x]", "other")
    assert found(reader, asked("[!a]*")) == ("etl-[x]", "etl-a", "etl-b", "etl-empty", "other")
    assert found(reader, asked("etl-*", global_keyprefix="app:")) == ("etl-elsewhere",)


def test_a_queue_is_found_later_and_kept_while_it_is_empty(
    server: RedisServer, reader_of: OpenReader, clock: FakeClock
) -> None:
    """Looked for every 15 s; an empty list is no key in Redis, and its queue is known all the same."""
    reader = reader_of(server.url)
    assert found(reader, asked("etl-*")) == ()
    server.admin.lpush("etl-a", "task")
    clock.advance(EVERY_SECONDS - 0.1)
    assert reader.queues(asked("etl-*")).value == ()
    clock.advance(0.1)
    wait_until(lambda: reader.queues(asked("etl-*")).value == ("etl-a",), "the new queue")
    server.admin.delete("etl-a")
    server.admin.lpush("etl-b", "task")
    clock.advance(EVERY_SECONDS + 60.0)
    wait_until(lambda: reader.queues(asked("etl-*")).value == ("etl-a", "etl-b"), "the other one")


def test_many_other_keys_are_passed_in_small_steps(server: RedisServer, reader_of: OpenReader) -> None:
    """Results of 20,000 tasks lie in the same database: no KEYS, and no step beyond a thousand."""
    pipeline = server.admin.pipeline()
    for number in range(20_000):
        pipeline.set(f"celery-task-meta-{number}", "x")
    pipeline.lpush("etl-a", "task")
    pipeline.execute()
    assert found(reader_of(server.url), asked("etl-*")) == ("etl-a",)
    calls = server.admin.info("commandstats")
    assert 40 <= calls["cmdstat_scan"]["calls"] <= 60
    assert "cmdstat_keys" not in calls


def test_without_the_right_to_scan_the_queues_are_unknown(server: RedisServer, reader_of: OpenReader) -> None:
    """Unknown is not none."""
    server.admin.lpush("etl-a", "task")
    server.admin.execute_command(
        *("ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "-@all", "+llen", "+hlen", "+select", "+info")
    )
    reader = reader_of(server.url.replace("redis://", "redis://reader:s3cret@"))
    wait_until(lambda: "SCAN" in reader.queues(asked("etl-*")).detail, "the refusal")
    assert reader.queues(asked("etl-*")).value is None


def test_the_queues_of_a_real_worker_are_found_before_they_hold_anything(
    server: RedisServer, reader_of: OpenReader
) -> None:
    """Its bindings are enough."""
    worker = CeleryWorker(server.url, "celery@w-0", "--pool", "threads", "--queues", "etl-a,etl-b")
    try:
        assert found(reader_of(server.url), asked("*")) == ("etl-a", "etl-b")
    finally:
        worker.kill()


def test_rabbitmq_lists_them_by_its_management_api(vhost: Vhost) -> None:
    """Without it they are unknown, since AMQP lists none."""
    vhost.declare("etl-a", "etl-b", "other", "celery_delayed_3", "celeryev.1", "w.celery.pidbox")
    reader = vhost.reader()
    settings = {"management_url": vhost.server.management_url}
    wanted = query("etl-*", management=True, **settings)
    wait_until(lambda: reader.queues(wanted).value == ("etl-a", "etl-b"), "the queues")
    every = query("*", management=True, **settings)
    assert reader.queues(every).value == ("etl-a", "etl-b", "other")
    blind = vhost.reader().queues(query("etl-*"))
    assert (blind.value, "need the management API" in blind.detail) == (None, True)
    gone = vhost.reader().queues(query("etl-*", management=True, management_url="http://127.0.0.1:1"))
    assert (gone.value, "still being looked for" in gone.detail) == (None, True)
