"""What a reader tells of a real RabbitMQ."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import chain, repeat
from typing import Any

import pytest

from autoscaler.brokers.amqp import CHANNELS_AT_ONCE, SHARED_CHANNEL, Line
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq import MISSING_SECONDS, NOT_YET
from autoscaler.brokers.rabbitmq_account import HEAD_SOURCE, STATISTICS_SECONDS
from autoscaler.core.account import BrokerAccount, Delivered
from autoscaler.core.model import Quality, Reading
from tests.brokers.rabbits import Vhost, amqp_address, query, ready
from tests.brokers.servers import FakeClock, wait_until

pytestmark = pytest.mark.servers


def delivered(reading: Reading[BrokerAccount]) -> Reading[Delivered]:
    """Return what was delivered; fail unless what waits is known."""
    assert reading.value is not None, reading
    return reading.value.delivered


def test_classic_and_quorum_queues_are_counted_at_once(vhost: Vhost) -> None:
    """Messages and consumers are told by the first read, without any wait for statistics."""
    vhost.declare("classic", messages=3)
    vhost.declare("quorum", messages=2, **{"x-queue-type": "quorum"})
    vhost.declare("ranked", messages=4, **{"x-max-priority": 10})
    vhost.consume("classic", 1)
    (reading,) = vhost.reader().read([query("classic", "quorum", "ranked")])
    assert ready(reading) == {"classic": 2, "quorum": 2, "ranked": 4}
    assert reading.value is not None
    assert reading.value.consumers == 1
    assert {messages.by_priority for messages in reading.value.queues} == {((None, 2),), ((None, 4),)}
    assert not any(messages.eta_known for messages in reading.value.queues)
    assert reading.source == f"rabbitmq 127.0.0.1:{vhost.server.ports.amqp} (vhost {vhost.name})"


def test_a_queue_that_is_not_there_is_empty_and_costs_the_others_nothing(vhost: Vhost) -> None:
    """It counts nothing, it is not created, and no queue beside it goes unread."""
    names = [f"q{number}" for number in range(70)]
    vhost.declare(*names[::2], messages=1)
    reader = vhost.reader()
    for _ in range(2):
        counts = ready(reader.read([query(*names)])[0])
        assert counts == {name: int(place % 2 == 0) for place, name in enumerate(names)}
    assert vhost.names() == set(names[::2])


def test_queues_that_are_deleted_all_at_once_are_missed_in_one_read(vhost: Vhost) -> None:
    """What was there a read ago and is gone closes the channel that the others share."""
    names = [f"q{number}" for number in range(40)]
    vhost.declare(*names, messages=1)
    reader = vhost.reader()
    assert sum(ready(reader.read([query(*names)])[0]).values()) == 40
    for name in names[:30]:
        vhost.channel.queue_delete(name)
    for _ in range(2):
        counts = ready(reader.read([query(*names)])[0])
        assert counts == {name: int(place >= 30) for place, name in enumerate(names)}


def test_more_missing_queues_than_a_read_has_time_for(vhost: Vhost) -> None:
    """Once half of the time is gone no more of them are asked for: one batch was, the rest is left out."""
    times = chain([0.0], repeat(20.0))
    line = Line(amqp_address(vhost.url), lambda: next(times), Names())
    names = [f"q{number}" for number in range(3 * CHANNELS_AT_ONCE)]
    with closing(line):
        assert line.count(names, names, 30.0).keys() == set(names[:CHANNELS_AT_ONCE])


def test_queues_that_were_left_out_are_unknown_until_the_next_read(vhost: Vhost) -> None:
    """They are no zero, and no failure; the clock jumps at whichever look is the one that matters."""
    queries = [query(f"q{number}", target=f"t{number}", timeout_seconds=30.0) for number in range(50)]
    for looks in range(1, 60):
        times = chain(repeat(0.0, looks), repeat(20.0))
        reader = vhost.reader(clock=partial(next, times))
        unread = [reading for reading in reader.read(queries) if not reading.is_fresh]
        if unread:
            break
    assert 0 < len(unread) < len(queries)
    assert {(reading.quality, reading.detail) for reading in unread} == {(Quality.UNKNOWN, NOT_YET)}
    assert all(reading.is_fresh for reading in reader.read(queries))


def test_a_queue_that_is_created_later_is_found(vhost: Vhost, clock: FakeClock) -> None:
    """It is asked for every five seconds, for RabbitMQ logs an error each time; its zero says its age."""
    reader, asked = vhost.reader(clock=clock), query("later")
    assert ready(reader.read([asked])[0]) == {"later": 0}
    vhost.declare("later", messages=2)
    clock.advance(MISSING_SECONDS - 0.1)
    reading = reader.read([asked])[0]
    assert ready(reading) == {"later": 0}
    assert reading.age_seconds == pytest.approx(MISSING_SECONDS - 0.1)
    clock.advance(0.1)
    reading = reader.read([asked])[0]
    assert ready(reading) == {"later": 2}
    assert reading.age_seconds == 0


def test_the_management_api_tells_that_a_queue_has_been_created(vhost: Vhost, clock: FakeClock) -> None:
    """While it says that a queue is missing, nobody asks for it; once it lists it, it is asked for."""
    settings: dict[str, Any] = {"management": True, "management_url": vhost.server.management_url}
    reader, asked = vhost.reader(clock=clock), query("later", **settings)
    reader.read([asked])
    clock.advance(5.0)
    assert reader.read([asked])[0].age_seconds == 0
    clock.advance(5.0)
    vhost.declare("later", messages=2)
    assert ready(reader.read([asked])[0]) == {"later": 2}


def test_no_permission_is_needed_but_to_be_let_in(vhost: Vhost) -> None:
    """An empty permission in the vhost is enough to count; without one the detail says so."""
    vhost.declare("default", messages=3)
    url = vhost.user()
    assert ready(vhost.reader(url).read([query("default", "missing")])[0]) == {"default": 3, "missing": 0}
    vhost.server.add_user("outsider", "hunter2")
    outsider = vhost.reader(vhost.server.url_for("outsider", "hunter2", vhost.name))
    (reading,) = outsider.read([query("default")])
    assert reading.quality is Quality.UNKNOWN
    assert reading.detail == "does not let this user into the vhost without a permission there (NOT_ALLOWED)"
    assert not outsider.rejected_credentials


def test_a_queue_of_another_connection_alone_is_unknown(vhost: Vhost) -> None:
    """An exclusive queue cannot be counted, which is not to say that it is empty."""
    vhost.channel.queue_declare("mine", exclusive=True)
    vhost.declare("ours", messages=1)
    alone, ours = vhost.reader().read([query("mine", "ours"), query("ours", target="b")])
    assert alone.quality is Quality.UNKNOWN
    assert alone.detail == "keeps the queue 'mine' for another connection alone (RESOURCE_LOCKED)"
    assert ready(ours) == {"ours": 1}


def test_a_name_too_long_for_amqp_is_unknown(vhost: Vhost) -> None:
    """It harms nobody but its own target."""
    vhost.declare("ours", messages=1)
    long, ours = vhost.reader().read([query("q" * 256), query("ours", target="b")])
    assert long.quality is Quality.UNKNOWN
    assert ready(ours) == {"ours": 1}


def test_what_is_unacknowledged_comes_with_its_age(vhost: Vhost, clock: FakeClock) -> None:
    """It is fresh up to two intervals, then stale, and never younger than the statistics behind it."""
    vhost.declare("default", messages=5)
    vhost.consume("default", 3)
    settings: dict[str, Any] = {"management": True, "management_url": vhost.server.management_url}
    reader = vhost.reader(vhost.user("management"), clock=clock)
    asked = [query("default", **settings), query("default", target="b", **settings)]

    def known() -> bool:
        clock.advance(5.0)
        return delivered(reader.read(asked)[0]).value == Delivered(uncounted=3, shared=True)

    wait_until(known, "the statistics")
    reading = delivered(reader.read(asked)[1])
    assert (reading.quality, reading.age_seconds) == (Quality.FRESH, STATISTICS_SECONDS)
    silent = [query("default", **settings, management_interval_seconds=1.0)]
    vhost.server.add_user(reader.address.username, "changed", "management")
    clock.advance(2.0)
    assert delivered(reader.read(silent)[0]).is_fresh
    clock.advance(1.0)
    reading = delivered(reader.read(silent)[0])
    assert (reading.quality, reading.age_seconds) == (Quality.STALE, 3.0 + STATISTICS_SECONDS)
    assert reading.value is not None


def test_a_queue_without_statistics_yet_is_unknown_and_not_zero(vhost: Vhost) -> None:
    """In its first seconds the management API knows a queue by its name alone."""
    vhost.declare("other")
    settings: dict[str, Any] = {"management": True, "management_url": vhost.server.management_url}
    reader = vhost.reader()
    vhost.declare("default", messages=1)
    (reading,) = reader.read([query("default", **settings)])
    assert ready(reading) == {"default": 1}
    assert delivered(reading).quality is Quality.UNKNOWN
    assert "no statistics of 'default' yet" in delivered(reading).detail


def test_the_head_timestamp_tells_the_oldest_if_producers_set_it(vhost: Vhost, clock: FakeClock) -> None:
    """And only for a queue in which something waits."""
    vhost.declare("default")
    vhost.publish("default", 1, timestamp=1_767_225_600)
    settings: dict[str, Any] = {"management": True, "management_url": vhost.server.management_url}
    reader = vhost.reader(clock=clock)

    def reading() -> BrokerAccount:
        clock.advance(5.0)
        value = reader.read([query("default", **settings)])[0].value
        assert value is not None
        return value

    wait_until(lambda: reading().oldest_at == 1_767_225_600, "the head's timestamp")
    assert reading().oldest_source == HEAD_SOURCE
    vhost.channel.queue_purge("default")
    assert reading().oldest_at is None


def test_without_the_management_api_the_loss_is_told(vhost: Vhost) -> None:
    """What waits, and who consumes, is known all the same."""
    vhost.declare("default", messages=2)
    settings: dict[str, Any] = {"management": True, "management_url": vhost.server.management_url}
    (reading,) = vhost.reader(vhost.user()).read([query("default", **settings)])
    assert ready(reading) == {"default": 2}
    assert delivered(reading).quality is Quality.UNKNOWN
    assert delivered(reading).detail.startswith(
        "unacknowledged messages unknown: the management API does not let this user in: it needs the right "
        "password, the tag management and a permission in the vhost; next try in"
    )


def test_queues_in_which_eta_tasks_ripen_are_left_out(vhost: Vhost) -> None:
    """Even when a target names one."""
    vhost.declare("default", messages=1)
    vhost.declare("celery_delayed_3", messages=7)
    vhost.declare("celery_delayed_x", messages=2)
    (reading,) = vhost.reader().read([query("default", "celery_delayed_3", "celery_delayed_x")])
    assert ready(reading) == {"default": 1, "celery_delayed_x": 2}


def test_reading_leaves_no_trace(vhost: Vhost) -> None:
    """One connection with one channel, by name, and not a queue, exchange or consumer more."""
    vhost.declare("default", messages=1)
    reader = vhost.reader()
    for _ in range(5):
        assert ready(reader.read([query("default", "a", "b", "c")])[0])["default"] == 1
    assert vhost.names() == {"default"}

    wait_until(lambda: vhost.channels() == [SHARED_CHANNEL], "one channel")
    assert len(vhost.connections()) == 1
    reader.close()
    wait_until(lambda: not vhost.connections(), "the connection's end")
    assert reader.read([query("default")])[0].detail == "is not being read any more"
