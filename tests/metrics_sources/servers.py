"""Real servers for the tests of the hints, and small ones that misbehave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.brokers.servers import free_port
from tests.waiting import eventually

READERS_PASSWORD = "p%40ss%2Fword"

Answer = tuple[int, Mapping[str, str], bytes]


class WebServer:
    """Answers GET as it is told to, and remembers what it was asked.

    While `held` is set an answer waits, until the server is closed.
    """

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.hold = threading.Event()
        self._closed = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append((self.path, dict(self.headers)))
                if owner.hold.is_set():
                    owner._closed.wait(60)
                with suppress(OSError):
                    owner._reply(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        status, headers, body = self.answer(handler.path)
        handler.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class DrippingServer(WebServer):
    """Sends a byte of its answer every few milliseconds, and never ends."""

    def __init__(self) -> None:
        super().__init__(lambda _: (200, {}, b""))

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not self._closed.wait(0.02):
            handler.wfile.write(b" ")


class AirflowPage:
    """What one Airflow's exporter offers: some lines, and the scheduler's heartbeat while it is not None.

    The heartbeat goes on with each scrape while `alive`.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.alive: bool | None = None
        self.beats = 10

    def text(self) -> bytes:
        """Return the page for a scrape."""
        lines = list(self.lines)
        if self.alive is not None:
            self.beats += self.alive
            lines.append(f'airflow_scheduler_heartbeat{{type="counter"}} {self.beats}')
        return ("\n".join(lines) + "\n").encode()


class AirflowExporters(WebServer):
    """The statsd exporters of several Airflows, with the official chart's names: one page each."""

    def __init__(self, number: int) -> None:
        self.pages = {f"/{index}": AirflowPage() for index in range(number)}
        super().__init__(
            lambda path: (200, {"Content-Type": "text/plain; version=0.0.4"}, self.pages[path].text())
        )


def stop(pid: int) -> None:
    """Stop a process, and return once it stands still: a thread of it may still answer after the signal."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")

    def states() -> set[str]:
        return {path.read_text().rpartition(")")[2].split()[0] for path in threads.glob("*/stat")}

    eventually(lambda: states() == {"T"}, "all threads have stopped")


class PrometheusProcess:
    """A real Prometheus that scrapes targets, given as (port, labels), three times a second."""

    def __init__(self, binary: str, folder: Path, targets: Sequence[tuple[int, Mapping[str, str]]]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        jobs = "".join(
            f"    - targets: ['127.0.0.1:{port}']\n      labels: {dict(labels)!r}\n"
            for port, labels in targets
        )
        (folder / "prometheus.yml").write_text(
            "global:\n  scrape_interval: 300ms\n  scrape_timeout: 300ms\n"
            f"scrape_configs:\n- job_name: airflow\n  static_configs:\n{jobs}"
        )
        self._process = subprocess.Popen(
            [
                binary,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._ready, "Prometheus is ready")

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def pause(self) -> None:
        """Let it hang."""
        stop(self._process.pid)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop it at once."""
        self._process.kill()
        self._process.wait()


def postgres_binaries() -> Path | None:
    """Return the folder of PostgreSQL's server programs."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


def as_other_user() -> list[str]:
    """Return what begins a command of a server that refuses to be run by root."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


class Postgres:
    """A real PostgreSQL in a folder of its own, with Airflow's table of task instances.

    `reader` may read that table and do nothing else.
    """

    def __init__(self, binaries: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()
        password = self.folder / "password"
        password.write_text("owner-password")
        if os.getuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, "nobody", "nogroup")
        data = self.folder / "data"
        self._run(
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "owner",
            "--auth=scram-sha-256",
            "-N",
            f"--pwfile={password}",
        )
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [*as_other_user(), binaries / "postgres", "-D", data, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._ready, "PostgreSQL is ready")
        self.admin = psycopg.connect(self.owner_url, autocommit=True)
        self.execute("CREATE ROLE reader LOGIN PASSWORD 'p@ss/word'")
        self.make_table()

    def make_table(self, columns: str = "executor varchar(1000),") -> None:
        """Make Airflow's table anew, as far as it is read: the columns are the same in 2.11 and 3."""
        self.execute("DROP TABLE IF EXISTS task_instance")
        self.execute(
            f"CREATE TABLE task_instance (task_id text, state varchar(20), queue varchar(256), {columns}"
            " queued_dttm timestamptz)"
        )
        self.execute("GRANT SELECT ON task_instance TO reader")

    @property
    def owner_url(self) -> str:
        """The URL of its owner."""
        return f"postgresql://owner:owner-password@127.0.0.1:{self.port}/postgres"

    def url(self, port: int = 0, password: str = READERS_PASSWORD) -> str:
        """Return the reader's URL, as Airflow's configuration has it."""
        return (
            f"postgresql+psycopg2://reader:{password}@127.0.0.1:{port or self.port}/postgres?sslmode=disable"
        )

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the owner, and return its rows."""
        cursor = self.admin.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def add(
        self, state: str, queue: str, executor: str | None = None, *, tasks: int = 1, age: float = 0
    ) -> None:
        """Add tasks that were queued some seconds ago."""
        for _ in range(tasks):
            self.execute(
                "INSERT INTO task_instance VALUES ('t', %s, %s, %s, now() - %s * interval '1 s')",
                *(state, queue, executor, age),
            )

    def clients(self) -> list[int]:
        """Return the process of each of our connections."""
        return [
            row[0]
            for row in self.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'celery-autoscaler'"
            )
        ]

    def close(self) -> None:
        """Stop it."""
        self.admin.close()
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        shutil.rmtree(self.folder)

    def _run(self, *command: object) -> None:
        subprocess.run([*as_other_user(), *map(str, command)], check=True, capture_output=True, cwd="/")

    def _ready(self) -> bool:
        try:
            psycopg.connect(self.owner_url, connect_timeout=5).close()
        except psycopg.Error:
            return False
        return True


class PgBouncer:
    """A real PgBouncer before a PostgreSQL, in transaction mode as the chart has it."""

    def __init__(self, binary: str, postgres: Postgres) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        (self._folder / "users").write_text('"reader" "p@ss/word"\n')
        (self._folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port}\n[pgbouncer]\npool_mode = transaction\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {self._folder / 'users'}\ndefault_pool_size = 1\n"
        )
        for path in (self._folder, *self._folder.iterdir()):
            path.chmod(0o755)
        self._process = subprocess.Popen(
            [*as_other_user(), binary, "-q", self._folder / "ini"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = postgres.url(self.port).replace("+psycopg2", "")
        eventually(lambda: self._ready(url), "PgBouncer is ready")

    def _ready(self, url: str) -> bool:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)
