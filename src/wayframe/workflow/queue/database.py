"""The database of the queue: one SQLite file, or PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from wayframe.errors import SpecError, StoreError, StoreUnavailableError
from wayframe.files import REDACTED, redact_text
from wayframe.store.home import Home

FILE = "wayframe.db"
LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
BUSY_SECONDS, CONNECT_SECONDS = 30, 10
IDLE_SECONDS, STATEMENT_SECONDS = 20, 60
"""PostgreSQL ends the session of a process that was frozen within a transaction: its locks would hold up all others."""
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
_PASSES = frozenset({5, 6, 10, 13, 14})
"""SQLite's codes of what may pass: busy, locked, an error of the disk, a full disk, a file that cannot be opened."""
_MOVED = 1032
"""SQLITE_READONLY_DBMOVED: the file was moved while it was open."""


class Database:
    """Where the queue lives. `shown` names it without password; `now` is SQL for its clock in milliseconds."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.dialect = url.get_backend_name()
        self.now = NOW[self.dialect]
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @staticmethod
    def at(url: str | None, *, home: Home) -> Database:
        """The database of a URL, or ``wayframe.db`` in the home folder. Raises `SpecError` for another kind of URL.

        A PostgreSQL on another host is asked for TLS (`sslmode=require`) unless the URL says otherwise.
        """
        if not url:
            return Database(URL.create("sqlite", database=str(home.root / FILE)))
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:  # the value is not shown: where its password ends is not known
            raise SpecError("database", "is no URL", fix=_EXAMPLES) from error
        if "@" in f"{parsed.host}{parsed.database}" and parsed.drivername in _POSTGRES:
            raise SpecError("database", "has a password that is not escaped", fix="write @ as %40, / as %2F, : as %3A")
        if parsed.drivername in _POSTGRES:
            return Database(_with_tls(parsed.set(drivername="postgresql+psycopg")))
        if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
            return Database(parsed.set(database=str(Path(str(parsed.database)).expanduser().absolute())))
        raise SpecError("database", "is neither PostgreSQL nor an SQLite file", parsed.drivername, fix=_EXAMPLES)

    @property
    def shown(self) -> str:
        """The URL without user, password and what else may be secret in it."""
        url = self.url.set(drivername=self.dialect)._replace(username=None, password=None)
        shown = url.difference_update_query([name for name in url.query if "password" in name.lower()])
        return redact_text(shown.render_as_string())

    @property
    def text(self) -> str:
        """The whole URL for drivers: with its password, so never to be shown, and with what notices a dead peer."""
        url = self.url
        if self.dialect == "postgresql":
            missing = {name: str(value) for name, value in KEEPALIVES.items() if name not in url.query}
            url = url.update_query_dict(missing)
        return url.render_as_string(hide_password=False)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database, else None."""
        return Path(str(self.url.database)) if self.dialect == "sqlite" else None

    @property
    def engine(self) -> Engine:
        """The pool of connections; made at first use."""
        with self._lock:
            if self._engine is None:
                self._engine = _sqlite_engine(self.url) if self.dialect == "sqlite" else _postgres_engine(self.text)
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
    def lasting(self) -> Iterator[Connection]:
        """A transaction in which long pauses are allowed, while this process runs: it gives a sign of life by itself.

        Raises `StoreError` as `transaction` does, at its end when the session was lost meanwhile.
        """
        with self.transaction() as connection, ExitStack() as stack:
            if self.dialect == "postgresql":
                stack.enter_context(_awake(connection))
            yield connection

    @contextmanager
    def _begun(self, *, reads: bool) -> Iterator[Connection]:
        try:
            with self.engine.connect().execution_options(**{READS: reads}) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise self.refusal(error) from error

    def refusal(self, error: SQLAlchemyError) -> StoreError:
        """Our error for one of the driver, in one line and without secrets: retryable when it may pass by itself."""
        kind = StoreUnavailableError if _may_pass(error) else StoreError
        reason = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        if self.url.password:
            reason = reason.replace(str(self.url.password), REDACTED)
        return kind(f"database {self.shown}: {redact_text(' '.join(reason.split()))}")

    def close(self) -> None:
        """Give back all connections."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()


_EXAMPLES = "expected postgresql://user@host/name or sqlite:////folder/wayframe.db"


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether the same statement may succeed later: the database is away, is busy, or its disk is full."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _PASSES or code == _MOVED
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


@contextmanager
def _awake(connection: Connection) -> Iterator[None]:
    """Ask the server something before it takes a session for one whose process is frozen, in a thread."""
    session, over = connection.connection.driver_connection, threading.Event()
    if session is None:
        raise ValueError(connection)

    def ask() -> None:
        with suppress(session.Error):  # it is lost: the next statement, or the commit, says so
            while not over.wait(IDLE_SECONDS / 4):
                session.execute("select 1")

    thread = threading.Thread(target=ask, name="awake", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _with_tls(url: URL) -> URL:
    local = (url.host or "") in LOOPBACK
    return url if local or "sslmode" in url.query else url.update_query_dict({"sslmode": "require"})


def _postgres_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"application_name": "wayframe"},
    )

    @event.listens_for(engine, "connect")
    def _limit(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"set idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        cursor.execute(f"set statement_timeout = '{STATEMENT_SECONDS}s'")
        cursor.close()
        connection.commit()

    return engine


def _sqlite_engine(url: URL) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun by us, below
        for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
