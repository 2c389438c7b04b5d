"""What waits in the lists of a real Redis: due or not, and since when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.lists import BY_DUE_TIME, BY_MARKER, MOST_LOOKED_INTO, PEEKS
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount, QueueMessages
from autoscaler.core.model import TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import account_of
from tests.brokers.servers import FakeClock, Proxy, RedisServer

pytestmark = pytest.mark.servers

NOW = 1_800_000_000.0
BROKER = BrokerSettings(timeout_seconds=10.0)


class Times:
    """Both clocks, of which time passes alike."""

    def __init__(self) -> None:
        self.clock, self.wall = FakeClock(), FakeClock(NOW)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.wall.advance(seconds)


@pytest.fixture
def times() -> Times:
    """Time that passes when told to."""
    return Times()


@pytest.fixture
def reader(server: RedisServer, times: Times) -> Iterator[RedisReader]:
    """Open a reader by the fake clocks."""
    with closing(RedisReader(redis_address(server.url), times.clock, wall=times.wall)) as reader:
        yield reader


def look(reader: RedisReader, *queues: str, into: bool = True) -> BrokerAccount:
    """Return what is said of some queues."""
    return account_of(reader.read([DepthQuery(TargetRef("ns", "a"), queues or ("q",), BROKER, into)])[0])


def only(account: BrokerAccount) -> QueueMessages:
    """Return the only queue of an account."""
    (queue,) = account.queues
    return queue


number = iter(range(1_000_000))


def text(*, eta: float | None = None, sent_at: float | None = None) -> str:
    """Return a message, each another one."""
    due = None if eta is None else datetime.fromtimestamp(eta, UTC).isoformat()
    headers = {"id": next(number), "eta": due, "autoscaler_sent_at": sent_at}
    return json.dumps({"body": "W10=", "headers": headers, "properties": {}})


def push(server: RedisServer, *messages: str, key: str = "q") -> None:
    """Send messages, one after another."""
    server.admin.lpush(key, *messages)


def take(server: RedisServer, times: int = 1) -> None:
    """Take the oldest messages, as workers do."""
    server.admin.rpop("q", times)


def test_what_is_not_due_is_told_apart_until_it_is(
    server: RedisServer, reader: RedisReader, times: Times
) -> None:
    """In the lists of all priorities; the due time is all that it takes."""
    push(server, text(eta=NOW + 60), text(), text(eta=NOW - 60))
    push(server, text(eta=NOW + 30), key="q\x06\x163")
    queue = only(look(reader))
    assert queue == QueueMessages("q", ((0, 3), (3, 1), (6, 0), (9, 0)), (NOW + 30, NOW + 60))
    times.advance(30.0)
    assert only(look(reader)).eta == (NOW + 60,)


def test_a_list_that_has_not_changed_is_not_read_again(server: RedisServer, times: Times) -> None:
    """Its length and ends tell: a change of any makes it be read."""
    push(server, text(eta=NOW + 60), text(eta=NOW + 60))
    with (
        Proxy(server.port) as proxy,
        closing(
            RedisReader(redis_address(f"redis://127.0.0.1:{proxy.port}"), times.clock, wall=times.wall)
        ) as reader,
    ):
        turns: list[int] = []

        def trips() -> int:
            before = proxy.turns
            assert only(look(reader)).eta_known
            return proxy.turns - before

        turns = [trips(), trips(), trips()]
        take(server)
        push(server, text())
        turns.append(trips())
    assert turns == [3, 2, 2, 3]


def test_a_longer_list_is_not_looked_into(server: RedisServer, reader: RedisReader) -> None:
    """What is in it is not known, and counts as due; nor is one looked into without being told to."""
    push(server, *[text(eta=NOW + 60) for _ in range(MOST_LOOKED_INTO + 1)])
    queue = only(look(reader))
    assert (queue.messages, queue.eta, queue.eta_known) == (MOST_LOOKED_INTO + 1, (), False)
    take(server)
    queue = only(look(reader))
    assert (len(queue.eta), queue.eta_known) == (MOST_LOOKED_INTO, True)
    push(server, text(), key="r")
    queue = only(look(reader, "r", into=False))
    assert (queue.eta, queue.eta_known) == ((), False)


def test_large_messages_are_not_fetched_by_the_thousand(server: RedisServer, reader: RedisReader) -> None:
    """A list of more than a few megabytes counts as a longer one."""
    push(server, *[text(eta=NOW + 60) + " " * 100_000 for _ in range(100)])
    assert not only(look(reader)).eta_known


def test_the_oldest_of_several_lists_counts(server: RedisServer, reader: RedisReader) -> None:
    """By what the messages at their ends say of themselves."""
    push(server, text(sent_at=NOW - 10), text(sent_at=NOW - 5))
    push(server, text(sent_at=NOW - 20), key="q\x06\x169")
    push(server, text(sent_at=NOW - 30), key="r")
    for into in (True, False):
        account = look(reader, "q", into=into)
        assert (account.oldest_at, account.oldest_source) == (NOW - 20, "autoscaler.publish")
    assert look(reader, "q", "r").oldest_at == NOW - 30
    assert look(reader, "none").oldest_at is None


def test_what_is_not_due_does_not_wait(server: RedisServer, reader: RedisReader, times: Times) -> None:
    """A due one waits since it was due, and before it one behind those that are not."""
    push(server, text(eta=NOW + 60, sent_at=NOW - 100))
    assert look(reader).oldest_at is None
    push(server, text(sent_at=NOW - 7))
    assert look(reader).oldest_at == NOW - 7
    assert look(reader, into=False).oldest_at == NOW - 7
    server.admin.lpop("q")
    assert look(reader).oldest_at is None
    times.advance(61.0)
    account = look(reader)
    assert (account.oldest_at, account.oldest_source) == (NOW + 60, BY_DUE_TIME)


def test_markers_tell_the_age_without_a_stamp(server: RedisServer, reader: RedisReader, times: Times) -> None:
    """One message a second is sent, and the fourth second's is the oldest after five were taken."""
    sent: dict[int, float] = {}
    for second in range(10):
        push(server, text(), text())
        sent[second] = times.wall()
        look(reader, into=False)
        times.advance(1.0)
    account = look(reader, into=False)
    assert (account.oldest_at, account.oldest_source) == (sent[0], BY_MARKER)
    take(server, 5)
    account = look(reader, into=False)
    assert account.oldest_at == sent[2]
    take(server, 1)
    times.advance(10.0)
    assert look(reader, into=False).oldest_at == sent[3]


