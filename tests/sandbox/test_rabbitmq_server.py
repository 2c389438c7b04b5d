"""The RabbitMQ of the demos and the tests: that it works, and that nothing of it is left."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from autoscaler.sandbox.rabbitmq_server import RabbitServer, RabbitUnavailable, find_rabbitmq_server
from autoscaler.sandbox.sessions import members


@pytest.mark.servers
def test_it_answers_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a process, its port mapper included, nor a file, even when it was hanging."""
    try:
        find_rabbitmq_server()
    except RabbitUnavailable as unavailable:
        pytest.skip(str(unavailable))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with RabbitServer(password="a/b@c") as server:
        assert server.call("GET", "whoami")["name"] == "sandbox"
        assert server.url == f"amqp://sandbox:a%2Fb%40c@127.0.0.1:{server.ports.amqp}/%2F"
        with pytest.raises(RabbitUnavailable, match="404"):
            server.call("GET", "vhosts/nowhere")
        pid, ports = server.pid, server.ports
        for port in (ports.amqp, ports.management, ports.nodes, ports.mapper):
            socket.create_connection(("127.0.0.1", port)).close()
        server.suspend()
    assert members(pid) == []
    assert list(tmp_path.iterdir()) == []
    for port in (ports.amqp, ports.management, ports.nodes, ports.mapper):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    with pytest.raises(RabbitUnavailable, match="does not run"):
        _ = server.url


def test_it_says_what_to_install(tmp_path: Path) -> None:
    """Where there is none."""
    with pytest.raises(RabbitUnavailable, match="apt install rabbitmq-server"):
        find_rabbitmq_server([str(tmp_path / "*")])
