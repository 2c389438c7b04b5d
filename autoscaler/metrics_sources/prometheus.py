"""One Prometheus, asked for numbers.

`prometheus-api-client` makes the requests. What it raises quotes whole answers, and what it returns
does not tell a scalar from a vector, nor "no such series" from "nothing": here an answer is one
number or the reason why there is none.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import requests
from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from autoscaler.config.model import PrometheusSettings
from autoscaler.metrics_sources.failure import SourceFailed
from autoscaler.metrics_sources.http import BoundedAdapter, bounded_session, failure

PART = "autoscaler_part"
"""The label that tells the parts of an answer to `parts` from each other."""

OWN_SHARE = 0.8
"""The share of the timeout after which Prometheus gives a query up by itself, and stays usable."""

EXPLAINED = frozenset({400, 422})
"""The statuses of answers in which Prometheus says what is wrong with a query."""
LONGEST_EXPLANATION = 200
FIRST_ERROR = 400


class _Refusal(msgspec.Struct):
    error: str = ""
    errorType: str = ""  # noqa: N815  # Prometheus's own


class _StatusAdapter(BoundedAdapter):
    """Raises `SourceFailed` for an answer that is no success, which the client would quote in full."""

    def send(
        self,
        request: requests.PreparedRequest,
        *_: Any,  # noqa: ANN401  # requests' own
        **options: Any,  # noqa: ANN401  # requests' own
    ) -> requests.Response:
        """Send a request. See `BoundedAdapter`."""
        response = super().send(request, **options)
        if response.status_code >= FIRST_ERROR:
            raise SourceFailed(_refusal(response), reached=True)
        return response


class PrometheusServer:
    """A Prometheus. Safe to use from several threads, of which one asks at a time."""

    def __init__(self, settings: PrometheusSettings, url: str) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        base = url.rstrip("/")
        seconds = settings.timeout_seconds
        verify = settings.ca_file or not settings.insecure_skip_verify
        self._session = bounded_session(base, seconds, verify=verify)
        self._client = PrometheusConnect(
            base, headers={}, session=self._session, retry=Retry(0), timeout=seconds
        )
        self._session.mount(base, _StatusAdapter(seconds))

    def number(self, query: str) -> float:
        """Return the number that a query yields, several added up.

        Raises `SourceFailed` where there is none: no series, not a number, or no answer.
        """
        values = [_value(pair) for _, pair in self._ask(query)]
        if not values:
            raise SourceFailed("the query yields no series", reached=True)
        return _finite(math.fsum(values))

    def parts(self, query: str) -> Mapping[str, float]:
        """Return the numbers that a query yields, by the label `PART` of each; those not finite are left out.

        Raises `SourceFailed` where there is no answer.
        """
        found = {labels.get(PART, ""): _value(pair) for labels, pair in self._ask(query)}
        return {part: value for part, value in found.items() if math.isfinite(value)}

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def _ask(self, query: str) -> list[tuple[Mapping[str, str], Any]]:
        seconds = self._settings.timeout_seconds
        with self._lock:
            self._client.headers = self._headers()
            try:
                result = self._client.custom_query(query, params={"timeout": f"{OWN_SHARE * seconds:.3f}"})
            except requests.JSONDecodeError as error:
                raise SourceFailed("its answer is not one of Prometheus", reached=True) from error
            except requests.RequestException as error:
                raise failure(error, seconds) from error
            except (KeyError, TypeError) as error:
                raise SourceFailed("its answer is not one of Prometheus", reached=True) from error
        return _series(result)

    def _headers(self) -> dict[str, str]:
        lines = (header.partition(":") for header in self._settings.headers)
        headers = {name: value.strip() for name, _, value in lines}
        if self._settings.bearer_file is None:
            return headers
        try:
            token = Path(self._settings.bearer_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceFailed("the file of its bearer token cannot be read", reached=True) from error
        return {**headers, "Authorization": f"Bearer {token}"}


def _series(result: object) -> list[tuple[Mapping[str, str], Any]]:
    """Return labels and (time, text) of each series: a vector's, or the one of a scalar."""
    if not isinstance(result, list):
        raise SourceFailed("its answer is not one of Prometheus", reached=True)
    if len(result) == 2 and not isinstance(result[0], dict):  # noqa: PLR2004  # a time and a value
        return [({}, result)]
    if not all(isinstance(series, dict) for series in result):
        raise SourceFailed("its answer is not one of Prometheus", reached=True)
    if any("value" not in series for series in result):
        raise SourceFailed("the query yields ranges rather than numbers", reached=True)
    return [(series.get("metric", {}), series["value"]) for series in result]


def _value(pair: Any) -> float:  # noqa: ANN401  # as it came
    try:
        return float(pair[1])
    except (TypeError, ValueError, LookupError) as error:
        raise SourceFailed("the query yields something that is no number", reached=True) from error


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise SourceFailed("the query yields a number that is not finite", reached=True)
    return value


def _refusal(response: requests.Response) -> str:
    status = f"answers with status {response.status_code}"
    if response.status_code not in EXPLAINED:
        return status
    try:
        told = msgspec.json.decode(response.content, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return status
    words = "".join(char if char.isprintable() else " " for char in told.error)[:LONGEST_EXPLANATION]
    return f"{status}: {words}" if words else status
