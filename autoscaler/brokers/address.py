"""What a broker's URL means, as a value that is fit to be a key and safe to be shown.

Two targets share a connection exactly when their URLs name the same server, database, credentials
and TLS options, so a URL is taken apart once, in the way kombu takes it apart, into a frozen value.
Whatever is refused is refused with a reason that repeats nothing of the URL: a mistyped one can
have its password in any place.

A further transport is a further entry in `PARSERS`, and one in the registry's `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from autoscaler.brokers.rabbitmq_address import AMQP_PARSERS, AmqpAddress, together
from autoscaler.brokers.tls import TLS_PARAMETERS, Tls, tls_of
from autoscaler.ports import BrokerUnknown

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 6379
READ_NOW = "this version reads redis://, rediss://, redis+socket://, amqp://, amqps:// and pyamqp://"
NOT_YET = frozenset({"sentinel", "sqs", "redis+sentinel", "redis+cluster", "rediss+cluster"})


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One database of one Redis server under one set of credentials.

    `path` is that of a Unix socket; host and port mean nothing when there is one. The text of an
    address is the name under which readings go.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"redis {self.path}/{self.db}"
        return f"redis {self._netloc}/{self.db}"

    @property
    def _netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def server(self) -> str:
        """What all databases and credentials of one server have in common."""
        return self.path or self._netloc

    def url(self) -> str:
        """Return the URL for kombu, credentials included and TLS options left out: never show it."""
        user = "" if self.username is None else quote(self.username, safe="")
        word = "" if self.password is None else ":" + quote(self.password, safe="")
        login = f"{user}{word}@" if user or word else ""
        if self.path:
            query = urlencode({"virtual_host": self.db})
            return f"redis+socket://{login}{quote(self.path)}?{query}"
        return f"redis://{login}{self._netloc}/{self.db}"


Address = RedisAddress | AmqpAddress


def parse(url: str) -> Address:
    """Return the address that a broker's URL stands for.

    Raises `BrokerUnknown` for a URL that kombu would refuse, and for one of a broker that this
    version cannot read.
    """
    addresses = list(dict.fromkeys(_parse_one(part) for part in url.strip().split(";") if part))
    if not addresses:
        raise BrokerUnknown("the broker's URL is empty")
    amqp = [address for address in addresses if isinstance(address, AmqpAddress)]
    if len(amqp) == len(addresses):
        return together(amqp)
    if len(addresses) > 1:
        raise BrokerUnknown(
            "the broker's URL lists several servers, any of which Celery may be using; "
            "this version reads a single one"
        )
    return addresses[0]


def redis_address(url: str) -> RedisAddress:
    """Return the address that a Redis' URL stands for. Raises `BrokerUnknown` for any other URL."""
    address = parse(url)
    if not isinstance(address, RedisAddress):
        raise BrokerUnknown("the broker's URL is not that of a Redis")
    return address


def _parse_one(url: str) -> Address:
    kind, found, rest = url.partition("://")
    if not found:
        raise BrokerUnknown("the broker's address is not a URL, such as redis://host:6379/0")
    parser = PARSERS.get(kind.lower())
    if parser is None:
        named = f"{kind.lower()}://" if kind.lower() in NOT_YET else "its kind"
        raise BrokerUnknown(f"brokers of {named} are not read yet: {READ_NOW}")
    parts = _split(rest)
    if parts is None:
        raise BrokerUnknown(
            "the broker's URL cannot be taken apart; are special characters of its password "
            "percent-encoded, and is its port a number?"
        )
    return parser(parts)


def _split(rest: str) -> SplitResult | None:
    """Return the parts of a URL without its scheme, None where there is no telling them.

    kombu reads every URL by the rules of http. Python's own errors quote the URL, so they end here.
    """
    try:
        parts = urlsplit(f"http://{rest}")
        unquote(parts.hostname or "").encode("idna")
        _ = parts.port
    except ValueError:
        return None
    return parts


def _plain(parts: SplitResult) -> RedisAddress:
    query = dict(parse_qsl(parts.query))
    tls = _tls(query) if query else None
    return _at_host(parts, tls)


def _encrypted(parts: SplitResult) -> RedisAddress:
    return _at_host(parts, _tls(dict(parse_qsl(parts.query))))


def _at_host(parts: SplitResult, tls: Tls | None) -> RedisAddress:
    username, password = _login(parts)
    return RedisAddress(
        host=unquote(parts.hostname or "") or DEFAULT_HOST,
        port=parts.port or DEFAULT_PORT,
        db=_database(unquote(parts.path.removeprefix("/"))),
        username=username,
        password=password,
        tls=tls,
    )


def _at_socket(parts: SplitResult) -> RedisAddress:
    query = dict(parse_qsl(parts.query))
    db = _database(query.pop("virtual_host", ""))
    _refuse_others(query, "virtual_host")
    path = unquote(parts.path).lstrip("/")
    if not path:
        raise BrokerUnknown(
            "the broker's URL lacks the path of a socket, as in redis+socket:///run/redis.sock"
        )
    username, password = _login(parts)
    return RedisAddress(db=db, username=username, password=password, path=f"/{path}")


def _login(parts: SplitResult) -> tuple[str | None, str | None]:
    return unquote(parts.username or "") or None, unquote(parts.password or "") or None


def _database(text: str) -> int:
    digits = text.removeprefix("/")
    if not digits:
        return 0
    if not (digits.isascii() and digits.isdecimal()):
        raise BrokerUnknown("the path of the broker's URL is not the number of a database")
    return int(digits)


def _tls(query: Mapping[str, str]) -> Tls:
    _refuse_others(query, *TLS_PARAMETERS)
    return tls_of(query)


def _refuse_others(query: Mapping[str, str], *known: str) -> None:
    if "db" in query:
        raise BrokerUnknown(
            "Celery does not take ?db= in a broker's URL: the number of the database is its path, "
            "as in redis://host:6379/1"
        )
    if not query.keys() <= set(known):
        raise BrokerUnknown(
            f"the broker's URL has a parameter other than those understood here: {', '.join(sorted(known))}"
        )


PARSERS: Mapping[str, Callable[[SplitResult], Address]] = MappingProxyType(
    {"redis": _plain, "rediss": _encrypted, "redis+socket": _at_socket, **AMQP_PARSERS}
)
