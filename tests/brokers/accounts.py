"""What the tests read out of an account of a broker."""

from __future__ import annotations

from autoscaler.core.account import BrokerAccount, Delivered
from autoscaler.core.model import Reading


def account_of(reading: Reading[BrokerAccount]) -> BrokerAccount:
    """Return a reading's account, which has to be there."""
    assert reading.value is not None, reading.detail
    return reading.value


def delivered_of(reading: Reading[BrokerAccount]) -> Delivered:
    """Return what is known of the delivered messages."""
    delivered = account_of(reading).delivered.value
    assert delivered is not None
    return delivered


def waiting(reading: Reading[BrokerAccount]) -> int | None:
    """Return all messages that wait, None where that is unknown."""
    return None if reading.value is None else sum(queue.messages for queue in reading.value.queues)


def numbers(reading: Reading[BrokerAccount]) -> tuple[dict[str, int], int]:
    """Return the messages that wait by queue, and those that were delivered."""
    delivered = delivered_of(reading)
    ready = {queue.queue: queue.messages for queue in account_of(reading).queues}
    return ready, len(delivered.deliveries) + len(delivered.eta) + delivered.uncounted
