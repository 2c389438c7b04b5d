"""One question to a PostgreSQL database, through PgBouncer or not, that ends in time.

PgBouncer in transaction mode gives each transaction another server connection: nothing may be
prepared, and nothing set but within the transaction. A server that stops answering in the middle
would hold psycopg up for ever, so the connection is cut when the time is over.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import psycopg
from psycopg.rows import TupleRow

from autoscaler.metrics_sources.failure import SourceFailed

LEAST_CONNECT_SECONDS = 2
"""The least that libpq takes for a limit."""
GRACE_SECONDS = 1.0
"""The time beyond the statement's own timeout before the connection is cut."""
APPLICATION = "celery-autoscaler"
KINDS = frozenset({"postgresql", "postgres"})


def conninfo(url: str) -> str:
    """Return SQLAlchemy's URL of a PostgreSQL as libpq understands it.

    Raises `SourceFailed` for another database; the text repeats nothing of the URL.
    """
    parts = _split(url.strip())
    if parts is None:
        raise SourceFailed("the database's URL cannot be taken apart", reached=True)
    dialect = parts.scheme.partition("+")[0].lower()
    if dialect not in KINDS:
        named = f", not {dialect}" if dialect in {"mysql", "sqlite", "mssql", "oracle"} else ""
        raise SourceFailed(f"only PostgreSQL databases are read{named}", reached=True)
    plain = urlunsplit(parts._replace(scheme="postgresql"))
    try:
        psycopg.conninfo.conninfo_to_dict(plain)
    except psycopg.Error as error:
        raise SourceFailed(
            "the database's URL has something that libpq does not understand", reached=True
        ) from error
    return plain


def server(info: str) -> str:
    """Return the host and port of a conninfo, which all databases of a server have in common."""
    found = psycopg.conninfo.conninfo_to_dict(info)
    return f"{found.get('host', 'localhost')}:{found.get('port', 5432)}"


class ConnectionLost(SourceFailed):
    """The other end has hung up."""

    def __init__(self) -> None:
        super().__init__("the connection was lost", reached=False)


class PostgresLine:
    """The connection to one database, made when it is needed and kept while it works.

    Not safe to use from several threads at once. `seconds` bounds each statement.
    """

    def __init__(self, info: str, seconds: float) -> None:
        self._info = info
        self._seconds = seconds
        self._connection: psycopg.Connection[TupleRow] | None = None

    def ask(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a statement, read in a transaction of its own. Raises `SourceFailed`.

        A connection that was kept may have been closed meanwhile: it is then made anew, once.
        """
        kept = self._connection
        if kept is not None:
            try:
                return self._rows(kept, statement)
            except ConnectionLost:
                self.close()
        return self._rows(self._connect(), statement)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection[TupleRow]:
        limit = max(LEAST_CONNECT_SECONDS, round(self._seconds))
        try:
            connection = psycopg.connect(
                self._info,
                prepare_threshold=None,
                connect_timeout=limit,
                application_name=APPLICATION,
                gssencmode="disable",
            )
        except psycopg.errors.ConnectionTimeout as error:
            raise SourceFailed(f"did not answer within {limit} s", reached=False) from error
        except psycopg.Error as error:
            refused = error.pgconn is not None and bool(error.pgconn.used_password)
            detail = (
                "refused the connection, perhaps for its password" if refused else "cannot be connected to"
            )
            # known at once, and perhaps the fault of this database alone: no reason to spare its server
            raise SourceFailed(detail, reached=True) from error
        connection.read_only = True
        self._connection = connection
        return connection

    def _rows(self, connection: psycopg.Connection[TupleRow], statement: str) -> Sequence[tuple[Any, ...]]:
        limit = _Limit(connection, self._seconds + GRACE_SECONDS)
        try:
            with limit, connection.transaction():
                connection.execute(f"SET LOCAL statement_timeout = {round(self._seconds * 1000)}".encode())
                return connection.execute(statement.encode()).fetchall()
        except psycopg.errors.QueryCanceled as error:
            raise SourceFailed(
                f"did not finish the query within {self._seconds:g} s", reached=True
            ) from error
        except psycopg.Error as error:
            if not (connection.broken or connection.closed):
                raise SourceFailed(_refusal(error), reached=True) from error
            self.close()
            if limit.reached.is_set():
                raise SourceFailed(f"did not answer within {limit.seconds:g} s", reached=False) from error
            raise ConnectionLost from error


class _Limit:
    """Cuts a connection when what is done within takes longer than it may."""

    def __init__(self, connection: psycopg.Connection[TupleRow], seconds: float) -> None:
        self.seconds = seconds
        self.reached = threading.Event()
        self._fileno = connection.fileno()

    def __enter__(self) -> None:
        # the same socket under a number of its own, which is not another's once psycopg has closed it
        self._socket = socket.socket(fileno=os.dup(self._fileno))
        self._timer = threading.Timer(self.seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._socket.close()

    def _cut(self) -> None:
        self.reached.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme else None


def _refusal(error: psycopg.Error) -> str:
    """Return why a statement was refused, by its SQLSTATE: the text may quote anything."""
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return "the user may not read the table"
        case psycopg.errors.UndefinedTable():
            return "it has no such table: is this Airflow's database?"
        case psycopg.errors.UndefinedColumn():
            return "its table lacks a column: Airflow 2.10 or later is needed"
    return f"the query failed (SQLSTATE {error.sqlstate or 'unknown'})"
