"""A process on this machine and the port that it listens on."""

from __future__ import annotations

import socket
import urllib.request


def is_ready(port: int) -> bool:
    """Return whether the daemon at a port says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1.0):
            return True
    except OSError:
        return False


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
