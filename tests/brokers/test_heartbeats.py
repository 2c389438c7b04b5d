"""What is heard of workers, without any server."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from autoscaler.brokers.address import RedisAddress
from autoscaler.brokers.connection import Budget, Line
from autoscaler.brokers.heartbeats import NODES_KEPT, Event, Heard, Realm, Roll, events_in
from autoscaler.brokers.heartbeats_redis import (
    Incomplete,
    RedisStream,
    Refused,
    StreamLost,
    _reply,
    pattern,
)
from autoscaler.brokers.names import Names
from tests.brokers.servers import FakeClock

REALM = Realm("", "celeryev", "celeryev")
BEAT = {"hostname": "celery@w-0", "type": "worker-heartbeat", "active": 2, "processed": 9, "freq": 2.0}


def test_a_heartbeat_lasts_for_three_of_its_intervals_and_a_second() -> None:
    """A worker that sends every ten seconds is not missed after seven."""
    usual = Heard(100.0).after(Event("w", "worker-heartbeat", active=1, freq=2.0), 100.0)
    slow = Heard(100.0).after(Event("w", "worker-heartbeat", active=1, freq=10.0), 100.0)
    assert (usual.lasts(107.0), usual.lasts(107.1)) == (True, False)
    assert (slow.lasts(131.0), slow.lasts(131.1)) == (True, False)


def test_a_worker_that_claims_to_be_slow_is_missed_all_the_same() -> None:
    """A broken interval does not keep a dead worker alive."""
    heard = Heard(100.0).after(Event("w", "worker-heartbeat", freq=1e9), 100.0)
    assert not heard.lasts(282.0)


def test_offline_and_online_turn_a_worker_and_keep_what_it_runs() -> None:
    """Neither says that it runs nothing."""
    heard = Heard(100.0).after(Event("w", "worker-heartbeat", active=3), 100.0)
    offline = heard.after(Event("w", "worker-offline"), 101.0)
    assert (offline.active, offline.offline, offline.turned_at) == (3, True, 101.0)
    online = offline.after(Event("w", "worker-online", active=0), 102.0)
    assert (online.active, online.offline, online.turned_at) == (0, False, 102.0)


def test_a_worker_that_was_missed_and_is_heard_again_has_turned() -> None:
    """It may have hung, and what it answered before need not hold."""
    heard = Heard(100.0).after(Event("w", "worker-heartbeat", active=0), 100.0)
    assert heard.after(Event("w", "worker-heartbeat", active=0), 107.0).turned_at is None
    assert heard.after(Event("w", "worker-heartbeat", active=0), 107.5).turned_at == 107.5


def test_a_heartbeat_on_demand_has_no_counts_and_takes_none_away() -> None:
    """Celery's control command `heartbeat` sends one."""
    heard = Heard(100.0).after(Event("w", "worker-heartbeat", active=3), 100.0)
    heard = heard.after(Event("w", "worker-heartbeat", freq=5.0), 103.0)
    assert (heard.active, heard.active_at, heard.at) == (3, 100.0, 103.0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        b'{"hostname": 7, "type": "worker-heartbeat"}',
        b'[{"type": "worker-online"}]',
    ],
)
def test_what_is_no_event_is_none(body: bytes) -> None:
    """Anybody may publish to the exchange."""
    assert events_in(body) == ()


def test_events_come_alone_or_in_lists() -> None:
    """Celery sends both."""
    event = Event("celery@w-0", "worker-heartbeat", 2, 9, 2.0)
    assert events_in(json.dumps(BEAT)) == (event,)
    assert events_in(json.dumps([BEAT, BEAT]).encode()) == (event, event)


def test_the_roll_forgets_the_silent_and_never_grows_without_bound() -> None:
    """Names are other people's choice."""
    roll = Roll()
    for number in range(NODES_KEPT + 5):
        roll.note(Event(f"w-{number}", "worker-heartbeat"), float(number))
    assert roll.heard("w-4") is None
    assert roll.heard("w-5") is not None
    roll.forget(float(NODES_KEPT))
    assert len([n for n in range(NODES_KEPT + 5) if roll.heard(f"w-{n}")]) == 5
    roll.note(Event("t", "task-sent"), 0.0)
    assert roll.heard("t") is None


