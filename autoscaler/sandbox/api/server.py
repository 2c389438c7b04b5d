"""The stand-in API server: a store over HTTP, in a thread of its own."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from autoscaler.sandbox.api.access import User
from autoscaler.sandbox.api.door import Door
from autoscaler.sandbox.api.faults import Faults
from autoscaler.sandbox.api.handler import Handler, PodLog
from autoscaler.sandbox.api.kubeconfig import write_kubeconfig
from autoscaler.sandbox.api.loop_thread import LoopThread
from autoscaler.sandbox.api.request_log import RequestLog, RequestRecord
from autoscaler.sandbox.store import Store

_FIRST_NAMESPACES = ("default", "kube-system")


class ApiServer:
    """Serves a store on `host` and `port` (0 chooses a free one), from `start` to `stop`.

    `tokens` maps bearer tokens to users, or to names of users who may do everything; without it
    everybody may do everything, with any token or none. `clock` is for the request log, which keeps
    the last `request_log` requests; `pod_log` returns what a pod has printed. With `ssl_context` the
    server speaks TLS, and `certificate` is the authority that kubeconfig files name.
    """

    def __init__(
        self,
        store: Store,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tokens: Mapping[str, User | str] | None = None,
        clock: Callable[[], datetime] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        certificate: Path | None = None,
        bookmark_seconds: float = 60.0,
        request_log: int = 10_000,
        pod_log: PodLog | None = None,
    ) -> None:
        self.store = store
        self.faults = Faults(self)
        self._scheme = "https" if ssl_context else "http"
        self._certificate = certificate
        self._log = RequestLog(request_log)
        self._handler = Handler(
            store,
            tokens=_users(tokens),
            faults=self.faults,
            log=self._log,
            clock=clock or store.clock,
            pod_log=pod_log,
            bookmark_seconds=bookmark_seconds,
        )
        self._door = Door(self._handler.handle, host, port, ssl_context)
        self._thread: LoopThread | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the server listens, as in "http://127.0.0.1:8443"."""
        return f"{self._scheme}://{self._door.host}:{self._door.port}"

    @property
    def requests(self) -> tuple[RequestRecord, ...]:
        """The last requests, oldest first."""
        return self._log.records()

    @property
    def watch_count(self) -> int:
        """How many watches are open."""
        return self._handler.watching.count

    def start(self) -> None:
        """Serve; returns when the server listens. Raises OSError where it cannot."""
        known = {obj["metadata"]["name"] for obj in self.store.snapshot("namespaces")[0]}
        for name in _FIRST_NAMESPACES:
            if name not in known:
                self.store.create("namespaces", {"metadata": {"name": name}})
        thread = self._thread = LoopThread("sandbox-api-server")
        self._unsubscribe = self.store.subscribe(
            lambda event: thread.post(self._handler.watches.dispatch, event)
        )
        try:
            thread.run(self._door.open())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all watches, close all connections and wait for the thread. Twice is fine."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._unsubscribe()
        thread.post(self._handler.release)
        thread.post(self._handler.watches.end_all)
        thread.run(self._door.close())
        thread.stop()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    def compact(self) -> None:
        """Forget all changes and pages so far: watches and lists that go on from before get 410."""
        self.store.forget_changes()
        self._post(self._handler.pages.forget)

    def write_kubeconfig(self, path: Path, token: str | None = None, namespace: str | None = None) -> Path:
        """Write the file that leads kubectl, and any client of Kubernetes, here. Returns its path."""
        write_kubeconfig(
            path,
            url=self.url,
            token=token or "",
            namespace=namespace or "default",
            certificate=self._certificate,
        )
        return path

    def cut_watches(self) -> None:
        """Break the connections of all open watches; `faults` has a name for it too."""
        self._post(self._handler.watching.cut)

    def close_door(self) -> None:
        """Close the port and break all connections."""
        if self._thread:
            self._thread.run(self._door.slam())

    def open_door(self) -> None:
        """Open the port again."""
        if self._thread:
            self._thread.run(self._door.open())

    def release(self) -> None:
        """Go on with the requests that hang."""
        self._post(self._handler.release)

    def _post(self, callback: Callable[[], None]) -> None:
        if self._thread:
            self._thread.post(callback)


def _users(tokens: Mapping[str, User | str] | None) -> Mapping[str, User] | None:
    if tokens is None:
        return None
    return {token: User(user) if isinstance(user, str) else user for token, user in tokens.items()}
