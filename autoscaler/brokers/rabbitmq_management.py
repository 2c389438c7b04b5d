"""What RabbitMQ's management API tells of the queues of a vhost, fetched beside the reads.

AMQP tells what waits and who consumes, at once. What was delivered and not acknowledged, at which
rates messages come and go, and when the oldest was sent, only the management API knows, from
statistics that the queues hand in every few seconds. One call fetches them for all queues of a vhost,
in a thread of its own; a read takes what is in memory.

The user needs the tag `management` (or `monitoring`) and a permission in the vhost, be it an empty one.
"""

from __future__ import annotations

import re
import threading
from base64 import b64encode
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

import msgspec

from autoscaler.breaker import Breaker, refusal
from autoscaler.brokers.failures import failure_of
from autoscaler.brokers.names import Names
from autoscaler.brokers.rabbitmq_address import AmqpAddress
from autoscaler.brokers.tls import Tls
from autoscaler.config.broker import BrokerSettings

PORT, TLS_PORT = 15672, 15671
TIMEOUT_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 32 << 20
STRANGER = "the management API does not answer as RabbitMQ's does"
DELAYED = re.compile(r"celery_delayed_\d+")
COLUMNS = (
    "name",
    "messages_ready",
    "messages_unacknowledged",
    "consumers",
    "head_message_timestamp",
    "message_stats.publish_details.rate",
    "message_stats.deliver_get_details.rate",
    "message_stats.ack_details.rate",
)


class _Rate(msgspec.Struct):
    rate: float | None = None


class _Rates(msgspec.Struct):
    publish_details: _Rate | None = None
    deliver_get_details: _Rate | None = None
    ack_details: _Rate | None = None


class _Told(msgspec.Struct):
    """A queue as the API tells of it: in a queue's first seconds most is missing, or null.

    Erlang cannot tell an empty object from an empty list, and an empty text stands for no time.
    """

    name: str
    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    consumers: int | None = None
    head_message_timestamp: float | str | None = None
    message_stats: _Rates | list[object] | None = None


_decode = msgspec.json.Decoder(list[_Told]).decode


@dataclass(frozen=True, slots=True)
class ManagedQueue:
    """What the statistics say of one queue; what they do not say (yet) is None, never zero.

    Rates are messages a second. `head_at` is when the first message was sent, in seconds since the
    epoch, None unless its producer stamped it.
    """

    ready: int | None = None
    unacknowledged: int | None = None
    consumers: int | None = None
    published_rate: float | None = None
    delivered_rate: float | None = None
    acknowledged_rate: float | None = None
    head_at: float | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All queues of a vhost but `celery_delayed_…`, by their names.

    They are as of the monotonic time `at`, at which they were asked for.
    """

    queues: Mapping[str, ManagedQueue]
    at: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API is, and who asks it."""

    url: str
    username: str
    password: str
    tls: Tls | None

    def __repr__(self) -> str:
        return "Place(…)"


class ManagementFailure(Exception):
    """Nothing was fetched; the text says why, without any credentials."""


class Errands(Protocol):
    """Whoever does work beside the reads, on a bounded number of threads: see `Background`."""

    def do(self, key: Hashable, job: Callable[[threading.Event], None]) -> None:
        """Have a job done, unless one by that key is waiting or under way. It must not raise."""
        ...