@pytest.mark.parametrize(
    ("realm", "expected"),
    [
        (REALM, b"/3.celeryev/worker.*"),
        (Realm("app:", "ev", ""), b"app:/3.ev/worker.*"),
        (Realm("a*[b]?\\", "celeryev", ""), b"a\\*\\[b\\]\\?\\\\/3.celeryev/worker.*"),
    ],
)
def test_the_pattern_is_the_one_that_kombu_publishes_under(realm: Realm, expected: bytes) -> None:
    """A prefix with a star must not hear the neighbours."""
    assert pattern(3, realm) == expected


WHOLE = b"*3\r\n$9\r\nsubscribe\r\n$-1\r\n:1\r\n+OK\r\n-NOPERM no\r\n"


def test_replies_are_read_wherever_they_are_cut() -> None:
    """A network cuts as it likes."""
    for cut in range(len(WHOLE)):
        found: list[object] = []
        at = 0
        try:
            while at < cut:
                reply, at = _reply(WHOLE[:cut], at)
                found.append(reply)
        except Incomplete:
            pass
        while at < len(WHOLE):
            reply, at = _reply(WHOLE, at)
            found.append(reply)
        assert found == [[b"subscribe", None, 1], b"OK", Refused("NOPERM")]


@pytest.mark.parametrize("data", [b"HTTP/1.1 400\r\n", b":x\r\n", b"$99999999\r\n"])
def test_another_protocol_ends_the_stream(data: bytes) -> None:
    """And is not kept in memory."""
    with pytest.raises(StreamLost):
        _reply(data, 0)


class FakeSocket:
    """Gives what it is told to, then nothing for the moment."""

    def __init__(self) -> None:
        self.arriving: list[bytes] = []
        self.sent = b""

    def recv(self, size: int) -> bytes:
        """Give the next piece."""
        if not self.arriving:
            raise BlockingIOError
        return self.arriving.pop(0)

    def send(self, data: bytes) -> int:
        """Take three bytes at the most."""
        self.sent += bytes(data[:3])
        return len(data[:3])


def stream(clock: FakeClock) -> tuple[RedisStream, FakeSocket]:
    """Return a stream over a fake socket."""
    socket = FakeSocket()
    line = Line(RedisAddress(), Budget(clock), Names())
    return RedisStream(line, socket, 0, clock), socket


def arriving(realm: Realm, body: bytes) -> bytes:
    """Return an event as Redis passes it on."""
    payload = json.dumps(
        {"body": b64encode(body).decode(), "properties": {"body_encoding": "base64"}}
    ).encode()
    items = (b"pmessage", pattern(0, realm), pattern(0, realm)[:-1] + b"heartbeat", payload)
    return b"*4\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(item), item) for item in items)


def test_events_are_those_of_the_realm_whose_pattern_heard_them(clock: FakeClock) -> None:
    """Several prefixes share a connection; what comes for one no longer wanted is passed over."""
    held, socket = stream(clock)
    other = Realm("x:", "celeryev", "celeryev")
    held.attend([REALM, other])
    whole = arriving(other, json.dumps(BEAT).encode()) + arriving(Realm("y:", "celeryev", ""), b"{}")
    socket.arriving = [whole[:50], whole[50:]]
    assert held.hear() == [(other, Event("celery@w-0", "worker-heartbeat", 2, 9, 2.0))]
    while held._unsent:
        held.look()
    assert socket.sent.count(b"worker.*") == 2
    held.attend([REALM])
    while held._unsent:
        held.look()
    assert b"PUNSUBSCRIBE" in socket.sent


def test_silence_is_asked_about_and_then_taken_for_a_loss(clock: FakeClock) -> None:
    """A broker that went away without a word is noticed within a minute."""
    held, socket = stream(clock)
    clock.advance(15.0)
    held.look()
    assert socket.sent == b"*1\r"
    clock.advance(30.0)
    with pytest.raises(StreamLost, match="silent for 45 s"):
        held.look()


def test_a_refused_subscription_names_what_is_missing(clock: FakeClock) -> None:
    """The right to the channel."""
    held, socket = stream(clock)
    socket.arriving = [b"-NOPERM this user has no permissions\r\n"]
    with pytest.raises(StreamLost, match=r"does not allow subscribing to the workers' events \(NOPERM\)"):
        held.hear()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"body": "!!!", "properties": {"body_encoding": "base64"}}'])
def test_messages_that_are_none_of_kombus_are_passed_over(clock: FakeClock, body: bytes) -> None:
    """The stream goes on."""
    held, socket = stream(clock)
    held.attend([REALM])
    items = (b"pmessage", pattern(0, REALM), b"c", body)
    socket.arriving = [b"*4\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(item), item) for item in items)]
    assert held.hear() == []
