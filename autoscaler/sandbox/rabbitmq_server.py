"""A real RabbitMQ for demos and tests: its own node, ports and folder, and nothing left of it.

A node of Erlang is not alone: it looks for a port mapper (epmd), starts one that outlives it if there
is none, and takes a port for other nodes. So each server here has a port mapper of its own, in a
session that ends with it, and Erlang's cookie in its own folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import glob
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from autoscaler.sandbox.sessions import Session, Warden

HOST = "127.0.0.1"
USER = "sandbox"
PLACES = ("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "/opt/rabbitmq/sbin", "/usr/local/sbin")
_TRIES = 3  # for free ports that somebody else takes before RabbitMQ does
_PATIENCE_SECONDS = 90.0
_PAUSE_SECONDS = 0.05
_CALL_SECONDS = 10.0


class RabbitUnavailable(Exception):
    """There is no RabbitMQ to start, or it does not start."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Paths of what a server speaks TLS with: its authority, its certificate and its key."""

    authority: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one server listens; `amqps` and `https` only where it speaks TLS."""

    amqp: int
    management: int
    amqps: int
    https: int
    nodes: int
    mapper: int


def find_rabbitmq_server(places: Sequence[str] = PLACES) -> str:
    """Return the path of the script that starts RabbitMQ in the foreground, as any user.

    Debian's own in the PATH is for the system's node alone. Raises `RabbitUnavailable`, saying what
    to install.
    """
    for place in places:
        for folder in sorted(glob(place), reverse=True):  # noqa: PTH207  # an absolute pattern
            script = Path(folder, "rabbitmq-server")
            if script.exists() and shutil.which("epmd") and shutil.which("erl"):
                return str(script)
    raise RabbitUnavailable(
        "no rabbitmq-server found: install RabbitMQ (on Debian: apt install rabbitmq-server)"
    )


class RabbitServer:
    """A RabbitMQ with its management API, started on entering and gone without a trace on leaving.

    The user `sandbox` may do everything; `password` is its password. It takes free ports and keeps
    them over restarts, and so are its queues kept that are durable. Statistics are gathered every
    `statistics_seconds`. Raises `RabbitUnavailable`.
    """

    def __init__(
        self,
        *,
        password: str = "sandbox",  # noqa: S107  # of a server on the loopback
        tls: ServerTls | None = None,
        statistics_seconds: float = 5.0,
    ) -> None:
        self.password = password
        self._tls = tls
        self._statistics_seconds = statistics_seconds
        self._script = find_rabbitmq_server()
        self._ports: Ports | None = None
        self._folder: Path | None = None
        self._warden: Warden | None = None
        self._mapper: Session | None = None
        self._session: Session | None = None

    def __enter__(self) -> RabbitServer:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def ports(self) -> Ports:
        """Where it listens. Raises `RabbitUnavailable` when it does not run."""
        if self._ports is None:
            raise RabbitUnavailable("this RabbitMQ does not run")
        return self._ports

    @property
    def pid(self) -> int:
        """The number of its process. Raises `RabbitUnavailable` when it does not run."""
        return self._running().pid

    @property
    def url(self) -> str:
        """The URL of its vhost "/" for the user who may do everything."""
        return self.url_for(USER, self.password)

    def url_for(self, user: str, password: str, vhost: str = "/", *, tls: bool = False) -> str:
        """Return the URL of a vhost for a user."""
        kind, port = ("amqps", self.ports.amqps) if tls else ("amqp", self.ports.amqp)
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"{kind}://{login}@{HOST}:{port}/{quote(vhost, safe='')}"

    @property
    def management_url(self) -> str:
        """The URL of its management API, without credentials."""
        return f"http://{HOST}:{self.ports.management}"

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  # any JSON
        """Return the management API's answer to a call, None for an empty one.

        `path` follows "/api/". Raises `RabbitUnavailable` for a refusal, or without an answer.
        """
        connection = HTTPConnection(HOST, self.ports.management, timeout=_CALL_SECONDS)
        login = b64encode(f"{USER}:{self.password}".encode()).decode()
        try:
            connection.request(
                method,
                f"/api/{path}",
                body=None if body is None else json.dumps(body),
                headers={"authorization": f"Basic {login}", "content-type": "application/json"},
            )
            with connection.getresponse() as answer:
                text = answer.read().decode()
        except (OSError, HTTPException) as error:
            raise RabbitUnavailable(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RabbitUnavailable(f"{method} {path}: {answer.status} {text}")
        return json.loads(text) if text else None

    def add_vhost(self, name: str) -> None:
        """Create a vhost, in which the user `sandbox` may do everything."""
        self.call("PUT", f"vhosts/{quote(name, safe='')}", {})
        self.allow(USER, name, configure=".*", write=".*", read=".*")

    def add_user(self, name: str, password: str, tags: str = "") -> None:
        """Create a user without any permission, or change one. `tags` is a list with commas."""
        self.call("PUT", f"users/{quote(name, safe='')}", {"password": password, "tags": tags})

    def allow(
        self, user: str, vhost: str = "/", *, configure: str = "^$", write: str = "^$", read: str = "^$"
    ) -> None:
        """Let a user into a vhost, with these patterns as its permissions."""
        path = f"permissions/{quote(vhost, safe='')}/{quote(user, safe='')}"
        self.call("PUT", path, {"configure": configure, "write": write, "read": read})

    def start(self) -> None:
        """Start it and wait until it answers, which takes many seconds."""
        self._folder = Path(tempfile.mkdtemp(prefix="sandbox-rabbitmq-"))
        self._warden = Warden(self._folder)
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it and remove its folder; nothing happens if it does not run."""
        self._halt()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.join()
            self._mapper = None
        if self._warden is not None:
            self._warden.close()
            self._warden = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._ports = None

    def halt(self) -> None:
        """End its process at once; `restart` starts it again with what it had on disk."""
        self._running()
        self._halt()

    def restart(self) -> None:
        """Start it again on the same ports, after `halt` or in its place."""
        self._halt()
        self._spawn()
        if not self._answers():
            raise RabbitUnavailable(f"rabbitmq-server did not start again: {self._last_words()}")

    def suspend(self) -> None:
        """Let it hang: it keeps its connections and answers nothing (SIGSTOP)."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._running().signal(signal.SIGCONT)

    def _running(self) -> Session:
        if self._session is None:
            raise RabbitUnavailable("this RabbitMQ does not run")
        return self._session

    def _halt(self) -> None:
        """End the process the short way: it may be suspended."""
        session, self._session = self._session, None
        if session is not None:
            session.kill()
            session.join()

    def _launch(self) -> None:
        for _ in range(_TRIES):
            self._ports = Ports(*_free_ports(6))
            self._map_nodes()
            self._spawn()
            if self._answers():
                return
            self._halt()
        raise RabbitUnavailable(f"rabbitmq-server did not start: {self._last_words()}")

    def _map_nodes(self) -> None:
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.join()
        self._mapper = self._run(
            ["epmd", "-port", str(self.ports.mapper), "-address", HOST, "-relaxed_command_check"],
            "epmd.log",
            os.environ,
        )

    def _spawn(self) -> None:
        folder = self._place()
        (folder / "rabbitmq.conf").write_text("\n".join(self._settings()) + "\n")
        (folder / "rabbitmq.conf").chmod(0o600)
        (folder / "plugins").write_text("[rabbitmq_management].\n")
        (folder / "empty").touch()
        self._session = self._run([self._script], "rabbitmq.log", self._environment())

    def _run(self, command: list[str], log: str, environment: os._Environ[str] | dict[str, str]) -> Session:
        folder = self._place()
        if self._warden is None:
            raise RabbitUnavailable("this RabbitMQ does not run")
        with (folder / log).open("wb") as output:
            return Session(
                command, self._warden, lambda _: None, environment=environment, folder=folder, output=output
            )

    def _place(self) -> Path:
        if self._folder is None:
            raise RabbitUnavailable("this RabbitMQ does not run")
        return self._folder

    def _environment(self) -> dict[str, str]:
        """Return the system's environment, with every file and port of the node's own."""
        folder, ports = self._place(), self.ports
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "ERL_", "NOTIFY_SOCKET"))
        }
        return inherited | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(ports.mapper),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"sandbox-{ports.amqp}@localhost",
            "RABBITMQ_DIST_PORT": str(ports.nodes),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "empty"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-start_epmd false -kernel inet_dist_use_interface {{{HOST.replace('.', ',')}}}"
            ),
            "RUNNING_UNDER_SYSTEMD": "true",  # which makes the script become the server
        }

    def _settings(self) -> list[str]:
        ports, tls = self.ports, self._tls
        settings = [
            f"listeners.tcp.default = {HOST}:{ports.amqp}",
            f"management.tcp.ip = {HOST}",
            f"management.tcp.port = {ports.management}",
            f"default_user = {USER}",
            f"default_pass = {self.password}",
            f"collect_statistics_interval = {int(1000 * self._statistics_seconds)}",
            "disk_free_limit.absolute = 1MB",
            "log.console.level = info",
        ]
        if tls is not None:
            files = {"cacertfile": tls.authority, "certfile": tls.certificate, "keyfile": tls.key}
            settings += [f"listeners.ssl.default = {HOST}:{ports.amqps}"]
            settings += [f"management.ssl.port = {ports.https}", f"management.ssl.ip = {HOST}"]
            for section in ("ssl_options", "management.ssl"):
                settings += [f"{section}.{name} = {path}" for name, path in files.items()]
        return settings

    def _answers(self) -> bool:
        """Wait until it answers; False when it has ended or takes too long."""
        return _wait(lambda: self._running().join(0) or self._ready()) and not self._running().join(0)

    def _ready(self) -> bool:
        if "startup complete" not in self._log():
            return False
        try:
            self.call("GET", "whoami")
        except RabbitUnavailable:
            return False
        return True

    def _log(self) -> str:
        """Return what it has written: its own word, so that no other server's answer is taken for it."""
        log = self._place() / "rabbitmq.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _last_words(self) -> str:
        lines = [line for line in self._log().splitlines() if line.strip()]
        return " | ".join(lines[-5:]) if lines else "it said nothing"


def _wait(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    pause = threading.Event()
    while time.monotonic() < deadline:
        if condition():
            return True
        pause.wait(_PAUSE_SECONDS)
    return False


def _free_ports(count: int) -> list[int]:
    """Return that many different ports that nobody listens on at the moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
