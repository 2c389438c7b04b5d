"""A store, its API server and a client for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.sandbox.client import Client


@pytest.fixture
def store() -> Store:
    """Return an empty store."""
    return Store()


@pytest.fixture
def server(store: Store) -> Iterator[ApiServer]:
    """Serve the store; everybody may do everything."""
    with ApiServer(store) as running:
        yield running


@pytest.fixture
def client(server: ApiServer) -> Client:
    """Return a client of the server."""
    return Client(server.url)
