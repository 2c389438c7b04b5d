"""A producer that stamps its messages, and what is read of the stamps."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autoscaler import publish
from autoscaler.brokers.address import redis_address
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import account_of
from tests.brokers.demand_tasks import make_app
from tests.brokers.servers import RedisServer


@pytest.fixture
def stamped() -> Iterator[None]:
    """Stamp messages for the time of a test."""
    publish.stamp_messages()
    publish.stamp_messages()
    yield
    publish.leave_messages()


@pytest.mark.servers
@pytest.mark.usefixtures("stamped")
def test_a_stamped_message_says_when_it_was_sent(server: RedisServer) -> None:
    """To the fraction of a second, also for a reader that comes later."""
    began = time.time()
    with make_app(server.url, {}) as producer:
        producer.tasks["late"].apply_async(("gate",), queue="default")
    ended = time.time()
    with closing(RedisReader(redis_address(server.url))) as reader:
        query = DepthQuery(TargetRef("ns", "a"), ("default",), BrokerSettings(timeout_seconds=10.0))
        account = account_of(reader.read([query])[0])
    assert account.oldest_source == "autoscaler.publish"
    assert account.oldest_at is not None
    assert began <= account.oldest_at <= ended


def test_it_needs_nothing_but_celery() -> None:
    """So that producers need not install what the daemon does."""
    tree = ast.parse(Path(publish.__file__).read_text(encoding="utf-8"))
    names = [
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([one.name for one in node.names] if isinstance(node, ast.Import) else [str(node.module)])
    ]
    modules = {name.partition(".")[0] for name in names}
    assert modules - set(sys.stdlib_module_names) == {"celery"}
