"""A master, its replica and three Sentinels that watch them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

from tests.brokers.servers import RedisServer, free_port, wait_until

MASTER = "mymaster"


class Watched:
    """Two servers and `sentinels`, each of which is a Redis in Sentinel mode."""

    def __init__(self, binary: str, directory: Path, stack: ExitStack, *, password: str = "") -> None:
        self.password = password
        self.servers = [self._server(binary, directory, stack, number) for number in range(2)]
        self.servers[1].admin.replicaof("127.0.0.1", self.servers[0].port)
        self.sentinels = [self._sentinel(binary, directory, stack, number) for number in range(3)]
        wait_until(
            lambda: all(self._is_settled(one) for one in self.sentinels), "Sentinels that know each other"
        )

    @property
    def url(self) -> str:
        """The URL by which Celery is told of the Sentinels."""
        return ";".join(f"sentinel://127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    def master(self) -> RedisServer:
        """Return the server that is the master now."""
        return next(one for one in self.servers if one.is_up and one.admin.role()[0] == "master")

    def _server(self, binary: str, directory: Path, stack: ExitStack, number: int) -> RedisServer:
        home = directory / f"redis-{number}"
        home.mkdir()
        server = RedisServer(binary, home, "--repl-diskless-sync-delay", "0")
        stack.callback(server.close)
        return server

    def _sentinel(self, binary: str, directory: Path, stack: ExitStack, number: int) -> RedisServer:
        home = directory / f"sentinel-{number}"
        home.mkdir()
        config = home / "sentinel.conf"
        lines = [
            f"sentinel monitor {MASTER} 127.0.0.1 {self.servers[0].port} 2",
            f"sentinel down-after-milliseconds {MASTER} 500",
            f"sentinel failover-timeout {MASTER} 3000",
        ]
        if self.password:
            lines += [f"requirepass {self.password}", f"sentinel sentinel-pass {self.password}"]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        sentinel = _Sentinel(binary, home, config, free_port())
        stack.callback(sentinel.close)
        sentinel.admin = redis.Redis(
            port=sentinel.port, password=self.password or None, decode_responses=True, protocol=2
        )
        return sentinel

    def _is_settled(self, sentinel: RedisServer) -> bool:
        state: Any = sentinel.admin.execute_command("SENTINEL", "MASTER", MASTER)
        told = state if isinstance(state, dict) else dict(zip(state[::2], state[1::2], strict=True))
        return (str(told["num-slaves"]), str(told["num-other-sentinels"])) == ("1", "2")


class _Sentinel(RedisServer):
    """A redis-server in Sentinel mode."""

    def __init__(self, binary: str, directory: Path, config: Path, port: int) -> None:
        self._config = config
        super().__init__(binary, directory, port=port)

    def _command_for(self, binary: str, directory: Path, options: tuple[str, ...]) -> list[str]:
        return [binary, str(self._config), "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"]

    def start(self) -> None:
        """Start it; it says something else than a server does."""
        self._launch("Sentinel ID is")
