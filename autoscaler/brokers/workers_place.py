"""Where workers are reached: the broker, as a value fit to be a key and safe to be shown.

Remote control and events take any broker that Celery has both on, so RabbitMQ is understood here next
to what `address` reads. A URL of AMQP is taken apart in kombu's way.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from autoscaler.brokers.address import RedisAddress, Tls, parse
from autoscaler.config.model import BrokerSettings
from autoscaler.ports import BrokerUnknown

SCHEMES = {"amqp": False, "pyamqp": False, "amqps": True}
PORTS = {False: 5672, True: 5671}
CODES = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
VERIFY = {name: name for name in CODES} | {f"CERT_{name.upper()}": name for name in CODES}


@dataclass(frozen=True, slots=True)
class AmqpPlace:
    """One virtual host of one RabbitMQ under one set of credentials."""

    host: str
    port: int
    vhost: str
    username: str
    password: str = field(repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"rabbitmq {self.host}:{self.port}/{quote(self.vhost, safe='')}"

    def url(self) -> str:
        """Return the URL for kombu, credentials included: never show it."""
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"amqp://{login}@{host}:{self.port}/{quote(self.vhost, safe='')}"

    def ssl_options(self) -> bool | dict[str, object]:
        """Return the options as py-amqp takes them, False without TLS."""
        if self.tls is None:
            return False
        options: dict[str, object] = {"cert_reqs": CODES[self.tls.verify], "ca_certs": self.tls.ca_certs}
        if self.tls.check_hostname and self.tls.verify != "none":
            options["server_hostname"] = self.host
        if self.tls.certfile:
            options |= {"certfile": self.tls.certfile, "keyfile": self.tls.keyfile}
        return options


Place = RedisAddress | AmqpPlace


def place_of(url: str, settings: BrokerSettings | None = None) -> Place:
    """Return the place that a broker's URL, with its settings, stands for. Raises `BrokerUnknown`."""
    kind, found, rest = url.strip().partition("://")
    if not found or kind.lower() not in SCHEMES:
        return redis_of(url, settings)
    try:
        return _amqp(rest, encrypted=SCHEMES[kind.lower()])
    except ValueError:
        raise BrokerUnknown("the broker's URL cannot be taken apart") from None


def redis_of(url: str, settings: BrokerSettings | None = None) -> RedisAddress:
    """Return the address of a Redis. Raises `BrokerUnknown` for any other broker's URL."""
    address = parse(url, settings)
    if not isinstance(address, RedisAddress):
        raise BrokerUnknown("the broker's URL is not that of a Redis")
    return address


def _amqp(rest: str, *, encrypted: bool) -> AmqpPlace:
    parts = urlsplit(f"http://{rest}")
    if ";" in rest or "," in parts.netloc:
        raise BrokerUnknown("the broker's URL lists several servers; workers are asked through a single one")
    query = dict(parse_qsl(parts.query))
    path = parts.path.removeprefix("/")
    return AmqpPlace(
        host=unquote(parts.hostname or "") or "localhost",
        port=parts.port or PORTS[encrypted],
        vhost=unquote(path) or "/",
        username=unquote(parts.username or "") or "guest",
        password=unquote(parts.password or "") or "guest",
        tls=_tls(query) if encrypted else None,
    )


def _tls(query: dict[str, str]) -> Tls:
    verify = VERIFY.get(query.get("ssl_cert_reqs", "required"))
    if verify is None:
        raise BrokerUnknown("ssl_cert_reqs in the broker's URL is none of required, optional and none")
    return Tls(
        verify=verify,
        check_hostname=query.get("ssl_check_hostname", "true").lower() != "false",
        ca_certs=query.get("ssl_ca_certs"),
        certfile=query.get("ssl_certfile"),
        keyfile=query.get("ssl_keyfile"),
    )
