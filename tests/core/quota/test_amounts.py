"""Amounts are read as the API server stores them."""

from autoscaler.core.quantity import parse
from autoscaler.core.quota.amounts import read


def test_what_can_be_read_and_what_cannot():
    """Rounded up to a thousandth; a text that is no quantity is told, not taken for nothing."""
    found, unreadable = read({"cpu": "1500u", "memory": 128, "pods": "many", "requests.cpu": 0.5})
    assert found == {"cpu": parse("2m"), "memory": parse("128"), "requests.cpu": parse("500m")}
    assert unreadable == {"pods": "many"}
    assert read(None) == ({}, {})
