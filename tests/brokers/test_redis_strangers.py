"""What a reader says of peers that are no Redis, or not now: it never raises and never hangs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.names import Names
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Quality, Reading, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import numbers
from tests.brokers.servers import PATIENCE_SECONDS, FakeClock

QUERY = DepthQuery(TargetRef("ns", "a"), ("default",), BrokerSettings(timeout_seconds=2.0))
GREETING = b"+OK\r\n$0\r\n\r\n"
COUNTS = b":0\r\n:0\r\n:0\r\n:0\r\n:5\r\n"
ANSWERS = GREETING + COUNTS + b"-NOPERM no\r\n"
Conversation = Callable[[socket.socket], None]


@contextmanager
def stranger(conversation: Conversation) -> Iterator[str]:
    """Serve one connection after another by a conversation; yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    conversation(client)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            server.join(PATIENCE_SECONDS)


def says(answer: bytes) -> Conversation:
    """Hear a question, and say the same to every one."""

    def conversation(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(answer)

    return conversation


def listens(client: socket.socket) -> None:
    """Hear everything and say nothing."""
    while client.recv(1 << 16):
        pass


def reading_of(
    url: str, clock: FakeClock | None = None, timeout_seconds: float = 2.0
) -> Reading[BrokerAccount]:
    """Return what a reader makes of a stranger, which it must not need half a minute for."""
    query = replace(QUERY, broker=BrokerSettings(timeout_seconds=timeout_seconds))
    reader = RedisReader(redis_address(url), clock or FakeClock())
    began = time.monotonic()
    try:
        reading = reader.read([query])[0]
    finally:
        reader.close()
    assert time.monotonic() - began < 15
    return reading


def test_the_strangers_of_these_tests_are_understood() -> None:
    """What a Redis would say is a reading."""
    with stranger(says(ANSWERS)) as url:
        assert numbers(reading_of(url)) == ({"default": 0}, 5)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "is loading its data"),
        (b"-NOAUTH Authentication required.\r\n", "rejected the credentials"),
        (b"", "closed the connection"),
        (GREETING + b":1\r\n", "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as Redis does"),
        (GREETING + b":many\r\n", "does not answer as Redis does"),
        (GREETING + b"$99999999999999999999999\r\n", "does not answer as Redis does"),
        (b"*1\r\n" * 5000, "does not answer as Redis does"),
        (GREETING + b"+OK\r\n" + ANSWERS[len(GREETING) + 4 :], "does not answer LLEN as Redis does"),
        (GREETING + b"$-1\r\n" + ANSWERS[len(GREETING) + 4 :], "does not answer LLEN as Redis does"),
        (GREETING + b"-ODD because\r\n" + ANSWERS[len(GREETING) + 4 :], "answered LLEN with an error (ODD)"),
        (GREETING + b"-because\r\n" + ANSWERS[len(GREETING) + 4 :], "answered LLEN with an error (ERR)"),
    ],
)
def test_what_a_stranger_says_is_told_in_our_words(answer: bytes, detail: str) -> None:
    """Every odd answer makes the reading unknown, with a reason."""
    with stranger(says(answer)) as url:
        reading = reading_of(url)
    assert (reading.quality, reading.value, reading.detail) == (Quality.UNKNOWN, None, detail)


TOKENS = st.sampled_from(
    [b"+OK", b":1", b":-1", b"$-1", b"$3", b"*2", b"*-1", b"-ERR x", b"-MOVED 1 h:1", b"\r\n", b""]
)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40) | st.lists(TOKENS, max_size=12).map(b"\r\n".join))
def test_no_answer_makes_a_reader_raise(answer: bytes) -> None:
    """Whatever comes back, there is a reading."""
    with stranger(says(answer)) as url:
        assert reading_of(url).quality in set(Quality)


class RushingClock(FakeClock):
    """Once told to rush, half a second passes each time that somebody looks."""

    rushing = False

    def __call__(self) -> float:
        """Tell the time."""
        self.now += 0.5 if self.rushing else 0.0
        return self.now


def test_a_server_that_trickles_its_answers_takes_no_longer_than_one_that_hangs() -> None:
    """All answers together have the time of one read, though each of them comes soon."""
    clock = RushingClock()

    def trickle(client: socket.socket) -> None:
        client.recv(1 << 16)
        clock.rushing = True
        client.sendall(ANSWERS)

    with stranger(trickle) as url:
        reading = reading_of(url, clock)
    assert reading.detail == "did not answer within 2 s"


class BrokenClock(FakeClock):
    """Raises once when told to."""

    broken = False

    def __call__(self) -> float:
        """Tell the time, or not."""
        if self.broken:
            self.broken = False
            raise LookupError
        return self.now


