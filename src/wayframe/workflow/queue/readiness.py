"""Whether a database can be worked on, and what makes it so: our tables and DBOS's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import text

from wayframe.errors import SpecError, StoreError
from wayframe.workflow.queue import schema
from wayframe.workflow.queue.adapter import dbos_versions, migrate_dbos
from wayframe.workflow.queue.database import Database

MIGRATE = "wayframe db migrate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How far the tables of a database are; `usable` tells whether this program may work on it, `says` why not."""

    database: str
    usable: bool
    says: str
    applied: int
    known: int
    dbos_applied: int
    dbos_known: int

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return asdict(self)


def check(database: Database) -> Readiness:
    """How far the tables are, without changing anything; a missing SQLite file is not made.

    Raises `StoreError` when the database cannot be reached, or when a migration was changed after it was applied.
    """
    if database.file is not None and not database.file.exists():
        missing = f"there is no {database.file}: run `{MIGRATE}`"
        return _readiness(database, schema.nothing(missing), dbos=(0, 0))
    return _readiness(database, schema.state(database), dbos=dbos_versions(database))


def ready(database: Database, *, may_migrate: bool = False) -> Readiness:
    """Have a database that this program may work on, else raise `StoreError` with what to do.

    An SQLite file belongs to one machine: it is made and upgraded by whoever opens it. PostgreSQL is shared, and is
    upgraded when somebody says so: `wayframe db migrate`, or `may_migrate` (a flag of `up` and `orchestrator`).
    """
    found = check(database)
    if not found.usable:
        if database.file is None and not may_migrate:
            raise StoreError(f"{database.shown}: {found.says}")
        migrate(database)
        found = check(database)
    if not found.usable:
        raise StoreError(f"{database.shown}: {found.says}")
    return found


def migrate(database: Database, *, role: str | None = None) -> list[str]:
    """Make or upgrade all tables, and give the names of our migrations that were applied.

    `role` is a PostgreSQL role that may then work with the tables, and need not be allowed to make any. Raises
    `StoreError` as `schema.migrate` does, and `SpecError` for a role that does not exist.
    """
    if role is not None:
        _check_role(database, role)
    applied = schema.migrate(database)
    migrate_dbos(database, application_role=role)
    if role is not None:
        schema.grant(database, role=role)
    return [step.name for step in applied]


def _check_role(database: Database, role: str) -> None:
    if database.dialect != "postgresql":
        raise SpecError("role", "is for PostgreSQL only", role, fix="leave it out for an SQLite file")
    with database.reading() as connection:
        if not connection.execute(text("select 1 from pg_roles where rolname = :role"), {"role": role}).scalar():
            raise SpecError("role", "does not exist in the database", role, fix="make it first: create role ... login")


def _readiness(database: Database, ours: schema.SchemaState, *, dbos: tuple[int, int]) -> Readiness:
    applied, known = dbos
    behind = ours.usable and applied < known
    says = f"DBOS's tables are at {applied}, this program needs {known}: run `{MIGRATE}`" if behind else ours.says
    return Readiness(
        database=database.shown,
        usable=ours.usable and not behind,
        says=says,
        applied=ours.applied,
        known=ours.known,
        dbos_applied=applied,
        dbos_known=known,
    )
