"""Watches on the wire: lines of JSON until the time is up, the client is gone or the server stops."""

from __future__ import annotations

import asyncio

from aiohttp import web

from autoscaler.sandbox.api.watches import BOOKMARK_BEFORE_END_SECONDS, Stream, Watches, WatchWish


class Watching:
    """Serves watches, with a bookmark every `bookmark_seconds`, shortly before the end and at the end."""

    def __init__(self, watches: Watches, bookmark_seconds: float) -> None:
        self._watches = watches
        self._bookmark_seconds = bookmark_seconds
        self._open: dict[Stream, asyncio.Transport | None] = {}

    @property
    def count(self) -> int:
        """How many watches are open."""
        return len(self._open)

    def cut(self) -> None:
        """Break the connections of all open watches."""
        for transport in self._open.values():
            if transport is not None:
                transport.abort()

    async def serve(self, request: web.Request, wish: WatchWish) -> web.StreamResponse:
        """Send a watch to its client, to the end."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        stream = self._watches.open(wish)
        self._open[stream] = request.transport
        try:
            await response.prepare(request)
            await self._feed(response, stream)
            await response.write_eof()
        except ConnectionResetError:
            pass  # the client has gone, as clients do
        finally:
            del self._open[stream]
            self._watches.close(stream)
        return response

    async def _feed(self, response: web.StreamResponse, stream: Stream) -> None:
        loop, wish = asyncio.get_running_loop(), stream.wish
        end = loop.time() + wish.seconds
        mark = self._next_mark(loop.time(), end)
        await response.write(self._watches.beginning(stream))
        while not (stream.closed or loop.time() >= end):
            await _woken(stream, min(mark if wish.bookmarks else end, end))
            data = self._watches.waiting(stream)
            if wish.bookmarks and loop.time() >= mark:
                data += self._watches.bookmark(stream)
                mark = self._next_mark(loop.time(), end)
            if data:
                await response.write(data)
        if wish.bookmarks and not stream.closed:
            await response.write(self._watches.bookmark(stream))

    def _next_mark(self, now: float, end: float) -> float:
        """Return when the next bookmark is due: in time, or just before the end, or with the end."""
        regular, last = now + self._bookmark_seconds, end - BOOKMARK_BEFORE_END_SECONDS
        return min(regular, last) if last > now else end + 1


async def _woken(stream: Stream, until: float) -> None:
    """Wait for a change, or until a time of the event loop."""
    try:
        async with asyncio.timeout_at(until):
            await stream.woken.wait()
    except TimeoutError:
        pass
