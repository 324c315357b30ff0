"""Our tables: numbered SQL files, applied in order under one lock, and never changed once they were released."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from string import Template

from filelock import FileLock
from sqlalchemy import Connection, inspect, text

from wayframe.errors import StoreError
from wayframe.workflow.queue.database import Database

TYPES = {
    "sqlite": {"identity": "integer primary key autoincrement", "time": "integer"},
    "postgresql": {"identity": "bigint generated always as identity primary key", "time": "bigint"},
}
PREFIX = "wf_"
TABLE = "wf_migrations"
_LOCK = 7_310_044_001  # one number for all who migrate this database (pg_advisory_xact_lock)
_FILE = re.compile(r"(\d{4})_[a-z_]+\.sql")
_WORKS_WITH = re.compile(r"-- works_with: (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file. A program that knows the tables up to `works_with` can still work when this one was applied."""

    number: int
    name: str
    digest: str
    works_with: int
    statements: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """How far a database's tables are: the newest migration applied, and the newest one that this program knows.

    `usable` tells whether this program may work on it; `says` is the sentence for the user.
    """

    applied: int
    known: int
    usable: bool
    says: str


@lru_cache(maxsize=1)
def migrations() -> tuple[Migration, ...]:
    """All migrations of this program, in order."""
    folder = resources.files("wayframe.workflow.queue") / "migrations"
    found = []
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        named = _FILE.fullmatch(file.name)
        if named:
            body = file.read_text(encoding="utf-8")
            works_with = _WORKS_WITH.search(body)
            number = int(named.group(1))
            found.append(
                Migration(
                    number=number,
                    name=file.name,
                    digest=hashlib.sha256(body.encode()).hexdigest(),
                    works_with=int(works_with.group(1)) if works_with else number,
                    statements=body,
                )
            )
    return tuple(found)


def migrate(database: Database, *, steps: tuple[Migration, ...] | None = None) -> list[Migration]:
    """Apply what is missing, and give it back; safe when several processes do it at once.

    Raises `StoreError` when an applied file was changed since, or when the database is newer than this program.
    """
    steps = migrations() if steps is None else steps
    with _alone(database) as connection:
        _make_table(connection, database)
        done = _applied(connection)
        _check_history(done, steps=steps)
        missing = [step for step in steps if step.number not in done]
        for step in missing:
            _apply(connection, step, database=database)
    return missing


def state(database: Database, *, steps: tuple[Migration, ...] | None = None) -> SchemaState:
    """How far the database is, without changing it."""
    steps = migrations() if steps is None else steps
    known = steps[-1].number
    with database.reading() as connection:
        done = _applied(connection) if inspect(connection).has_table(TABLE) else {}
    applied = max(done, default=0)
    if applied < known:
        says = f"the database has tables up to {applied}, this program needs {known}: run `wayframe db migrate`"
        return SchemaState(applied=applied, known=known, usable=False, says=says)
    if applied > known:
        usable = _fits(done, known=known)
        says = f"the database has tables up to {applied}, this program knows {known}: " + (
            "it works with them; upgrade wayframe when you can" if usable else "upgrade wayframe here"
        )
        return SchemaState(applied=applied, known=known, usable=usable, says=says)
    _check_history(done, steps=steps)
    return SchemaState(applied=applied, known=known, usable=True, says=f"the tables are up to date ({applied})")


def nothing(says: str) -> SchemaState:
    """The state of a database that is not there yet."""
    return SchemaState(applied=0, known=migrations()[-1].number, usable=False, says=says)


def grant(database: Database, *, role: str) -> None:
    """Let a PostgreSQL role use our tables as they are now; it may look at what was migrated, and not change it."""
    with database.transaction() as connection:
        quote = connection.dialect.identifier_preparer.quote_identifier
        home, name = quote(str(connection.execute(text("select current_schema()")).scalar())), quote(role)
        tables = [table for table in inspect(connection).get_table_names() if table.startswith(PREFIX)]
        connection.exec_driver_sql(f"grant usage on schema {home} to {name}")
        for table in sorted(tables):
            rights = "select" if table == TABLE else "select, insert, update, delete"
            connection.exec_driver_sql(f"grant {rights} on {home}.{quote(table)} to {name}")


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A transaction while no other process migrates: a lock in PostgreSQL, or a file beside the SQLite database."""
    if database.file is None:
        with database.transaction() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            yield connection
        return
    database.file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(database.file.with_name(database.file.name + ".migrate")), database.transaction() as connection:
        yield connection


def _make_table(connection: Connection, database: Database) -> None:
    if not inspect(connection).has_table(TABLE):
        moment = TYPES[database.dialect]["time"]
        connection.execute(
            text(
                f"create table {TABLE} (number integer primary key, name text not null, digest text not null, "
                f"works_with integer not null, applied {moment} not null)"
            )
        )


def _applied(connection: Connection) -> dict[int, tuple[str, int]]:
    """Digest and `works_with` of every migration that was applied, by number."""
    rows = connection.execute(text(f"select number, digest, works_with from {TABLE}"))
    return {int(number): (str(digest), int(works_with)) for number, digest, works_with in rows}


def _check_history(done: dict[int, tuple[str, int]], *, steps: tuple[Migration, ...]) -> None:
    for step in steps:
        if step.number in done and done[step.number][0] != step.digest:
            raise StoreError(f"migration {step.name} was changed after it was applied; install a released wayframe")
    newest, known = max(done, default=0), steps[-1].number
    if not _fits(done, known=known):
        raise StoreError(f"the database has tables up to {newest}, this program knows {known}: upgrade wayframe here")


def _fits(done: dict[int, tuple[str, int]], *, known: int) -> bool:
    """Whether every migration that this program does not know leaves it able to work."""
    return all(works_with <= known for number, (_, works_with) in done.items() if number > known)


def _apply(connection: Connection, step: Migration, *, database: Database) -> None:
    body = Template(step.statements).substitute(TYPES[database.dialect])
    for statement in re.split(r";\s*\n", body):
        if statement.strip():
            connection.exec_driver_sql(statement)
    connection.execute(
        text(f"insert into {TABLE} values (:number, :name, :digest, :works_with, {database.now})"),
        {"number": step.number, "name": step.name, "digest": step.digest, "works_with": step.works_with},
    )
