"""Asking real workers, and leaving their broker as it was."""

from __future__ import annotations

import pytest

from autoscaler.brokers.remote import slots_told
from autoscaler.config.broker import BrokerSettings

servers = pytest.mark.servers

BROKER = BrokerSettings(timeout_seconds=2.0)
NODES = ["celery@w-0", "celery@w-1"]
REPLY_BINDINGS = "_kombu.binding.reply.celery.pidbox"


@pytest.mark.parametrize(
    ("stats", "slots"),
    [
        ({"pool": {"max-concurrency": 16}}, 16),
        ({"pool": {"max-concurrency": 1}, "autoscaler": {"max": 6, "min": 1}}, 6),
        ({"pool": {"max-concurrency": 4}, "autoscaler": {}}, 4),
        ({"pool": {"max-concurrency": 0}}, None),
        ({"pool": {"max-concurrency": "16"}}, None),
        ({"pool": {}}, None),
        ({"pool": None}, None),
        ({"error": "no such command"}, None),
        ("odd", None),
        (None, None),
    ],
)
def test_what_a_worker_says_of_itself_is_its_slots_or_nothing(stats: object, slots: int | None) -> None:
    """An autoscaling worker counts with its maximum, and whatever is no positive number is not told."""
    assert slots_told(stats) == slots
