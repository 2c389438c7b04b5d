"""What holds for every test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from kombu import pools

settings.register_profile("patient", deadline=None)  # no test fails by the clock
settings.load_profile("patient")


LONG = "tests/soak/"
"""Where the tests are that take minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that nobody waits for it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True)
def log_to_nobody() -> Iterator[None]:
    """Undo what a test has made of the log: its stream may be closed by the next one."""
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


@pytest.fixture(autouse=True)
def no_connections_kept() -> Iterator[None]:
    """Close what Celery leaves in kombu's pools when an application is closed, which are the process's."""
    yield
    pools.reset()
