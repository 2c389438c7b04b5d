"""When a message is due and when it was sent, and nothing else of what it says.

A Celery message holds the arguments of its task, and one of Airflow 3 a token that is still valid. So
a message is looked at while it passes, and only these are taken from it: `headers.eta`; the time at which
it was sent, where the producer says it (`autoscaler.publish`, `properties.timestamp`); and of Airflow's
token the claim `iat`. Nothing of a token is verified, and neither message nor token is kept.

Times are seconds since the epoch. Every field may hold anything: what is not understood is not there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

AIRFLOW_TASK = "execute_workload"
LARGEST_BODY = 65_536
EARLIEST_SENT_AT = 1e9
CLOCK_SKEW_SECONDS = 300.0
TOKEN = re.compile(rb"\beyJ[\w-]{2,2000}\.(eyJ[\w-]{2,8000})\.")
DIGEST_BYTES = 8


class _Headers(msgspec.Struct):
    eta: object = None
    task: object = None
    autoscaler_sent_at: object = None
    stamps: object = None


class _Properties(msgspec.Struct):
    timestamp: object = None


class _Due(msgspec.Struct):
    headers: _Headers | None = None


class _Message(msgspec.Struct):
    headers: _Headers | None = None
    properties: _Properties | None = None
    body: object = None


class _Claims(msgspec.Struct):
    iat: object = None


class _Delivery(msgspec.Struct, array_like=True):
    message: _Due
    exchange: str | None
    routing_key: str | None


_MESSAGE = msgspec.json.Decoder(_Message)
_DELIVERY = msgspec.json.Decoder(_Delivery)
_CLAIMS = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is taken from a waiting message; `source` names who says when it was sent."""

    eta: float | None = None
    sent_at: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a message was sent to: kombu keeps this of a delivered message, not its queue."""

    exchange: str
    routing_key: str


def envelope(raw: bytes, now: float) -> Envelope:
    """Return what a waiting message says; one that is none says nothing, and counts as due."""
    try:
        message = _MESSAGE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Envelope()
    headers = message.headers or _Headers()
    eta = due_time(headers.eta)
    for value, source in _sent(message, headers):
        sent_at = _plausible(value, now)
        if sent_at is not None:
            return Envelope(eta, sent_at, source)
    return Envelope(eta)


def delivery(raw: bytes) -> tuple[Route, float | None] | None:
    """Return the route and the due time of an entry of `unacked`, None for one that is none."""
    try:
        entry = _DELIVERY.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    headers = entry.message.headers
    route = Route(entry.exchange or "", entry.routing_key or "")
    return route, None if headers is None else due_time(headers.eta)


def due_time(eta: object) -> float | None:
    """Return the time that Celery's `headers.eta` names, which is UTC where it does not say."""
    if not isinstance(eta, str):
        return None
    try:
        due = datetime.fromisoformat(eta)
        return (due if due.tzinfo else due.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def digest(raw: bytes) -> bytes:
    """Return what a message can be recognised by, and not read from."""
    return hashlib.blake2b(raw, digest_size=DIGEST_BYTES).digest()


def _sent(message: _Message, headers: _Headers) -> list[tuple[object, str]]:
    """Return who says when the message was sent, the best source first."""
    found: list[tuple[object, str]] = []
    if isinstance(headers.task, str) and headers.task.rpartition(".")[2] == AIRFLOW_TASK:
        found.append((_issued_at(message.body), "Airflow's token"))
    found.append((headers.autoscaler_sent_at, "autoscaler.publish"))
    if isinstance(headers.stamps, dict):
        found.append((_first(headers.stamps.get("autoscaler_sent_at")), "a stamp"))
    if message.properties is not None:
        found.append((message.properties.timestamp, "the message's timestamp"))
    return found


def _first(value: object) -> object:
    """Return what a stamp says: Celery makes a list of it."""
    return value[0] if isinstance(value, list) and value else value


def _plausible(value: object, now: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(float(value), now) if EARLIEST_SENT_AT < value <= now + CLOCK_SKEW_SECONDS else None


def _issued_at(body: object) -> object:
    """Return `iat` of the token in a body of Airflow 3, None where there is none."""
    if not isinstance(body, str) or len(body) > LARGEST_BODY:
        return None
    try:
        token = TOKEN.search(base64.b64decode(body))
        if token is None:
            return None
        claims = token[1]
        return _CLAIMS.decode(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4))).iat
    except (binascii.Error, ValueError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
