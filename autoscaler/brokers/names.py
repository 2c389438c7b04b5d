"""Looking a host's name up without waiting longer than the caller can.

The system's resolver takes no timeout and may try for most of a minute while the cluster's DNS is
away, which would hold up every target that shares the thread. So a look-up runs in a thread that can
be left behind, and a connection is begun only to a name that has just been found.
"""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_address
from queue import Empty, SimpleQueue

LOOKUPS_AT_ONCE = 64


class Names:
    """Looks names up, `at_once` of them at the most: those left behind count until they end."""

    def __init__(self, at_once: int = LOOKUPS_AT_ONCE) -> None:
        self._places = threading.BoundedSemaphore(at_once)

    def find(self, host: str, timeout_seconds: float) -> None:
        """Return when a host's name has an address; an address needs no looking up.

        Raises `socket.gaierror` for a name that cannot be found, or not in time.
        """
        if _is_address(host):
            return
        if not self._places.acquire(timeout=timeout_seconds):
            raise _too_late()
        found: SimpleQueue[OSError | None] = SimpleQueue()
        threading.Thread(target=self._look_up, args=(host, found), name="name-lookup", daemon=True).start()
        try:
            error = found.get(timeout=timeout_seconds)
        except Empty:
            raise _too_late() from None
        if error is not None:
            raise error

    def _look_up(self, host: str, found: SimpleQueue[OSError | None]) -> None:
        error = None
        try:
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as not_found:
            error = not_found
        finally:
            self._places.release()
        found.put(error)


def _too_late() -> socket.gaierror:
    return socket.gaierror(socket.EAI_AGAIN, "no answer in time")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
