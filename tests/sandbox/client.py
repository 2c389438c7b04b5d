"""A plain HTTP client for the stand-in API server, so that tests see bytes and not a library's view."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

JSON = dict[str, Any]
TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `body` is parsed where it is JSON."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: Any


class Client:
    """Sends one request per connection, as `agent`, with a bearer token where one is given."""

    def __init__(self, url: str, token: str | None = None, agent: str = "python-requests/2") -> None:
        self._address = urlsplit(url).netloc
        self._headers = {"User-Agent": agent} | ({"Authorization": f"Bearer {token}"} if token else {})

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        content_type: str | None = "application/json",
        accept: str = "application/json",
    ) -> Reply:
        """Send a request; a body that is not text is sent as JSON."""
        with contextlib.closing(self._connection()) as connection:
            self._send(connection, method, path, params, body, content_type, accept)
            response = connection.getresponse()
            text = response.read().decode()
            kind = response.headers.get("Content-Type", "")
            parsed = json.loads(text) if kind.startswith("application/json") else text
            return Reply(response.status, kind, dict(response.headers), parsed)

    def get(self, path: str, **params: Any) -> Any:
        """Return the body of what is at a path."""
        reply = self.request("GET", path, params)
        assert reply.status == 200, reply.body
        return reply.body

    def patch(self, path: str, body: object, content_type: str = "merge-patch+json", **params: Any) -> Reply:
        """Send a patch."""
        return self.request("PATCH", path, params, body, f"application/{content_type}")

    @contextlib.contextmanager
    def watch(
        self, path: str, *, accept: str = "application/json", **params: Any
    ) -> Iterator[Iterator[JSON]]:
        """Open a watch and hand out its events, which end when the server ends it."""
        with self.stream(path, accept=accept, **params) as response:
            yield (json.loads(line) for line in response)

    @contextlib.contextmanager
    def stream(
        self, path: str, *, accept: str = "application/json", **params: Any
    ) -> Iterator[http.client.HTTPResponse]:
        """Open a watch and hand out the response as it is."""
        with contextlib.closing(self._connection()) as connection:
            self._send(connection, "GET", path, {"watch": "1", **params}, None, None, accept)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            with response:
                yield response

    def events(self, path: str, **params: Any) -> list[JSON]:
        """Return everything that a watch sends until the server ends it."""
        with self.watch(path, **params) as events:
            return list(events)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=TIMEOUT_SECONDS)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: object,
        content_type: str | None,
        accept: str,
    ) -> None:
        target = f"{path}?{urlencode(params)}" if params else path
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        headers = self._headers | {"Accept": accept}
        if data is not None and content_type:
            headers["Content-Type"] = content_type
        connection.request(method, target, data.encode() if data is not None else None, headers)
