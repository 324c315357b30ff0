"""The database of the queue: one SQLite file, or PostgreSQL by URL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from wayframe.errors import SpecError, StoreError
from wayframe.files import redact_text
from wayframe.store.home import Home

FILE = "wayframe.db"
LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
BUSY_SECONDS, CONNECT_SECONDS = 30, 10
POOL_SIZE, POOL_OVERFLOW = 5, 5
READS = "wayframe_reads"
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "connect_timeout": CONNECT_SECONDS,
}
"""libpq's words: a peer that is cut off is noticed within about 25 seconds (milliseconds for tcp_user_timeout)."""
NOW = {
    "postgresql": "(extract(epoch from clock_timestamp()) * 1000)::bigint",
    "sqlite": "cast((julianday('now') - 2440587.5) * 86400000 as integer)",
}
"""The database's own clock in milliseconds since 1970: the clocks of workers may differ."""
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


class Database:
    """Where the queue lives. `shown` names it without password; `now` is SQL for its clock in milliseconds."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.dialect = url.get_backend_name()
        self.now = NOW[self.dialect]
        self._engine: Engine | None = None

    @staticmethod
    def at(url: str | None, *, home: Home) -> Database:
        """The database of a URL, or ``wayframe.db`` in the home folder. Raises `SpecError` for another kind of URL.

        A PostgreSQL on another host is asked for TLS (`sslmode=require`) unless the URL says otherwise.
        """
        if not url:
            return Database(URL.create("sqlite", database=str(home.root / FILE)))
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise SpecError("database", "is no URL", redact_text(url), fix=_EXAMPLES) from error
        if parsed.drivername in _POSTGRES:
            return Database(_with_tls(parsed.set(drivername="postgresql+psycopg")))
        if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
            return Database(parsed.set(database=str(Path(str(parsed.database)).expanduser().absolute())))
        raise SpecError("database", "is neither PostgreSQL nor an SQLite file", parsed.drivername, fix=_EXAMPLES)

    @property
    def shown(self) -> str:
        """The URL without password and without what else may be secret in it."""
        return redact_text(self.url.set(password=None).render_as_string())

    @property
    def text(self) -> str:
        """The whole URL, with its password: for drivers only, never to be shown."""
        return self.url.render_as_string(hide_password=False)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database, else None."""
        return Path(str(self.url.database)) if self.dialect == "sqlite" else None

    @property
    def engine(self) -> Engine:
        """The pool of connections; made at first use."""
        if self._engine is None:
            self._engine = _sqlite_engine(self.url) if self.dialect == "sqlite" else _postgres_engine(self.url)
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, committed at the end. Raises `StoreError` when the database cannot be used.

        On SQLite it holds the only right to write from its beginning, so that what it read stays true.
        """
        with self._begun(reads=False) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads, and so waits for nobody. Raises `StoreError` as `transaction` does."""
        with self._begun(reads=True) as connection:
            yield connection

    @contextmanager
    def _begun(self, *, reads: bool) -> Iterator[Connection]:
        try:
            with self.engine.connect().execution_options(**{READS: reads}) as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise StoreError(f"database {self.shown}: {_reason(error)}") from error

    def close(self) -> None:
        """Give back all connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


_EXAMPLES = "expected postgresql://user@host/name or sqlite:////folder/wayframe.db"


def _reason(error: DBAPIError) -> str:
    """The driver's own words, in one line and without secrets."""
    return redact_text(re.sub(r"\s+", " ", str(error.orig)).strip())


def _with_tls(url: URL) -> URL:
    local = (url.host or "") in LOOPBACK
    return url if local or "sslmode" in url.query else url.update_query_dict({"sslmode": "require"})


def _postgres_engine(url: URL) -> Engine:
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={**KEEPALIVES, "application_name": "wayframe"},
    )


def _sqlite_engine(url: URL) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun by us, below
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_SECONDS * 1000}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
