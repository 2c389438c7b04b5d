"""The port of the server: open, closed, and open again under the same number."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

_LARGEST_BODY = 3 * 1024 * 1024
_SHUTDOWN_SECONDS = 1.0


class Door:
    """Listens for requests; `port` 0 is replaced by the free one that was found."""

    def __init__(
        self,
        handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self.host, self.port = host, port
        self._handle, self._ssl_context = handle, ssl_context
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen. Raises OSError where the port cannot be had."""
        if self._runner is not None:
            return
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        self._runner = runner
        await web.TCPSite(runner, self.host, self.port, ssl_context=self._ssl_context).start()
        self.port = int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stop to listen, and close the connections: those in use after a moment's patience."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def slam(self) -> None:
        """Stop to listen, and break all connections at once."""
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await self.close()