class ManagementFeed:
    """Keeps what the management API said last of one vhost. `clock` returns monotonic seconds."""

    def __init__(
        self, address: AmqpAddress, clock: Callable[[], float], names: Names, background: Errands
    ) -> None:
        self._address = address
        self._clock = clock
        self._names = names
        self._background = background
        self._lock = threading.Lock()
        self._listing: Listing | None = None
        self._detail = "the management API was not asked yet"
        self._breaker = Breaker()
        self._due_at = 0.0
        self._closed = False

    def want(self, settings: BrokerSettings) -> None:
        """Have the API asked if that is due, without waiting for it."""
        now = self._clock()
        with self._lock:
            if self._closed or now < self._due_at or not self._breaker.admits(now):
                return
            self._due_at = now + settings.management_interval_seconds
        self._background.do(self, lambda _ended: self._fetch(settings))

    def listing(self) -> tuple[Listing | None, str]:
        """Return what is known, and what was wrong the last time, if anything was."""
        with self._lock:
            if self._breaker.pause_seconds:
                return self._listing, refusal(self._breaker, self._detail, self._clock())
            return self._listing, self._detail

    def close(self) -> None:
        """Have the API asked no more; a call that is under way ends by itself."""
        with self._lock:
            self._closed = True

    def _fetch(self, settings: BrokerSettings) -> None:
        at = self._clock()
        listing, detail = None, "the management API could not be asked"
        try:
            listing, detail = Listing(self._ask(place_of(self._address, settings)), at), ""
        except ManagementFailure as failure:
            detail = str(failure)
        finally:
            with self._lock:
                self._detail = detail
                self._listing = listing or self._listing
                self._breaker = Breaker() if listing else self._breaker.failed(self._clock())

    def _ask(self, place: Place) -> Mapping[str, ManagedQueue]:
        """Return all queues. Raises `ManagementFailure`."""
        try:
            status, text = self._get(place)
        except OSError as error:
            failure = failure_of(error, TIMEOUT_SECONDS, "")
            raise ManagementFailure(f"the management API {failure.detail}") from None
        except (HTTPException, ValueError):  # the latter for a path that HTTP cannot carry
            raise ManagementFailure(STRANGER) from None
        if status != HTTPStatus.OK:
            raise ManagementFailure(_refusal(status))
        try:
            told = _decode(text)
            return {one.name: _queue(one) for one in told if not is_delay_queue(one.name)}
        except msgspec.MsgspecError:
            raise ManagementFailure(STRANGER) from None

    def _get(self, place: Place) -> tuple[int, bytes]:
        """Return the status and the body of the answer.

        The connection is made for the one call: RabbitMQ closes it when nothing is asked for a while.
        """
        parts = urlsplit(place.url)
        host, ends = parts.hostname or "", self._clock() + TIMEOUT_SECONDS
        self._names.find(host, TIMEOUT_SECONDS)
        if parts.scheme == "http":
            connection = HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
        else:
            tls = (place.tls or Tls()).context()
            connection = HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=tls)
        login = b64encode(f"{place.username}:{place.password}".encode()).decode()
        vhost, columns = quote(self._address.vhost, safe=""), ",".join(COLUMNS)
        try:
            connection.request(
                "GET",
                f"{parts.path.rstrip('/')}/api/queues/{vhost}?columns={columns}",
                headers={"authorization": f"Basic {login}", "connection": "close"},
            )
            with connection.getresponse() as answer:  # the connection is the answer's own by now
                return answer.status, b"".join(_parts(answer, self._clock, ends))
        finally:
            connection.close()


def _parts(answer: HTTPResponse, clock: Callable[[], float], ends: float) -> Iterator[bytes]:
    """Yield an answer in parts, as long as neither its time nor its size is out of bounds."""
    size = 0
    while part := answer.read(1 << 16):
        yield part
        size += len(part)
        if clock() >= ends:
            raise TimeoutError
        if size > LARGEST_ANSWER_BYTES:
            raise ManagementFailure("the management API answers with more than can be taken in")


def is_delay_queue(queue: str) -> bool:
    """Return whether a queue is one of those in which Celery lets ETA tasks of quorum queues ripen."""
    return DELAYED.fullmatch(queue) is not None


def place_of(address: AmqpAddress, settings: BrokerSettings) -> Place:
    """Return where the management API of an address is: where the settings say, or where it is by default.

    Credentials in the settings' URL are used in place of the broker's. Raises `ManagementFailure` for
    a URL that cannot be used.
    """
    url = settings.management_url
    if settings.management_url_file is not None:
        try:
            url = Path(settings.management_url_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            raise ManagementFailure("the file of management_url_file cannot be read") from None
    if url is None:
        kind, port = ("http", PORT) if address.tls is None else ("https", TLS_PORT)
        host = f"[{address.host}]" if ":" in address.host else address.host
        return Place(f"{kind}://{host}:{port}", address.username, address.password, address.tls)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ManagementFailure("management_url is not a URL such as https://host:15671")
    own = parts.username is not None
    return Place(
        parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
        unquote(parts.username or "") if own else address.username,
        unquote(parts.password or "") if own else address.password,
        address.tls,
    )


def _queue(told: _Told) -> ManagedQueue:
    rates = told.message_stats if isinstance(told.message_stats, _Rates) else _Rates()
    head = told.head_message_timestamp
    return ManagedQueue(
        ready=told.messages_ready,
        unacknowledged=told.messages_unacknowledged,
        consumers=told.consumers,
        published_rate=_rate(rates.publish_details),
        delivered_rate=_rate(rates.deliver_get_details),
        acknowledged_rate=_rate(rates.ack_details),
        head_at=head if isinstance(head, float) and head > 0 else None,
    )


def _rate(told: _Rate | None) -> float | None:
    return None if told is None else told.rate


def _refusal(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            "the management API does not let this user in: it needs the right password, the tag "
            "management and a permission in the vhost"
        )
    if status == HTTPStatus.NOT_FOUND:
        return "the management API knows no such vhost, or is not RabbitMQ's"
    return f"the management API answered with the status {status}"
