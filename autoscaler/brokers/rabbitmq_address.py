"""What the URL of a RabbitMQ means, taken apart in the way kombu takes it apart.

`amqp://`, `pyamqp://` and `amqps://` are understood. The path is the vhost, percent-encoded: `/` is
`amqp://host//` or `amqp://host/%2F`, and no path at all means it too. Several URLs with semicolons
between are the nodes of one cluster, tried in order.

kombu 5.7 breaks on `ssl_…` parameters in an AMQP URL, so Celery's users say these in `broker_use_ssl`.
The daemon has nothing but the URL, so here they are understood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, quote, unquote

from autoscaler.brokers.tls import TLS_PARAMETERS, Tls, tls_of
from autoscaler.ports import BrokerUnknown

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5672
DEFAULT_TLS_PORT = 5671
LOGIN_METHODS = ("PLAIN", "AMQPLAIN", "EXTERNAL")
PARAMETERS = TLS_PARAMETERS | {"heartbeat", "connect_timeout", "login_method"}


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a RabbitMQ."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AmqpAddress:
    """One vhost of one RabbitMQ under one set of credentials.

    `nodes` are tried in order. The text of an address is the name under which readings go.
    """

    nodes: tuple[Node, ...] = (Node(),)
    vhost: str = "/"
    username: str = "guest"
    password: str = field(default="guest", repr=False)
    login_method: str = "PLAIN"
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"rabbitmq {self.server} (vhost {self.vhost})"

    @property
    def server(self) -> str:
        """What all vhosts and credentials of one server have in common."""
        return ", ".join(str(node) for node in self.nodes)

    @property
    def host(self) -> str:
        """The host of the first node."""
        return self.nodes[0].host

    @property
    def port(self) -> int:
        """The port of the first node."""
        return self.nodes[0].port

    @property
    def path(self) -> str:
        """No Unix socket: RabbitMQ has none."""
        return ""

    def url(self) -> str:
        """Return the URL for kombu, credentials included and TLS options left out: never show it."""
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return ";".join(f"pyamqp://{login}@{node}/{quote(self.vhost, safe='')}" for node in self.nodes)

    def ssl(self) -> bool | dict[str, object]:
        """Return what kombu's connection takes as `ssl`."""
        return False if self.tls is None else self.tls.amqp_options(self.host)


def together(addresses: Sequence[AmqpAddress]) -> AmqpAddress:
    """Return the address of a cluster, several nodes of which were named.

    Raises `BrokerUnknown` when they differ in more than the host and its port.
    """
    first = addresses[0]
    if any(replace(address, nodes=first.nodes) != first for address in addresses):
        raise BrokerUnknown(
            "the broker's URL lists several RabbitMQ servers with different vhosts, credentials or "
            "TLS options; they have to be the nodes of one cluster"
        )
    return replace(first, nodes=tuple(node for address in addresses for node in address.nodes))


def _plain(parts: SplitResult) -> AmqpAddress:
    query = _query(parts)
    return _at_host(parts, query, tls_of(query) if TLS_PARAMETERS & query.keys() else None)


def _encrypted(parts: SplitResult) -> AmqpAddress:
    query = _query(parts)
    return _at_host(parts, query, tls_of(query))


def _at_host(parts: SplitResult, query: Mapping[str, str], tls: Tls | None) -> AmqpAddress:
    port = parts.port or (DEFAULT_PORT if tls is None else DEFAULT_TLS_PORT)
    return AmqpAddress(
        nodes=(Node(unquote(parts.hostname or "") or DEFAULT_HOST, port),),
        vhost=unquote(parts.path.removeprefix("/")) or "/",
        username=unquote(parts.username or "") or "guest",
        password=unquote(parts.password or "") or "guest",
        login_method=query.get("login_method", "PLAIN"),
        tls=tls,
    )


def _query(parts: SplitResult) -> dict[str, str]:
    """Return the URL's parameters.

    The heartbeat and the time to connect are the workers' affair: ours follow from the time that a
    read may take.
    """
    query = dict(parse_qsl(parts.query))
    if not query.keys() <= PARAMETERS:
        raise BrokerUnknown(
            "the broker's URL has a parameter other than those understood here: "
            + ", ".join(sorted(PARAMETERS))
        )
    if not _is_number(query.get("heartbeat", "0")):
        raise BrokerUnknown("heartbeat in the broker's URL is not a number of seconds")
    if query.get("login_method", "PLAIN") not in LOGIN_METHODS:
        raise BrokerUnknown(f"login_method in the broker's URL is none of {', '.join(LOGIN_METHODS)}")
    return query


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


AMQP_PARSERS: Mapping[str, Callable[[SplitResult], AmqpAddress]] = MappingProxyType(
    {"amqp": _plain, "pyamqp": _plain, "amqps": _encrypted}
)
