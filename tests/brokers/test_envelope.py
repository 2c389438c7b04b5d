"""What is taken from a message, and what is not understood."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.brokers.envelope import Envelope, Route, delivery, digest, due_time, envelope

NOW = 1_800_000_000.0
DUE = datetime.fromtimestamp(NOW + 60, UTC)


def message(
    headers: object = None, properties: object = None, body: object = "W10=", **further: object
) -> bytes:
    """Return a message as it lies in a list."""
    fields = {"body": body, "headers": headers, "properties": properties, **further}
    return json.dumps(fields).encode()


def token(**claims: Any) -> str:
    """Return a token as Airflow 3 makes them, with a signature that is none."""
    parts = ({"alg": "HS512", "typ": "JWT"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def airflow(workload: str, task: str = "execute_workload") -> bytes:
    """Return a message of Airflow's executor."""
    body = base64.b64encode(json.dumps([[workload], {}, {"chain": None}]).encode()).decode()
    return message({"task": task, "eta": None}, {"delivery_tag": "x"}, body)


@pytest.mark.parametrize(
    ("eta", "due"),
    [
        (DUE.isoformat(), NOW + 60),
        ("2027-01-15T09:01:00+01:00", NOW + 60),
        ("2027-01-15T08:01:00", NOW + 60),
        ("2027-01-15T08:01:00Z", NOW + 60),
        ("soon", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("", None),
        (None, None),
        (17, None),
    ],
)
def test_due_times_are_celerys(eta: object, due: float | None) -> None:
    """With an offset, without one (UTC), or not at all."""
    found = due_time(eta)
    assert found == due or (found is not None and found > NOW)
    assert envelope(message({"eta": eta}), NOW).eta == found


@pytest.mark.parametrize(
    ("headers", "properties", "expected"),
    [
        ({"autoscaler_sent_at": NOW - 5.5}, {"timestamp": 1_700_000_000}, (NOW - 5.5, "autoscaler.publish")),
        ({"stamps": {"autoscaler_sent_at": [NOW - 9]}}, None, (NOW - 9, "a stamp")),
        ({}, {"timestamp": 1_700_000_000}, (1_700_000_000.0, "the message's timestamp")),
        ({"autoscaler_sent_at": NOW + 100}, {}, (NOW, "autoscaler.publish")),
        ({"autoscaler_sent_at": NOW + 1000}, {}, (None, "")),
        ({"autoscaler_sent_at": "yesterday"}, {"timestamp": True}, (None, "")),
        ({}, {"timestamp": 1_700_000_000_000}, (None, "")),
        ({}, {"timestamp": -1}, (None, "")),
        (None, None, (None, "")),
    ],
)
def test_the_best_source_says_when_a_message_was_sent(
    headers: object, properties: object, expected: tuple[float | None, str]
) -> None:
    """A time that cannot be is none; a clock that is a little ahead means now."""
    found = envelope(message(headers, properties), NOW)
    assert (found.sent_at, found.source) == expected


def test_of_airflows_token_only_the_time_of_issue_is_taken() -> None:
    """From a workload in the message's body, which is a string in JSON in JSON in base64."""
    workload = json.dumps({"token": token(iat=1_799_999_000, sub="ti"), "ti": {"id": "x"}})
    assert envelope(airflow(workload), NOW) == Envelope(None, 1_799_999_000.0, "Airflow's token")


@pytest.mark.parametrize(
    "raw",
    [
        airflow(json.dumps({"token": token(iat=1_799_999_000)}), task="somebody.elses"),
        airflow(json.dumps({"token": token(exp=1_799_999_000)})),
        airflow(json.dumps({"token": "eyJhbGciOiJIUzUxMiJ9.eyJ.x"})),
        airflow(json.dumps({"token": ""})),
        airflow(json.dumps({"token": token(iat="now")})),
        message({"task": "execute_workload"}, None, "%%%"),
        message({"task": "execute_workload"}, None, ["list"]),
        message({"task": "execute_workload"}, None, "A" * 100_000),
    ],
)
def test_what_is_no_token_of_airflow_says_nothing(raw: bytes) -> None:
    """Nor does one in another task's arguments: those are not looked at."""
    assert envelope(raw, NOW) == Envelope()


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_nothing_in_a_list_or_in_unacked_makes_it_raise(raw: bytes) -> None:
    """What is not understood is due, and of nobody's queue."""
    assert envelope(raw, NOW) == Envelope()
    assert delivery(raw) is None
    assert len(digest(raw)) == 8


def test_deep_nesting_is_not_followed() -> None:
    """Neither parser recurses without end."""
    raw = b'{"headers":{"eta":' + b"[" * 100_000
    assert envelope(raw, NOW) == Envelope()
    assert delivery(b'[{"headers":{"eta":' + b"[" * 100_000) is None


def test_an_entry_of_unacked_has_a_route_and_perhaps_a_due_time() -> None:
    """As kombu writes it, extra fields or a missing exchange included."""
    raw = json.dumps([{"headers": {"eta": DUE.isoformat()}, "body": "secret"}, "shop", "key"]).encode()
    assert delivery(raw) == (Route("shop", "key"), NOW + 60)
    assert delivery(b'[{"headers":{}},null,"q"]') == (Route("", "q"), None)
    assert delivery(b'[{},"","q","more"]') == (Route("", "q"), None)
