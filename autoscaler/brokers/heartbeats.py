"""What workers say of themselves without being asked: Celery's heartbeat events.

Every worker sends one in two seconds, with the number of tasks that it runs, and says when it begins
and when it ends to consume. Nobody has to switch that on. Where another program's clock shows
another time, an event's own timestamp would lie; what counts is when it was heard here.

`worker-online` does not say that a process is new: a worker says so, too, after its connection was
lost, with its tasks still running. Nor does `worker-offline` say that it runs nothing any more: it
comes at the beginning of a warm shutdown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from autoscaler.config.broker import BrokerSettings

USUAL_SECONDS = 2.0
LONGEST_SECONDS = 60.0
MISSED = 3
LATENESS_SECONDS = 1.0
NODES_KEPT = 20_000
KINDS = frozenset({"worker-heartbeat", "worker-online", "worker-offline"})


class Realm(NamedTuple):
    """Whose events they are at one broker: workers under a prefix of keys, with an exchange of a name."""

    global_keyprefix: str
    exchange: str
    queue_prefix: str


def realm_of(broker: BrokerSettings) -> Realm:
    """Return the realm that a target's settings speak of."""
    return Realm(broker.global_keyprefix, broker.event_exchange, broker.event_queue_prefix)


class Event(msgspec.Struct, frozen=True):
    """What is read of an event. A heartbeat sent on demand has no counts."""

    hostname: str
    type: str
    active: int | None = None
    processed: int | None = None
    freq: float | None = None
    sw_ver: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was last heard of a worker. Times are monotonic seconds.

    `active` tasks ran at `active_at`. `turned_at` is when it last said that it begins or ends to
    consume, of which `offline` tells the latter, or when it was heard again after it had been missed.
    `version` is that of its Celery, as far as it has said.
    """

    at: float
    interval_seconds: float = USUAL_SECONDS
    active: int | None = None
    active_at: float = 0.0
    turned_at: float | None = None
    offline: bool = False
    version: str = ""

    def lasts(self, now: float) -> bool:
        """Return whether the worker would be missed by now if it had fallen silent."""
        return now - self.at <= MISSED * self.interval_seconds + LATENESS_SECONDS

    def after(self, event: Event, at: float) -> Heard:
        """Return what is known after one more event."""
        missed = not self.lasts(at)
        version = event.sw_ver or self.version
        heard = replace(self, at=at, version=version, turned_at=at if missed else self.turned_at)
        if event.freq is not None:
            interval = min(max(event.freq, USUAL_SECONDS), LONGEST_SECONDS)
            heard = replace(heard, interval_seconds=interval)
        if event.active is not None and event.active >= 0:
            heard = replace(heard, active=event.active, active_at=at)
        if event.type == "worker-heartbeat":
            return replace(heard, offline=self.offline and not missed)
        return replace(heard, turned_at=at, offline=event.type == "worker-offline")


class Roll:
    """The workers of one realm that have been heard. One thread writes, any may read."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}

    def heard(self, node: str) -> Heard | None:
        """Return what was heard of a worker."""
        return self._heard.get(node)

    def alive(self, now: float) -> tuple[str, ...]:
        """Return the workers that are there and consume."""
        heard = tuple(self._heard.items())
        return tuple(node for node, last in heard if last.lasts(now) and not last.offline)

    def note(self, event: Event, at: float) -> None:
        """Take down an event; of more workers than are kept those heard least recently are forgotten."""
        if event.type not in KINDS:
            return
        before = self._heard.pop(event.hostname, None) or Heard(at)
        self._heard[event.hostname] = before.after(event, at)
        if len(self._heard) > NODES_KEPT:
            del self._heard[next(iter(self._heard))]

    def forget(self, before: float) -> None:
        """Forget the workers that have not been heard since a time."""
        for node, last in tuple(self._heard.items()):
            if last.at >= before:
                return
            self._heard.pop(node, None)


_event = msgspec.json.Decoder(Event | list[Event])


def events_in(body: bytes | str) -> tuple[Event, ...]:
    """Return the events in a message's body: none where it holds something else."""
    try:
        found = _event.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()
    return tuple(found) if isinstance(found, list) else (found,)
