"""What the tests of RabbitMQ share: a vhost of their own in a real server, and readers of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import count
from typing import Any, Self
from urllib.parse import quote

import amqp
import pytest

from autoscaler.brokers.address import parse
from autoscaler.brokers.rabbitmq import RabbitReader
from autoscaler.brokers.rabbitmq_address import AmqpAddress
from autoscaler.brokers.rabbitmq_management import Errands
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Reading, TargetRef
from autoscaler.ports import DepthQuery
from autoscaler.sandbox.rabbitmq_server import USER, RabbitServer, RabbitUnavailable, find_rabbitmq_server

PATIENCE_SECONDS = 60.0
_numbers = count()


def rabbit_or_skip() -> type[RabbitServer]:
    """Return what starts a RabbitMQ; skip the test where there is none."""
    try:
        find_rabbitmq_server()
    except RabbitUnavailable as unavailable:
        pytest.skip(str(unavailable))
    return RabbitServer


class AtOnce:
    """A background that does every job at once, so that a test knows when it is done."""

    def do(self, key: object, job: Callable[[threading.Event], None]) -> None:
        """Do the job."""
        job(threading.Event())


def amqp_address(url: str) -> AmqpAddress:
    """Return the address of a RabbitMQ's URL."""
    address = parse(url)
    assert isinstance(address, AmqpAddress)
    return address


def query(*queues: str, target: str = "a", **settings: Any) -> DepthQuery:
    """Return a query for a target's queues, with a patient timeout."""
    broker = BrokerSettings(**{"timeout_seconds": 10.0, "management": False, **settings})
    return DepthQuery(TargetRef("ns", target), queues, broker)


def ready(reading: Reading[BrokerAccount]) -> dict[str, int]:
    """Return the messages of each queue; fail unless the reading is fresh."""
    assert reading.is_fresh, reading
    assert reading.value is not None
    return {messages.queue: messages.messages for messages in reading.value.queues}


class Vhost:
    """A vhost of its own in a server, with a connection to fill its queues by."""

    def __init__(self, server: RabbitServer) -> None:
        self.server = server
        self.name = f"tests/{os.getpid()}/{next(_numbers)}"
        self._stack = ExitStack()
        server.add_vhost(self.name)
        self._connection = amqp.Connection(
            f"127.0.0.1:{server.ports.amqp}", USER, server.password, virtual_host=self.name
        )
        self._connection.connect()
        self.channel: Any = self._connection.channel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        self._connection.collect()
        self.server.call("DELETE", f"vhosts/{quote(self.name, safe='')}")

    @property
    def url(self) -> str:
        """The URL for the user who may do everything."""
        return self.server.url_for(USER, self.server.password, self.name)

    def user(self, tags: str = "") -> str:
        """Create a user who is let into the vhost with no right to any queue; return its URL."""
        name = f"user-{next(_numbers)}"
        self.server.add_user(name, "hunter2", tags)
        self.server.allow(name, self.name)
        return self.server.url_for(name, "hunter2", self.name)

    def declare(self, *queues: str, messages: int = 0, **arguments: object) -> None:
        """Create queues, each with so many messages."""
        for queue in queues:
            self.channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
            self.publish(queue, messages)

    def publish(self, queue: str, messages: int, **properties: object) -> None:
        """Put messages into a queue, and return when it has them."""
        self.channel.confirm_select()
        for _ in range(messages):
            self.channel.basic_publish_confirm(amqp.Message("secret body", **properties), routing_key=queue)

    def consume(self, queue: str, prefetch: int) -> None:
        """Take so many messages from a queue, and acknowledge none."""
        self.channel.basic_qos(0, prefetch, a_global=False)
        self.channel.basic_consume(queue, callback=lambda _message: None)

    def reader(
        self,
        url: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        background: Errands | None = None,
    ) -> RabbitReader:
        """Return a reader that ends with the vhost."""
        reader = RabbitReader(amqp_address(url or self.url), clock, background=background or AtOnce())
        self._stack.callback(reader.close)
        return reader

    def names(self) -> set[str]:
        """Return all its queues."""
        listed: Iterable[dict[str, str]] = self.server.call(
            "GET", f"queues/{quote(self.name, safe='')}?columns=name"
        )
        return {queue["name"] for queue in listed}

    def connections(self) -> list[str]:
        """Return the names of the daemon's connections to it."""
        return [
            one["name"]
            for one in self.server.call("GET", f"vhosts/{quote(self.name, safe='')}/connections")
            if one.get("client_properties", {}).get("connection_name") == "celery-autoscaler"
        ]

    def channels(self) -> list[int]:
        """Return the numbers of the channels of the daemon's connections to it."""
        ours = self.connections()
        listed = self.server.call("GET", f"vhosts/{quote(self.name, safe='')}/channels")
        return [one["number"] for one in listed if one.get("connection_details", {}).get("name") in ours]


class RabbitWorker:
    """A worker process of `tests.brokers.rabbit_tasks` with one slot; `wait` returns when it is ready."""

    def __init__(self, url: str, **settings: object) -> None:
        command = [sys.executable, "-m", "celery", "--app", "tests.brokers.rabbit_tasks", "worker"]
        command += ["--hostname", f"celery@w-{next(_numbers)}", "--loglevel", "info", "--pool", "threads"]
        command += ["--concurrency", "1", "--without-gossip", "--without-mingle"]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TESTS_BROKER": url, "TESTS_SETTINGS": json.dumps(settings)},
        )
        self._said: list[str] = []
        self._ready = threading.Event()
        self._listen = threading.Thread(target=self._hear, daemon=True)
        self._listen.start()

    def wait(self) -> None:
        """Return when it is ready."""
        self._ready.wait(PATIENCE_SECONDS)
        assert any("ready." in line for line in self._said), self._said

    def _hear(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            if "ready." in line:
                self._ready.set()
        self._ready.set()

    def end(self) -> None:
        """Have it end, its tasks first."""
        self._process.terminate()

    def close(self) -> None:
        """Return when it has ended."""
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listen.join(PATIENCE_SECONDS)
        assert self._process.stderr is not None
        self._process.stderr.close()
