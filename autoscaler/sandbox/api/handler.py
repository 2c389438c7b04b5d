"""One request after the other: who calls, what is to go wrong, what is asked, what is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import msgspec
from aiohttp import web

from autoscaler.sandbox import errors
from autoscaler.sandbox.api import reads, writes
from autoscaler.sandbox.api.access import ADMINISTRATOR, User, Wish
from autoscaler.sandbox.api.calls import Answer, Call, Route, find_route, verb_of
from autoscaler.sandbox.api.discovery import discover
from autoscaler.sandbox.api.faults import Fault, Faults
from autoscaler.sandbox.api.reads import Pages
from autoscaler.sandbox.api.request_log import RequestLog, RequestRecord
from autoscaler.sandbox.api.watches import Watches, read_wish
from autoscaler.sandbox.api.watching import Watching
from autoscaler.sandbox.store import ApiError, Store

PodLog = Callable[[str, str], bytes | None]
"""Returns what the pod of a namespace and a name has printed, None where nothing is known of it."""

_log = logging.getLogger(__name__)
_NO_PAGE = Answer("404 page not found\n", 404)
_BEARER = "Bearer "


class Handler:
    """Answers requests from a store; lives in the server's event loop."""

    def __init__(
        self,
        store: Store,
        *,
        tokens: Mapping[str, User] | None,
        faults: Faults,
        log: RequestLog,
        clock: Callable[[], datetime],
        pod_log: PodLog | None,
        bookmark_seconds: float,
    ) -> None:
        self._store, self._tokens, self._faults, self._log = store, tokens, faults, log
        self._clock, self._pod_log = clock, pod_log
        self.pages = Pages()
        self.watches = Watches(store)
        self.watching = Watching(self.watches, bookmark_seconds)
        self._released = asyncio.Event()
        self._verbs: Mapping[str, Callable[[Call], Answer]] = {
            "get": partial(reads.get, store),
            "list": partial(reads.list_objects, store, self.pages),
            "create": partial(writes.create, store),
            "update": partial(writes.update, store),
            "patch": partial(writes.patch, store),
            "delete": partial(writes.delete, store),
            "deletecollection": partial(writes.delete_all, store),
        }

    def release(self) -> None:
        """Go on with the requests that hang."""
        self._released.set()
        self._released = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        body = await request.read()
        route, user = find_route(request.path), self._caller(request)
        headers: dict[str, str] = {}
        try:
            answer = await self._respond(request, route, user, body, headers)
        except ApiError as error:
            answer = Answer(error.body(), error.status)
        except Exception:  # noqa: BLE001 - a server answers whatever happens, and says so in its log
            _log.exception("could not answer %s %s", request.method, request.path)
            answer = Answer(ApiError(500, "InternalError", "Internal error occurred").body(), 500)
        if isinstance(answer, web.StreamResponse):
            return answer
        self._note(request, route, user, body, answer.status)
        return _response(answer, headers)

    async def _respond(
        self,
        request: web.Request,
        route: Route | None,
        user: User | None,
        body: bytes,
        headers: dict[str, str],
    ) -> Answer | web.StreamResponse:
        """Return the answer, or the response that a watch has been. Raises `ApiError`."""
        await self._suffer(request, route, headers)
        if user is None:
            raise errors.unauthorized()
        if route is None:
            return discover(request.path) or _NO_PAGE
        call = _call(request, route, user, body)
        _check_right(call)
        if call.verb == "watch":
            return await self._watch(request, call)
        if route.subresource == "log":
            return self._read_log(call)
        return self._verbs[call.verb](call)

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        wish = read_wish(call)
        self._note(request, call.route, call.user, call.body, 200)
        return await self.watching.serve(request, wish)

    def _read_log(self, call: Call) -> Answer:
        route = call.route
        self._store.get(route.kind.resource, route.namespace or "", route.name)
        found = self._pod_log(route.namespace or "", route.name) if self._pod_log else None
        if found is None:
            raise errors.bad_request(f'container of pod "{route.name}" is not available')
        lines = found.decode(errors="replace").splitlines(keepends=True)
        tail = call.params.get("tailLines", "")
        return Answer("".join(lines[-int(tail) :] if tail.isdecimal() and int(tail) else lines))

    def _caller(self, request: web.Request) -> User | None:
        if self._tokens is None:
            return ADMINISTRATOR
        header = request.headers.get("Authorization", "")
        return self._tokens.get(header.removeprefix(_BEARER)) if header.startswith(_BEARER) else None

    async def _suffer(self, request: web.Request, route: Route | None, headers: dict[str, str]) -> None:
        """Let happen what is to go wrong with a request."""
        verb, resource, subresource = _words(request, route)
        for fault in self._faults.take(verb, resource, subresource, request.path):
            await self._happen(fault)
            if fault.retry_after_seconds is not None:
                headers["Retry-After"] = str(fault.retry_after_seconds)
            if fault.error is not None:
                raise fault.error

    async def _happen(self, fault: Fault) -> None:
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault.hang:
            await self._released.wait()

    def _note(
        self, request: web.Request, route: Route | None, user: User | None, body: bytes, status: int
    ) -> None:
        verb, resource, subresource = _words(request, route)
        self._log.append(
            RequestRecord(
                at=self._clock(),
                user=user.name if user else "",
                verb=verb,
                method=request.method,
                path=request.path,
                params=dict(request.query),
                resource=resource,
                subresource=subresource,
                namespace=(route.namespace or "") if route else "",
                name=route.name if route else "",
                body=body.decode(errors="replace"),
                status=status,
            )
        )


def _words(request: web.Request, route: Route | None) -> tuple[str, str, str]:
    """Return verb, resource and subresource of a request, "" where it is about no resource."""
    if route is None:
        return request.method.lower(), "", ""
    return verb_of(request.method, route, request.query), route.kind.resource, route.subresource


def _call(request: web.Request, route: Route, user: User, body: bytes) -> Call:
    agent = request.headers.get("User-Agent", "unknown")
    return Call(
        verb=verb_of(request.method, route, request.query),
        route=route,
        user=user,
        manager=request.query.get("fieldManager") or agent.partition("/")[0],
        params=dict(request.query),
        body=body,
        content_type=request.headers.get("Content-Type", "").partition(";")[0].strip(),
        accept=request.headers.get("Accept", ""),
    )


def _check_right(call: Call) -> None:
    """Refuse what the caller may not do. Raises `ApiError` 403, 405 for what nobody can do."""
    route, kind = call.route, call.route.kind
    if not call.verb or (call.verb == "create" and kind.namespaced and route.namespace is None):
        raise errors.method_not_allowed()
    wish = Wish(call.verb, kind.group, kind.plural, route.subresource, route.namespace or "", route.name)
    if kind.kept and not call.user.may(wish):
        raise errors.forbidden(kind, route.name, wish.refusal(call.user))


def _response(answer: Answer, headers: Mapping[str, str]) -> web.Response:
    if isinstance(answer.body, str):
        return web.Response(text=answer.body, status=answer.status, headers=headers)
    encoded = msgspec.json.encode(answer.body)
    return web.Response(body=encoded, status=answer.status, headers=headers, content_type="application/json")
