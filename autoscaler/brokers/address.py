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
from autoscaler.config.broker import BrokerSettings
from autoscaler.ports import BrokerUnknown

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379
READ_NOW = (
    "this version reads redis://, rediss://, redis+socket://, sentinel://, amqp://, amqps:// and pyamqp://"
)
NOT_YET = frozenset({"sqs", "redis+sentinel", "redis+cluster", "rediss+cluster"})
SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One database of one Redis server under one set of credentials.

    `path` is that of a Unix socket; host and port mean nothing when there is one. With `sentinels`, as
    (host, port), the server is the one that they say is the master of `master_name`; host and port are
    those of the first of them. The text of an address is the name under which readings go.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    path: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    master_name: str = ""
    sentinel_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.sentinels:
            return f"redis {self.master_name} by {self._sentinels}/{self.db}"
        if self.path:
            return f"redis {self.path}/{self.db}"
        return f"redis {self._netloc}/{self.db}"

    @property
    def _netloc(self) -> str:
        return _netloc(self.host, self.port)

    @property
    def _sentinels(self) -> str:
        return ",".join(_netloc(*place) for place in self.sentinels)

    @property
    def server(self) -> str:
        """What all databases and credentials of one server have in common."""
        if self.sentinels:
            return f"{self.master_name} by {self._sentinels}"
        return self.path or self._netloc

    def url(self) -> str:
        """Return the URL for kombu, credentials included and TLS options left out: never show it."""
        user = "" if self.username is None else quote(self.username, safe="")
        word = "" if self.password is None else ":" + quote(self.password, safe="")
        login = f"{user}{word}@" if user or word else ""
        if self.path:
            query = urlencode({"virtual_host": self.db})
            return f"redis+socket://{login}{quote(self.path)}?{query}"
        if self.sentinels:
            return ";".join(f"sentinel://{login}{_netloc(*place)}/{self.db}" for place in self.sentinels)
        return f"redis://{login}{self._netloc}/{self.db}"

    def transport_options(self) -> dict[str, object]:
        """Return what kombu has to be told beside the URL, the Sentinels' password included."""
        if not self.sentinels:
            return {}
        options: dict[str, object] = {"master_name": self.master_name}
        if self.sentinel_password is not None:
            options["sentinel_kwargs"] = {"password": self.sentinel_password}
        return options


Address = RedisAddress | AmqpAddress


def parse(url: str, settings: BrokerSettings | None = None) -> Address:
    """Return the address that a broker's URL stands for.

    `settings` say what a URL of Sentinels does not. Raises `BrokerUnknown` for a URL that kombu would
    refuse, and for one of a broker that this version cannot read.
    """
    parts = [part for part in url.strip().split(";") if part]
    if parts and all(_kind(part) == SENTINEL for part in parts):
        return _by_sentinels(parts, settings or BrokerSettings())
    if any(_kind(part) == SENTINEL for part in parts):
        raise BrokerUnknown("the broker's URL lists Sentinels together with other servers")
    addresses = list(dict.fromkeys(_parse_one(part) for part in parts))
    if not addresses:
        raise BrokerUnknown("the broker's URL is empty")
    amqp = [address for address in addresses if isinstance(address, AmqpAddress)]
    if len(amqp) == len(addresses):
        return together(amqp)
    if len(addresses) > 1:
        raise BrokerUnknown(
            "the broker's URL lists several servers, any of which Celery may be using; "
            "this version reads a single one, or one that Sentinels name"
        )
    return addresses[0]


def redis_address(url: str, settings: BrokerSettings | None = None) -> RedisAddress:
    """Return the address that a Redis' URL stands for. Raises `BrokerUnknown` for any other URL."""
    address = parse(url, settings)
    if not isinstance(address, RedisAddress):
        raise BrokerUnknown("the broker's URL is not that of a Redis")
    return address


def _kind(url: str) -> str:
    return url.partition("://")[0].lower()


def _by_sentinels(urls: list[str], settings: BrokerSettings) -> RedisAddress:
    """Return the address of a master: as with kombu, the first URL has its credentials and database."""
    parts = [_split_or_refuse(url.partition("://")[2]) for url in urls]
    names = {settings.master_name} if settings.master_name else set()
    for part in parts:
        query = dict(parse_qsl(part.query))
        name = query.pop("master_name", "")
        names |= {name} if name else set()
        _refuse_others(query, "master_name")
    if len(names) != 1:
        raise BrokerUnknown(
            "a URL of Sentinels needs one master_name, in the broker's settings or as ?master_name= in itself"
        )
    places = dict.fromkeys(
        (unquote(part.hostname or "") or DEFAULT_HOST, part.port or DEFAULT_SENTINEL_PORT) for part in parts
    )
    username, password = _login(parts[0])
    databases = [_database(unquote(part.path.removeprefix("/"))) for part in parts]
    if any(database not in {0, databases[0]} for database in databases):
        raise BrokerUnknown(
            "Celery takes the database from the first of several Sentinels in a URL: name it there"
        )
    host, port = next(iter(places))
    return RedisAddress(
        host=host,
        port=port,
        db=databases[0],
        username=username,
        password=password,
        sentinels=tuple(places),
        master_name=names.pop(),
        sentinel_password=settings.sentinel_password,
    )


def _parse_one(url: str) -> Address:
    kind, found, rest = url.partition("://")
    if not found:
        raise BrokerUnknown("the broker's address is not a URL, such as redis://host:6379/0")
    parser = PARSERS.get(kind.lower())
    if parser is None:
        named = f"{kind.lower()}://" if kind.lower() in NOT_YET else "its kind"
        raise BrokerUnknown(f"brokers of {named} are not read yet: {READ_NOW}")
    return parser(_split_or_refuse(rest))


def _split_or_refuse(rest: str) -> SplitResult:
    parts = _split(rest)
    if parts is None:
        raise BrokerUnknown(
            "the broker's URL cannot be taken apart; are special characters of its password "
            "percent-encoded, and is its port a number?"
        )
    return parts


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


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


PARSERS: Mapping[str, Callable[[SplitResult], Address]] = MappingProxyType(
    {"redis": _plain, "rediss": _encrypted, "redis+socket": _at_socket, **AMQP_PARSERS}
)