def test_a_burst_that_nothing_follows_ages(server: RedisServer, reader: RedisReader, times: Times) -> None:
    """While its newest message stays the newest, all are at least as old as that."""
    push(server, *[text() for _ in range(3000)])
    for _ in range(5):
        look(reader, into=False)
        take(server, 100)
        times.advance(10.0)
    assert look(reader, into=False).oldest_at == NOW


def test_an_emptied_list_starts_anew(server: RedisServer, reader: RedisReader, times: Times) -> None:
    """What comes later is not as old as what was there before."""
    push(server, text())
    assert look(reader, into=False).oldest_at == NOW
    take(server)
    assert look(reader, into=False).oldest_at is None
    times.advance(60.0)
    push(server, text())
    assert look(reader, into=False).oldest_at == NOW + 60


def test_many_lists_are_looked_at_by_turns(server: RedisServer, reader: RedisReader) -> None:
    """A bounded number in each read, those that were not for the longest time first."""
    queues = [f"q{place}" for place in range(2 * PEEKS)]
    for queue in queues:
        push(server, text(eta=NOW + 60), key=queue)
    known = [sum(queue.eta_known for queue in look(reader, *queues).queues) for _ in range(2)]
    assert known[0] == PEEKS
    assert known[1] >= PEEKS


@pytest.mark.parametrize("rights", [(), ("+lindex",)])
def test_without_rights_due_times_are_not_known(
    server: RedisServer, times: Times, rights: tuple[str, ...]
) -> None:
    """The number stands."""
    push(server, text(eta=NOW + 60))
    server.user("reader", "pw", "~*", "+llen", "+hlen", *rights)
    address = redis_address(f"redis://reader:pw@127.0.0.1:{server.port}/0")
    with closing(RedisReader(address, times.clock, wall=times.wall)) as reader:
        for _ in range(2):
            queue = only(look(reader))
            assert (queue.messages, queue.eta, queue.eta_known) == (1, (), False)
