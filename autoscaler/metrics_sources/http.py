"""HTTP requests that end: in time, in size, and without being led elsewhere.

requests counts its timeout anew for each piece of an answer, reads a body of any size into memory,
takes credentials from a .netrc and follows redirects with the headers it was given. Nothing of that
is wanted for an answer of a few kilobytes from a server in the cluster.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError as TransportError
from urllib3.util.retry import Retry

from autoscaler.metrics_sources.failure import SourceFailed

LARGEST_ANSWER_BYTES = 4 << 20
PIECE_BYTES = 1 << 16


class BoundedAdapter(HTTPAdapter):
    """Reads a whole answer within `seconds` in all, and no more than a few megabytes of it.

    The time that a server takes over its headers is bounded for each of its pieces only.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(max_retries=Retry(0, read=False))
        self._seconds = seconds
        self._clock = clock

    def send(
        self,
        request: requests.PreparedRequest,
        *_: Any,  # noqa: ANN401  # requests' own
        **options: Any,  # noqa: ANN401  # requests' own
    ) -> requests.Response:
        """Send a request and read the answer. Raises requests' errors, and `SourceFailed`."""
        deadline = self._clock() + self._seconds
        response = super().send(request, **{**options, "stream": True})
        transport = response.raw
        try:
            body = self._body(transport, deadline)
        except TransportError as error:
            raise requests.ConnectionError from error
        finally:
            transport.release_conn()
        response.raw = io.BytesIO(body)
        return response

    def _body(self, transport: Any, deadline: float) -> bytes:  # noqa: ANN401  # urllib3's response
        body = bytearray()
        try:
            while piece := transport.read1(PIECE_BYTES, decode_content=True):
                body += piece
                self._check(len(body), deadline)
        except BaseException:
            transport.close()
            raise
        return bytes(body)

    def _check(self, size: int, deadline: float) -> None:
        if size > LARGEST_ANSWER_BYTES:
            raise SourceFailed(f"its answer is larger than {LARGEST_ANSWER_BYTES >> 20} MiB", reached=True)
        if self._clock() > deadline:
            raise SourceFailed(f"did not answer within {self._seconds:g} s", reached=False)


def bounded_session(url: str, seconds: float, *, verify: bool | str = True) -> requests.Session:
    """Return a session for one server: no proxies, no .netrc, no redirects. `verify` may name a file."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.verify = verify
    bound(session, url, seconds)
    return session


def bound(session: requests.Session, url: str, seconds: float) -> None:
    """Have a session's requests to a server bounded."""
    session.mount(url, BoundedAdapter(seconds))


def failure(error: requests.RequestException, seconds: float) -> SourceFailed:
    """Return what became of a request, by the type of the error: its text may hold the URL."""
    for kind, detail in _DETAILS.items():
        if isinstance(error, kind):
            return SourceFailed(
                detail.format(seconds=f"{seconds:g}"), reached=kind is requests.TooManyRedirects
            )
    return SourceFailed(f"could not be asked ({type(error).__name__})", reached=False)


_DETAILS: Mapping[type[requests.RequestException], str] = {
    requests.Timeout: "did not answer within {seconds} s",
    requests.exceptions.SSLError: "its certificate is not accepted",
    requests.TooManyRedirects: "redirects elsewhere, which is not followed",
    requests.ConnectionError: "cannot be reached",
}