def test_what_nobody_foresaw_is_raised_and_does_not_end_the_reading() -> None:
    """The loop's catch-all has to see it, and after a pause there is another try."""
    clock = BrokenClock()

    def breaks_the_clock(client: socket.socket) -> None:
        client.recv(1 << 16)
        clock.broken = clock.now == 1000.0
        client.sendall(ANSWERS)

    with stranger(breaks_the_clock) as url, closing(RedisReader(redis_address(url), clock)) as reader:
        with pytest.raises(LookupError):
            reader.read([QUERY])
        assert reader.read([QUERY])[0].detail == "could not be read; next try in 1 s"
        clock.advance(1.0)
        assert reader.read([QUERY])[0].is_fresh


def test_what_a_server_says_unasked_is_not_taken_for_an_answer() -> None:
    """A connection on which more comes than was asked for is given up for a new one."""

    def chatter(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(ANSWERS + b":99\r\n")
        listens(client)

    with stranger(chatter) as url, closing(RedisReader(redis_address(url), FakeClock())) as reader:
        for _ in range(3):
            reading = reader.read([QUERY])[0]
            assert (reading.quality, numbers(reading)) == (Quality.FRESH, ({"default": 0}, 5))


def test_greeting_and_answers_share_the_time_of_a_read() -> None:
    """A server that is slow at every step is given up after the timeout, not after one for each."""
    clock = FakeClock()

    def slowly(client: socket.socket) -> None:
        for _ in range(2):
            client.recv(1 << 16)
            clock.advance(14.9)
            client.sendall(b"+OK\r\n")
        client.recv(1 << 16)
        client.recv(1)

    with stranger(slowly) as url:
        reading = reading_of(url.replace("//", "//user:pw@") + "/1", clock, timeout_seconds=30.0)
    assert reading.detail == "did not answer within 30 s"


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_server_that_says_nothing_at_all_costs_the_timeout(scheme: str) -> None:
    """Neither as an answer nor in the handshake of TLS."""
    with stranger(listens) as url:
        reading = reading_of(url.replace("redis:", f"{scheme}:"), timeout_seconds=0.2)
    assert reading.detail == "did not answer within 0.2 s"


def test_a_host_that_does_not_accept_connections_costs_the_timeout() -> None:
    """As with an address that packets vanish on the way to: here, a full queue of connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        reading = reading_of(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout_seconds=0.2)
    assert reading.detail == "did not answer within 0.2 s"


def test_a_second_read_at_the_same_time_does_not_wait() -> None:
    """It answers at once that another is under way, with the last value if there is one."""
    asked, finish = threading.Event(), threading.Event()

    def late(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(ANSWERS)
        client.recv(1 << 16)
        asked.set()
        finish.wait(PATIENCE_SECONDS)
        client.sendall(COUNTS)

    with stranger(late) as url, ExitStack() as stack:
        reader = RedisReader(redis_address(url), FakeClock())
        stack.callback(reader.close)
        assert reader.read([QUERY])[0].quality is Quality.FRESH
        readings: list[Reading[BrokerAccount]] = []
        other = threading.Thread(target=lambda: readings.extend(reader.read([QUERY])))
        other.start()
        assert asked.wait(PATIENCE_SECONDS)
        second = reader.read([QUERY])[0]
        finish.set()
        other.join(PATIENCE_SECONDS)
    assert (second.quality, second.detail) == (Quality.STALE, "another read is under way")
    assert [reading.quality for reading in readings] == [Quality.FRESH]


def test_a_server_without_tls_is_told_from_one_with_a_bad_certificate() -> None:
    """What comes back is no handshake."""
    with stranger(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        assert (
            reading_of(url.replace("redis:", "rediss:")).detail
            == "does not agree to TLS as the URL asks for it"
        )


# Names


def test_a_host_that_does_not_exist_is_told_from_a_server_that_is_down() -> None:
    """The reserved domain .invalid has no hosts."""
    assert reading_of("redis://nowhere.invalid").detail in {"no such host", "its name could not be looked up"}


def test_a_name_service_that_hangs_does_not_hold_up_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up is left behind in its thread, and further ones wait for a place no longer than they may."""
    ended = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        ended.wait(PATIENCE_SECONDS)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    names = Names(at_once=1)
    try:
        for _ in range(2):
            with pytest.raises(socket.gaierror) as late:
                names.find("redis.example", 0.05)
            assert late.value.errno == socket.EAI_AGAIN
        names.find("10.0.0.1", 0.05)
        names.find("::1", 0.05)
        reading = reading_of("redis://redis.example", timeout_seconds=0.05)
        assert reading.detail == "its name could not be looked up"
    finally:
        ended.set()


def test_a_name_that_is_found_is_connected_to() -> None:
    """Names are looked up before redis-py connects to them."""
    with stranger(says(ANSWERS)) as url:
        assert reading_of(url.replace("127.0.0.1", "localhost")).is_fresh
