"""Metrics and probes over HTTP.

`/healthz` is 200 while the loop ticks, `/readyz` while it ticks on a cluster that has been listed;
otherwise 503 with the reason.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Probe = Callable[[], str]
"""Returns what is wrong, empty when nothing is."""


class ReportServer:
    """Serves until it is closed. Raises OSError where the address cannot be had."""

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, probes: Mapping[str, Probe]
    ) -> None:
        metrics = make_wsgi_app(registry)

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path == "/metrics":
                page: Iterable[bytes] = metrics(environ, start_response)
                return page
            if path not in probes:
                return _answer(start_response, "404 Not Found", "not found")
            wrong = probes[path]()
            status = "503 Service Unavailable" if wrong else "200 OK"
            return _answer(start_response, status, wrong or "ok")

        self._server = make_server(host, port, app, _Server, _Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop to serve."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name for it
        """Write nothing: a probe every few seconds is no news."""


def _answer(start_response: StartResponse, status: str, text: str) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]
